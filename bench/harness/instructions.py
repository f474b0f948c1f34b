# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""bazel run //bench:instructions: how many instructions a hot pair of malloc and free takes, on every malloc found.

    options -> what there is -> each size on each, stepped instruction by instruction -> tables, JSON

Unlike times, counts do not depend on what else is at work.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import statistics
import sys
from typing import Any, Dict, List, Mapping, Optional, Sequence

from bench.harness import allocators, machine, messages, options, paths, result
from bench.harness.allocators import STACK, Allocator
from bench.harness.document import Cell, Table
from bench.harness.markdown import plain, table
from bench.harness.paths import Paths

SCHEMA = "cairn-instructions 1"
SIZES = (16, 64, 256, 1024, 16384)
WARM_PAIRS, PAIRS = 10000, 256
LIMIT_S = 60.0
MEAN_DIFFERS = 0.005  # as a part: then the mean is told beside the median


_sizes = options.matched("sizes up to 999999999", r"((?:[1-9]\d{0,8},)*[1-9]\d{0,8})",
                         lambda text: tuple(dict.fromkeys(map(int, text.split(",")))))


def parse(arguments: Sequence[str], caller: pathlib.Path) -> argparse.Namespace:
    """The options, with paths from where the user stands; raises UsageError."""
    parser = options.Parser(
        prog="bazel run //bench:instructions --",
        description="Counts the instructions of a hot pair of malloc and free on each malloc of this machine.",
        epilog="Exit status: 0 when a malloc was counted, 1 when none, 2 for a wrong call.")
    options.add_allocators(parser)
    add = parser.add_argument
    add("--sizes", metavar="A,B", type=_sizes, default=SIZES, help="bytes (%s)" % ",".join(map(str, SIZES)))
    chosen = parser.parse_args(list(arguments))
    options.resolve(chosen, caller)
    return chosen


@dataclasses.dataclass
class Count:
    """What came of one size on one allocator."""

    subject: str
    bytes: int
    malloc: Optional[float] = None  # medians
    free: Optional[float] = None
    pair_mean: Optional[float] = None
    error: Optional[str] = None


def count_of(where: Paths, environment: Mapping[str, str], allocator: Allocator,
             size_bytes: int) -> Count:
    """What the stepper counts with the allocator's library, or the line that says why not."""
    folder, made = where.runfiles / "bench/instructions", Count(allocator.name, size_bytes)
    preload = {"STEPPER_PRELOAD": str(allocator.library)} if allocator.library else {}
    done = machine.ask(str(folder / "stepper"), str(PAIRS), str(folder / "pairs"),
                       *map(str, (size_bytes, WARM_PAIRS, PAIRS)), timeout=LIMIT_S,
                       env={**environment, **allocator.environment, **preload})
    if done.returncode != 0 or "cannot be preloaded" in done.stderr:
        said = done.stderr.strip().splitlines() or ["crashed"]
        made.error = said[-1].replace("stepper: ", "", 1)
        return made
    counts = json.loads(done.stdout)
    made.malloc, made.free = (statistics.median(counts[name]) for name in ("malloc", "free"))
    made.pair_mean = statistics.mean(counts["malloc"]) + statistics.mean(counts["free"])
    return made


def _number(value: float) -> str:
    return "%d" % value if value == int(value) else "%.1f" % value


def cell(count: Count) -> str:
    """The median of the pair and of its parts; the mean where some pairs cost more."""
    if count.malloc is None or count.free is None or count.pair_mean is None:
        return "failed"
    median = count.malloc + count.free
    text = "%s (%s + %s)" % tuple(map(_number, (median, count.malloc, count.free)))
    if abs(count.pair_mean - median) > MEAN_DIFFERS * median:
        text += ", mean %.0f" % count.pair_mean
    return text


def counted(made: Mapping[str, Any]) -> Table:
    """A line for each allocator, the one with the fewest instructions first."""
    by: Dict[str, List[Count]] = {}
    for one in made["counts"]:
        by.setdefault(one["subject"], []).append(Count(**one))
    stacks = [one["name"] for one in made["subjects"] if one["kind"] == STACK]
    order = sorted(by, key=lambda name: sum(count.pair_mean or float("inf") for count in by[name]))
    body = [[Cell(name, mark="stack" if name in stacks else ""), *(Cell(cell(count)) for count in by[name])]
            for name in order]
    return Table("", ["instructions", *("%d bytes" % size for size in made["sizes"])], body)


_ABOUT = """\
A pair is a malloc and a free of one size, after {warm} such pairs in a process of one thread. The figures are medians over
{pairs} pairs: of the pair, and in brackets of malloc and of free, from their first instruction to the return. `mean` is told
where some pairs cost more than others, as when a cache of a malloc overflows now and then.

The program is stepped instruction by instruction on the machine itself, so restartable sequences are counted as they run."""

def text_of(made: Mapping[str, Any]) -> str:
    lines = ["# Instructions of a pair", "", plain(messages.origin(made)) + ".", "",
             _ABOUT.format(warm=WARM_PAIRS, pairs=PAIRS), "", *table(counted(made))]
    versions = ["- %s: %s" % (one["name"], one["version"] or "unknown") for one in made["subjects"]]
    lines += ["## Versions", "", *versions]
    missing = ["- %s, %d bytes: %s" % (one["subject"], one["bytes"], one["error"])
               for one in made["counts"] if one["error"]] + ["- " + note for note in made["notes"]]
    if missing:
        lines += ["", "## Missing", "", *missing]
    return "\n".join(lines + ["", "Command: `%s`." % " ".join(made["command"]), ""])


def _act(arguments: Sequence[str], where: Paths) -> int:
    chosen = parse(arguments, where.caller)
    commit = machine.commit_of(where.workspace)
    found = allocators.find(where.runfiles, commit.name, {}, chosen.peer)
    wanted = [one for one in allocators.choose(found, chosen.stacks, chosen.peers, chosen.peer)
              if one.kind != allocators.FLOOR or chosen.peers]
    made: Dict[str, Any] = {
        "schema": SCHEMA, "started": result.now(),
        "command": ["bazel", "run", "//bench:instructions", *["--"] * bool(arguments), *arguments],
        "commit": commit.name, "dirty": commit.is_dirty, "machine": machine.describe(),
        "sizes": list(chosen.sizes), "warm_pairs": WARM_PAIRS, "pairs": PAIRS,
        "subjects": [one.as_json() for one in wanted], "counts": [],
        "notes": allocators.notes_on_missing(found, chosen.peers)}
    cleaned, _ = machine.clean(os.environ)
    for one in wanted:
        print("instructions: %s" % one.name, file=sys.stderr)
        made["counts"] += [dataclasses.asdict(count_of(where, cleaned, one, size))
                           for size in chosen.sizes]
    result.publish(made, chosen.json, text_of(made))
    return 0 if any(one["pair_mean"] is not None for one in made["counts"]) else 1


if __name__ == "__main__":
    sys.exit(options.run("instructions", lambda: _act(sys.argv[1:], paths.find())))
