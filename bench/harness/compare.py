# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Did this change make it slower? Two results in, the differences that are more than noise out.

    bazel run //bench:compare -- before.json after.json
                                 [--threshold 3%] [--all] [--subject cairn] [--normalise]

What is compared: time, CPU time and peak memory of each row that both results have, for the stacks of cairn
(or for the subjects named), and the components' benchmarks. Shown is what is significant (all pairs
together have a 5 % chance of even one false alarm, see differ.step_down) and above the threshold.

What worked before and fails now is always said. Peers are the control: nobody changed glibc between the two
runs. If it moved, the machine moved.
"""

import argparse
import sys
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple

from bench.harness import differ, figures, gbench, stats
from bench.harness.stats import Summary

COMPARED = {"time": "time", "cpu": "CPU", "peak": "peak"}
COMPONENTS = "components"

# How far the peers may move together before we speak of it.
STEADY = 0.02


@dataclass
class Difference:
    """One measure of one subject in one row, before and after."""

    row: str
    subject: str
    measure: str
    before: Tuple[float, ...]
    after: Tuple[float, ...]
    scale: float = 1.0
    probability: float = 1.0

    @property
    def ratio(self) -> float:
        """Median after over median before, the machine's own drift taken out where that was asked for."""
        return stats.Sample(self.after).median / stats.Sample(self.before).median / self.scale

    @property
    def testable(self) -> bool:
        return min(len(self.before), len(self.after)) >= differ.ROUNDS_FOR_A_TEST

    def shows(self, threshold: float) -> bool:
        """Whether it is significant and large enough."""
        return (
            self.testable
            and self.probability < differ.ALPHA
            and not 1 / (1 + threshold) <= self.ratio <= 1 + threshold
        )

    def verdict(self, threshold: float) -> str:
        if not self.shows(threshold):
            return "same?" if self.testable else "too few"
        if self.measure == "peak":
            return "larger" if self.ratio > 1 else "smaller"
        return "slower" if self.ratio > 1 else "faster"


@dataclass
class Comparison:
    """All differences, and how the peers moved by measure."""

    differences: List[Difference]
    drift: Dict[str, Tuple[float, int]]
    peers: List[str]
    only_before: List[str]
    only_after: List[str]
    broken: List[Tuple[str, str, str]]


def _pairs(before: Summary, after: Summary, subjects: Sequence[str]) -> List[List[Difference]]:
    """A block for each row and subject that both have; its measures come from the same runs."""
    blocks = []
    later = {row.name: row for row in after.rows}
    for row in before.rows:
        for subject in subjects if row.name in later else ():
            old, new = row.cells[subject], later[row.name].cells[subject]
            if old.ok and new.ok:
                made = [
                    Difference(
                        row.name, subject, measure, old.samples[measure].values, new.samples[measure].values
                    )
                    for measure in COMPARED
                    if measure in old.samples
                    and measure in new.samples
                    and row.compares(measure)
                    and old.samples[measure].median
                    and new.samples[measure].median
                ]
                blocks.append([one for one in made if one.before])
    return [block for block in blocks if block]


def _component_pairs(before: Summary, after: Summary) -> List[List[Difference]]:
    later = {one.name: one for one in gbench.benchmarks(after.result.get("components"))}
    blocks = []
    for one in gbench.benchmarks(before.result.get("components")):
        other = later.get(one.name)
        if one.real and one.cpu and other and other.real and other.cpu:
            blocks.append(
                [
                    Difference(one.name, COMPONENTS, "time", one.real.values, other.real.values),
                    Difference(one.name, COMPONENTS, "cpu", one.cpu.values, other.cpu.values),
                ]
            )
    return blocks


def compare(
    before: Summary, after: Summary, subjects: Sequence[str], normalise: bool = False, components: bool = True
) -> Comparison:
    """Everything that can be compared, with its adjusted probability."""
    both = [name for name in before.subjects if name in after.kinds]
    peers = [name for name in both if before.kinds[name] in ("peer", "libc") and name not in subjects]
    controls = [one for block in _pairs(before, after, peers) for one in block]
    drift = {}
    for measure in COMPARED:
        ratios = [one.ratio for one in controls if one.measure == measure]
        drift[measure] = (stats.geometric_mean(ratios) or 1.0, len(ratios))
    blocks = _pairs(before, after, [name for name in subjects if name in both])
    blocks += _component_pairs(before, after) if components else []
    for one in (one for block in blocks for one in block):
        one.scale = drift[one.measure][0] if normalise else 1.0
    _adjust([block for block in blocks if all(one.testable for one in block)])
    mine = [{row.name for row in summary.rows} for summary in (before, after)]
    return Comparison(
        [one for block in blocks for one in block],
        drift,
        peers,
        sorted(mine[0] - mine[1]),
        sorted(mine[1] - mine[0]),
        _broken(before, after, subjects),
    )


