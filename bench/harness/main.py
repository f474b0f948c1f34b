# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""bazel run //bench:all: every component alone, then whole workloads, each stack against every malloc found.

    options -> what there is -> proof that it works -> plan -> runs -> result.json -> report
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any, Dict, Optional, Sequence

from bench.harness import environment, inventory, machine, options, places, plan, progress, proof, result
from bench.harness import session, subjects, suites
from bench.harness.inventory import Work
from bench.harness.options import Options, UsageError
from bench.harness.places import Places
from bench.harness.progress import Progress
from bench.harness.runner import Interrupted, Runner

EXIT_NOTHING, EXIT_USAGE = 1, 2
LIMIT_S, QUICK_LIMIT_S = 60.0, 20.0
PACKAGE_LISTS = ("peers", "report")


# --- before the first run ---

def _without_preload() -> None:
    """The harness itself runs on the C library's malloc, whatever its caller has preloaded."""
    if os.environ.get("LD_PRELOAD"):
        kept = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        os.execve(sys.executable, [sys.executable, "-m", "bench.harness.main", *sys.argv[1:]], kept)


def _install(where: Places) -> None:
    """Peers, programs and what the report is drawn with, by the workspace's own installer."""
    installer = where.workspace / "tools/install" if where.workspace else None
    if installer is None or not installer.is_file():
        raise UsageError("--install: works under `bazel run`, which tells where the workspace is")
    subprocess.run([str(installer), *PACKAGE_LISTS], check=False)


def _prepare(chosen: Options) -> None:
    """Makes the directories of the report; a wrong one is told before half an hour is spent, not after it."""
    targets = [chosen.out / "result.json"]
    if chosen.json not in (None, "-"):
        targets.append(pathlib.Path(str(chosen.json)))
    for target in targets:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=target.parent):
                pass
        except OSError as error:
            raise UsageError("cannot write to %s: %s" % (target.parent, error.strerror)) from error


# --- the runs ---

def _begin(chosen: Options, arguments: Sequence[str], commit: machine.Commit, work: Work,
           removed: Sequence[str]) -> Dict[str, Any]:
    """A result without runs."""
    about = machine.describe()
    notes = work.notes + machine.notes_on(about)
    if removed:
        notes.append("taken out of the environment: " + ", ".join(removed))
    settings = {"rounds": chosen.rounds or max((row.rounds for row in work.rows), default=0),
                "quick": chosen.quick, "filter": chosen.filter, "groups": list(chosen.groups)}
    return {"schema": result.SCHEMA, "started": result.now(), "finished": result.now(), "complete": False,
            "interrupted": False, "command": ["bazel", "run", "//bench:all", "--", *arguments],
            "commit": commit.name, "dirty": commit.is_dirty, "machine": about, "settings": settings,
            "subjects": [subject.as_json() for subject in work.subjects],
            "rows": [row.as_json() for row in work.rows],
            "runs": [], "components": {}, "handovers": {}, "notes": notes}


def _measure_suites(work: Work, chosen: Options, runs: Runner, bar: Progress, made: Dict[str, Any]) -> None:
    """Components and handovers: a suite that fails is a note."""
    tasks = []
    if work.benchmarks != []:
        tasks.append(("components", work.expected_benchmarks_s,
                      lambda: suites.components(runs, work.benchmarks, chosen.quick)))
    if work.handovers:
        tasks.append(("handovers", suites.handovers_s(chosen.quick),
                      lambda: suites.handovers(runs, chosen.quick)))
    for name, expected_s, measure in tasks:
        bar.say("%s: about %s" % (name, progress.duration(expected_s)))
        try:
            made[name] = measure()
        except suites.SuiteError as error:
            made["notes"].append(str(error))
            bar.say(str(error))


def _budget_s(chosen: Options) -> Optional[float]:
    if chosen.rounds is not None:
        return None
    return plan.QUICK_BUDGET_S if chosen.quick else plan.FULL_BUDGET_S


