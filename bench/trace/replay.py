# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""bazel run //bench:replay -- TRACE: a recorded program's allocations on every malloc of this machine.

    options -> what the trace holds -> proof that the subjects work -> rounds -> once more, watched -> report

The result is a `cairn-bench 1` of one row, so that //bench:compare reads it; what only a replay has is under
"replay".
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from bench.harness import environment, machine, places, proof, result, session, subjects
from bench.harness.options import Parser, UsageError, given_names
from bench.harness.places import Places
from bench.harness.progress import Progress
from bench.harness.runner import Interrupted, Runner
from bench.harness.subjects import Subject
from bench.trace import rounds
from bench.trace.rounds import Playing

EXIT_FAILED, EXIT_WRONG_CALL = 1, 2
DEFAULT_OUT = "replay-report"


# --- options ---

def _count(text: str) -> int:
    if not re.fullmatch("[0-9]{1,4}", text) or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError("not a number from 1 to 1000: '%s'" % text)
    return int(text)


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]+)?", text) or float(text) == 0:
        raise argparse.ArgumentTypeError("not a number of seconds above 0: '%s'" % text)
    return float(text)


def _pair(text: str) -> Tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not value or not re.fullmatch(r"[\w.+-]+", name):
        raise argparse.ArgumentTypeError("not name=path: '%s'" % text)
    return name, value


def _parser() -> argparse.ArgumentParser:
    made = Parser(
        prog="bazel run //bench:replay --", allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Replays a trace that //bench:record wrote, on each malloc of this machine.",
        epilog="Exit status: 0 when the report is written, 1 when nothing could be replayed, 2 for a wrong\n"
               "call or a file that is no trace, 130 after Ctrl-C (the report is written all the same).")
    add = made.add_argument
    add("trace", metavar="TRACE", help="the file that //bench:record wrote")
    add("--info", action="store_true", help="only say what the trace holds (with --json -: as JSON)")
    add("--rounds", metavar="N", type=_count, default=5, help="times that each subject plays it (5)")
    add("--stacks", metavar="A,B", type=given_names, help="stacks of cairn; 'none' for none (all)")
    add("--peers", metavar="A,B", type=given_names, help="peers, glibc, floor; 'none' for none (all found)")
    add("--peer", metavar="NAME=PATH", type=_pair, action="append", default=[], help="one more shared object")
    add("--touch", choices=("none", "ends", "all"), default="ends", help="which bytes are written (ends)")
    add("--paced", action="store_true", help="keep the threads about as far as they were recorded")
    add("--seconds", metavar="LIMIT", type=_seconds, default=120.0, help="a longer run is ended (120)")
    add("--json", metavar="FILE", help="the result here too; '-' for stdout")
    add("--out", metavar="DIR", default=DEFAULT_OUT, help="where the report goes (./%s)" % DEFAULT_OUT)
    return made


def parse(arguments: Sequence[str], caller: pathlib.Path) -> argparse.Namespace:
    """The options, with paths from where the user stands; raises UsageError."""
    options = _parser().parse_args(list(arguments))
    options.trace = caller / pathlib.Path(options.trace).expanduser()
    options.out = caller / pathlib.Path(options.out).expanduser()
    if options.json not in (None, "-"):
        options.json = caller / pathlib.Path(options.json).expanduser()
    options.peer = [(name, caller / pathlib.Path(path).expanduser()) for name, path in options.peer]
    for name, library in options.peer:
        if not library.is_file():
            raise UsageError("--peer %s: no such file: %s" % (name, library))
    return options


def _prepare(options: argparse.Namespace) -> None:
    """Makes the directories of the report: a wrong one is told before the runs, not after them."""
    files = [options.out / "replay.json"] + [options.json] * isinstance(options.json, pathlib.Path)
    for folder in [file.parent for file in files]:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise UsageError("cannot write to %s: %s" % (folder, error.strerror)) from error


# --- what there is ---

def info(where: Places, trace: pathlib.Path, *form: str) -> str:
    """What the reader says of a trace; raises UsageError where it is none."""
    told = subprocess.run([str(where.runfiles / "bench/trace/info"), *form, str(trace)],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                          check=False)
    if told.returncode != 0:
        raise UsageError(told.stderr.strip().replace("info: ", "", 1) or "%s: cannot be read" % trace)
    return told.stdout


def notes_on(trace: Mapping[str, Any]) -> List[str]:
    """What makes a trace less than what the program did."""
    said = (("lost_events", "events were lost when it was recorded: %d"),
            ("torn_blocks", "the trace is cut off, its torn blocks: %d"),
            ("damaged_blocks", "damaged blocks of the trace, left out: %d"),
            ("bad_blocks", "blocks of the trace that make no sense from some point on: %d"),
            ("unknown_frees", "frees of blocks from before the recording, not replayed: %d"),
            ("inferred_frees", "frees that the trace lacks, and that must have been: %d"))
    return [line % trace[name] for name, line in said if trace[name]]


