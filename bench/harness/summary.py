# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""A result as plain Markdown, to be kept beside the source: what looks bad comes first.

    bazel run //bench:summary -- result.json > docs/benchmarks.md
"""

import argparse
import re
import shlex
import sys
from typing import Any, Dict, List, Optional, Sequence

from bench.harness import figures, gbench, handovers, stats, words
from bench.harness.stats import RowSummary, Summary

# From where on a stack's ratio is bad news.
BAD = 1.25
MOST_BAD = 12


def plain(text: Any) -> str:
    """Text that Markdown leaves alone, also inside a table."""
    return re.sub(r"([\\`*_|<>\[\]#~])", r"\\\1", " ".join(str(text).split()))


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> List[str]:
    """A Markdown table; the first column to the left, all others to the right."""
    rule = ["---"] + ["--:"] * (len(head) - 1)
    return ["| %s |" % " | ".join(line) for line in [list(map(plain, head)), rule, *body]] + [""]


def summary(result: Dict[str, Any]) -> str:
    """The whole document."""
    found = stats.summarise(result)
    parts = [
        _head(found),
        _bad(found),
        _means(found),
        _groups(found),
        _components(found),
        _handovers(found),
        _method(found),
    ]
    return "\n".join(line for part in parts for line in part).rstrip() + "\n"


def _head(found: Summary) -> List[str]:
    partial = words.unfinished(found)
    lines = ["# How cairn compares", "", plain(words.origin(found.result)) + ".", ""]
    lines += ["**%s**" % plain(partial), ""] if partial else []
    for sentence in words.leads(found):
        lines += [plain(sentence), ""]
    return lines


def _bad(found: Summary) -> List[str]:
    """Failures, then the rows where a stack is far from the best, the farthest first."""
    lines = ["- " + plain(line) for line in words.failure_lines(found) + words.warnings(found)]
    far = []
    for row in found.rows:
        for name in found.of_kind("stack"):
            for measure in ("time", "peak"):
                ratio = row.ratio(name, measure)
                if ratio and ratio >= BAD and row.told(name, measure):
                    far.append(
                        (
                            ratio,
                            "%s, %s: %s %s times that of %s"
                            % (
                                row.name,
                                name,
                                stats.MEASURES[measure],
                                figures.ratio(ratio),
                                row.best[measure],
                            ),
                        )
                    )
    far.sort(key=lambda one: -one[0])
    lines += ["- " + plain(text) for _, text in far[:MOST_BAD]]
    if len(far) > MOST_BAD:
        lines.append(
            "- %d more at %s times the best or above, in the tables below" % (len(far) - MOST_BAD, BAD)
        )
    return (
        ["## What looks bad", ""]
        + (lines or ["Nothing: no failure, and no row in which a stack is at %s times the best." % BAD])
        + [""]
    )


def _means(found: Summary) -> List[str]:
    lines = [
        "## Geometric means",
        "",
        "Multiples of the best allocator of each row that frees (over how many rows).",
        "",
    ]
    groups = [stats.ALL] + found.groups
    for measure in ("time", "peak"):
        order = found.ranked(measure, "stack", "peer", "libc") + found.ranked(measure, "floor")
        body = [
            [_name(found, name)] + [_mean(found, name, measure, group) for group in groups] for name in order
        ]
        lines += table([stats.MEASURES[measure], *groups], body) if body else []
    lines += ["- " + plain("%s (mean of time)" % line) for line in words.missing_lines(found)]
    return lines + [""]


def _name(found: Summary, name: str) -> str:
    return "**%s**" % plain(name) if found.kinds[name] == "stack" else plain(name)


def _mean(found: Summary, name: str, measure: str, group: str) -> str:
    mean = found.mean(name, measure, group)
    return "%s (%d)" % (figures.ratio(mean.value), mean.rows)


def _groups(found: Summary) -> List[str]:
    lines = []
    for group in found.groups:
        lines += ["## " + plain(words.group_title(group)), ""]
        for measure in ("time", "peak"):
            rows = [row for row in found.in_group(group) if row.compares(measure)]
            body = [
                [plain(row.name), _best(row, measure)]
                + [_ratio(found, row, name, measure) for name in found.subjects]
                for row in rows
            ]
            lines += table([stats.MEASURES[measure], "best", *found.subjects], body) if body else []
    return lines


def _best(row: RowSummary, measure: str) -> str:
    best = row.best.get(measure)
    return figures.measured(measure, row.cells[best].median(measure)) if best else figures.NOTHING


def _ratio(found: Summary, row: RowSummary, name: str, measure: str) -> str:
    if not row.cells[name].ok:
        return "failed" if row.cells[name].failures else figures.NOTHING
    text = figures.ratio(row.ratio(name, measure))
    if name == row.best.get(measure):
        return "**%s**" % text
    sure = found.kinds[name] == "floor" or row.ratio(name, measure) is None or row.told(name, measure)
    return text if sure else text + "\\~"


def _components(found: Summary) -> List[str]:
    each = [one for one in gbench.benchmarks(found.result.get("components"))]
    body = [
        [plain(one.name), figures.seconds(one.real.median), figures.percent(one.real.spread)]
        if one.real
        else [plain(one.name), "failed: " + plain(one.error), figures.NOTHING]
        for one in each
    ]
    return ["## Components alone", ""] + table(["one iteration", "time", "spread"], body) if body else []


def _handovers(found: Summary) -> List[str]:
    """The curves, CPUs to the right."""
    part = found.result.get("handovers")
    drawn = handovers.curves(part)
    if not drawn:
        return []
    xs = sorted({x for curve in drawn for x, _ in curve.points})
    body = [
        [plain("%s, %s, %s" % (curve.lock, curve.shape, curve.shards))]
        + ["%.3g" % dict(curve.points)[x] if x in dict(curve.points) else figures.NOTHING for x in xs]
        for curve in drawn
    ]
    said = (
        "A simulation, not a measurement: handovers per 1000 operations on CPUs that this machine need not "
        "have, with "
        "%s on each." % figures.plural(handovers.threads_per_cpu(handovers.records(part)), "thread")
    )
    head = ["lock, work, shards against CPUs"] + ["%g" % x for x in xs]
    return ["## Lock handovers (simulated)", "", said, ""] + table(head, body)


def _method(found: Summary) -> List[str]:
    lines = ["## Method", ""] + ["- " + plain(line) for line in words.METHOD] + [""]
    lines += [
        "Command: `%s`, %s."
        % (
            shlex.join(map(str, found.result.get("command") or ())).replace("`", "'"),
            figures.plural(found.result["settings"].get("rounds") or 0, "round"),
        ),
        "",
    ]
    lines += ["## Machine and versions", ""] + [
        "- %s: %s" % (plain(name), plain(value)) for name, value in words.machine(found.result)
    ]
    return lines + [
        "- %s: %s" % (plain(one["name"]), plain(one.get("version") or "version unknown"))
        for one in found.result["subjects"]
    ]


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Exit status 0, or 2 when the result cannot be read."""
    parser = argparse.ArgumentParser(prog="summary", description="Prints a result of the bench as Markdown.")
    parser.add_argument("result", help="the JSON file of a run")
    try:
        result = stats.load(parser.parse_args(arguments).result)
    except stats.BadResult as error:
        print("summary: %s" % error, file=sys.stderr)
        return 2
    sys.stdout.write(summary(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
