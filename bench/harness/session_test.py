# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""A plan carried out: failures, the time budget, Ctrl-C. The runner is a stand-in that runs nothing."""

import io
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest
from typing import Any, Callable, Dict, List, Optional

from bench.harness import session
from bench.harness.catalogue import Row
from bench.harness.plan import Plan, Step
from bench.harness.progress import Progress
from bench.harness.runner import Interrupted, Outcome
from bench.harness.session import Session
from bench.harness.subjects import Subject

Outcomes = Callable[[Step], Optional[str]]  # an error, or none

ROWS = tuple(Row(name, "workloads", (name,), rounds=4, expected_s=0.001) for name in ("a", "b"))
SUBJECTS = tuple(Subject(name, "peer") for name in ("x", "y", "z"))


class Scripted:
    """A runner whose outcomes a test decides."""

    def __init__(self, outcome: Outcomes) -> None:
        self.outcome = outcome
        self.steps: List[Step] = []
        self.is_stopped = False
        self.scratch = pathlib.Path("/nowhere")

    def run(self, step: Step) -> Outcome:
        """As the test has it: an error, or none."""
        if self.is_stopped:
            raise Interrupted
        self.steps.append(step)
        made = Outcome(["x"], cost={"wall_s": 0.001})
        error = self.outcome(step)
        if error is not None:
            made.failed(error)
            made.timed_out = error.startswith("timed out")
        return made

    def stop(self) -> None:
        """The user's wish."""
        self.is_stopped = True


class SessionTest(unittest.TestCase):

    def carry_out(self, outcome: Outcomes = lambda step: None, budget_s: Optional[float] = None,
                  warm_up: bool = False) -> Dict[str, Any]:
        self.runner = Scripted(outcome)
        self.said = io.StringIO()
        self.saved: List[int] = []
        self.result: Dict[str, Any] = {"runs": [], "notes": []}
        plan = Plan(ROWS, SUBJECTS, None)
        made = Session(plan, self.runner, Progress(self.said), self.result,  # type: ignore
                       lambda: self.saved.append(len(self.result["runs"])))
        made.carry_out(budget_s, warm_up)
        return self.result

    def test_every_run_of_the_plan_is_recorded_once(self) -> None:
        runs = self.carry_out()["runs"]
        self.assertEqual(len({(run["row"], run["subject"], run["round"]) for run in runs}), 2 * 3 * 4)
        self.assertEqual(len(runs), 2 * 3 * 4)

    def test_a_subject_that_fails_stops_no_other(self) -> None:
        runs = self.carry_out(lambda step: "crashed: SIGSEGV" if step.subject.name == "y" else None)["runs"]
        self.assertEqual(sum(run["ok"] for run in runs), 2 * 2 * 4)

    def test_after_two_failures_in_a_row_it_is_not_tried_again_there(self) -> None:
        def outcome(step: Step) -> Optional[str]:
            return "crashed: SIGSEGV" if (step.row.name, step.subject.name) == ("a", "y") else None
        runs = self.carry_out(outcome)["runs"]
        self.assertEqual(sum((run["row"], run["subject"]) == ("a", "y") for run in runs), 2)
        self.assertEqual(sum((run["row"], run["subject"]) == ("b", "y") for run in runs), 4)

    def test_a_time_out_is_not_waited_for_twice(self) -> None:
        made = self.carry_out(lambda step: "timed out after 9 s" if step.subject.name == "z" else None)
        runs = made["runs"]
        self.assertEqual(sum(run["subject"] == "z" for run in runs), 2)

    def test_the_same_failure_is_told_once(self) -> None:
        self.carry_out(lambda step: "out of memory" if step.subject.name == "x" else None)
        self.assertEqual(self.said.getvalue().count("a on x: out of memory"), 1)

    def test_warm_up_runs_are_made_and_not_recorded(self) -> None:
        runs = self.carry_out(warm_up=True)["runs"]
        self.assertEqual(len(self.runner.steps) - len(runs), len(ROWS))

    def test_without_time_the_first_round_is_whole_and_no_other_begins(self) -> None:
        made = self.carry_out(budget_s=0.0)
        self.assertEqual({run["round"] for run in made["runs"]}, {0})
        self.assertEqual(len(made["runs"]), 2 * 3)
        self.assertEqual(made["notes"],
                         ["the time was used up in round 2: 2 rows got fewer rounds than planned"])

    def test_the_result_is_saved_after_each_round(self) -> None:
        self.carry_out()
        self.assertEqual(self.saved, [6, 12, 18])

    def test_an_interrupt_in_the_middle_keeps_what_was_there(self) -> None:
        def outcome(step: Step) -> Optional[str]:
            if step.round == 1 and step.row.name == "b":
                os.kill(os.getpid(), signal.SIGINT)
            return None
        with self.assertRaises(Interrupted):
            scripted = Scripted(outcome)
            self.result = {"runs": [], "notes": []}
            plan, bar = Plan(ROWS, SUBJECTS, None), Progress(io.StringIO())
            made = Session(plan, scripted, bar, self.result, lambda: None)  # type: ignore
            with session.interrupts(scripted, bar):  # type: ignore
                made.carry_out(None, False)
        self.assertEqual(len(self.result["runs"]), 6 + 3 + 1)
        self.assertEqual(signal.getsignal(signal.SIGINT), signal.default_int_handler)

    def test_a_signal_that_the_caller_ignores_stays_ignored(self) -> None:
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.addCleanup(signal.signal, signal.SIGHUP, before)
        scripted = Scripted(lambda step: None)
        with session.interrupts(scripted, Progress(io.StringIO())):  # type: ignore
            os.kill(os.getpid(), signal.SIGHUP)
        self.assertFalse(scripted.is_stopped)

    def test_the_estimate_says_how_many_runs_and_how_long(self) -> None:
        said = session.estimate(Plan(ROWS, SUBJECTS, None), 90.0, None)
        self.assertEqual(said, "2 rows, 3 subjects, 4 rounds: 24 runs, about 1 min 30 s")

    def test_the_estimate_is_no_longer_than_the_budget(self) -> None:
        said = session.estimate(Plan(ROWS, SUBJECTS, 1), 90.0, 40.0)
        self.assertTrue(said.endswith("1 round: 6 runs, about 40 s"), said)


class SecondInterruptTest(unittest.TestCase):

    PROGRAM = """
import os, pathlib, signal, sys, time
from bench.harness import places, session
from bench.harness.progress import Progress
from bench.harness.runner import Runner
from bench.harness.subjects import Subject
scratch = pathlib.Path(sys.argv[1]) / "scratch"
scratch.mkdir()
runner = Runner(places.find(), scratch, dict(os.environ), 60.0, [0])
with session.interrupts(runner, Progress()):
    os.kill(os.getpid(), signal.SIGINT)
    print("after the first", flush=True)
    os.kill(os.getpid(), signal.SIGINT)
    print("after the second", flush=True)
"""

    def test_the_second_one_ends_at_once_and_leaves_no_scratch(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([sys.executable, "-c", self.PROGRAM, folder], capture_output=True,
                                  text=True, check=False)
            self.assertEqual((done.returncode, done.stdout), (130, "after the first\n"))
            self.assertEqual(done.stderr.count("interrupted"), 1)
            self.assertEqual(os.listdir(folder), [])


if __name__ == "__main__":
    unittest.main()
