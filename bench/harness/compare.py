# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Did this change make it slower? Two results in, the differences that are more than noise out.

    bazel run //bench:compare -- before.json after.json
                                 [--threshold 3%] [--all] [--allocator cairn] [--normalise]

Compared are time, CPU time and peak memory of each benchmark that both results have, for the stacks of cairn (or the
allocators named), and the components. Shown is what is significant (significance.step_down) and above the threshold, and
always what worked before and fails now. Peers are the control: if glibc moved, the machine moved.
"""

import collections
import json
import sys
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Sequence, Tuple

from bench.harness import figures, options, significance, stats, text
from bench.harness.document import Cell, Table
from bench.harness.result import BadResult, load
from bench.harness.stats import Sample, Summary

COMPARED = {"time": "time", "cpu": "CPU", "peak": "peak"}
COMPONENTS = "components"
VERDICTS = {"time": ("slower", "faster"), "cpu": ("slower", "faster"), "peak": ("larger", "smaller")}

# How far the peers may move together before it is told.
STEADY = 0.02


@dataclass
class Difference:
    """One measure of one allocator in one benchmark, before and after."""

    benchmark: str
    allocator: str
    measure: str
    before: Sample
    after: Sample
    scale: float = 1.0
    probability: float = 1.0

    @property
    def ratio(self) -> float:
        """Median after over median before, the machine's own drift taken out where that was asked for."""
        return self.after.median / self.before.median / self.scale

    @property
    def is_testable(self) -> bool:
        return min(self.before.count, self.after.count) >= significance.LEAST_REPETITIONS

    def shows(self, threshold: float) -> bool:
        return (self.is_testable and self.probability < significance.ALPHA
                and not 1 / (1 + threshold) <= self.ratio <= 1 + threshold)

    def verdict(self, threshold: float) -> str:
        if not self.shows(threshold):
            return "same?" if self.is_testable else "too few"
        return VERDICTS[self.measure][self.ratio < 1]


@dataclass
class Comparison:
    differences: List[Difference]
    drift: Dict[str, Tuple[float, int]]
    peers: List[str]
    only: Dict[str, List[str]]
    broken: List[Tuple[str, str, str]]


def _pairs(before: Summary, after: Summary, allocators: Sequence[str]) -> Iterator[List[Difference]]:
    """A block for each benchmark and allocator that both have; its measures come from the same runs."""
    later = {one.name: one for one in after.benchmarks}
    for one in before.benchmarks:
        for name in allocators if one.name in later else ():
            old, new = one.cells[name], later[one.name].cells[name]
            yield [Difference(one.name, name, measure, old.samples[measure], new.samples[measure])
                   for measure in COMPARED
                   if one.compares(measure) and old.median(measure) and new.median(measure)]


def _components(before: Summary, after: Summary) -> Iterator[List[Difference]]:
    later = {one.name: one for one in stats.components(after.result)}
    for one in stats.components(before.result):
        other = later.get(one.name)
        if one.real and one.cpu and other and other.real and other.cpu:
            yield [Difference(one.name, COMPONENTS, "time", one.real, other.real),
                   Difference(one.name, COMPONENTS, "cpu", one.cpu, other.cpu)]


def compare(before: Summary, after: Summary, allocators: Sequence[str], normalise: bool = False,
            components: bool = True) -> Comparison:
    """Everything that can be compared, with its adjusted probability."""
    both = [name for name in before.allocators if name in after.kinds]
    peers = [name for name in both if before.kinds[name] in ("peer", "libc") and name not in allocators]
    controls = [one for block in _pairs(before, after, peers) for one in block]
    drift = {}
    for measure in COMPARED:
        ratios = [one.ratio for one in controls if one.measure == measure]
        drift[measure] = (stats.geometric_mean(ratios) or 1.0, len(ratios))
    blocks = [*_pairs(before, after, [name for name in allocators if name in both]),
              *(_components(before, after) if components else ())]
    for one in (one for block in blocks for one in block):
        one.scale = drift[one.measure][0] if normalise else 1.0
    _adjust(blocks)
    names = [{one.name for one in summary.benchmarks} for summary in (before, after)]
    worked = {(one.name, name) for one in before.benchmarks for name in one.cells if one.cells[name].ok}
    broken = [(one.name, name, one.cells[name].reason) for one in after.benchmarks for name in allocators
              if one.cells[name].failures and (one.name, name) in worked]
    return Comparison([one for block in blocks for one in block], drift, peers,
                      {"before": sorted(names[0] - names[1]), "after": sorted(names[1] - names[0])}, broken)


