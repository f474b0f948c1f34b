# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""What a trace and the runs of a replay say: tables, and sentences, for the terminal and for the page."""

import time
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from bench.harness import figures, stats, text
from bench.harness.document import EMPTY, Cell, Table
from bench.harness.stats import Benchmark, Summary
from bench.trace.record import TRACE_NOTES, command_of

Reports = Mapping[str, Mapping[str, Any]]


# --- time and memory ---

HEAD = ("allocator", "time", "spread", "x best", "peak", "x live", "end")
LEGEND = ("peak, end: resident memory beyond that of the prepared replayer; x live: peak over the most bytes "
          "that were live, below 1 where blocks are not written to (--touch).")
SHORT_S = 0.01
MOST_DRIFT = 1.5


def replayed(result: Mapping[str, Any]) -> Tuple[Summary, Benchmark]:
    """The statistics of the one benchmark that a replay is."""
    summary = stats.summarise(dict(result))
    return summary, summary.benchmarks[0]


def waste_of(extra: Mapping[str, float]) -> Optional[float]:
    """The most that was resident over the most that was live; None where it is not known."""
    resident_kib = extra.get("peak_resident_kib")
    return None if resident_kib is None else resident_kib / max(extra["peak_live_kib"], 1)


def times(result: Mapping[str, Any]) -> Table:
    """A row for each allocator, in the order of the result; of one that failed its name and why."""
    summary, played = replayed(result)
    body, best = [], played.best.get("time")
    for name, cell in played.cells.items():
        kind = summary.kinds[name]
        row = [Cell(name, mark=kind if kind in ("stack", "floor") else "")]
        if not cell.ok:
            body.append(row + [Cell(cell.reason, mark="failed")] + [EMPTY] * (len(HEAD) - 2))
            continue
        taken, ratio = cell.samples["time"], played.ratio(name, "time")
        spread = figures.percent(taken.spread) if taken.count > 1 else figures.NOTHING
        body.append(row + [Cell(figures.seconds(taken.median)), Cell(spread),
                           Cell(figures.ratio(ratio), "best" if name == best else ""),
                           Cell(figures.kib(cell.extra.get("peak_resident_kib"))),
                           Cell(figures.ratio(waste_of(cell.extra))),
                           Cell(figures.kib(cell.extra.get("end_resident_kib")))])
    return Table("Medians of %s" % figures.plural(result["settings"]["rounds"], "round"), HEAD, body)


def doubts(result: Mapping[str, Any]) -> List[str]:
    """What the reader of the figures should know."""
    best_s, said = replayed(result)[1].best_median("time"), []
    if best_s is None:
        return []
    if best_s < SHORT_S:
        said.append("the trace is played in %s: too short for times that tell" % figures.seconds(best_s))
    recorded_kib = result["replay"]["info"]["peak_live_bytes"] / 1024
    played_kib = max((sample["live_kib"] for report in result["replay"]["reports"].values()
                      for sample in report["samples"]), default=0)
    if played_kib > MOST_DRIFT * recorded_kib:
        said.append("threads ran ahead of each other: up to %s were live in the replay, %s in the program; memory "
                    "is not to be compared" % (figures.kib(played_kib), figures.kib(recorded_kib)))
    return said


# --- waste by size ---

class SizeClass(NamedTuple):
    """Sizes from (exclusive) to (inclusive), and each allocator's usable bytes for each byte asked."""

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
    for name, report in reports.items():
        for from_bytes, to_bytes, *counted in report["classes"]:
            into = sums.setdefault(_bounds(from_bytes, to_bytes, merged), {}).setdefault(name, [0, 0, 0])
            into[:] = map(sum, zip(into, counted))
    return [SizeClass(*bounds, *max(by_name.values())[:2],
                      {name: usable / asked for name, (_, asked, usable) in by_name.items() if asked})
            for bounds, by_name in sorted(sums.items())]


def wasting(result: Mapping[str, Any]) -> Dict[str, Mapping[str, Any]]:
    """The reports of which waste by size says something: the floor has no classes."""
    floors, reports = replayed(result)[0].of_kind("floor"), result["replay"]["reports"]
    return {name: report for name, report in reports.items() if name not in floors} or dict(reports)


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


def waste(reports: Reports, merged: bool) -> Table:
    """A row for each class of sizes, and one for all; merged: of powers of two."""
    def ratios(usable: Mapping[str, float]) -> List[Cell]:
        return [Cell(figures.ratio(usable.get(name))) for name in reports]
    body = [[Cell(_span(entry, merged)), Cell(figures.count(entry.blocks)),
             Cell(_bytes(entry.asked_bytes)), *ratios(entry.usable)]
            for entry in size_classes(reports, merged)]
    body.append([Cell("all"), Cell(""), Cell(""), *ratios(total_class(reports))])
    return Table("usable bytes for each byte asked, by size of the block", ["size", "blocks", "asked for", *reports],
                 body, 0, not merged)


# --- text ---

LIFETIMES = ("under 100 ns", "under 1 us", "under 10 us", "under 100 us", "under 1 ms", "under 10 ms",
             "under 100 ms", "under 1 s", "longer", "never freed")


def _bar(part: int, whole: int) -> str:
    return "#" * round(30 * part / max(whole, 1))


def about(info: Mapping[str, Any]) -> str:
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
    info = result["replay"]["info"]
    return "%s: %s events, %s, at most %s live; %s" % (
        result["replay"]["trace"], figures.count(info["events"]), figures.plural(info["threads"], "thread"),
        figures.kib(info["peak_live_bytes"] / 1024), figures.plural(result["settings"]["rounds"], "round"))


def spoken(result: Mapping[str, Any]) -> str:
    reports, table = wasting(result), times(result)
    good = [row for row in table.body if row[1].mark != "failed"]
    failed = ["%s: %s" % (row[0].text, row[1].text) for row in table.body if row not in good]
    parts: List[Sequence[str]] = [
        [headline(result), "  " + command_of(result["replay"]["info"], 100)],
        (text.grid(Table("", HEAD, good)) if good else []) + failed, figures.wrapped(LEGEND, 100)]
    if reports:
        made = waste(reports, merged=True)
        parts.append([made.caption] + text.grid(made))
    parts.append(["note: " + note for note in list(result["notes"]) + doubts(result)])
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"
