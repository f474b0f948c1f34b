# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""What the runs of a replay say: a line for each subject, the waste of each class of sizes; both as text."""

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
    return Line(subject, None, _sample(own, "seconds"), _sample(own, "peak_resident_kib"),
                _sample(own, "waste"), _sample(own, "end_resident_kib"))


def lines_of(result: Mapping[str, Any]) -> List[Line]:
    """A line for each subject, in the order of the result."""
    return [line_of(subject["name"], result["runs"]) for subject in result["subjects"]]


def kinds_of(result: Mapping[str, Any]) -> Dict[str, str]:
    """Subject to kind."""
    return {subject["name"]: subject["kind"] for subject in result["subjects"]}


def best_time(lines: Sequence[Line], kinds: Mapping[str, str]) -> Optional[float]:
    """The smallest median among those that free."""
    times = [line.time.median for line in lines if line.time and kinds[line.subject] != "floor"]
    return min(times, default=None)


# --- classes of sizes ---

@dataclasses.dataclass(frozen=True)
class SizeClass:
    """Sizes from (exclusive) to (inclusive), and each subject's usable bytes for each byte asked."""

    from_bytes: int
    to_bytes: int
    blocks: int
    asked_bytes: int
    usable: Mapping[str, float]


def _power_of_two(to_bytes: int) -> int:
    return 1 << max(to_bytes - 1, 0).bit_length()


def _bounds(from_bytes: int, to_bytes: int, merged: bool) -> Tuple[int, int]:
    if not merged:
        return from_bytes, to_bytes
    upper = _power_of_two(to_bytes)
    return (upper // 2 if upper > 1 else 0), upper


def size_classes(reports: Mapping[str, Mapping[str, Any]], merged: bool) -> List[SizeClass]:
    """The classes that occur; merged: whole powers of two."""
    sums: Dict[Tuple[int, int], Dict[str, List[int]]] = {}
    for subject, report in reports.items():
        for from_bytes, to_bytes, *counted in report["classes"]:
            into = sums.setdefault(_bounds(from_bytes, to_bytes, merged), {}).setdefault(subject, [0, 0, 0])
            for index, value in enumerate(counted):
                into[index] += value
    found = []
    for (lower, upper), by_subject in sorted(sums.items()):
        blocks, asked, _ = max(by_subject.values())
        usable = {name: values[2] / values[1] for name, values in by_subject.items() if values[1]}
        found.append(SizeClass(lower, upper, blocks, asked, usable))
    return found


def wasting(result: Mapping[str, Any]) -> Dict[str, Mapping[str, Any]]:
    """The reports of which waste by size says something: the floor has no classes."""
    kinds, reports = kinds_of(result), result["replay"]["reports"]
    return {name: report for name, report in reports.items() if kinds[name] != "floor"} or dict(reports)


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
LEGEND = ("peak, end: resident memory beyond that of the prepared replayer; x live: peak over the most bytes "
          "that were live, below 1 where blocks are not written to (--touch).")
SHORT_S = 0.01
MOST_DRIFT = 1.5


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
    best_s = best_time(lines, kinds_of(result))
    rows = [HEAD] + [cells_of(line, best_s) for line in lines if line.error is None]
    failed = ["%s: %s" % (line.subject, line.error) for line in lines if line.error is not None]
    return (columns(rows) if len(rows) > 1 else []) + failed


def _drift(result: Mapping[str, Any]) -> List[str]:
    """Threads that were held together by what the program did between its calls may drift apart without it."""
    recorded_kib = result["replay"]["info"]["peak_live_bytes"] / 1024
    played_kib = max((sample["live_kib"] for report in result["replay"]["reports"].values()
                      for sample in report["samples"]), default=0)
    if played_kib <= MOST_DRIFT * recorded_kib:
        return []
    return ["threads ran ahead of each other: up to %s were live in the replay, %s in the program; memory is "
            "not to be compared, --paced holds them together"
            % (figures.kib(played_kib), figures.kib(recorded_kib))]


def doubts(result: Mapping[str, Any]) -> List[str]:
    """What the reader of the figures should know."""
    best_s = best_time(lines_of(result), kinds_of(result))
    if best_s is None:
        return []
    said = ["the trace is played in %s: too short for times that tell" % figures.seconds(best_s)]
    return said * (best_s < SHORT_S) + _drift(result)


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
    return "%s: %s events, %s, at most %s live; %s" % (
        result["replay"]["trace"], figures.count(info["events"]), figures.plural(info["threads"], "thread"),
        figures.kib(info["peak_live_bytes"] / 1024), figures.plural(result["settings"]["rounds"], "round"))


def program(result: Mapping[str, Any], most: int = 100) -> str:
    """The recorded command, cut where it is long."""
    said = " ".join(" ".join(result["replay"]["info"]["command"]).split())
    return said if len(said) <= most else said[:most - 3] + "..."


def text(result: Mapping[str, Any]) -> str:
    """The whole, for a terminal."""
    reports = wasting(result)
    parts = [[headline(result), "  " + program(result)], time_table(result), figures.wrapped(LEGEND, 100)]
    if reports:
        parts.append(["usable bytes for each byte asked, by size of the block"] + waste_table(reports))
    parts.append(["note: " + note for note in list(result["notes"]) + doubts(result)])
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"