def _adjust(blocks: Sequence[Sequence[Difference]]) -> None:
    """Measures that a run or two lack are shuffled by themselves."""
    alike: List[List[Difference]] = []
    for block in blocks:
        by: Dict[Tuple[int, int], List[Difference]] = {}
        for one in block if all(one.is_testable for one in block) else ():
            by.setdefault((one.before.count, one.after.count), []).append(one)
        alike += by.values()
    scaled = [[(one.before.values, [value / one.scale for value in one.after.values]) for one in block]
              for block in alike]
    for block, probabilities in zip(alike, significance.step_down(scaled)):
        for one, probability in zip(block, probabilities):
            one.probability = probability


# --- what is said ---

def render(found: Comparison, threshold: float, everything: bool, normalise: bool) -> List[str]:
    """The lines of the answer, the verdict last."""
    shown = [one for one in found.differences if everything or one.shows(threshold)]
    lines = text.grid(_table(shown, threshold)) + [""] if shown else []
    if normalise:
        lines.append("divided by the peers' own change: " + ", ".join(
            "%s %s" % (COMPARED[measure], figures.change(ratio))
            for measure, (ratio, count) in found.drift.items() if count))
    lines += ["failed: %s, %s: %s" % one for one in found.broken]
    return lines + list(_overall(found)) + [verdict(found, threshold)]


def _table(shown: Sequence[Difference], threshold: float) -> Table:
    body = []
    for one in shown:
        low, high = (edge / one.scale for edge in significance.interval(one.before.values, one.after.values))
        body.append([Cell(word) for word in (
            one.verdict(threshold), one.benchmark, one.allocator, COMPARED[one.measure],
            figures.measured(one.measure, one.before.median), figures.measured(one.measure, one.after.median),
            figures.change(one.ratio), "%s .. %s" % (figures.change(low), figures.change(high)),
            "%.3f" % one.probability if one.is_testable else figures.NOTHING)])
    head = "verdict|benchmark|allocator|measure|before|after|change|95 % interval|p"
    return Table("", head.split("|"), body, 4)


def _overall(found: Comparison) -> Iterator[str]:
    """Each allocator over all of its benchmarks: small changes that no benchmark shows by itself."""
    for name in dict.fromkeys(one.allocator for one in found.differences):
        mine, parts = [one for one in found.differences if one.allocator == name], []
        for measure in COMPARED:
            ratios = [one.ratio for one in mine if one.measure == measure]
            if len(ratios) > 1:
                edges = significance.interval_of_mean(ratios)
                parts.append("%s %s (%s .. %s)" % (COMPARED[measure], figures.change(
                    stats.geometric_mean(ratios) or 1), *map(figures.change, edges)))
        if parts:
            count = figures.plural(len({one.benchmark for one in mine}), "benchmark")
            yield "%s, geometric mean over %s: %s" % (name, count, ", ".join(parts))


def verdict(found: Comparison, threshold: float) -> str:
    """How many went which way: "slower: 2 benchmarks, faster: 1, no significant difference: 30"."""
    cells = {(one.verdict(threshold) if one.shows(threshold) else "", one.benchmark, one.allocator)
             for one in found.differences}
    counts = collections.Counter(word for word, *_ in cells)
    quiet = {cell[1:] for cell in cells} - {cell[1:] for cell in cells if cell[0]}
    parts = ["slower: " + figures.plural(counts["slower"], "benchmark"), "faster: %d" % counts["faster"]]
    parts += ["%s: %d" % (word, counts[word]) for word in ("larger", "smaller") if counts[word]]
    parts += ["failed: %d" % len(found.broken)] * bool(found.broken)
    return ", ".join(parts + ["no significant difference: %d" % len(quiet)])


