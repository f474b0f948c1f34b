# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The report as one HTML file that needs nothing else: pictures and style are inside of it.

A content security policy in its head forbids any request and any script.
"""

import pathlib
import shlex
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from bench.harness import document, figures, messages, plots, stats, svg
from bench.harness.stats import Benchmark, Summary
from bench.harness.svg import Plot

try:
    import jinja2
    from markupsafe import Markup

    MISSING = None
except ImportError:
    jinja2 = Markup = None
    MISSING = "jinja2 is missing, so there is no page: apt-get install python3-jinja2"

PARTS = pathlib.Path(__file__).absolute().parent / "page"


class Part(NamedTuple):
    """A piece of a section; page.html knows the kinds. A document.Table is one by itself."""

    kind: str
    content: Any
    title: str = ""
    style: str = ""


class Section(NamedTuple):
    """What the contents of the page lead to."""

    name: str
    title: str
    parts: Sequence[Any]


def shortcomings() -> List[str]:
    """What a page lacks on this machine, a line each with what to install."""
    return [note for note in (MISSING, plots.MISSING) if note]


def rendered(title: str, heading: str, origin: Sequence[str], banner: Optional[str],
             sections: Sequence[Section]) -> str:
    templates = jinja2.Environment(loader=jinja2.FileSystemLoader(str(PARTS)), autoescape=True,
                                   trim_blocks=True)
    style = Markup((PARTS / "page.css").read_text(encoding="utf-8"))
    return templates.get_template("page.html").render(
        title=title, heading=heading, origin=origin, banner=banner, sections=sections, style=style)


def write(folder: pathlib.Path, files: Mapping[str, str], drawn: Sequence[Plot]) -> List[str]:
    """The files, whose paths are returned, and each picture as one of its own."""
    pictures = {"svg/%s.svg" % plot.name: plot.alone for plot in drawn}
    (folder / "svg").mkdir(parents=True, exist_ok=True)
    for old in (folder / "svg").glob("*.svg"):  # they would be taken for some of this result
        old.unlink()
    for name, content in {**files, **pictures}.items():
        (folder / name).write_text(content, encoding="utf-8", errors="replace")
    return [str(folder / name) for name in files]


def page(summary: Summary, drawn: Sequence[Plot]) -> str:
    plot_of = {plot.name: Part("figure", plot) for plot in drawn}
    sections = [_overview(summary, plot_of)]
    sections += [_group(summary, index, group, plot_of) for index, group in enumerate(summary.groups)]
    components = document.components(summary.result)
    if components.body:
        said = "Each component by itself, in one process, by Google Benchmark."
        sections.append(Section("components", "Components alone",
                                [Part("lines", [said], style="aside"), components]))
    said = "What each benchmark stresses, and the exact command of each allocator."
    sections.append(Section("rows", "Benchmarks and commands", [
        Part("lines", [said]), *(Part("benchmark", _about(summary, one)) for one in summary.benchmarks)]))
    sections.append(Section("method", "Method", [Part("bullets", messages.METHOD)]))
    sections.append(machine(summary))
    origin = messages.origin(summary.result)
    return rendered("cairn: " + origin, "How cairn compares", [origin],
                    messages.unfinished(summary), sections)


def _overview(summary: Summary, plot_of: Dict[str, Part]) -> Section:
    overall, picture = document.overall(summary), plot_of.get("time-memory")
    return Section("summary", "Summary", [
        Part("lines", messages.leads(summary), style="lead"),
        Part("bullets", messages.notes(summary) + shortcomings(), style="notes"),
        Part("beside", [overall, picture]) if picture else overall,
        *(document.means(summary, measure) for measure in ("time", "peak"))])


def _group(summary: Summary, index: int, group: str, plot_of: Dict[str, Part]) -> Section:
    names = [svg.name_of(group, name) for name in ("time-ratio", "memory-ratio", *summary.series(group))]
    parts: List[Any] = [plot_of.get(name) for name in names]
    for one in filter(stats.phases, summary.in_group(group)):
        parts += [plot_of.get(svg.name_of("resident", one.name)), document.resident(summary, one)]
    parts += [document.matrix(summary, group, measure) for measure in ("time", "peak")]
    parts.append(Part("details", [document.everything(summary, group)],
                      "Every figure: time, CPU, peak and final memory, page faults"))
    return Section("group-%d" % index, messages.GROUPS[group], list(filter(None, parts)))


def _about(summary: Summary, one: Benchmark) -> Dict[str, str]:
    facts = [one.group, *["pinned"] * one.pinned, *["compared by memory alone"] * (one.metric == "memory")]
    return {"anchor": document.anchor(summary, one), "name": one.name, "facts": ", ".join(facts),
            "about": one.about or "It says nothing of itself.", "command": shlex.join(one.command),
            "commands": "\n".join("# %s\n%s" % (name, shlex.join(cell.command))
                                  for name, cell in one.cells.items() if cell.command)}


def run_of(result: Dict[str, Any]) -> List[Any]:
    """What is told of a run, in pairs."""
    changed = ", with changes that are in no commit" if result["dirty"] else ""
    settings = [(key.replace("_", " "), "none" if value is None else str(value))
                for key, value in result["settings"].items()]
    return [("started", result["started"]), ("finished", result["finished"]),
            ("command", shlex.join(result["command"])), ("commit", (result["commit"] or "unknown") + changed),
            ("runs", figures.count(len(result["runs"]))), *settings]


def machine(summary: Summary, *more: Part) -> Section:
    """Where and of what; the last section."""
    return Section("machine", "Machine and versions", [
        Part("pairs", messages.machine(summary.result)), Part("heading", "This run"),
        Part("pairs", run_of(summary.result)), Part("heading", "Versions"), document.allocators(summary), *more])
