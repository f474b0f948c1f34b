# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The report as one HTML file that needs nothing else: pictures, style and scripts are inside of it.

A content security policy in its head forbids any request, so that a mistake here could not make one.
"""

import pathlib
import shlex
import string
from typing import Dict, List, Optional, Sequence, Tuple

from bench.harness import figures, gbench, handovers, plots, tables, text, words
from bench.harness.stats import RowSummary, Summary
from bench.harness.svg import Plot
from bench.harness.tables import escape, tag

PARTS = pathlib.Path(__file__).absolute().parent / "page"
JAVASCRIPT = pathlib.Path("/usr/share/javascript")
SORTER = ("jquery/jquery.min.js", "jquery-tablesorter/jquery.tablesorter.min.js")
NO_SORTER = (
    "jquery.tablesorter is missing, so the tables do not sort: apt-get install libjs-jquery-tablesorter"
)


def sorter(folder: pathlib.Path = JAVASCRIPT) -> Optional[str]:
    """jQuery and its table sorter, or None where they are not installed."""
    try:
        return "\n".join((folder / name).read_text(encoding="utf-8") for name in SORTER)
    except OSError:
        return None


def page(summary: Summary, drawn: Sequence[Plot], folder: pathlib.Path = JAVASCRIPT) -> str:
    """The whole file."""
    return _Page(summary, drawn, sorter(folder)).html()


class _Page:
    """Collects sections, and with them the contents."""

    def __init__(self, summary: Summary, drawn: Sequence[Plot], script: Optional[str]) -> None:
        self.summary, self.script = summary, script
        self.plots = {plot.name: plot for plot in drawn}
        self.anchors = {row.name: "row-%d" % index for index, row in enumerate(summary.rows)}
        self.sections: List[Tuple[str, str, str]] = []

    def html(self) -> str:
        self._summary()
        for index, group in enumerate(self.summary.groups):
            self._group(index, group)
        self._components()
        self._handovers()
        self._rows()
        self._machine()
        partial = words.unfinished(self.summary)
        script = (PARTS / "page.js").read_text(encoding="utf-8")
        return string.Template((PARTS / "page.html").read_text(encoding="utf-8")).substitute(
            title=escape("cairn: %s" % words.origin(self.summary.result)),
            origin=escape(words.origin(self.summary.result)),
            style=(PARTS / "page.css").read_text(encoding="utf-8"),
            contents="".join(
                tag("li", tag("a", escape(title), href="#" + name)) for name, title, _ in self.sections
            ),
            banner=tag("p", escape(partial), class_="banner", role="status") if partial else "",
            body="\n".join(
                tag("section", tag("h2", escape(title), id=name) + "\n" + inside)
                for name, title, inside in self.sections
            ),
            script="\n".join(part for part in (self.script, script) if part).replace(
                "</script", "<\\/script"
            ),
        )

    def _section(self, name: str, title: str, *inside: str) -> None:
        self.sections.append((name, title, "\n".join(part for part in inside if part)))

    def _figure(self, name: str) -> str:
        plot = self.plots.get(name)
        return tag("figure", tag("figcaption", tag("b", escape(plot.title))) + plot.inline) if plot else ""

    def _summary(self) -> None:
        notes = words.failure_lines(self.summary) + words.warnings(self.summary)
        notes += ["Geometric mean of time, " + line for line in words.missing_lines(self.summary)]
        notes += [note for note in (plots.MISSING, None if self.script else NO_SORTER) if note]
        picture, overall = self._figure("time-memory"), tables.overall(self.summary)
        self._section(
            "summary",
            "Summary",
            tables.paragraphs(words.leads(self.summary), "lead"),
            tag("div", tables.bullets(notes), class_="notes") if notes else "",
            tag("div", overall + picture, class_="beside") if picture else overall,
            tables.means(self.summary, "time"),
            tables.means(self.summary, "peak"),
        )

    def _group(self, index: int, group: str) -> None:
        rows = self.summary.in_group(group)
        names = [plots.name_of(group, "time-ratio"), plots.name_of(group, "memory-ratio")]
        names += [plots.name_of(group, name) for name in plots.series(self.summary, group)]
        parts = [self._figure(name) for name in names] + [self._phases(group)]
        parts += [tables.matrix(self.summary, rows, measure, self.anchors) for measure in ("time", "peak")]
        label = "Every figure: time, CPU, peak and final memory, page faults"
        parts.append(
            tag("details", tag("summary", label) + tables.everything(self.summary, rows, self.anchors))
        )
        self._section("group-%d" % index, words.group_title(group), *parts)

    def _phases(self, group: str) -> str:
        parts = []
        for row, keys in text.phased(self.summary):
            if row.group == group:
                parts.append(self._figure(plots.name_of("resident", row.name)))
                parts.append(tables.resident(self.summary, row, keys, [text.phase_name(key) for key in keys]))
        return "\n".join(parts)

    def _components(self) -> None:
        found = gbench.benchmarks(self.summary.result.get("components"))
        if found:
            self._section(
                "components",
                "Components alone",
                tables.paragraphs(
                    ["Each component by itself, in one process, by Google Benchmark."], "aside"
                ),
                tables.components(found),
            )

    def _handovers(self) -> None:
        part = self.summary.result.get("handovers")
        if handovers.records(part):
            said = (
                "A simulation, not a measurement: how often a lock changes hands on CPUs that this "
                "machine does not have."
            )
            every = tag("details", tag("summary", "Every figure of the simulation") + tables.simulated(part))
            self._section(
                "handovers",
                "Lock handovers (simulated)",
                tag("p", tag("strong", escape(said))),
                tables.paragraphs(handovers.about(part), "aside"),
                self._figure("handovers"),
                every,
            )

    def _rows(self) -> None:
        said = "What each row stresses, and the exact command of each subject."
        self._section(
            "rows", "Rows and commands", tables.paragraphs([said]), *map(self._row, self.summary.rows)
        )

    def _row(self, row: RowSummary) -> str:
        facts = (
            [row.group]
            + (["pinned"] if row.pinned else [])
            + (["compared by memory alone"] if row.metric == "memory" else [])
        )
        commands = "\n".join(
            "# %s\n%s" % (name, shlex.join(map(str, one.command)))
            for name, one in row.cells.items()
            if one.command
        )
        head = tag("h3", escape(row.name), id=self.anchors[row.name])
        about = tag(
            "p",
            escape(row.about or "It says nothing of itself.")
            + " "
            + tag("span", escape("(%s)" % ", ".join(facts)), class_="aside"),
        )
        plain = tag("p", tag("code", escape(shlex.join(map(str, row.command))))) if row.command else ""
        exact = (
            tag("details", tag("summary", "Exact commands") + tag("pre", escape(commands)))
            if commands
            else ""
        )
        return tag("div", head + tag("div", about + plain + exact), class_="row")

    def _machine(self) -> None:
        result = self.summary.result
        settings = [
            (key.replace("_", " "), "none" if value is None else str(value))
            for key, value in result["settings"].items()
        ]
        times = [
            ("started", result.get("started")),
            ("finished", result.get("finished")),
            ("command", shlex.join(map(str, result.get("command") or ()))),
            ("commit", _commit(result)),
            ("runs", figures.count(len(result["runs"]))),
        ]
        self._section("method", "Method", tables.bullets(words.METHOD))
        self._section(
            "machine",
            "Machine and versions",
            tables.machine(result),
            tag("h3", "This run"),
            tables.definitions([(key, str(value)) for key, value in times if value] + settings),
            tag("h3", "Versions"),
            tables.subjects(self.summary),
        )


def _commit(result: Dict[str, object]) -> str:
    return "%s%s" % (
        result.get("commit") or "unknown",
        ", with changes that are in no commit" if result.get("dirty") else "",
    )