def _begin(options: argparse.Namespace, command: Sequence[str], where: Places, playing: Playing,
           commit: machine.Commit) -> Dict[str, Any]:
    """A result without subjects and runs."""
    trace = json.loads(info(where, options.trace, "--json"))
    if trace["events"] <= trace["unknown_frees"] + trace["failed"]:
        raise UsageError("%s: has no calls that could be replayed" % options.trace)
    about = machine.describe()
    settings = {"rounds": options.rounds, "quick": False, "filter": None, "touch": options.touch,
                "paced": options.paced}
    return {"schema": result.SCHEMA, "started": result.now(), "finished": result.now(), "complete": False,
            "interrupted": False, "command": ["bazel", "run", "//bench:replay", "--", *command],
            "commit": commit.name, "dirty": commit.is_dirty, "machine": about, "settings": settings,
            "subjects": [], "rows": [playing.row.as_json()], "runs": [], "components": {}, "handovers": {},
            "notes": notes_on(trace) + machine.notes_on(about),
            "replay": {"trace": options.trace.name, "info": trace, "about": info(where, options.trace),
                       "reports": {}}}


def _subjects(options: argparse.Namespace, where: Places, commit: machine.Commit, runner: Runner,
              bar: Progress, made: Dict[str, Any]) -> List[Subject]:
    """Who plays, into the result too; a note for each that is missing or does not work."""
    found = subjects.find(where.runfiles, commit.name, {}, options.peer)
    chosen = subjects.choose(found, options.stacks, options.peers, options.peer)
    notes = subjects.notes_on_missing(found, options.peers)
    working, dropped = proof.prove(runner, chosen)
    for note in notes + dropped:
        bar.say(note)
    made["notes"] += notes + dropped
    made["subjects"] = [subject.as_json() for subject in working]
    return working


# --- the runs ---

def _run(options: argparse.Namespace, playing: Playing, working: Sequence[Subject], runner: Runner,
         bar: Progress, made: Dict[str, Any]) -> None:
    """Everything, into the result; Ctrl-C leaves what was reached."""
    def save() -> None:
        result.write(made, options.out / "replay.json")

    try:
        rounds.play(playing, working, options.rounds, runner, bar, made, save)
        rounds.watch(playing, working, runner, made)
        made["complete"] = True
    except Interrupted:
        made["interrupted"] = True
        made["notes"].append("interrupted after %d of %d runs"
                             % (len(made["runs"]), len(working) * options.rounds))
    bar.clear()
    made["finished"] = result.now()
    save()


def _publish(options: argparse.Namespace, made: Dict[str, Any], bar: Progress) -> None:
    """Page and pictures into --out, the table on the terminal."""
    # Only now: it imports what draws, which takes a second, and threads that nothing should run beside.
    from bench.trace import findings, pages  # pylint: disable=import-outside-toplevel
    if options.json == "-":
        sys.stdout.write(result.text_of(made))
    elif options.json is not None:
        result.write(made, options.json)
    written = pages.write(options.out, made)
    stream = sys.stderr if options.json == "-" else sys.stdout
    stream.write(findings.text(made))
    stream.flush()
    for line in pages.shortcomings() + ["written: %s" % path for path in written]:
        bar.say(line)


def _status(made: Mapping[str, Any]) -> int:
    if made["interrupted"]:
        return session.EXIT_INTERRUPTED
    return 0 if any(run["ok"] for run in made["runs"]) else EXIT_FAILED


def _replay(options: argparse.Namespace, command: Sequence[str], where: Places, runner: Runner,
            removed: Sequence[str]) -> int:
    """Proof, runs, report; the exit status."""
    bar = Progress()
    playing = Playing(where.runfiles / "bench/trace/replayer", options.trace, options.touch, options.paced)
    commit = machine.commit_of(where.workspace)
    made = _begin(options, command, where, playing, commit)
    if removed:
        made["notes"].append("taken out of the environment: " + ", ".join(removed))
    with session.interrupts(runner, bar):
        try:
            working = _subjects(options, where, commit, runner, bar, made)
        except Interrupted:
            return session.EXIT_INTERRUPTED
        if not working:
            bar.say("nobody is left to replay it")
            return EXIT_FAILED
        _prepare(options)
        _run(options, playing, working, runner, bar, made)
        _publish(options, made, bar)
    return _status(made)


def _act(command: Sequence[str], where: Places) -> int:
    options = parse(command, where.caller)
    if not where.measure.is_file():
        print("replay: no such program: %s: start this with `bazel run //bench:replay`" % where.measure,
              file=sys.stderr)
        return EXIT_FAILED
    if options.info:
        sys.stdout.write(info(where, options.trace, *["--json"] * (options.json == "-")))
        sys.stdout.flush()
        return 0
    cleaned, removed = environment.clean(os.environ)
    with tempfile.TemporaryDirectory(prefix="cairn-replay-") as scratch:
        runner = Runner(where, pathlib.Path(scratch), cleaned, options.seconds, machine.allowed_cpus())
        return _replay(options, command, where, runner, removed)


def main(command: Sequence[str]) -> int:
    """The exit status."""
    try:
        return _act(command, places.find())
    except UsageError as error:
        print("replay: %s" % error, file=sys.stderr)
        return EXIT_WRONG_CALL
    except BrokenPipeError:  # who read our lines has gone; no complaint of the interpreter either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except OSError as error:
        print("replay: %s: %s" % (error.filename or "the system", error.strerror), file=sys.stderr)
        return EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