def warnings(before: Dict[str, Any], after: Dict[str, Any], found: Comparison, threshold: float,
             normalise: bool) -> Iterator[str]:
    """Where the two runs were not made alike, what the peers say of the machine, and what could not be tested."""
    for part, keys in (("machine", "cpu cpus memory_kib kernel libc thp page_bytes governor"),
                       ("settings", "rounds quick filter")):
        for key in keys.split():
            old, new = (json.dumps(result[part].get(key)).strip('"') for result in (before, after))
            if old != new:
                yield "%s: %s differs: %s before, %s after" % (part, key, old, new)
    for name, result in (("before", before), ("after", after)):
        if not result["complete"]:
            yield "the result %s is partial" % name
        if found.only[name]:
            yield "only in the result %s: %s" % (name, figures.listed(found.only[name]))
    for measure, (ratio, count) in found.drift.items():
        if count and abs(ratio - 1) > STEADY and not normalise:
            alike = sum(one.measure == measure and one.shows(threshold) and (one.ratio > 1) == (ratio > 1)
                        and abs(one.ratio - 1) <= 1.5 * abs(ratio - 1) for one in found.differences)
            yield "the peers (%s), which did not change, moved by %s in %s over %s: the machine moved%s; %s" % (
                figures.listed(found.peers), figures.change(ratio), COMPARED[measure], figures.plural(count, "cell"),
                ", and %s below moved no more than that" % figures.plural(alike, "difference") if alike else "",
                "--normalise divides by it")
    if not found.peers:
        yield "no peer is in both files: a change of the machine would look like a change of cairn"
    few = sorted({one.benchmark for one in found.differences if not one.is_testable})
    if few:
        yield "%s with fewer than %d repetitions on each side, too few to tell anything: %s" % (
            figures.plural(len(few), "benchmark"), significance.LEAST_REPETITIONS, figures.listed(few))


# --- the command ---

_part = options.matched("a part like 3% or 0.03", r"(\d*\.?\d+)(%?)",
                        lambda number, percent: float(number) / (100 if percent else 1))


def _act(arguments: Sequence[str]) -> int:
    parser = options.Parser(
        prog="compare", description="Says which differences between two results of the bench are more than noise.",
        epilog="Exit status: 0 nothing became worse, 1 something did, 2 the files cannot be compared.")
    add = parser.add_argument
    add("before", help="the result of the old state")
    add("after", help="the result of the new state")
    add("--threshold", type=_part, default=0.03, metavar="PART", help="ignore less (default: 3%%)")
    add("--all", action="store_true", help="show every pair, not the significant ones alone")
    add("--allocator", "--subject", action="append", metavar="NAME",
        help="compare this one (default: cairn's stacks)")
    add("--normalise", action="store_true", help="divide by how the peers in both files moved")
    given = parser.parse_args(arguments)
    if significance.MISSING:
        raise BadResult("scipy is missing: apt-get install python3-scipy")
    before, after = (stats.summarise(load(path)) for path in (given.before, given.after))
    both = [name for name in before.allocators if name in after.kinds]
    for name in given.allocator or ():
        if name not in both:
            raise BadResult("no allocator %s in both files, which have %s"
                            % (name, figures.listed(both)))
    stacks = [name for name in both if before.kinds[name] == "stack"]
    chosen = list(dict.fromkeys(given.allocator or stacks))
    found = compare(before, after, chosen, given.normalise, components=not given.allocator)
    if not found.differences and not found.broken:
        raise BadResult("nothing to compare: no benchmark that the same allocator did in both files")
    for warning in warnings(before.result, after.result, found, given.threshold, given.normalise):
        print("compare: warning: " + warning, file=sys.stderr)
    print("\n".join(render(found, given.threshold, given.all, given.normalise)))
    worse = [one for one in found.differences if one.shows(given.threshold) and one.ratio > 1]
    return 1 if worse or found.broken else 0


def main(arguments: Sequence[str]) -> int:
    """Exit status 0 where nothing became worse, 1 where something did, 2 for bad input."""
    return options.run("compare", lambda: _act(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
