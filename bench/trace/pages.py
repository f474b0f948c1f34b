# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""A replay as one HTML file that opens offline, with the style and the scripts of the bench's own report."""

from __future__ import annotations

import pathlib
import shlex
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from bench.harness import figures, stats, tables, words
from bench.harness import page as bench_page
from bench.harness.svg import Plot
from bench.harness.tables import cell, escape, table, tag, word
from bench.trace import findings, pictures
from bench.trace.findings import Cell

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; \
script-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>%s</title>
<style>
%s</style>
</head>
<body>
<header>%s</header>
<nav aria-label="Sections"><ul>%s</ul></nav>
<main>
%s
</main>
<script>
%s
</script>
</body>
</html>
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


def _cells(row: Sequence[Cell], width: int = 0) -> List[str]:
    made = [word(one.said, one.kind) if index == 0 and one.worth is None
            else cell(one.said, one.worth, one.kind) for index, one in enumerate(row)]
    return made + [cell("")] * (width - len(made))


def _waste(reports: findings.Reports) -> str:
    body = [_cells(row) for row in findings.waste(reports, merged=False)]
    return table("Usable bytes for each byte asked", ["size", "blocks", "asked for", *reports], body, 0, True)


def _commands(result: Mapping[str, Any]) -> str:
    first: Dict[str, List[str]] = {"plan": ["planner", *result["replay"]["planner"]]}
    for run in result["runs"]:
        first.setdefault(run["subject"], run["command"])
    lines = "\n".join(escape(shlex.join(command)) for command in first.values())
    return tag("details", tag("summary", "The exact command of each subject") + tag("pre", lines))


def _figure(plots: Mapping[str, Plot], name: str) -> str:
    if name not in plots:
        return ""
    caption = tag("b", escape(plots[name].title + ".")) + " " + escape(CAPTIONS[name])
    return tag("figure", tag("figcaption", caption) + plots[name].inline)


def shortcomings() -> List[str]:
    """What a page lacks on this machine, a line each with what to install."""
    unsorted = None if bench_page.sorter() else bench_page.NO_SORTER
    return [note for note in (pictures.MISSING, unsorted) if note]


def _sections(result: Dict[str, Any], plots: Mapping[str, Plot]) -> List[Tuple[str, str, str]]:
    settings, reports = result["settings"], findings.wasting(result)
    notes = list(result["notes"]) + findings.doubts(result) + shortcomings()
    times = table("Medians of %s" % figures.plural(settings["rounds"], "round"), findings.HEAD,
                  [_cells(row, len(findings.HEAD)) for row in findings.times(result)])
    run = [("started", result["started"]), ("finished", result["finished"]),
           ("command", shlex.join(result["command"])), ("rounds", str(settings["rounds"])),
           ("touched", settings["touch"]), ("paced", "yes" if settings["paced"] else "no")]
    return [
        ("times", "Time and memory", times + tables.paragraphs([findings.LEGEND], "aside")),
        ("heap", "The heap", _figure(plots, "heap") + _figure(plots, "space")),
        ("waste", "Waste", _figure(plots, "classes") + (_waste(reports) if reports else "")),
        ("trace", "The trace", tag("pre", escape(findings.about(result["replay"]["info"])))),
        ("notes", "Notes", tables.bullets(notes) if notes else ""),
        ("machine", "Machine and versions", tables.machine(result) + tag("h3", "This run")
         + tables.definitions(run) + tag("h3", "Versions") + tables.subjects(stats.summarise(result))
         + _commands(result)),
    ]


def page(result: Dict[str, Any], drawn: Sequence[Plot]) -> str:
    """The whole file."""
    sections = [section for section in _sections(result, {plot.name: plot for plot in drawn}) if section[2]]
    partial = words.unfinished(stats.summarise(result))
    header = (tag("h1", "A recorded program, replayed") + tag("p", escape(findings.headline(result)), class_="lead")
              + tag("p", tag("code", escape(findings.program(result["replay"]["info"], 300))), class_="origin")
              + tag("p", escape(words.origin(result)), class_="origin"))
    banner = tag("p", escape(partial), class_="banner", role="status") if partial else ""
    scripts = [bench_page.sorter(), (bench_page.PARTS / "page.js").read_text(encoding="utf-8")]
    return PAGE % (
        escape("cairn: replay of %s" % result["replay"]["trace"]),
        (bench_page.PARTS / "page.css").read_text(encoding="utf-8"), header,
        "".join(tag("li", tag("a", escape(title), href="#" + name)) for name, title, _ in sections),
        banner + "\n".join(tag("section", tag("h2", escape(title), id=name) + "\n" + inside)
                           for name, title, inside in sections),
        "\n".join(script for script in scripts if script).replace("</script", "<\\/script"))


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