def _broken(before: Summary, after: Summary, subjects: Sequence[str]) -> List[Tuple[str, str, str]]:
    """Row, subject and reason of what worked before and fails now."""
    worked = {(row.name, name) for row in before.rows for name in row.cells if row.cells[name].ok}
    return [
        (row.name, name, row.cells[name].reason)
        for row in after.rows
        for name in subjects
        if row.cells[name].failures and (row.name, name) in worked
    ]


def _adjust(blocks: Sequence[Sequence[Difference]]) -> None:
    """Measures that a run or two lack are shuffled by themselves."""
    alike: List[List[Difference]] = []
    for block in blocks:
        by: Dict[Tuple[int, int], List[Difference]] = {}
        for one in block:
            by.setdefault((len(one.before), len(one.after)), []).append(one)
        alike += by.values()
    scaled = [[(one.before, [value / one.scale for value in one.after]) for one in block] for block in alike]
    for block, probabilities in zip(alike, differ.step_down(scaled)):
        for one, probability in zip(block, probabilities):
            one.probability = probability


def unlike(before: Dict[str, Any], after: Dict[str, Any]) -> List[str]:
    """Where the two runs were not made alike."""
    said = []
    for part, keys in (
        ("machine", ("cpu", "cpus", "memory_kib", "kernel", "libc", "thp", "page_bytes", "governor")),
        ("settings", ("rounds", "quick", "filter")),
    ):
        for key in keys:
            old, new = before[part].get(key), after[part].get(key)
            if old != new:
                said.append("%s: %s differs: %s before, %s after" % (part, key, _word(old), _word(new)))
    for name, result in (("before", before), ("after", after)):
        if not result.get("complete", True):
            said.append("the result %s is partial" % name)
    return said


def _word(value: Any) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def render(found: Comparison, threshold: float, everything: bool, normalise: bool) -> List[str]:
    """The lines of the answer, the verdict last."""
    shown = [one for one in found.differences if everything or one.shows(threshold)]
    lines = _table(shown, threshold, found) if shown else []
    if normalise:
        lines.append(
            "divided by the peers' own change: %s"
            % ", ".join(
                "%s %s" % (COMPARED[measure], figures.change(ratio))
                for measure, (ratio, count) in found.drift.items()
                if count
            )
        )
    lines += ["failed: %s, %s: %s" % one for one in found.broken]
    return lines + _overall(found) + [verdict(found, threshold)]


def _overall(found: Comparison) -> List[str]:
    """Each subject over all of its rows together: small changes that no row shows by itself."""
    lines = []
    for name in dict.fromkeys(one.subject for one in found.differences):
        parts = []
        for measure in COMPARED:
            ratios = [one.ratio for one in found.differences if (one.subject, one.measure) == (name, measure)]
            if len(ratios) > 1:
                edges = differ.interval_of_mean(ratios)
                parts.append(
                    "%s %s (%s .. %s)"
                    % (
                        COMPARED[measure],
                        figures.change(stats.geometric_mean(ratios) or 1),
                        *map(figures.change, edges),
                    )
                )
        if parts:
            rows = len({one.row for one in found.differences if one.subject == name})
            lines.append(
                "%s, geometric mean over %s: %s" % (name, figures.plural(rows, "row"), ", ".join(parts))
            )
    return lines


def _table(shown: Sequence[Difference], threshold: float, found: Comparison) -> List[str]:
    head = ("verdict", "row", "subject", "measure", "before", "after", "change", "95 % interval", "p")
    body = [head]
    for one in shown:
        low, high = (edge / one.scale for edge in differ.interval(one.before, one.after))
        body.append(
            (
                one.verdict(threshold),
                one.row,
                one.subject,
                COMPARED[one.measure],
                figures.measured(one.measure, stats.Sample(one.before).median),
                figures.measured(one.measure, stats.Sample(one.after).median),
                figures.change(one.ratio),
                "%s .. %s" % (figures.change(low), figures.change(high)),
                _probability(one),
            )
        )
    wide = [max(len(line[i]) for line in body) for i in range(len(head))]
    return [
        "  ".join(
            word.ljust(wide[i]) if i < 4 else word.rjust(wide[i]) for i, word in enumerate(line)
        ).rstrip()
        for line in body
    ] + [""]


def _probability(one: Difference) -> str:
    return "%.3f" % one.probability if one.testable else "-"


