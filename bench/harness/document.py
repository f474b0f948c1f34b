# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The tables of a report, independent of how they are written: text.py, markdown.py and page.html render them."""

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence

from bench.harness import figures, stats
from bench.harness.stats import MEASURES, Benchmark, Sample, Summary


@dataclass(frozen=True)
class Cell:
    """What is read, and what it means.

    Marks: best; unsure (no significant difference from the best); failed; stack, floor (whose it is); h1 to
    h4 (far from the best, and farther).
    """

    text: str
    mark: str = ""
    hint: Optional[str] = None
    link: Optional[str] = None


@dataclass(frozen=True)
class Table:
    """The first columns hold words, the others figures."""

    caption: str
    head: Sequence[str]
    body: Sequence[Sequence[Cell]]
    words: int = 1
    is_long: bool = False


EMPTY = Cell(figures.NOTHING)


def anchor(summary: Summary, benchmark: Benchmark) -> str:
    return "row-%d" % summary.benchmarks.index(benchmark)


def _name(summary: Summary, name: str) -> Cell:
    kind = summary.kinds[name]
    return Cell(name, mark=kind if kind in ("stack", "floor") else "")


def _link(summary: Summary, benchmark: Benchmark) -> Cell:
    return Cell(benchmark.name, link=anchor(summary, benchmark))


def _heat(ratio: Optional[float], kind: str) -> str:
    """The deeper the further from the best."""
    if kind == "floor":
        return "floor"
    deep = sum((ratio or 0) >= limit for limit in (1.1, 1.3, 1.7, 2.5))
    return "h%d" % deep if deep else ""


# --- geometric means ---

def overall(summary: Summary) -> Table:
    """Time and memory over all benchmarks, side by side."""
    order = summary.ranked("time", "stack", "peer", "libc") or summary.ranked("peak", "stack", "peer", "libc")
    order += [name for name in summary.of_kind("floor") if summary.mean(name, "peak").count]
    body = []
    for name in order:
        mean = summary.mean(name, "time")
        lacking = "without " + figures.listed(mean.missing) if mean.missing else None
        body.append([_name(summary, name),
                     Cell(str(mean.count), "failed" if lacking else "", lacking),
                     *(_mean(summary, name, measure, stats.ALL, False)
                       for measure in ("time", "cpu", "peak", "final"))])
    return Table("Geometric means of multiples of the best, over all benchmarks that the allocator did",
                 ["allocator", "benchmarks", "time", "CPU", "peak", "final"], body)


def means(summary: Summary, measure: str) -> Table:
    """Geometric means: all benchmarks first, then each group."""
    groups = [stats.ALL] + summary.groups
    body = [[_name(summary, name), *(_mean(summary, name, measure, group) for group in groups)]
            for name in summary.ranked(measure)]
    return Table("%s: geometric mean of multiples of the best, and over how many benchmarks (! where some lack)"
                 % MEASURES[measure].capitalize(), [MEASURES[measure], *groups], body)


def _mean(summary: Summary, name: str, measure: str, group: str, is_counted: bool = True) -> Cell:
    mean = summary.mean(name, measure, group)
    text, hint = figures.ratio(mean.value), "without " + figures.listed(mean.missing) if mean.missing else None
    if is_counted:
        text += " (%d%s)" % (mean.count, "!" if hint and mean.count else "")
    others = [summary.mean(one, measure, group).value for one in summary.ranked(measure, "stack", "peer", "libc")]
    is_best = mean.value is not None and mean.value == min(filter(None, others), default=None)
    return Cell(text, "best" if is_best else _heat(mean.value, summary.kinds[name]), hint)


# --- a benchmark in a line ---

def matrix(summary: Summary, group: str, measure: str) -> Table:
    """Benchmarks against allocators: multiples of the best, and what the best took."""
    body = []
    for one in filter(lambda one: one.compares(measure), summary.in_group(group)):
        best = one.best_median(measure)
        body.append([_link(summary, one), Cell(figures.measured(measure, best)),
                     *(_ratio(summary, one, name, measure) for name in summary.allocators)])
    return Table("%s: multiples of the best; ~ does not differ significantly from it"
                 % MEASURES[measure].capitalize(), [MEASURES[measure], "best", *summary.allocators], body)


def _ratio(summary: Summary, one: Benchmark, name: str, measure: str) -> Cell:
    cell, ratio, kind = one.cells[name], one.ratio(name, measure), summary.kinds[name]
    if not cell.ok:
        mark = "failed" if cell.failures else ""
        return Cell(mark or figures.NOTHING, mark, cell.reason)
    text, best = figures.ratio(ratio), one.best.get(measure)
    if name == best:
        return Cell(text, "best", "the best of " + one.name)
    if ratio is not None and kind != "floor" and not one.significant(name, measure):
        return Cell(text, "unsure", "no significant difference from %s" % best)
    return Cell(text, _heat(ratio, kind))


def everything(summary: Summary, group: str) -> Table:
    """One line for each benchmark and allocator, with all that was measured."""
    head = ("benchmark|allocator|time|x best|spread|CPU|spread|peak|x best|spread|final|spread|faults|spread")
    body = [[_link(summary, one), _name(summary, name), *_figures(one, name)]
            for one in summary.in_group(group) for name in summary.allocators]
    return Table("Medians; spread is the interquartile range as a part of the median", head.split("|"), body,
                 2, True)


def _figures(one: Benchmark, name: str) -> List[Cell]:
    cell = one.cells[name]
    if not cell.ok:
        return [Cell(cell.reason, "failed" if cell.failures else "")] + [EMPTY] * 11
    cells = []
    for measure in MEASURES:
        cells.append(Cell(figures.measured(measure, cell.median(measure))))
        if measure in ("time", "peak"):
            cells.append(Cell(figures.ratio(one.ratio(name, measure))))
        cells.append(_spread(cell.samples.get(measure)))
    return cells


def _spread(sample: Optional[Sample]) -> Cell:
    return Cell(figures.percent(sample.spread)) if sample else EMPTY


# --- the rest ---

def components(result: Dict[str, Any]) -> Table:
    body = []
    for one in stats.components(result):
        if one.real and one.cpu:
            body.append([Cell(one.name), Cell(figures.seconds(one.real.median)), _spread(one.real),
                         Cell(figures.seconds(one.cpu.median)), Cell(str(one.real.count))])
        else:
            body.append([Cell(one.name), Cell("failed: " + one.error, "failed"), *[EMPTY] * 3])
    return Table("For one iteration: the median of the repetitions",
                 ["component", "time", "spread", "CPU time", "repetitions"], body)


def resident(summary: Summary, one: Benchmark) -> Table:
    keys = stats.phases(one)
    body = [[_name(summary, name), *(Cell(figures.kib(cell.extra.get(key))) for key in keys)]
            for name, cell in one.cells.items() if cell.ok]
    live = [stats.live_kib(one, key) for key in keys]
    if any(value is not None for value in live):
        body.append([Cell("live", "floor"), *(Cell(figures.kib(value), "floor") for value in live)])
    return Table("Resident memory after each phase of %s; live is what the program itself holds" % one.name,
                 ["allocator", *map(stats.phase_name, keys)], body)


def allocators(summary: Summary) -> Table:
    """What was compared, and exactly which build of it."""
    body = [[_name(summary, one["name"]), Cell(one["kind"]), Cell(one["version"] or figures.NOTHING),
             Cell(one["library"] or "the program's own"),
             Cell(" ".join("%s=%s" % pair for pair in one["environment"].items()))]
            for one in summary.result["subjects"]]
    return Table("Allocators", ["allocator", "kind", "version", "library", "environment"], body, 5)
