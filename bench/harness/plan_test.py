# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The order of runs: whoever is measured early in one round is measured late in another."""

import collections
import unittest

from bench.harness import plan
from bench.harness.catalogue import Row
from bench.harness.plan import Costs, Failures, Plan, Step
from bench.harness.subjects import Subject


def subject(name: str) -> Subject:
    return Subject(name, "peer")


def row(name: str, rounds: int = 2, expected_s: float = 1.0) -> Row:
    return Row(name, "workloads", (name,), rounds=rounds, expected_s=expected_s)


class OrderTest(unittest.TestCase):

    def test_each_round_of_a_row_has_every_subject_once(self) -> None:
        for count in range(1, 10):
            for index in range(2 * count):
                self.assertEqual(sorted(plan.order_of(count, 3, index)), list(range(count)))

    def test_over_two_rounds_the_mean_place_of_all_is_the_same(self) -> None:
        for count in range(1, 10):
            for row_index in range(12):
                for first in (0, 2, 4):
                    one, other = (plan.order_of(count, row_index, first + index) for index in (0, 1))
                    sums = {one.index(who) + other.index(who) for who in range(count)}
                    self.assertEqual(sums, {count - 1})

    def test_over_twice_as_many_rounds_as_subjects_each_has_each_place_twice(self) -> None:
        for count in range(1, 10):
            places = collections.Counter((who, place) for index in range(2 * count)
                                         for place, who in enumerate(plan.order_of(count, 5, index)))
            self.assertEqual(set(places.values()), {2})
            self.assertEqual(len(places), count * count)

    def test_in_one_round_the_subject_that_begins_changes_from_row_to_row(self) -> None:
        for round_index in range(4):
            firsts = [plan.order_of(7, row_index, round_index)[0] for row_index in range(7)]
            self.assertEqual(sorted(firsts), list(range(7)))


class PlanTest(unittest.TestCase):

    def setUp(self) -> None:
        self.plan = Plan((row("a", 3), row("b", 1)), (subject("x"), subject("y")), None)

    def test_rows_are_outermost_in_a_round_and_subjects_follow_each_other(self) -> None:
        met = [(batch[0].round, batch[0].row.name, {step.subject.name for step in batch})
               for batch in self.plan.batches()]
        both = {"x", "y"}
        self.assertEqual(met, [(0, "a", both), (0, "b", both), (1, "a", both), (2, "a", both)])

    def test_a_step_knows_its_place_in_the_row(self) -> None:
        for batch in self.plan.batches():
            self.assertEqual([step.order for step in batch], [0, 1])

    def test_the_number_of_runs_is_that_of_the_steps(self) -> None:
        self.assertEqual(self.plan.run_count, sum(map(len, self.plan.batches())))

    def test_rounds_that_the_user_wants_are_those_of_every_row(self) -> None:
        wanted = Plan(self.plan.rows, self.plan.subjects, 2)
        self.assertEqual(wanted.run_count, 8)
        self.assertEqual(sum(map(len, wanted.batches())), 8)

    def test_without_rows_or_subjects_there_is_nothing_to_do(self) -> None:
        self.assertEqual(list(Plan((), (subject("x"),), None).batches()), [])
        self.assertEqual(Plan((row("a"),), (), None).run_count, 0)


class CostsTest(unittest.TestCase):

    def test_before_any_run_the_catalogue_counts(self) -> None:
        self.assertEqual(Costs().of(row("a", expected_s=4.0)), 4.0)

    def test_a_row_that_was_seen_costs_what_it_cost(self) -> None:
        costs = Costs()
        costs.add(row("a"), 3.0)
        costs.add(row("a"), 5.0)
        self.assertEqual(costs.of(row("a")), 4.0)

    def test_a_row_that_was_not_seen_is_as_far_off_as_the_others_were(self) -> None:
        costs = Costs()
        costs.add(row("a", expected_s=1.0), 2.0)
        self.assertEqual(costs.of(row("b", expected_s=3.0)), 6.0)

    def test_what_is_left_is_the_sum_over_the_steps(self) -> None:
        steps = [Step(row("a", expected_s=1.0), subject("x"), 0, 0),
                 Step(row("b", expected_s=2.0), subject("x"), 0, 0)]
        self.assertEqual(Costs().left_s(steps), 3.0)


class FailuresTest(unittest.TestCase):

    def setUp(self) -> None:
        self.failures = Failures()
        self.step = Step(row("a"), subject("x"), 0, 0)

    def test_after_two_failures_it_is_given_up_in_this_row_alone(self) -> None:
        self.failures.add(self.step, timed_out=False)
        self.assertFalse(self.failures.given_up(self.step))
        self.failures.add(self.step, timed_out=False)
        self.assertTrue(self.failures.given_up(self.step))
        self.assertFalse(self.failures.given_up(Step(row("b"), subject("x"), 1, 0)))
        self.assertFalse(self.failures.given_up(Step(row("a"), subject("y"), 1, 0)))

    def test_one_time_out_is_enough(self) -> None:
        self.failures.add(self.step, timed_out=True)
        self.assertTrue(self.failures.given_up(self.step))


if __name__ == "__main__":
    unittest.main()
