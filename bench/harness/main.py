# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""bazel run //bench:all: every component alone, then whole workloads, each stack against every malloc found.

    options -> what there is -> proof that it works -> plan -> runs -> result.json -> report
"""

import argparse
import os
import pathlib
import sys
import tempfile
import time
from typing import Any, Dict, Sequence

from bench.harness import allocators, inventory, machine, options, paths, plan, result, runner as runners, session
from bench.harness.inventory import Work
from bench.harness.options import UsageError
from bench.harness.paths import Paths
from bench.harness.runner import Interrupted, Runner
from bench.harness.session import Progress, duration

EXIT_NOTHING = 1
LIMIT_S, QUICK_LIMIT_S = 60.0, 20.0


# --- before the first run ---

def prepare(chosen: argparse.Namespace) -> None:
    """Makes the directories of the report; a wrong one is told before half an hour is spent, not after it."""
    files = [chosen.out / "result.json"] + [chosen.json] * (chosen.json not in (None, "-"))
    for folder in (pathlib.Path(file).parent for file in files):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise UsageError("cannot write to %s: %s" % (folder, error.strerror)) from error


# --- the runs ---

def _run(work: Work, chosen: argparse.Namespace, runner: Runner, bar: Progress, made: Dict[str, Any]) -> None:
    """Everything, into the result. Components that fail are a note."""
    began = time.monotonic()
    budget_s = None if chosen.rounds else plan.QUICK_BUDGET_S if chosen.quick else plan.FULL_BUDGET_S
    planned = plan.Plan(tuple(work.benchmarks), tuple(work.allocators), chosen.rounds)
    made["settings"]["runs"] = planned.run_count
    bar.say(session.estimate(planned, work.components_s, budget_s))

    def save() -> None:
        result.write(made, chosen.out / "result.json")

    with session.ending(made, planned, save):
        if work.components != []:
            bar.say("components: about %s" % duration(work.components_s))
            try:
                made["components"] = inventory.run_components(runner, work.components, chosen.quick)
            except inventory.SuiteError as error:
                made["notes"].append(str(error))
                bar.say(str(error))
        left_s = None if budget_s is None else budget_s - (time.monotonic() - began)
        session.Session(planned, runner, bar, made, save).carry_out(left_s, warm_up=not chosen.quick)


def _publish(made: Dict[str, Any], chosen: argparse.Namespace, bar: Progress) -> None:
    """Files, table, notes; the result was written first, for nothing that goes wrong now may cost it."""
    # Only now: it imports what draws, which takes a second, and threads that nothing should run beside.
    from bench.harness import page, report, text  # pylint: disable=import-outside-toplevel
    files = [str(chosen.out / "result.json"), *filter(None, [chosen.json])]
    files += report.write_all(made, str(chosen.out))
    result.publish(made, chosen.json, text.report(made))
    for note in page.shortcomings() + ["written: " + path for path in files if path != "-"]:
        bar.say(note)


def _measure(chosen: argparse.Namespace, arguments: Sequence[str], commit: machine.Commit, work: Work,
             runner: Runner, removed: Sequence[str]) -> int:
    """Proof, runs, report; the exit status."""
    bar = Progress()
    with session.interrupts(runner):
        try:
            work.allocators, dropped = runners.prove(runner, work.allocators if work.benchmarks else [])
        except Interrupted:
            return session.EXIT_INTERRUPTED
        work.notes += dropped
        for note in work.notes + ["nothing left to measure"] * work.is_empty:
            bar.say(note)
        if work.is_empty:
            return EXIT_NOTHING
        about = machine.describe()
        settings = {"rounds": chosen.rounds or max((one.repetitions for one in work.benchmarks), default=0),
                    "quick": chosen.quick, "filter": chosen.filter, "groups": list(chosen.groups)}
        made = result.begun(["//bench:all", "--", *arguments], commit, about, settings, work.benchmarks,
                            work.notes + machine.notes_on(about, removed))
        made["subjects"] = [one.as_json() for one in work.allocators]
        _run(work, chosen, runner, bar, made)
        _publish(made, chosen, bar)
    if made["interrupted"]:
        return session.EXIT_INTERRUPTED
    return 0 if any(run["ok"] for run in made["runs"]) or made["components"] else EXIT_NOTHING


def _act(arguments: Sequence[str], where: Paths) -> int:
    chosen = options.parse(arguments, where.caller)
    cleaned, removed = machine.clean(os.environ)
    limit_s = chosen.seconds or (QUICK_LIMIT_S if chosen.quick else LIMIT_S)
    commit = machine.commit_of(where.workspace)
    found = allocators.find(where.runfiles, commit.name, dict(chosen.set), chosen.peer)
    with tempfile.TemporaryDirectory(prefix="cairn-bench-") as scratch:
        runner = Runner(where, pathlib.Path(scratch), cleaned, limit_s, machine.allowed_cpus())
        work = inventory.take(chosen, runner, found)
        if chosen.list:
            sys.stdout.write(inventory.listed(work, found))
            sys.stdout.flush()
            return 0
        prepare(chosen)
        return _measure(chosen, arguments, commit, work, runner, removed)


if __name__ == "__main__":
    sys.exit(options.run("bench", lambda: _act(sys.argv[1:], paths.find())))
