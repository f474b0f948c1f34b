# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""What the runs of a replay say: a line for each subject, the waste of each class of sizes, and both as text."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from bench.harness import figures
from bench.harness.stats import Sample


@dataclasses.dataclass(frozen=True)
class Line:
    """One subject over all of its rounds."""

    subject: str
    error: Optional[str]
    time: Optional[Sample]
    peak_kib: Optional[Sample]
    waste: Optional[Sample]
    end_kib: Optional[Sample]


def _sample(runs: Sequence[Mapping[str, Any]], name: str) -> Optional[Sample]:
    values = [run["extra"].get(name) if name != "seconds" else run["seconds"] for run in runs]
    known = sorted(value for value in values if value is not None)
    return Sample(tuple(known)) if known else None


def line_of(subject: str, runs: Sequence[Mapping[str, Any]]) -> Line:
    """The medians of a subject; of one that failed, why."""
    own = [run for run in runs if run["subject"] == subject]
    errors = [run["error"] for run in own if not run["ok"]]
    if errors or not own:
        return Line(subject, errors[0] if errors else "was not run", None, None, None, None)
    return Line(subject, None, _sample(own, "seconds"), _sample(own, "peak_resident_kib"), _sample(own, "waste"),
                _sample(own, "end_resident_kib"))


def lines_of(result: Mapping[str, Any]) -> List[Line]:
    """A line for each subject, in the order of the result."""
    return [line_of(subject["name"], result["runs"]) for subject in result["subjects"]]


def best_time(lines: Sequence[Line], kinds: Mapping[str, str]) -> Optional[float]:
    """The smallest median among those that free."""
    times = [line.time.median for line in lines if line.time and kinds[line.subject] != "floor"]
    return min(times, default=None)


# --- classes of sizes ---

@dataclasses.dataclass(frozen=True)
class SizeClass:
    """Sizes from (exclusive) to (inclusive), and what each subject made of them: usable bytes for each one asked."""

    from_bytes: int
    to_bytes: int
    blocks: int
    asked_bytes: int
    usable: Mapping[str, float]


def _power_of_two(to_bytes: int) -> int:
    return 1 << max(to_bytes - 1, 0).bit_length()


def size_classes(reports: Mapping[str, Mapping[str, Any]], merged: bool) -> List[SizeClass]:
    """The classes that occur; merged: whole powers of two."""
    sums: Dict[int, Dict[str, List[int]]] = {}
    for subject, report in reports.items():
        for _, to_bytes, blocks, asked, usable in report["classes"]:
            key = _power_of_two(to_bytes) if merged else to_bytes
            into = sums.setdefault(key, {}).setdefault(subject, [0, 0, 0])
            for index, value in enumerate((blocks, asked, usable)):
                into[index] += value
    found, last = [], 0
    for key in sorted(sums):
        blocks, asked, _ = max(sums[key].values())
        usable = {name: values[2] / values[1] for name, values in sums[key].items() if values[1]}
        lower = (key // 2 if key > 1 else 0) if merged else last
        found.append(SizeClass(lower, key, blocks, asked, usable))
        last = key
    return found


def total_class(reports: Mapping[str, Mapping[str, Any]]) -> Dict[str, float]:
    """Usable bytes for each byte asked, over all sizes."""
    totals = {}
    for subject, report in reports.items():
        asked = sum(entry[3] for entry in report["classes"])
        if asked:
            totals[subject] = sum(entry[4] for entry in report["classes"]) / asked
    return totals


def size_of(value: int) -> str:
    """The end of a class, short and exact: it is never more than four digits of its unit."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            return "%g %s" % (value, unit)
        value = value // 1024 if value % 1024 == 0 else value / 1024
    return str(value)


# --- text ---

def columns(rows: Sequence[Sequence[str]]) -> List[str]:
    """Rows of words with the first column to the left, the others to the right."""
    widths = [max(len(row[index]) for row in rows if index < len(row)) for index in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("  ".join(cells).rstrip())
    return lines


HEAD = ("subject", "time", "spread", "x best", "peak", "x live", "end")


def cells_of(line: Line, best_s: Optional[float]) -> Tuple[str, ...]:
    """What the table says of a subject that did not fail."""
    def kib(sample: Optional[Sample]) -> str:
        return figures.kib(sample.median) if sample else figures.NOTHING
    assert line.time is not None
    return (line.subject, figures.seconds(line.time.median),
            figures.percent(line.time.spread) if line.time.count > 1 else figures.NOTHING,
            figures.ratio(line.time.median / best_s) if best_s else figures.NOTHING, kib(line.peak_kib),
            figures.ratio(line.waste.median) if line.waste else figures.NOTHING, kib(line.end_kib))


def time_table(result: Mapping[str, Any]) -> List[str]:
    """Time and memory of each subject; failures below."""
    lines = lines_of(result)
    kinds = {subject["name"]: subject["kind"] for subject in result["subjects"]}
    best_s = best_time(lines, kinds)
    rows = [HEAD] + [cells_of(line, best_s) for line in lines if line.error is None]
    failed = ["%s: %s" % (line.subject, line.error) for line in lines if line.error is not None]
    return (columns(rows) if len(rows) > 1 else []) + failed


def waste_table(reports: Mapping[str, Mapping[str, Any]]) -> List[str]:
    """Usable bytes for each byte asked, by powers of two."""
    names = list(reports)
    rows = [["size to", "blocks"] + names]
    for entry in size_classes(reports, merged=True):
        rows.append([size_of(entry.to_bytes), figures.count(entry.blocks)]
                    + [figures.ratio(entry.usable.get(name)) for name in names])
    totals = total_class(reports)
    rows.append(["all", ""] + [figures.ratio(totals.get(name)) for name in names])
    return columns(rows)


def headline(result: Mapping[str, Any]) -> str:
    """What was replayed, in one line."""
    info = result["replay"]["info"]
    return "%s: %s, %s, at most %s live, %s" % (
        result["replay"]["trace"], figures.plural(info["events"], "event"), figures.plural(info["threads"], "thread"),
        figures.kib(info["peak_live_bytes"] / 1024), figures.plural(result["settings"]["rounds"], "round"))


def text(result: Mapping[str, Any]) -> str:
    """The whole, for a terminal."""
    reports = result["replay"]["reports"]
    parts = [[headline(result), "  " + " ".join(result["replay"]["info"]["command"])], time_table(result),
             ["peak and end: memory beyond that of the prepared replayer; x live: peak over the most live bytes."]]
    if reports:
        parts.append(["usable bytes for each byte asked, by size of the block"] + waste_table(reports))
    parts.append(["note: " + note for note in result["notes"]])
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"
