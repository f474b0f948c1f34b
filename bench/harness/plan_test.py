# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The order of runs: what is measured early in one repetition is measured late in another. And their cost."""

import collections
import io
import unittest

from bench.harness import plan, progress
from bench.harness.allocators import Allocator
from bench.harness.catalogue import Benchmark
from bench.harness.plan import Costs, Failures, Plan, Step

X, Y = (Allocator(name, "peer") for name in "xy")


def benchmark(name: str, repetitions: int = 2, expected_s: float = 1.0) -> Benchmark:
    return Benchmark(name, "workloads", (name,), repetitions=repetitions, expected_s=expected_s)


class OrderTest(unittest.TestCase):
    def test_each_allocator_has_the_same_mean_place_and_each_place_as_often(self) -> None:
        for count in range(1, 10):
            for index in range(12):
                orders = [plan.order_of(count, index, repetition) for repetition in range(2 * count)]
                for one, other in zip(orders[::2], orders[1::2]):
                    self.assertEqual({one.index(who) + other.index(who) for who in range(count)}, {count - 1})
                places = collections.Counter((who, place) for order in orders for place, who in enumerate(order))
                self.assertEqual((set(places.values()), len(places)), ({2}, count * count))

    def test_in_one_repetition_the_allocator_that_begins_changes_with_the_benchmark(self) -> None:
        for repetition in range(4):
            firsts = [plan.order_of(7, index, repetition)[0] for index in range(7)]
            self.assertEqual(sorted(firsts), list(range(7)))


class PlanTest(unittest.TestCase):
    def test_benchmarks_are_outermost_in_a_repetition_and_allocators_follow_each_other(self) -> None:
        made = Plan((benchmark("a", 3), benchmark("b", 1)), (X, Y), None)
        met = [(batch[0].repetition, batch[0].benchmark.name, {step.allocator.name for step in batch},
                [step.order for step in batch]) for batch in made.batches()]
        self.assertEqual(met, [(repetition, name, {"x", "y"}, [0, 1])
                               for repetition, name in ((0, "a"), (0, "b"), (1, "a"), (2, "a"))])

    def test_the_number_of_runs_is_that_of_the_steps(self) -> None:
        both = (benchmark("a", 3), benchmark("b", 1))
        for benchmarks, allocators, wanted, count in ((both, (X, Y), None, 8), (both, (X, Y), 2, 8), (both, (), None, 0),
                                                      ((), (X,), None, 0)):
            made = Plan(benchmarks, allocators, wanted)
            self.assertEqual((made.run_count, sum(map(len, made.batches()))), (count, count))


class CostsTest(unittest.TestCase):
    def test_a_benchmark_costs_what_it_cost_and_one_not_seen_is_as_far_off_as_the_others(self) -> None:
        costs = Costs()
        self.assertEqual(costs.of(benchmark("a", expected_s=4.0)), 4.0)
        for cost_s in (3.0, 5.0):
            costs.add(benchmark("a", expected_s=2.0), cost_s)
        self.assertEqual((costs.of(benchmark("a")), costs.of(benchmark("b", expected_s=3.0))), (4.0, 6.0))
        steps = [Step(benchmark(name, expected_s=3.0), X, 0, 0) for name in "ab"]
        self.assertEqual(costs.left_s(steps), 10.0)

    def test_after_two_failures_or_one_time_out_it_is_given_up_in_this_benchmark_alone(self) -> None:
        step = Step(benchmark("a"), X, 0, 0)
        for outcomes in ((False, False), (True,)):
            failures = Failures()
            for timed_out in outcomes:
                self.assertFalse(failures.given_up(step))
                failures.add(step, timed_out)
            self.assertTrue(failures.given_up(step))
            for other in (Step(benchmark("b"), X, 1, 0), Step(benchmark("a"), Y, 1, 0)):
                self.assertFalse(failures.given_up(other))


class ProgressTest(unittest.TestCase):
    def test_there_is_a_line_every_ten_seconds(self) -> None:
        stream, now_s = io.StringIO(), [1000.0]
        bar = progress.Progress(stream, lambda: now_s[0])
        for done in range(25):
            if bar.is_due():
                bar.show(done, 25, "churn, cairn", 100.0)
            now_s[0] += 1
        self.assertEqual(stream.getvalue().splitlines(), [
            "bench: %d/25  churn, cairn, 1 min 40 s left" % done for done in (0, 10, 20)])

    def test_durations_are_as_exact_as_one_cares(self) -> None:
        self.assertEqual([progress.duration(seconds) for seconds in (0.4, 59.4, 60, 3599, 3660)],
                         ["0 s", "59 s", "1 min 0 s", "59 min 59 s", "1 h 1 min"])
