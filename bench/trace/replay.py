# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""bazel run //bench:replay -- TRACE: a recorded program's allocations on every malloc of this machine.

    options -> what the trace holds -> proof that the allocators work -> rounds -> once more, sampled -> report

The result is a `cairn-bench 1` of one row, so that //bench:compare reads it; what only a replay has is under
"replay". The runs of the rounds are what is compared. A sampled run is slow: it looks at the whole heap 160 times.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from typing import List, Sequence

from bench.harness import allocators, machine, options, paths, result, runner as runners, session
from bench.harness.allocators import Allocator
from bench.harness.catalogue import Benchmark
from bench.harness.main import prepare
from bench.harness.options import UsageError
from bench.harness.paths import Paths
from bench.harness.plan import Plan
from bench.harness.runner import Interrupted, Runner
from bench.harness.session import Progress
from bench.trace.record import TRACE_NOTES

EXIT_FAILED = 1
DEFAULT_OUT = "replay-report"
ABOUT = "the allocations of a recorded program, in its threads and its order"


def parse(arguments: Sequence[str], caller: pathlib.Path) -> argparse.Namespace:
    """The options, with paths from where the user stands; raises UsageError."""
    parser = options.Parser(
        prog="bazel run //bench:replay --",
        description="Replays a trace that //bench:record wrote, on each malloc of this machine.",
        epilog="Exit status: 0 when the report is written, 1 when nothing could be replayed, 2 for a wrong\n"
               "call or a file that is no trace, 130 after Ctrl-C (the report is written all the same).")
    add = parser.add_argument
    add("trace", metavar="TRACE", help="the file that //bench:record wrote")
    add("--info", action="store_true", help="only say what the trace holds (with --json -: as JSON)")
    add("--rounds", metavar="N", type=options.count, default=5, help="times that each allocator plays it (5)")
    options.add_allocators(parser)
    add("--touch", choices=("none", "ends", "all"), default="ends", help="which bytes are written (ends)")
    add("--seconds", metavar="LIMIT", type=options.seconds, default=120.0, help="a longer run is ended (120)")
    add("--out", metavar="DIR", default=DEFAULT_OUT, help="where the report goes (./%s)" % DEFAULT_OUT)
    chosen = parser.parse_args(list(arguments))
    options.resolve(chosen, caller)
    for name in ("trace", "out"):
        setattr(chosen, name, caller / pathlib.Path(getattr(chosen, name)).expanduser())
    return chosen


