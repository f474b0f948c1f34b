# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""bazel run //bench:replay -- TRACE: a recorded program's allocations on every malloc of this machine.

    options -> what the trace holds -> proof that the subjects work -> rounds -> once more, sampled -> report

The result is a `cairn-bench 1` of one row, so that //bench:compare reads it; what only a replay has is under
"replay". The runs of the rounds are what is compared. A sampled run is slow: it looks at the whole heap 160 times.
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
from typing import Any, Callable, Dict, List, Sequence, Tuple

from bench.harness import environment, machine, places, proof, result, session, subjects
from bench.harness.catalogue import Row
from bench.harness.options import Parser, UsageError, given_names
from bench.harness.places import Places
from bench.harness.plan import Plan
from bench.harness.progress import Progress
from bench.harness.runner import Interrupted, Runner
from bench.harness.session import Session
from bench.harness.subjects import Subject

EXIT_FAILED, EXIT_WRONG_CALL = 1, 2
DEFAULT_OUT = "replay-report"
ABOUT = "the allocations of a recorded program, in its threads and its order"


# --- options ---

def _number(what: str, pattern: str, least: float, most: float, kind: Callable[[str], Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        if not re.fullmatch(pattern, text) or not least <= kind(text) <= most:
            raise argparse.ArgumentTypeError("not a number %s: '%s'" % (what, text))
        return kind(text)
    return read


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
    count = _number("from 1 to 1000", "[0-9]{1,4}", 1, 1000, int)
    seconds = _number("of seconds above 0", r"[0-9]{1,6}(\.[0-9]+)?", 1e-9, 1e6, float)
    add("trace", metavar="TRACE", help="the file that //bench:record wrote")
    add("--info", action="store_true", help="only say what the trace holds (with --json -: as JSON)")
    add("--rounds", metavar="N", type=count, default=5, help="times that each subject plays it (5)")
    add("--stacks", metavar="A,B", type=given_names, help="stacks of cairn; 'none' for none (all)")
    add("--peers", metavar="A,B", type=given_names, help="peers, glibc, floor; 'none' for none (all found)")
    add("--peer", metavar="NAME=PATH", type=_pair, action="append", default=[], help="one more shared object")
    add("--touch", choices=("none", "ends", "all"), default="ends", help="which bytes are written (ends)")
    add("--paced", action="store_true", help="keep the threads about as far as they were recorded")
    add("--seconds", metavar="LIMIT", type=seconds, default=120.0, help="a longer run is ended (120)")
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
    for folder in [options.out] + ([options.json.parent] if isinstance(options.json, pathlib.Path) else []):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise UsageError("cannot write to %s: %s" % (folder, error.strerror)) from error


# --- what there is ---

def _part(where: Places, name: str, *arguments: str) -> str:
    """What a program beside us says of a trace; raises UsageError where it is none."""
    told = subprocess.run([str(where.runfiles / "bench/trace" / name), *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, errors="replace", check=False)
    if told.returncode != 0:
        raise UsageError(told.stderr.strip().replace(name + ": ", "", 1) or "%s: failed" % name)
    return told.stdout


NOTES = (("lost_events", "events were lost when it was recorded: %d"),
         ("torn_blocks", "the trace is cut off, its torn blocks: %d"),
         ("damaged_blocks", "damaged blocks of the trace, left out: %d"),
         ("bad_blocks", "blocks of the trace that make no sense from some point on: %d"),
         ("unknown_frees", "frees of blocks from before the recording, not replayed: %d"),
         ("inferred_frees", "frees that the trace lacks, and that must have been: %d"))


class Replay:
    """One call of the command."""

    def __init__(self, options: argparse.Namespace, command: Sequence[str], where: Places, runner: Runner,
                 removed: Sequence[str]) -> None:
        self.options, self.where, self.runner, self.bar = options, where, runner, Progress()
        self.commit = machine.commit_of(where.workspace)
        self.plan = runner.scratch / "plan"
        self.row = Row("replay of %s" % options.trace.name, "workloads", tuple(self.player()), ABOUT)
        trace = json.loads(_part(where, "info", str(options.trace)))
        if trace["events"] <= trace["unknown_frees"] + trace["failed"]:
            raise UsageError("%s: has no calls that could be replayed" % options.trace)
        about = machine.describe()
        notes = [line % trace[name] for name, line in NOTES if trace[name]] + machine.notes_on(about)
        if removed:
            notes.append("taken out of the environment: " + ", ".join(removed))
        self.made: Dict[str, Any] = {
            "schema": result.SCHEMA, "started": result.now(), "finished": result.now(), "complete": False,
            "interrupted": False, "command": ["bazel", "run", "//bench:replay", "--", *command],
            "commit": self.commit.name, "dirty": self.commit.is_dirty, "machine": about,
            "settings": {"rounds": options.rounds, "quick": False, "filter": None, "touch": options.touch,
                         "paced": options.paced},
            "subjects": [], "rows": [self.row.as_json()], "runs": [], "components": {}, "handovers": {},
            "notes": notes, "replay": {"trace": options.trace.name, "info": trace,
                                       "planner": self.planner(), "reports": {}}}

    def planner(self) -> List[str]:
        """What makes the plan that is played."""
        return ["--paced"] * self.options.paced + [str(self.options.trace), str(self.plan)]

    def player(self, *more: str) -> List[str]:
        """The replayer with its options."""
        return [str(self.where.runfiles / "bench/trace/replayer"), "--touch=" + self.options.touch, *more,
                str(self.plan)]

    def subjects(self) -> List[Subject]:
        """Who plays, into the result too; a note for each that is missing or does not work."""
        options = self.options
        found = subjects.find(self.where.runfiles, self.commit.name, {}, options.peer)
        chosen = subjects.choose(found, options.stacks, options.peers, options.peer)
        working, dropped = proof.prove(self.runner, chosen)
        notes = subjects.notes_on_missing(found, options.peers) + dropped
        for note in notes:
            self.bar.say(note)
        self.made["notes"] += notes
        self.made["subjects"] = [subject.as_json() for subject in working]
        return working

    def save(self) -> None:
        """What there is so far."""
        result.write(self.made, self.options.out / "replay.json")

    def sample(self, working: Sequence[Subject]) -> None:
        """The sampler's report of each subject that played, into the result; raises Interrupted."""
        failed = {run["subject"] for run in self.made["runs"] if not run["ok"]}
        report = self.runner.scratch / "samples"
        for subject in working:
            if subject.name in failed:
                continue
            outcome = self.runner.measure(subject, self.player("--report=%s" % report))
            if outcome.error is not None:
                self.made["notes"].append("%s: has no picture: %s" % (subject.name, outcome.error))
                continue
            seen = json.loads(report.read_text(encoding="utf-8", errors="replace"))
            self.made["replay"]["reports"][subject.name] = seen

    def play(self, working: Sequence[Subject]) -> None:
        """Everything, into the result; Ctrl-C leaves what was reached."""
        plan = Plan((self.row,), tuple(working), self.options.rounds)
        try:
            Session(plan, self.runner, self.bar, self.made, self.save).carry_out(None, warm_up=True)
            self.sample(working)
            self.made["complete"] = True
        except Interrupted:
            self.made["interrupted"] = True
            self.made["notes"].append("interrupted after %d of %d runs"
                                      % (len(self.made["runs"]), len(working) * self.options.rounds))
        self.bar.clear()
        self.made["finished"] = result.now()
        self.save()

    def publish(self) -> None:
        """Page and pictures into --out, the table on the terminal."""
        # Only now: it imports what draws, which takes a second, and threads that nothing should run beside.
        from bench.trace import findings, pages  # pylint: disable=import-outside-toplevel
        if self.options.json == "-":
            sys.stdout.write(result.text_of(self.made))
        elif self.options.json is not None:
            result.write(self.made, self.options.json)
        written = pages.write(self.options.out, self.made)
        stream = sys.stderr if self.options.json == "-" else sys.stdout
        stream.write(findings.text(self.made))
        stream.flush()
        for line in pages.shortcomings() + ["written: %s" % path for path in written]:
            self.bar.say(line)

    def run(self) -> int:
        """Proof, runs, report; the exit status."""
        with session.interrupts(self.runner, self.bar):
            try:
                working = self.subjects()
            except Interrupted:
                return session.EXIT_INTERRUPTED
            if not working:
                self.bar.say("nobody is left to replay it")
                return EXIT_FAILED
            _prepare(self.options)
            _part(self.where, "planner", *self.planner())
            self.play(working)
            self.publish()
        if self.made["interrupted"]:
            return session.EXIT_INTERRUPTED
        return 0 if any(run["ok"] for run in self.made["runs"]) else EXIT_FAILED


def _print_info(options: argparse.Namespace, where: Places) -> int:
    from bench.trace import findings  # pylint: disable=import-outside-toplevel
    said = _part(where, "info", str(options.trace))
    sys.stdout.write(said if options.json == "-" else findings.about(json.loads(said)))
    sys.stdout.flush()
    return 0


def _act(command: Sequence[str], where: Places) -> int:
    options = parse(command, where.caller)
    if not where.measure.is_file():
        print("replay: no such program: %s: start this with `bazel run //bench:replay`" % where.measure,
              file=sys.stderr)
        return EXIT_FAILED
    if options.info:
        return _print_info(options, where)
    cleaned, removed = environment.clean(os.environ)
    with tempfile.TemporaryDirectory(prefix="cairn-replay-") as scratch:
        runner = Runner(where, pathlib.Path(scratch), cleaned, options.seconds, machine.allowed_cpus())
        return Replay(options, command, where, runner, removed).run()


def main(command: Sequence[str]) -> int:
    """The exit status."""
    try:
        return _act(command, places.find())
    except UsageError as error:
        print("replay: %s" % error, file=sys.stderr)
        return EXIT_WRONG_CALL
    except BrokenPipeError:  # the reader of our lines has gone; no complaint of the interpreter either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except OSError as error:
        print("replay: %s: %s" % (error.filename or "the system", error.strerror), file=sys.stderr)
        return EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