def verdict(found: Comparison, threshold: float) -> str:
    """How many rows went which way: "slower: 2 rows, faster: 1, no difference can be told: 30"."""
    rows: Dict[str, set] = {"slower": set(), "faster": set(), "larger": set(), "smaller": set()}
    quiet = {(one.row, one.subject) for one in found.differences}
    for one in found.differences:
        if one.shows(threshold):
            rows[one.verdict(threshold)].add((one.row, one.subject))
            quiet.discard((one.row, one.subject))
    parts = [(word, len(where)) for word, where in rows.items() if where or word in ("slower", "faster")]
    if found.broken:
        parts.append(("failed", len(found.broken)))
    parts.append(("no difference can be told", len(quiet)))
    first, *rest = parts
    return ", ".join(
        ["%s: %s" % (first[0], figures.plural(first[1], "row"))] + ["%s: %d" % part for part in rest]
    )


def moved(found: Comparison, threshold: float, normalise: bool) -> List[str]:
    """What the peers say of the machine."""
    said = []
    for measure, (ratio, count) in found.drift.items():
        if not count or abs(ratio - 1) <= STEADY or normalise:
            continue
        text = "the peers (%s), which did not change, moved by %s in %s over %s: the machine moved" % (
            figures.listed(found.peers),
            figures.change(ratio),
            COMPARED[measure],
            figures.plural(count, "cell"),
        )
        alike = [
            one
            for one in found.differences
            if one.measure == measure
            and one.shows(threshold)
            and (one.ratio > 1) == (ratio > 1)
            and abs(one.ratio - 1) <= 1.5 * abs(ratio - 1)
        ]
        if alike:
            text += ", and %s below moved no more than that" % figures.plural(len(alike), "difference")
        said.append(text + "; --normalise divides by it")
    if not found.peers:
        said.append("no peer is in both files: a change of the machine would look like a change of cairn")
    return said


def weak(found: Comparison) -> List[str]:
    """What could not be tested, and why."""
    few = sorted({one.row for one in found.differences if not one.testable})
    said = []
    if few:
        said.append(
            "%s with fewer than %d rounds on each side, too few to tell anything: %s"
            % (figures.plural(len(few), "row"), differ.ROUNDS_FOR_A_TEST, figures.listed(few))
        )
    for where, rows in (("before", found.only_before), ("after", found.only_after)):
        if rows:
            said.append("only in the result %s: %s" % (where, figures.listed(rows)))
    return said


def fraction(text: str) -> float:
    """3% or 0.03."""
    try:
        value = float(text.rstrip("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value < 10:
        raise argparse.ArgumentTypeError("not a part like 3%% or 0.03: %s" % text)
    return value


def _options(arguments: Optional[Sequence[str]]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="compare",
        description="Says which differences between two results of the bench are more than noise.",
        epilog="Exit status: 0 nothing became worse, 1 something did, 2 the files cannot be compared.",
    )
    parser.add_argument("before", help="the result of the old state")
    parser.add_argument("after", help="the result of the new state")
    parser.add_argument(
        "--threshold", type=fraction, default=0.03, metavar="PART", help="ignore less (default: 3%%)"
    )
    parser.add_argument("--all", action="store_true", help="show every pair, not the significant ones alone")
    parser.add_argument(
        "--subject", action="append", metavar="NAME", help="compare this one (default: cairn's stacks)"
    )
    parser.add_argument(
        "--normalise", action="store_true", help="divide by how the peers in both files moved"
    )
    return parser.parse_args(arguments)


def _chosen(options: argparse.Namespace, before: Summary, after: Summary) -> List[str]:
    """The subjects to compare; BadResult where there are none."""
    both = [name for name in before.subjects if name in after.kinds]
    for name in options.subject or ():
        if name not in both:
            raise stats.BadResult("no subject %s in both files, which have %s" % (name, figures.listed(both)))
    return list(dict.fromkeys(options.subject or [name for name in both if before.kinds[name] == "stack"]))


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Exit status 0 where nothing became worse, 1 where something did, 2 for bad input."""
    options = _options(arguments)
    try:
        before, after = (stats.summarise(stats.load(path)) for path in (options.before, options.after))
        chosen = _chosen(options, before, after)
        found = compare(before, after, chosen, options.normalise, components=not options.subject)
        if not found.differences and not found.broken:
            raise stats.BadResult("nothing to compare: no row that the same subject did in both files")
    except stats.BadResult as error:
        print("compare: %s" % error, file=sys.stderr)
        return 2
    for warning in (
        unlike(before.result, after.result) + moved(found, options.threshold, options.normalise) + weak(found)
    ):
        print("compare: warning: " + warning, file=sys.stderr)
    print("\n".join(render(found, options.threshold, options.all, options.normalise)))
    worse = [one for one in found.differences if one.shows(options.threshold) and one.ratio > 1]
    return 1 if worse or found.broken else 0


if __name__ == "__main__":
    sys.exit(main())