def _part(where: Paths, name: str, *arguments: str) -> str:
    """What a program beside us says of a trace; raises UsageError where it is none."""
    told = subprocess.run([str(where.runfiles / "bench/trace" / name), *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, errors="replace", check=False)
    if told.returncode != 0:
        raise UsageError(told.stderr.strip().replace(name + ": ", "", 1) or "%s: failed" % name)
    return told.stdout


class Replay:
    def __init__(self, chosen: argparse.Namespace, command: Sequence[str], where: Paths, runner: Runner,
                 removed: Sequence[str]) -> None:
        self.chosen, self.where, self.runner, self.bar = chosen, where, runner, Progress()
        self.plan = runner.scratch / "plan"
        self.planner = [str(chosen.trace), str(self.plan)]
        self.benchmark = Benchmark("replay of %s" % chosen.trace.name, "workloads", tuple(self.player()), ABOUT)
        self.commit, about = machine.commit_of(where.workspace), machine.describe()
        trace = json.loads(_part(where, "info", str(chosen.trace)))
        if trace["events"] <= trace["unknown_frees"] + trace["failed"]:
            raise UsageError("%s: has no calls that could be replayed" % chosen.trace)
        self.made = result.begun(
            ["//bench:replay", "--", *command], self.commit, about,
            {"rounds": chosen.rounds, "quick": False, "filter": None, "touch": chosen.touch},
            [self.benchmark], ["%s: %d (%s)" % (what, trace[name], means) for name, what, means in TRACE_NOTES if trace[name]])
        self.made["notes"] += machine.notes_on(about, removed)
        self.made["replay"] = {"trace": chosen.trace.name, "info": trace, "planner": self.planner, "reports": {}}

    def player(self, *more: str) -> List[str]:
        return [str(self.where.runfiles / "bench/trace/replayer"), "touch=" + self.chosen.touch, *more,
                "plan=%s" % self.plan]

    def find(self) -> List[Allocator]:
        """Who plays, into the result too; a note for each that is missing or does not work."""
        chosen = self.chosen
        found = allocators.find(self.where.runfiles, self.commit.name, {}, chosen.peer)
        working, dropped = runners.prove(
            self.runner, allocators.choose(found, chosen.stacks, chosen.peers, chosen.peer))
        notes = allocators.notes_on_missing(found, chosen.peers) + dropped
        for note in notes:
            self.bar.say(note)
        self.made["notes"] += notes
        self.made["subjects"] = [one.as_json() for one in working]
        return working

    def save(self) -> None:
        result.write(self.made, self.chosen.out / "replay.json")

    def sample(self, working: Sequence[Allocator]) -> None:
        """The memory of each allocator that played, into the result; raises Interrupted."""
        # Only now: numpy takes a while, and threads that nothing should run beside.
        from bench.trace import samples  # pylint: disable=import-outside-toplevel
        if samples.MISSING:
            self.made["notes"].append(samples.MISSING)
            return
        failed = {run["subject"] for run in self.made["runs"] if not run["ok"]}
        notes, peak_bytes = self.runner.scratch / "notes", self.made["replay"]["info"]["peak_live_bytes"]
        for one in working:
            if one.name in failed:
                continue
            outcome = self.runner.measure(one, self.player("notes=%s" % notes))
            if outcome.error is not None:
                self.made["notes"].append("%s: has no picture: %s" % (one.name, outcome.error))
                continue
            self.made["replay"]["reports"][one.name] = samples.read(notes, peak_bytes)

    def play(self, working: Sequence[Allocator]) -> None:
        """Everything, into the result; Ctrl-C leaves what was reached."""
        plan = Plan((self.benchmark,), tuple(working), self.chosen.rounds)
        with session.ending(self.made, plan, self.save):
            session.Session(plan, self.runner, self.bar, self.made, self.save).carry_out(None, warm_up=True)
            self.sample(working)

    def publish(self) -> None:
        """Page and pictures into --out, the table on the terminal."""
        # Only now: it imports what draws, which takes a second, and threads that nothing should run beside.
        from bench.harness import page  # pylint: disable=import-outside-toplevel
        from bench.trace import findings, pages  # pylint: disable=import-outside-toplevel
        written = pages.write(self.chosen.out, self.made)
        result.publish(self.made, self.chosen.json, findings.spoken(self.made))
        for line in page.shortcomings() + ["written: %s" % path for path in written]:
            self.bar.say(line)

    def run(self) -> int:
        """Proof, runs, report; the exit status."""
        with session.interrupts(self.runner):
            try:
                working = self.find()
            except Interrupted:
                return session.EXIT_INTERRUPTED
            if not working:
                self.bar.say("nobody is left to replay it")
                return EXIT_FAILED
            prepare(self.chosen)
            _part(self.where, "planner", *self.planner)
            self.play(working)
            self.publish()
        if self.made["interrupted"]:
            return session.EXIT_INTERRUPTED
        return 0 if any(run["ok"] for run in self.made["runs"]) else EXIT_FAILED


def _act(command: Sequence[str], where: Paths) -> int:
    chosen = parse(command, where.caller)
    if chosen.info:
        from bench.trace import findings  # pylint: disable=import-outside-toplevel
        said = _part(where, "info", str(chosen.trace))
        print(said if chosen.json == "-" else findings.about(json.loads(said)), end="")
        sys.stdout.flush()
        return 0
    cleaned, removed = machine.clean(os.environ)
    with tempfile.TemporaryDirectory(prefix="cairn-replay-") as scratch:
        runner = Runner(where, pathlib.Path(scratch), cleaned, chosen.seconds, machine.allowed_cpus())
        return Replay(chosen, command, where, runner, removed).run()


if __name__ == "__main__":
    sys.exit(options.run("replay", lambda: _act(sys.argv[1:], paths.find())))
