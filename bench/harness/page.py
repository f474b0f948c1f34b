# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The report as one HTML file that needs nothing else: pictures, style and scripts are inside of it.

A content security policy in its head forbids any request, so that a mistake here could not make one.
"""

import pathlib
import shlex
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

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
JAVASCRIPT = pathlib.Path("/usr/share/javascript")
SORTER = ("jquery/jquery.min.js", "jquery-tablesorter/jquery.tablesorter.min.js")
NO_SORTER = "jquery.tablesorter is missing, so the tables do not sort: apt-get install libjs-jquery-tablesorter"


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


def sorter(folder: pathlib.Path = JAVASCRIPT) -> Optional[str]:
    """jQuery and its table sorter, or None where they are not installed."""
    try:
        return "\n".join((folder / name).read_text(encoding="utf-8") for name in SORTER)
    except OSError:
        return None


def shortcomings(folder: pathlib.Path = JAVASCRIPT) -> List[str]:
    """What a page lacks on this machine, a line each with what to install."""
    return [note for note in (MISSING, plots.MISSING, None if sorter(folder) else NO_SORTER) if note]


def rendered(title: str, heading: str, origin: Sequence[str], banner: Optional[str],
             sections: Sequence[Section], folder: pathlib.Path = JAVASCRIPT) -> str:
    templates = jinja2.Environment(loader=jinja2.FileSystemLoader(str(PARTS)), autoescape=True,
                                   trim_blocks=True)
    style, script = ((PARTS / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    script = "\n".join(filter(None, (sorter(folder), script))).replace("</script", "<\\/script")
    return templates.get_template("page.html").render(
        title=title, heading=heading, origin=origin, banner=banner, sections=sections, style=Markup(style),
        script=Markup(script))


def page(summary: Summary, drawn: Sequence[Plot], folder: pathlib.Path = JAVASCRIPT) -> str:
    plot_of = {plot.name: Part("figure", plot) for plot in drawn}
    sections = [_overview(summary, plot_of, folder)]
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
    return rendered("cairn: " + origin, "How cairn compares", [origin], messages.unfinished(summary), sections,
                    folder)


def _overview(summary: Summary, plot_of: Dict[str, Part], folder: pathlib.Path) -> Section:
    overall, picture = document.overall(summary), plot_of.get("time-memory")
    return Section("summary", "Summary", [
        Part("lines", messages.leads(summary), style="lead"),
        Part("bullets", messages.notes(summary) + shortcomings(folder), style="notes"),
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
