# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""bazel run //bench:instructions: how many instructions a hot pair of malloc and free takes, on every malloc found.

    options -> who there is -> each size on each, stepped instruction by instruction -> tables, JSON

Unlike times, counts do not depend on who else is at work. With --control, valgrind counts them too.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from bench.harness import callgrind, environment, machine, places, result, subjects
from bench.harness.options import Parser, UsageError, given_names
from bench.harness.places import Places
from bench.harness.subjects import STACK, Subject

SCHEMA = "cairn-instructions 1"
SIZES = (16, 64, 256, 1024, 16384)
WARM_PAIRS, PAIRS = 10000, 256
LIMIT_S = 60.0
EXIT_NOTHING, EXIT_USAGE = 1, 2
MEAN_DIFFERS = 0.005  # as a part: then the mean is told beside the median


# --- options ---

def _sizes(text: str) -> Tuple[int, ...]:
    words = text.split(",")
    if not all(word.isdecimal() and 1 <= int(word) <= 1 << 30 for word in words):
        raise argparse.ArgumentTypeError("not sizes from 1 to 2^30: '%s'" % text)
    return tuple(dict.fromkeys(int(word) for word in words))


def _pair(text: str) -> Tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not value or not name.replace("-", "").isalnum():
        raise argparse.ArgumentTypeError("not name=path: '%s'" % text)
    return name, value


def parse(arguments: Sequence[str], caller: pathlib.Path) -> argparse.Namespace:
    """The options, with paths from where the user stands; raises UsageError."""
    parser = Parser(
        prog="bazel run //bench:instructions --", allow_abbrev=False,
        description="Counts the instructions of a hot pair of malloc and free on each malloc of this machine.",
        epilog="Exit status: 0 when somebody was counted, 1 when nobody, 2 for a wrong call.")
    add = parser.add_argument
    add("--sizes", metavar="A,B", type=_sizes, default=SIZES, help="bytes (%s)" % ",".join(map(str, SIZES)))
    add("--stacks", metavar="A,B", type=given_names, help="stacks of cairn; 'none' for none (all)")
    add("--peers", metavar="A,B", type=given_names, help="peers and glibc; 'none' for none (all found)")
    add("--peer", metavar="NAME=PATH", type=_pair, action="append", default=[], help="one more shared object")
    add("--control", action="store_true", help="count with valgrind's callgrind, too")
    add("--json", metavar="FILE", help="the counts here too; '-' for stdout, instead of the tables")
    options = parser.parse_args(list(arguments))
    if options.json not in (None, "-"):
        options.json = str(caller / pathlib.Path(options.json).expanduser())
    options.peer = [(name, caller / pathlib.Path(path).expanduser()) for name, path in options.peer]
    for name, library in options.peer:
        if not library.is_file():
            raise UsageError("--peer %s: no such file: %s" % (name, library))
    if options.control and shutil.which("valgrind") is None:
        raise UsageError("--control: valgrind is not found on this machine (apt-get install valgrind)")
    return options


# --- counting ---

@dataclasses.dataclass
class Count:
    """What came of one size on one subject."""

    subject: str
    bytes: int
    malloc: Optional[float] = None  # medians
    free: Optional[float] = None
    pair_mean: Optional[float] = None
    callgrind_pair_mean: Optional[float] = None
    error: Optional[str] = None


