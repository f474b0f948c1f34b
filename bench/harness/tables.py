# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The tables of the page, as HTML. Whatever comes from a result is escaped here, at the one place that
makes a cell."""

import html
import math
from typing import Any, Dict, List, Optional, Sequence

from bench.harness import figures, handovers, stats, text, words
from bench.harness.gbench import Benchmark
from bench.harness.stats import MEASURES, RowSummary, Summary


def escape(value: Any) -> str:
    """Text that means itself, also inside of an attribute."""
    return html.escape(str(value), quote=True)


def tag(name: str, inside: str, **attributes: Optional[str]) -> str:
    """An element; `inside` is HTML, attributes are text. A trailing underscore keeps an attribute from
    being a keyword."""
    given = "".join(
        ' %s="%s"' % (key.rstrip("_").replace("_", "-"), escape(value))
        for key, value in attributes.items()
        if value is not None
    )
    return "<%s%s>%s</%s>" % (name, given, inside, name)


def cell(
    said: str, worth: Optional[float] = None, kind: Optional[str] = None, hint: Optional[str] = None
) -> str:
    """A cell of figures: what is read, and what it is sorted by."""
    return tag("td", escape(said), class_=kind, title=hint, data_sort="" if worth is None else "%.9g" % worth)


def word(said: str, kind: str = "word", link: Optional[str] = None) -> str:
    """A cell of words."""
    inside = tag("a", escape(said), href="#" + link) if link else escape(said)
    return tag("td", inside, class_=kind, data_sort=said)


def table(
    caption: str, head: Sequence[str], body: Sequence[Sequence[str]], words_first: int = 1, long: bool = False
) -> str:
    """A sortable table; the first columns hold words, the others figures."""
    heads = "".join(
        tag("th", escape(name), scope="col", class_="word sorter-text" if i < words_first else "sorter-digit")
        for i, name in enumerate(head)
    )
    lines = "\n".join("<tr>%s</tr>" % "".join(cells) for cells in body)
    inside = "%s<thead><tr>%s</tr></thead>\n<tbody>\n%s\n</tbody>" % (
        tag("caption", escape(caption)),
        heads,
        lines,
    )
    return tag("div", tag("table", inside, class_="sortable long" if long else "sortable"), class_="scroll")


def _subject(summary: Summary, name: str) -> str:
    kind = summary.kinds[name]
    return word(name, "word %s" % kind if kind in ("stack", "floor") else "word")


def overall(summary: Summary) -> str:
    """Time and memory over all rows, side by side."""
    order = summary.ranked("time", "stack", "peer", "libc") or summary.ranked("peak", "stack", "peer", "libc")
    order += [name for name in summary.of_kind("floor") if summary.mean(name, "peak").rows]
    measures = ("time", "cpu", "peak", "final")
    body = []
    for name in order:
        mean = summary.mean(name, "time")
        rows = cell(
            str(mean.rows),
            mean.rows,
            "failed" if mean.missing else None,
            "without " + figures.listed(mean.missing) if mean.missing else None,
        )
        body.append(
            [_subject(summary, name), rows]
            + [_mean(summary, name, measure, stats.ALL, counted=False) for measure in measures]
        )
    caption = "Geometric means of multiples of the best, over all rows that the subject did"
    return table(caption, ["subject", "rows", "time", "CPU", "peak", "final"], body) if order else ""


def means(summary: Summary, measure: str) -> str:
    """Geometric means: all rows first, then each group."""
    groups = [stats.ALL] + summary.groups
    order = summary.ranked(measure, "stack", "peer", "libc") + summary.ranked(measure, "floor")
    body = [
        [_subject(summary, name)] + [_mean(summary, name, measure, group) for group in groups]
        for name in order
    ]
    caption = (
        "%s: geometric mean of multiples of the best, and over how many rows (! where some lack)"
        % MEASURES[measure].capitalize()
    )
    return table(caption, ["subject"] + groups, body) if order else ""


def _mean(summary: Summary, name: str, measure: str, group: str, counted: bool = True) -> str:
    mean = summary.mean(name, measure, group)
    hint = "without " + figures.listed(mean.missing) if mean.missing else None
    said = figures.ratio(mean.value)
    if counted:
        said += " (%d%s)" % (mean.rows, "!" if mean.missing and mean.rows else "")
    best = [
        one
        for one in summary.ranked(measure, "stack", "peer", "libc")
        if summary.mean(one, measure, group).value is not None
    ]
    first = min(best, key=lambda one: summary.mean(one, measure, group).value or math.inf, default=None)
    return cell(said, mean.value, "best" if name == first else _heat(mean.value, summary.kinds[name]), hint)


def _heat(ratio: Optional[float], kind: str) -> Optional[str]:
    """The deeper the further from the best."""
    if kind == "floor":
        return "floor"
    if ratio is None or ratio < 1.1:
        return None
    return "h%d" % sum(ratio >= limit for limit in (1.1, 1.3, 1.7, 2.5))


def matrix(summary: Summary, rows: Sequence[RowSummary], measure: str, anchors: Dict[str, str]) -> str:
    """Rows against subjects: multiples of the best, and what the best took."""
    rows = [row for row in rows if row.compares(measure)]
    if not rows:
        return ""
    body = []
    for row in rows:
        best = row.best.get(measure)
        value = row.cells[best].median(measure) if best else None
        cells = [word(row.name, link=anchors[row.name]), cell(figures.measured(measure, value), value)]
        body.append(cells + [_ratio(summary, row, name, measure) for name in summary.subjects])
    caption = "%s: multiples of the best; ~ cannot be told from it" % MEASURES[measure].capitalize()
    return table(caption, ["row", "best"] + summary.subjects, body)


def _ratio(summary: Summary, row: RowSummary, name: str, measure: str) -> str:
    if not row.cells[name].ok:
        return _lost(row, name)
    ratio = row.ratio(name, measure)
    if name == row.best.get(measure):
        return cell(figures.ratio(ratio), ratio, "best", "the best of %s" % row.name)
    if ratio is not None and summary.kinds[name] != "floor" and not row.told(name, measure):
        return cell(figures.ratio(ratio) + "~", ratio, "unsure", "cannot be told from %s" % row.best[measure])
    return cell(figures.ratio(ratio), ratio, _heat(ratio, summary.kinds[name]))


def _lost(row: RowSummary, name: str) -> str:
    """A cell that does not count says why."""
    one = row.cells[name]
    return cell("failed", None, "failed", one.reason) if one.failures else cell("not run", None, "unsure")


def everything(summary: Summary, rows: Sequence[RowSummary], anchors: Dict[str, str]) -> str:
    """One line for each row and subject, with all that was measured."""
    head = [
        "row",
        "subject",
        "time",
        "x best",
        "spread",
        "CPU",
        "spread",
        "peak",
        "x best",
        "spread",
        "final",
        "spread",
        "faults",
        "spread",
    ]
    body = []
    for row in rows:
        for name in summary.subjects:
            body.append(
                [word(row.name, link=anchors[row.name]), _subject(summary, name)] + _figures(row, name)
            )
    return table(
        "Medians; spread is the interquartile range as a part of the median", head, body, 2, long=True
    )


def _figures(row: RowSummary, name: str) -> List[str]:
    one = row.cells[name]
    if not one.ok:
        return [cell(one.reason, None, "failed reason" if one.failures else "unsure")] + [
            cell(figures.NOTHING)
        ] * 11
    cells = []
    for measure in MEASURES:
        sample = one.samples.get(measure)
        value = sample.median if sample else None
        cells.append(cell(figures.measured(measure, value), value))
        if measure in ("time", "peak"):
            ratio = row.ratio(name, measure)
            cells.append(cell(figures.ratio(ratio), ratio))
        spread = sample.spread if sample else None
        cells.append(cell(figures.NOTHING if spread is None else figures.percent(spread), spread))
    return cells


def components(found: Sequence[Benchmark]) -> str:
    """Google Benchmark's results, each the median of its repetitions."""
    body = [
        [
            word(one.name),
            cell(figures.seconds(one.real.median), one.real.median),
            cell(figures.percent(one.real.spread), one.real.spread),
            cell(figures.seconds(one.cpu.median), one.cpu.median),
            cell(str(one.real.count), one.real.count),
        ]
        if one.real
        else [word(one.name), cell(one.error, None, "failed reason")] + [cell(figures.NOTHING)] * 3
        for one in found
    ]
    head = ["benchmark", "time", "spread", "CPU time", "repetitions"]
    return table("For one iteration: the median of the repetitions", head, body)


