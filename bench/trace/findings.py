# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""What a trace and the runs of a replay say: tables of cells for the page, and the same as text."""

from __future__ import annotations

import dataclasses
import time
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from bench.harness import figures
from bench.harness.stats import Sample

Reports = Mapping[str, Mapping[str, Any]]


class Cell(NamedTuple):
    """What is read, what it is sorted by, and how it looks on the page."""

    said: str
    worth: Optional[float] = None
    kind: Optional[str] = None


def columns(rows: Sequence[Sequence[str]]) -> List[str]:
    """Rows of words with the first column to the left, the others to the right."""
    widths = [max(len(row[index]) for row in rows if index < len(row)) for index in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("  ".join(cells).rstrip())
    return lines


# --- time and memory ---

HEAD = ("subject", "time", "spread", "x best", "peak", "x live", "end")
LEGEND = ("peak, end: resident memory beyond that of the prepared replayer; x live: peak over the most bytes "
          "that were live, below 1 where blocks are not written to (--touch).")
SHORT_S = 0.01
MOST_DRIFT = 1.5


def kinds_of(result: Mapping[str, Any]) -> Dict[str, str]:
    """Subject to kind."""
    return {subject["name"]: subject["kind"] for subject in result["subjects"]}


def samples_of(result: Mapping[str, Any], subject: str) -> Tuple[Optional[str], Dict[str, Sample]]:
    """Why a subject failed, and its figures over all rounds."""
    own = [run for run in result["runs"] if run["subject"] == subject]
    errors = [run["error"] for run in own if not run["ok"]]
    if errors or not own:
        return (errors[0] if errors else "was not run"), {}
    values: Dict[str, List[float]] = {"seconds": [run["seconds"] for run in own]}
    for name in ("peak_resident_kib", "waste", "end_resident_kib"):
        values[name] = [run["extra"][name] for run in own if run["extra"].get(name) is not None]
    return None, {name: Sample(tuple(sorted(known))) for name, known in values.items() if known}


def best_time(result: Mapping[str, Any]) -> Optional[float]:
    """The smallest median among those that free."""
    found = [samples_of(result, name)[1] for name, kind in kinds_of(result).items() if kind != "floor"]
    return min((samples["seconds"].median for samples in found if samples), default=None)


def _time_row(subject: str, kind: str, samples: Mapping[str, Sample], best_s: Optional[float]) -> List[Cell]:
    def cell(name: str, write: Any) -> Cell:
        sample = samples.get(name)
        return Cell(write(sample.median), sample.median) if sample else Cell(figures.NOTHING)
    taken = samples["seconds"]
    spread = figures.percent(taken.spread) if taken.count > 1 else figures.NOTHING
    times = Cell(figures.ratio(taken.median / best_s) if best_s else figures.NOTHING, taken.median,
                 "best" if taken.median == best_s else None)
    return [Cell(subject, kind="word " + kind), cell("seconds", figures.seconds), Cell(spread, taken.spread), times,
            cell("peak_resident_kib", figures.kib), cell("waste", figures.ratio),
            cell("end_resident_kib", figures.kib)]


def times(result: Mapping[str, Any]) -> List[List[Cell]]:
    """A row for each subject, in the order of the result; of one that failed its name and why."""
    best_s, rows = best_time(result), []
    for name, kind in kinds_of(result).items():
        error, samples = samples_of(result, name)
        rows.append([Cell(name, kind="word " + kind), Cell(str(error), kind="failed reason")] if error
                    else _time_row(name, kind, samples, best_s))
    return rows


def doubts(result: Mapping[str, Any]) -> List[str]:
    """What the reader of the figures should know."""
    best_s, said = best_time(result), []
    if best_s is None:
        return []
    if best_s < SHORT_S:
        said.append("the trace is played in %s: too short for times that tell" % figures.seconds(best_s))
    recorded_kib = result["replay"]["info"]["peak_live_bytes"] / 1024
    played_kib = max((sample["live_kib"] for report in result["replay"]["reports"].values()
                      for sample in report["samples"]), default=0)
    if played_kib > MOST_DRIFT * recorded_kib:
        said.append("threads ran ahead of each other: up to %s were live in the replay, %s in the program; memory "
                    "is not to be compared, --paced holds them together"
                    % (figures.kib(played_kib), figures.kib(recorded_kib)))
    return said


# --- waste by size ---

@dataclasses.dataclass(frozen=True)
class SizeClass:
    """Sizes from (exclusive) to (inclusive), and each subject's usable bytes for each byte asked."""

    from_bytes: int
    to_bytes: int
    blocks: int
    asked_bytes: int
    usable: Mapping[str, float]


def _bounds(from_bytes: int, to_bytes: int, merged: bool) -> Tuple[int, int]:
    upper = 1 << max(to_bytes - 1, 0).bit_length()
    return (upper // 2 if upper > 1 else 0, upper) if merged else (from_bytes, to_bytes)


def size_classes(reports: Reports, merged: bool) -> List[SizeClass]:
    """The classes that occur; merged: whole powers of two."""
    sums: Dict[Tuple[int, int], Dict[str, List[int]]] = {}
    for subject, report in reports.items():
        for from_bytes, to_bytes, *counted in report["classes"]:
            into = sums.setdefault(_bounds(from_bytes, to_bytes, merged), {}).setdefault(subject, [0, 0, 0])
            into[:] = map(sum, zip(into, counted))
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


def total_class(reports: Reports) -> Dict[str, float]:
    """Usable bytes for each byte asked, over all sizes."""
    sums = {name: [sum(entry[index] for entry in report["classes"]) for index in (3, 4)]
            for name, report in reports.items()}
    return {name: usable / asked for name, (asked, usable) in sums.items() if asked}


def size_of(value: float) -> str:
    """The end of a class, short and exact: it is never more than four digits of its unit."""
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return "%g %s" % (value, unit)
        value /= 1024
    return "%g GiB" % value


def _bytes(value: float) -> str:
    return "%d B" % value if value < 1024 else figures.kib(value / 1024)


def _span(entry: SizeClass, merged: bool) -> str:
    last = size_of(entry.to_bytes)
    if merged or entry.from_bytes + 1 == entry.to_bytes:
        return last
    if entry.from_bytes < 1024:
        return "%d B to %s" % (entry.from_bytes + 1, last)
    return "above %s to %s" % (size_of(entry.from_bytes), last)


def waste(reports: Reports, merged: bool) -> List[List[Cell]]:
    """A row for each class of sizes, and one for all; merged: of powers of two."""
    def ratios(usable: Mapping[str, float]) -> List[Cell]:
        return [Cell(figures.ratio(usable.get(name)), usable.get(name)) for name in reports]
    rows = [[Cell(_span(entry, merged), entry.to_bytes, "word"), Cell(figures.count(entry.blocks), entry.blocks),
             Cell(_bytes(entry.asked_bytes), entry.asked_bytes), *ratios(entry.usable)]
            for entry in size_classes(reports, merged)]
    return rows + [[Cell("all", kind="word"), Cell(""), Cell(""), *ratios(total_class(reports))]]


# --- text ---

LIFETIMES = ("under 100 ns", "under 1 us", "under 10 us", "under 100 us", "under 1 ms", "under 10 ms",
             "under 100 ms", "under 1 s", "longer", "never freed")
TRACE_NOTES = (
    ("lost_events", "lost events", "within signal handlers, or for lack of room"),
    ("lost_room", "lack of room", "times: the disk was full, or the file gone"),
    ("torn_blocks", "torn blocks", "they end after the file does; the rest is used"),
    ("damaged_blocks", "damaged blocks", "their checksum is wrong; left out"),
    ("bad_blocks", "bad blocks", "they make no sense from some byte on; left out from there"),
    ("skipped_pages", "skipped pages", "no block begins there"),
    ("unknown_frees", "unknown frees", "of what was allocated before the recording began"),
    ("unknown_resizes", "unknown reallocs", "likewise; taken as allocations"),
    ("inferred_frees", "missing frees", "the address was used again, so there was one"))


def _bar(part: int, whole: int) -> str:
    return "#" * round(30 * part / max(whole, 1))


def about(info: Mapping[str, Any]) -> str:
    """What a trace holds, for people."""
    events, frees = max(info["events"], 1), max(info["frees"], 1)
    lines = [
        "program    " + " ".join(info["command"]),
        "process    %d, started %s" % (info["process"], time.strftime("%Y-%m-%d %H:%M:%S",
                                                                      time.localtime(info["started_unix"]))),
        "recorded   %.3f s, threads: %d, events: %d of %.2f bytes each"
        % (info["seconds"], info["threads"], info["events"], info["event_bytes"] / events),
        "calls      " + " ".join("%s %d" % call for call in info["calls"].items())
        + (" (%d returned NULL)" % info["failed"] if info["failed"] else ""),
        "asked for  %s in all" % _bytes(info["total_bytes"]),
        "live       at most %s, blocks: %d, after %.3f s"
        % (_bytes(info["peak_live_bytes"]), info["peak_live_blocks"], info["peak_seconds"]),
        "in the end %s, blocks: %d" % (_bytes(info["end_live_bytes"]), info["end_live_blocks"]),
        "frees      %d, of which %.2f %% by another thread than the one that allocated"
        % (info["frees"], 100 * info["cross_frees"] / frees)]
    lines += ["note       %s: %d (%s)" % (what, info[name], means) for name, what, means in TRACE_NOTES if info[name]]
    blocks, bytes_of = info["blocks_by_bits_of_size"], info["bytes_by_bits_of_size"]
    lines += ["", "size of a block          blocks          bytes   share of blocks"]
    lines += ["from %9s   %14d %14s   %s" % (size_of(1 << bits >> 1), count, _bytes(bytes_of[bits]),
                                             _bar(count, sum(blocks)))
              for bits, count in enumerate(blocks) if count]
    lines += ["", "lifetime                 blocks   share of blocks"]
    lived = info["blocks_by_lifetime"]
    lines += ["%-14s   %14d   %s" % (name, count, _bar(count, sum(lived))) for name, count in zip(LIFETIMES, lived)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def headline(result: Mapping[str, Any]) -> str:
    """What was replayed, in one line."""
    info = result["replay"]["info"]
    return "%s: %s events, %s, at most %s live; %s" % (
        result["replay"]["trace"], figures.count(info["events"]), figures.plural(info["threads"], "thread"),
        figures.kib(info["peak_live_bytes"] / 1024), figures.plural(result["settings"]["rounds"], "round"))


def program(info: Mapping[str, Any], most: int = 100) -> str:
    """The recorded command, cut where it is long."""
    said = " ".join(" ".join(info["command"]).split())
    return said if len(said) <= most else said[:most - 3] + "..."


def text(result: Mapping[str, Any]) -> str:
    """The whole, for a terminal."""
    reports, found = wasting(result), times(result)
    lines = [[cell.said for cell in row] for row in found if len(row) > 2]
    failed = ["%s: %s" % (row[0].said, row[1].said) for row in found if len(row) == 2]
    parts = [[headline(result), "  " + program(result["replay"]["info"])],
             (columns([HEAD] + lines) if lines else []) + failed, figures.wrapped(LEGEND, 100)]
    if reports:
        rows = [["size to", "blocks", *reports]]
        rows += [[cell.said for cell in row[:2] + row[3:]] for row in waste(reports, merged=True)]
        parts.append(["usable bytes for each byte asked, by size of the block"] + columns(rows))
    parts.append(["note: " + note for note in list(result["notes"]) + doubts(result)])
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"