class Counter:
    """Runs the stepper and its control."""

    def __init__(self, where: Places, scratch: pathlib.Path, cleaned: Mapping[str, str]) -> None:
        self._pairs = where.runfiles / "bench/instructions/pairs"
        self._stepper = where.runfiles / "bench/instructions/stepper"
        self._scratch = scratch
        self._environment = dict(cleaned)

    def _step(self, subject: Subject, size_bytes: int) -> Dict[str, List[int]]:
        """The counts of each pair; raises RuntimeError with a line."""
        preload = {"STEPPER_PRELOAD": str(subject.library)} if subject.library else {}
        command = [str(self._stepper), str(PAIRS), str(self._pairs), str(size_bytes), str(WARM_PAIRS),
                   str(PAIRS)]
        try:
            done = subprocess.run(command, env={**self._environment, **subject.environment, **preload},
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                                  timeout=LIMIT_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise RuntimeError("timed out after %g s" % LIMIT_S) from error
        if done.returncode != 0:
            said = done.stderr.strip().splitlines()
            raise RuntimeError(said[-1].replace("stepper: ", "", 1) if said else "crashed")
        if "cannot be preloaded" in done.stderr:
            raise RuntimeError("cannot be preloaded")
        return json.loads(done.stdout)

    def count(self, subject: Subject, size_bytes: int, control: bool) -> Count:
        """Both functions, and the control where it can be had."""
        made = Count(subject.name, size_bytes)
        try:
            counts = self._step(subject, size_bytes)
            made.malloc, made.free = (statistics.median(counts[name]) for name in ("malloc", "free"))
            made.pair_mean = statistics.mean(counts["malloc"]) + statistics.mean(counts["free"])
            if control and can_be_controlled(subject):
                preload = {"LD_PRELOAD": str(subject.library)} if subject.library else {}
                spoken = {**self._environment, **subject.environment, **preload}
                made.callgrind_pair_mean = callgrind.pair(self._pairs, size_bytes, spoken, self._scratch)
        except (RuntimeError, callgrind.CallgrindError) as error:
            made.error = str(error)
        return made


def can_be_controlled(subject: Subject) -> bool:
    """A stack of cairn reads its CPU where valgrind has none: below it, it would go another way."""
    return subject.kind != STACK


# --- the tables ---

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


def _controlled(count: Count) -> str:
    value = count.callgrind_pair_mean
    return "-" if value is None else _number(round(value, 1))


def table(made: Mapping[str, Any], head: str, text_of: Any) -> List[str]:
    """A line for each subject, the one with the fewest instructions first."""
    sizes = made["sizes"]
    by = {(one["subject"], one["bytes"]): Count(**one) for one in made["counts"]}

    def cost(subject: Mapping[str, Any]) -> float:
        means = [by[subject["name"], size].pair_mean for size in sizes]
        return sum(float("inf") if mean is None else mean for mean in means)

    lines = ["| %s | %s |" % (head, " | ".join("%d bytes" % size for size in sizes)),
             "| --- |" + " --: |" * len(sizes)]
    for subject in sorted(made["subjects"], key=cost):
        name = "**%s**" % subject["name"] if subject["kind"] == STACK else subject["name"]
        lines.append("| %s | %s |" % (name, " | ".join(text_of(by[subject["name"], size]) for size in sizes)))
    return lines


_ABOUT = """\
A pair is a malloc and a free of one size, after {warm} such pairs in a process of one thread. The figures are medians over
{pairs} pairs: of the pair, and in brackets of malloc and of free, from their first instruction to the return. `mean` is told
where some pairs cost more than others, as when a cache of a malloc overflows now and then.

The program is stepped instruction by instruction on the machine itself, so restartable sequences are counted as they run."""

_CONTROL = """\
The same by valgrind's callgrind: the mean of a pair, over {pairs} pairs. Stacks of cairn are left out (-): they read their
CPU in the area that the kernel keeps for restartable sequences, which valgrind has not, and go another way below it."""


def text_of(made: Mapping[str, Any]) -> str:
    """Everything, as Markdown."""
    about = made["machine"]
    commit = "%s%s" % (made["commit"] or machine.UNKNOWN, " (changed)" if made["dirty"] else "")
    lines = ["# Instructions of a pair", "",
             "%s, %s, %s, Linux %s, commit %s." % (made["started"].replace("T", " ").replace("Z", " UTC"),
                                                  about["cpu"], about["libc"], about["kernel"], commit), "",
             _ABOUT.format(warm=WARM_PAIRS, pairs=PAIRS), ""]
    lines += table(made, "instructions", cell)
    if made["control"]:
        pairs = callgrind.MORE_PAIRS - callgrind.LEAST_PAIRS
        lines += ["", "## Control", "", _CONTROL.format(pairs=pairs), ""]
        lines += table(made, "callgrind", _controlled)
    lines += ["", "## Versions", ""]
    lines += ["- %s: %s" % (subject["name"], subject["version"] or "unknown") for subject in made["subjects"]]
    failed = ["- %s, %d bytes: %s" % (one["subject"], one["bytes"], one["error"])
              for one in made["counts"] if one["error"]]
    notes = ["- " + note for note in made["notes"]]
    if failed or notes:
        lines += ["", "## Missing", ""] + failed + notes
    return "\n".join(lines + ["", "Command: `%s`." % " ".join(made["command"]), ""])


# --- the command ---

def _begin(arguments: Sequence[str], options: argparse.Namespace, where: Places) -> Tuple[Dict[str, Any],
                                                                                          List[Subject]]:
    commit = machine.commit_of(where.workspace)
    found = subjects.find(where.runfiles, commit.name, {}, options.peer)
    chosen = [one for one in subjects.choose(found, options.stacks, options.peers, options.peer)
              if one.kind != subjects.FLOOR or options.peers]
    return {"schema": SCHEMA, "started": result.now(), "command": ["bazel", "run", "//bench:instructions"]
            + (["--", *arguments] if arguments else []),
            "commit": commit.name, "dirty": commit.is_dirty, "machine": machine.describe(),
            "sizes": list(options.sizes), "warm_pairs": WARM_PAIRS, "pairs": PAIRS, "control": options.control,
            "subjects": [one.as_json() for one in chosen], "counts": [],
            "notes": subjects.notes_on_missing(found, options.peers)}, chosen


def _act(arguments: Sequence[str], where: Places) -> int:
    options = parse(arguments, where.caller)
    if not (where.runfiles / "bench/instructions/stepper").is_file():
        raise UsageError("the stepper is missing: start this with `bazel run //bench:instructions`")
    made, chosen = _begin(arguments, options, where)
    cleaned, _ = environment.clean(os.environ)
    with tempfile.TemporaryDirectory(prefix="cairn-instructions-") as scratch:
        counter = Counter(where, pathlib.Path(scratch), cleaned)
        for subject in chosen:
            print("instructions: %s" % subject.name, file=sys.stderr)
            made["counts"] += [dataclasses.asdict(counter.count(subject, size, options.control))
                               for size in options.sizes]
    if options.json not in (None, "-"):
        pathlib.Path(options.json).write_text(result.text_of(made), encoding="utf-8")
    sys.stdout.write(result.text_of(made) if options.json == "-" else text_of(made))
    return 0 if any(one["pair_mean"] is not None for one in made["counts"]) else EXIT_NOTHING


def main(arguments: Sequence[str]) -> int:
    """The exit status."""
    try:
        return _act(arguments, places.find())
    except UsageError as error:
        print("instructions: %s" % error, file=sys.stderr)
        return EXIT_USAGE
    except OSError as error:
        print("instructions: %s: %s" % (error.filename or "the system", error.strerror), file=sys.stderr)
        return EXIT_NOTHING


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
