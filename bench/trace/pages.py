# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""A replay as one HTML file that opens offline: the page of the bench's own report, with other sections."""

import pathlib
import shlex
from typing import Any, Dict, List

from bench.harness import messages
from bench.harness import page as bench_page
from bench.harness.page import Part, Section
from bench.trace import findings, pictures
from bench.trace.record import command_of

CAPTIONS = {
    "heap": "The area is what is live, a line the resident memory of an allocator beyond that of the prepared "
            "replayer. Sampled in a run of its own; calls are the time.",
    "space": "Each row is a piece of address space in which a block ever lived; pieces in which none did are "
             "left out. The stronger the colour, the fuller the piece. All on one scale: the lower a "
             "picture, the denser the heap; pale rows that stay are memory held by few blocks.",
    "classes": "What malloc_usable_size says for each byte asked for. Ratios above 2, of the smallest sizes, "
               "are in the table. Headers and free blocks are not in here; resident memory has them.",
}


def _sections(result: Dict[str, Any], plot_of: Dict[str, Part]) -> List[Section]:
    reports, commands = findings.wasting(result), {"plan": ["planner", *result["replay"]["planner"]]}
    for run in result["runs"]:
        commands.setdefault(run["subject"], run["command"])
    made = [
        ("times", "Time and memory", [findings.times(result), Part("lines", [findings.LEGEND], style="aside")]),
        ("heap", "The heap", [plot_of.get("heap"), plot_of.get("space")]),
        ("waste", "Waste", [plot_of.get("classes"), findings.waste(reports, merged=False) if reports else None]),
        ("trace", "The trace", [Part("pre", findings.about(result["replay"]["info"]))]),
        ("notes", "Notes", [Part("bullets", result["notes"] + findings.doubts(result) + bench_page.shortcomings())])]
    shown = [Section(name, title, [part for part in parts if part]) for name, title, parts in made]
    exact = Part("pre", "\n".join(map(shlex.join, commands.values())))
    return [one for one in shown if one.parts] + [bench_page.machine(
        findings.replayed(result)[0], Part("details", [exact], "The exact command of each allocator"))]


def write(folder: pathlib.Path, result: Dict[str, Any]) -> List[str]:
    """The page, whose path is returned, and each picture as a file of its own."""
    drawn, files = pictures.draw(result), {}
    plot_of = {plot.name: Part("figure", plot, CAPTIONS[plot.name]) for plot in drawn}
    origin = [findings.headline(result), command_of(result["replay"]["info"], 300), messages.origin(result)]
    if not bench_page.MISSING:
        files["replay.html"] = bench_page.rendered(
            "cairn: replay of " + result["replay"]["trace"], "A recorded program, replayed", origin,
            messages.unfinished(findings.replayed(result)[0]), _sections(result, plot_of))
    return bench_page.write(folder, files, drawn)