def simulated(part: Any) -> str:
    """The simulation's records as they are."""
    found = handovers.records(part)
    head = handovers.columns(found)
    texts = [key for key in head if any(isinstance(record.get(key), str) for record in found)]
    head = texts + [key for key in head if key not in texts]
    body = [
        [word(str(record.get(key, ""))) if key in texts else _number(record.get(key)) for key in head]
        for record in found
    ]
    return table(
        "A simulation, not a measurement",
        [key.replace("_", " ") for key in head],
        body,
        len(texts),
        long=True,
    )


def _number(value: Optional[float]) -> str:
    return cell(figures.NOTHING) if value is None else cell("{:,.10g}".format(value), value)


def resident(summary: Summary, row: RowSummary, keys: Sequence[str], names: Sequence[str]) -> str:
    """Resident memory after each phase."""
    body = [
        [_subject(summary, name)]
        + [cell(figures.kib(one.extra.get(key)), one.extra.get(key)) for key in keys]
        for name, one in row.cells.items()
        if one.ok
    ]
    live = [text.live_kib(row, key) for key in keys]
    if any(value is not None for value in live):
        body.append(
            [word("live", "word floor")] + [cell(figures.kib(value), value, "floor") for value in live]
        )
    return table(
        "Resident memory after each phase of the row %s; live is what the program itself holds" % row.name,
        ["subject", *names],
        body,
    )


def subjects(summary: Summary) -> str:
    """What was compared, and exactly which build of it."""
    body = []
    for one in summary.result["subjects"]:
        environment = " ".join("%s=%s" % pair for pair in (one.get("environment") or {}).items())
        body.append(
            [
                _subject(summary, one["name"]),
                word(one["kind"]),
                word(str(one.get("version") or figures.NOTHING)),
                word(str(one.get("library") or "the program's own"), "about"),
                word(environment, "about"),
            ]
        )
    return table("Subjects", ["subject", "kind", "version", "library", "environment"], body, 5)


def definitions(pairs: Sequence[Sequence[str]]) -> str:
    """Names and what they are."""
    return tag("dl", "".join(tag("dt", escape(name)) + tag("dd", escape(value)) for name, value in pairs))


def bullets(lines: Sequence[str]) -> str:
    """A list of sentences."""
    return tag("ul", "".join(tag("li", escape(line)) for line in lines))


def paragraphs(lines: Sequence[str], kind: Optional[str] = None) -> str:
    """Sentences, a paragraph each."""
    return "".join(tag("p", escape(line), class_=kind) for line in lines)


def machine(result: Dict[str, Any]) -> str:
    """The machine."""
    return definitions(words.machine(result))
