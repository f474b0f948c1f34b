# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""A replay as one HTML file that opens offline, with the style and the scripts of the bench's own report."""

from __future__ import annotations

import pathlib
import shlex
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from bench.harness import figures, stats, tables, words
from bench.harness import page as bench_page
from bench.harness.svg import Plot
from bench.harness.tables import cell, escape, table, tag, word
from bench.trace import findings, pictures
from bench.trace.findings import Line

HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; """ \
    """script-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
"""

CAPTIONS = {
    "heap": "The area is what is live, a line the resident memory of a subject beyond that of the prepared "
            "replayer. Sampled in a run of its own; calls are the time.",
    "space": "Each row is a piece of address space in which a block ever lived; pieces in which none did are "
             "left out. The stronger the colour, the fuller the piece. All on one scale: the lower a "
             "picture, the denser the heap; pale rows that stay are memory held by few blocks.",
    "classes": "What malloc_usable_size says for each byte asked for. Ratios above 2, of the smallest sizes, "
               "are in the table. Headers and free blocks are not in here; resident memory has them.",
}


# --- tables ---

def _time_cells(line: Line, kind: str, best_s: Optional[float]) -> List[str]:
    name = word(line.subject, "word " + kind)
    if line.error is not None or line.time is None:
        failed = cell(str(line.error), kind="failed reason")
        return [name, failed] + [cell("")] * (len(findings.HEAD) - 2)
    samples = (line.time, line.time, line.time, line.peak_kib, line.waste, line.end_kib)
    said = findings.cells_of(line, best_s)[1:]
    made = [cell(one, sample.median if sample else None) for one, sample in zip(said, samples)]
    made[1] = cell(said[1], line.time.spread)
    if line.time.median == best_s:
        made[2] = cell(said[2], best_s, "best")
    return [name] + made


def _times(result: Mapping[str, Any]) -> str:
    lines, kinds = findings.lines_of(result), findings.kinds_of(result)
    best_s = findings.best_time(lines, kinds)
    body = [_time_cells(line, kinds[line.subject], best_s) for line in lines]
    caption = "Medians of %s" % figures.plural(result["settings"]["rounds"], "round")
    return table(caption, findings.HEAD, body) + tables.paragraphs([findings.LEGEND], "aside")


def _bytes(value: int) -> str:
    return "%d B" % value if value < 1024 else figures.kib(value / 1024)


def _sizes(entry: findings.SizeClass) -> str:
    last = findings.size_of(entry.to_bytes)
    if entry.from_bytes + 1 == entry.to_bytes:
        return last
    if entry.from_bytes < 1024:
        return "%d B to %s" % (entry.from_bytes + 1, last)
    return "above %s to %s" % (findings.size_of(entry.from_bytes), last)


def _ratios(usable: Mapping[str, float], names: Sequence[str]) -> List[str]:
    return [cell(figures.ratio(usable.get(name)), usable.get(name)) for name in names]


def _waste(reports: Mapping[str, Mapping[str, Any]]) -> str:
    if not reports:
        return ""
    body = []
    for entry in findings.size_classes(reports, merged=False):
        body.append([cell(_sizes(entry), entry.to_bytes, "word"),
                     cell(figures.count(entry.blocks), entry.blocks),
                     cell(_bytes(entry.asked_bytes), entry.asked_bytes),
                     *_ratios(entry.usable, list(reports))])
    body.append([cell("all", None, "word"), cell(""), cell(""),
                 *_ratios(findings.total_class(reports), list(reports))])
    return table("Usable bytes for each byte asked", ["size", "blocks", "asked for", *reports], body, 0, True)


def _commands(result: Mapping[str, Any]) -> str:
    first: Dict[str, List[str]] = {}
    for run in result["runs"]:
        first.setdefault(run["subject"], run["command"])
    lines = "\n".join(escape(shlex.join(command)) for command in first.values())
    return tag("details", tag("summary", "The exact command of each subject") + tag("pre", lines))


def _figure(plots: Mapping[str, Plot], name: str) -> str:
    if name not in plots:
        return ""
    caption = tag("b", escape(plots[name].title + ".")) + " " + escape(CAPTIONS[name])
    return tag("figure", tag("figcaption", caption) + plots[name].inline)


# --- the page ---

def shortcomings() -> List[str]:
    """What a page lacks on this machine, a line each with what to install."""
    unsorted = None if bench_page.sorter() else bench_page.NO_SORTER
    return [note for note in (pictures.MISSING, unsorted) if note]


def _sections(result: Dict[str, Any], plots: Mapping[str, Plot]) -> List[Tuple[str, str, str]]:
    summary = stats.summarise(result)
    notes = list(result["notes"]) + findings.doubts(result) + shortcomings()
    run = [("started", result["started"]), ("finished", result["finished"]),
           ("command", shlex.join(result["command"])), ("rounds", str(result["settings"]["rounds"])),
           ("touched", result["settings"]["touch"]),
           ("paced", "yes" if result["settings"]["paced"] else "no")]
    return [
        ("times", "Time and memory", _times(result)),
        ("heap", "The heap", _figure(plots, "heap") + _figure(plots, "space")),
        ("waste", "Waste", _figure(plots, "classes") + _waste(findings.wasting(result))),
        ("trace", "The trace", tag("pre", escape(result["replay"]["about"]))),
        ("notes", "Notes", tables.bullets(notes) if notes else ""),
        ("machine", "Machine and versions", tables.machine(result) + tag("h3", "This run")
         + tables.definitions(run) + tag("h3", "Versions") + tables.subjects(summary) + _commands(result)),
    ]


def page(result: Dict[str, Any], drawn: Sequence[Plot]) -> str:
    """The whole file."""
    sections = [section for section in _sections(result, {plot.name: plot for plot in drawn}) if section[2]]
    partial = words.unfinished(stats.summarise(result))
    contents = "".join(tag("li", tag("a", escape(title), href="#" + name))
                       for name, title, _ in sections)
    scripts = [bench_page.sorter(), (bench_page.PARTS / "page.js").read_text(encoding="utf-8")]
    header = "".join((
        tag("h1", "A recorded program, replayed"),
        tag("p", escape(findings.headline(result)), class_="lead"),
        tag("p", tag("code", escape(findings.program(result, 300))), class_="origin"),
        tag("p", escape(words.origin(result)), class_="origin")))
    style = (bench_page.PARTS / "page.css").read_text(encoding="utf-8")
    return "".join((
        HEAD, tag("title", escape("cairn: replay of %s" % result["replay"]["trace"])),
        "\n<style>\n%s</style>\n</head>\n<body>\n" % style, tag("header", header),
        "\n<nav aria-label=\"Sections\">%s</nav>\n<main>\n" % tag("ul", contents),
        tag("p", escape(partial), class_="banner", role="status") if partial else "",
        "\n".join(tag("section", tag("h2", escape(title), id=name) + "\n" + inside)
                  for name, title, inside in sections),
        "\n</main>\n<script>\n%s\n</script>\n</body>\n</html>\n"
        % "\n".join(script for script in scripts if script).replace("</script", "<\\/script")))


def write(folder: pathlib.Path, result: Dict[str, Any]) -> List[pathlib.Path]:
    """The page, and each picture as a file of its own; returns the page and the folder of pictures."""
    drawn = pictures.draw(result)
    home = folder / "svg"
    home.mkdir(parents=True, exist_ok=True)
    # A picture of an earlier replay would be taken for one of this.
    for old in home.glob("*.svg"):
        old.unlink()
    for plot in drawn:
        (home / (plot.name + ".svg")).write_text(plot.alone, encoding="utf-8")
    target = folder / "replay.html"
    target.write_text(page(result, drawn), encoding="utf-8", errors="replace")
    return [target] + [home] * bool(drawn)
