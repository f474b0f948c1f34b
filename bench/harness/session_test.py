# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The order of runs: what is measured early in one repetition is measured late in another. And a plan carried out:
failures, the time budget, Ctrl-C. The runner is a stand-in that runs nothing."""

import collections
import io
import os
import pathlib
import signal
import unittest
from typing import Any, Callable, Dict, List, Optional

from bench.harness import session
from bench.harness.allocators import Allocator
from bench.harness.catalogue import Benchmark
from bench.harness.plan import Plan, Step, order_of
from bench.harness.runner import Interrupted, Outcome
from bench.harness.session import Progress, Session

Outcomes = Callable[[Step], Optional[str]]  # an error, or none


def benchmark(name: str, repetitions: int) -> Benchmark:
    return Benchmark(name, "workloads", (name,), repetitions=repetitions, expected_s=0.001)


PLAN = Plan(tuple(benchmark(name, 4) for name in "ab"), tuple(Allocator(name, "peer") for name in "xyz"), None)


class OrderTest(unittest.TestCase):
    def test_each_allocator_has_the_same_mean_place_and_each_place_as_often(self) -> None:
        for count in range(1, 10):
            for index in range(12):
                orders = [order_of(count, index, repetition) for repetition in range(2 * count)]
                for one, other in zip(orders[::2], orders[1::2]):
                    self.assertEqual({one.index(who) + other.index(who) for who in range(count)}, {count - 1})
                places = collections.Counter((who, place) for order in orders for place, who in enumerate(order))
                self.assertEqual((set(places.values()), len(places)), ({2}, count * count))


class PlanTest(unittest.TestCase):
    def test_the_number_of_runs_is_that_of_the_steps(self) -> None:
        for made, count in ((PLAN, 24), (PLAN._replace(repetitions=2), 12), (PLAN._replace(allocators=()), 0),
                              (PLAN._replace(benchmarks=()), 0)):
            self.assertEqual((made.run_count, sum(map(len, made.batches()))), (count, count))


class ProgressTest(unittest.TestCase):
    def test_there_is_a_line_every_ten_seconds(self) -> None:
        stream, now_s = io.StringIO(), [1000.0]
        bar = Progress(stream, lambda: now_s[0])
        for done in range(25):
            bar.show(done, 25, "churn, cairn")
            now_s[0] += 1
        self.assertEqual(stream.getvalue().splitlines(), [
            "bench: 0/25  churn, cairn", "bench: 10/25  churn, cairn, 15 s left", "bench: 20/25  churn, cairn, 5 s left"])

    def test_durations_are_as_exact_as_one_cares(self) -> None:
        self.assertEqual([session.duration(seconds) for seconds in (0.4, 59.4, 60, 3599, 3660)],
                         ["0 s", "59 s", "1 min 0 s", "59 min 59 s", "1 h 1 min"])


class Scripted:
    def __init__(self, outcome: Outcomes) -> None:
        self.outcome = outcome
        self.steps: List[Step] = []
        self.is_stopped = False
        self.scratch = pathlib.Path("/nowhere")

    def run(self, step: Step) -> Outcome:
        if self.is_stopped:
            raise Interrupted
        self.steps.append(step)
        made, error = Outcome(["x"], cost={"wall_s": 0.001}), self.outcome(step)
        if error is not None:
            made.failed(error)
            made.timed_out = error.startswith("timed out")
        return made

    def stop(self) -> None:
        self.is_stopped = True


class SessionTest(unittest.TestCase):
    def carry_out(self, outcome: Outcomes = lambda step: None, budget_s: Optional[float] = None,
                  warm_up: bool = False) -> Dict[str, Any]:
        self.runner, self.said, self.saved = Scripted(outcome), io.StringIO(), []
        self.result: Dict[str, Any] = {"runs": [], "notes": []}
        made = Session(PLAN, self.runner, Progress(self.said), self.result,  # type: ignore
                       lambda: self.saved.append(len(self.result["runs"])))
        with session.interrupts(self.runner):  # type: ignore
            made.carry_out(budget_s, warm_up)
        return self.result

    def test_every_run_of_the_plan_is_recorded_once_and_saved_after_each_repetition(self) -> None:
        runs = self.carry_out()["runs"]
        self.assertEqual(len({(run["row"], run["subject"], run["round"]) for run in runs}), 2 * 3 * 4)
        self.assertEqual((len(runs), self.saved), (2 * 3 * 4, [6, 12, 18]))

    def test_what_fails_is_tried_twice_or_once_if_slow_told_once_and_stops_nothing_else(self) -> None:
        for error, tries in (("crashed: SIGSEGV", 2), ("timed out after 9 s", 1)):
            runs = self.carry_out(lambda step: error if (step.benchmark.name, step.allocator.name) == ("a", "y")
                                  else None)["runs"]
            self.assertEqual(sum(not run["ok"] for run in runs), tries)
            self.assertEqual(sum(run["ok"] for run in runs), (2 * 3 - 1) * 4)
            self.assertEqual(self.said.getvalue().count("a on y: " + error), 1)

    def test_warm_up_runs_are_made_and_not_recorded(self) -> None:
        runs = self.carry_out(warm_up=True)["runs"]
        self.assertEqual(len(self.runner.steps) - len(runs), 2)

    def test_without_time_the_first_repetition_is_whole_and_no_other_begins(self) -> None:
        made = self.carry_out(budget_s=0.0)
        self.assertEqual([run["round"] for run in made["runs"]], [0] * 6)
        self.assertEqual(made["notes"],
                         ["the time was used up in repetition 2: 2 benchmarks got fewer than planned"])

    def test_a_signal_that_the_caller_ignores_stays_ignored(self) -> None:
        self.addCleanup(signal.signal, signal.SIGHUP, signal.signal(signal.SIGHUP, signal.SIG_IGN))
        self.carry_out(lambda step: os.kill(os.getpid(), signal.SIGHUP))
        self.assertFalse(self.runner.is_stopped)

    def test_the_estimate_says_how_many_runs_and_how_long_within_the_budget(self) -> None:
        self.assertEqual(session.estimate(PLAN, 90.0, None),
                         "2 benchmarks, 3 allocators, 4 repetitions: 24 runs, about 1 min 30 s")
        self.assertTrue(session.estimate(PLAN._replace(repetitions=1), 90.0, 40.0).endswith(
            "1 repetition: 6 runs, about 40 s"))
