# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""A replay as one HTML file that opens offline, with the style of the bench's own report."""

from __future__ import annotations

import pathlib
from typing import Any, List, Mapping, Sequence

from bench.harness import figures
from bench.harness import page as bench_page
from bench.harness.svg import Plot
from bench.harness.tables import cell, escape, table, tag, word
from bench.trace import findings

HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
"""


def _times(result: Mapping[str, Any]) -> str:
    lines = findings.lines_of(result)
    best_s = findings.best_time(lines, {subject["name"]: subject["kind"] for subject in result["subjects"]})
    body = []
    for line in lines:
        if line.error is not None:
            body.append([word(line.subject), cell(line.error)] + [cell("")] * (len(findings.HEAD) - 2))
        else:
            name, *values = findings.cells_of(line, best_s)
            body.append([word(name)] + [cell(value) for value in values])
    return table("Median of %s; memory is beyond that of the prepared replayer; x live: peak over the most live bytes"
                 % figures.plural(result["settings"]["rounds"], "round"), findings.HEAD, body)


def _waste(result: Mapping[str, Any]) -> str:
    reports = result["replay"]["reports"]
    if not reports:
        return ""
    body = []
    for entry in findings.size_classes(reports, merged=False):
        name = "%s to %s" % (findings.size_of(entry.from_bytes + 1), findings.size_of(entry.to_bytes))
        body.append([word(name), cell(figures.count(entry.blocks)), cell(figures.kib(entry.asked_bytes / 1024))]
                    + [cell(figures.ratio(entry.usable.get(subject))) for subject in reports])
    totals = findings.total_class(reports)
    body.append([word("all"), cell(""), cell("")] + [cell(figures.ratio(totals.get(subject))) for subject in reports])
    return table("Usable bytes for each byte asked", ["size", "blocks", "asked for"] + list(reports), body, long=True)


def _figures(plots: Sequence[Plot], prefix: str) -> str:
    return "\n".join(tag("figure", tag("figcaption", escape(plot.title)) + plot.inline)
                     for plot in plots if plot.name.startswith(prefix))


def _section(title: str, inside: str) -> str:
    return tag("section", tag("h2", escape(title)) + inside) if inside else ""


def page(result: Mapping[str, Any], plots: Sequence[Plot]) -> str:
    """The whole file."""
    style = (bench_page.PARTS / "page.css").read_text(encoding="utf-8")
    notes = "".join(tag("li", escape(note)) for note in result["notes"])
    commands: List[str] = [tag("p", escape(" ".join(result["command"])))]
    body = [
        tag("header", tag("h1", "A recorded program, replayed") + tag("p", escape(findings.headline(result)), class_="origin")
            + tag("p", escape(" ".join(result["replay"]["info"]["command"])), class_="origin")),
        _section("Time and memory", _times(result)),
        _section("The heap over time", _figures(plots, "heap") + _figures(plots, "space")),
        _section("Waste by size", _figures(plots, "classes") + _waste(result)),
        _section("Notes", tag("ul", notes) if notes else ""),
        _section("Command", "".join(commands)),
    ]
    return "%s<title>%s</title>\n<style>\n%s</style>\n</head>\n<body>\n%s\n</body>\n</html>\n" % (
        HEAD, escape("cairn: replay of %s" % result["replay"]["trace"]), style, "\n".join(part for part in body if part))


def write(folder: pathlib.Path, result: Mapping[str, Any], plots: Sequence[Plot]) -> List[pathlib.Path]:
    """The page, and each picture as a file of its own."""
    written = [folder / "replay.html"]
    written[0].write_text(page(result, plots), encoding="utf-8")
    for plot in plots:
        written.append(folder / (plot.name + ".svg"))
        written[-1].write_text(plot.alone, encoding="utf-8")
    return written