def _run(work: Work, chosen: Options, runs: Runner, bar: Progress, made: Dict[str, Any]) -> None:
    """Everything, into the result; Ctrl-C leaves what was reached."""
    began = time.monotonic()
    budget_s = _budget_s(chosen)
    planned = plan.Plan(tuple(work.rows), tuple(work.subjects), chosen.rounds)
    made["settings"]["runs"] = planned.run_count
    suites_s = work.expected_benchmarks_s + (suites.handovers_s(chosen.quick) if work.handovers else 0)
    bar.say(session.estimate(planned, suites_s, budget_s))

    def save() -> None:
        result.write(made, chosen.out / "result.json")

    try:
        _measure_suites(work, chosen, runs, bar, made)
        left_s = None if budget_s is None else budget_s - (time.monotonic() - began)
        session.Session(planned, runs, bar, made, save).carry_out(left_s, warm_up=not chosen.quick)
        made["complete"] = True
    except Interrupted:
        made["interrupted"] = True
        made["notes"].append("interrupted after %d of %d runs" % (len(made["runs"]), planned.run_count))
    bar.clear()
    made["finished"] = result.now()


def _status(made: Dict[str, Any]) -> int:
    if made["interrupted"]:
        return session.EXIT_INTERRUPTED
    measured = any(run["ok"] for run in made["runs"]) or made["components"] or made["handovers"]
    return 0 if measured else EXIT_NOTHING


def _measure(chosen: Options, arguments: Sequence[str], commit: machine.Commit, work: Work, runs: Runner,
             removed: Sequence[str]) -> int:
    """Proof, runs, report; the exit status."""
    bar = Progress()
    with session.interrupts(runs, bar):
        try:
            work.subjects, dropped = proof.prove(runs, work.subjects if work.rows else [])
        except Interrupted:
            return session.EXIT_INTERRUPTED
        work.notes += dropped
        for note in work.notes:
            bar.say(note)
        if work.is_empty:
            bar.say("nothing left to measure")
            return EXIT_NOTHING
        made = _begin(chosen, arguments, commit, work, removed)
        _run(work, chosen, runs, bar, made)
        # Only now: it imports what draws, which takes a second, and threads that nothing should run beside.
        from bench.harness import publish  # pylint: disable=import-outside-toplevel
        publish.publish(made, chosen, bar)
    return _status(made)


def _act(arguments: Sequence[str], where: Places) -> int:
    chosen = options.parse(arguments, where.caller)
    if not where.measure.is_file():
        print("bench: no such program: %s: start this with `bazel run //bench:all`" % where.measure,
              file=sys.stderr)
        return EXIT_NOTHING
    if chosen.install:
        _install(where)
    cleaned, removed = environment.clean(os.environ)
    limit_s = chosen.seconds or (QUICK_LIMIT_S if chosen.quick else LIMIT_S)
    commit = machine.commit_of(where.workspace)
    found = subjects.find(where.runfiles, commit.name, chosen.environment, chosen.added)
    with tempfile.TemporaryDirectory(prefix="cairn-bench-") as scratch:
        runs = Runner(where, pathlib.Path(scratch), cleaned, limit_s, machine.allowed_cpus())
        work = inventory.take(chosen, runs, found)
        if chosen.list:
            sys.stdout.write(inventory.listed(work, found))
            sys.stdout.flush()
            return 0
        _prepare(chosen)
        return _measure(chosen, arguments, commit, work, runs, removed)


def main(arguments: Sequence[str]) -> int:
    """The exit status."""
    try:
        return _act(arguments, places.find())
    except UsageError as error:
        print("bench: %s" % error, file=sys.stderr)
        return EXIT_USAGE
    except BrokenPipeError:  # who read our lines has gone; no complaint of the interpreter either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_NOTHING
    except OSError as error:
        print("bench: %s: %s" % (error.filename or "the system", error.strerror), file=sys.stderr)
        return EXIT_NOTHING


if __name__ == "__main__":
    _without_preload()
    sys.exit(main(sys.argv[1:]))
