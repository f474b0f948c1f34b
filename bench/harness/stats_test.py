# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Medians, ratios and means on examples that can be checked by hand; what is significant; the sentences."""

import random
import unittest
from unittest import mock

from bench.harness import fixture, messages, significance, stats
from bench.harness.stats import Sample

KINDS = {"cairn": "stack", "reference": "stack", "floor": "floor"}


def summary(values, changed=None, **more):
    """Of {benchmark: {allocator: [seconds or an error, ...]}}; memory is 1000 KiB for each second."""
    made = fixture.result(only=())
    names = dict.fromkeys(name for cells in values.values() for name in cells)
    made["subjects"] = [fixture.allocator(name, KINDS.get(name, "peer")) for name in names]
    for benchmark, cells in values.items():
        made["rows"].append({**fixture.row(benchmark), **(changed or {}).get(benchmark, {})})
        for name, seconds in cells.items():
            for repetition, value in enumerate(seconds):
                is_good = not isinstance(value, str)
                run = fixture.run(benchmark, name, repetition, *((value, value * 1000) if is_good else (1, 1)))
                made["runs"].append(run if is_good else fixture.failed(run, value))
    return stats.summarise({**made, **more})


class SampleTest(unittest.TestCase):
    def test_median_quartiles_and_spread(self):
        for values, median, quartiles, spread in (
                ((1, 2, 4, 8, 100), 4, (2, 8), 6 / 4), ((1, 3), 2, (1.5, 2.5), 0.5), ((3,), 3, (3, 3), 0),
                ((0, 0, 5), 0, (0, 2.5), 0)):
            sample = Sample(values)
            self.assertEqual((sample.median, sample.quartiles, sample.spread), (median, quartiles, spread))


class SummaryTest(unittest.TestCase):
    def test_ratios_are_to_the_smallest_median_of_those_that_free(self):
        one = summary({"r": {"a": [2, 2, 9], "b": [3, 3, 3], "floor": [1, 1, 1]}}).benchmarks[0]
        self.assertEqual(one.best["time"], "a")
        self.assertEqual([one.ratio(name, "time") for name in ("a", "b", "floor")], [1, 1.5, 0.5])

    def test_cpu_and_faults_are_sums_of_their_two_kinds_and_extras_are_medians(self):
        run = {**fixture.run("r", "a", 0, 1, 1), "user_s": 2, "system_s": 3, "minor_faults": 5, "major_faults": 7}
        cell = stats.cell_of([{**run, "extra": {"grown_kib": value}} for value in (1, 5, 2)])
        self.assertEqual((cell.median("cpu"), cell.median("faults"), cell.extra), (5, 12, {"grown_kib": 2}))

    def test_one_failed_run_makes_the_cell_fail_and_another_the_best(self):
        one = summary({"r": {"a": [1, "crashed: SIGSEGV"], "b": [5, 5]}}).benchmarks[0]
        self.assertEqual((one.best["time"], one.ratio("a", "time")), ("b", None))
        self.assertEqual(one.cells["a"].reason, "crashed: SIGSEGV (1 of 2 runs)")

    def test_geometric_means_are_over_the_benchmarks_that_were_done_and_name_the_others(self):
        found = summary({"r": {"a": [1], "b": [2]}, "s": {"a": [1], "b": [8]}, "t": {"a": [1], "b": ["x"]}},
                        {"s": {"group": "programs"}})
        mean = found.mean("b", "time")
        self.assertAlmostEqual(mean.value, 4)
        self.assertEqual((mean.count, mean.missing), (2, ("t",)))
        self.assertAlmostEqual(found.mean("b", "time", "workloads").value, 2)
        self.assertAlmostEqual(found.mean("b", "time", "programs").value, 8)
        self.assertEqual(found.ranked("time", "peer"), ["a", "b"])
        self.assertIsNone(stats.geometric_mean([]))

    def test_time_is_not_compared_in_a_benchmark_about_memory(self):
        found = summary({"r": {"a": [1], "b": [2]}}, {"r": {"metric": "memory"}})
        self.assertNotIn("time", found.benchmarks[0].best)
        self.assertEqual((found.benchmarks[0].ratio("b", "peak"), found.mean("b", "time").count), (2, 0))

    def test_a_cell_that_was_never_run_says_so_and_is_no_failure(self):
        found = summary({"r": {"a": [1], "b": []}})
        self.assertEqual(found.benchmarks[0].cells["b"].reason, "not run")
        self.assertEqual(messages.failures(found), [])


class SignificanceTest(unittest.TestCase):
    def test_probabilities_that_can_be_counted_by_hand(self):
        for first, second, probability in (
                (range(5), range(5, 10), 2 / 252), ([1, 4], [2, 3], 1), ([5] * 5, [5] * 5, 1),
                ([1, 1], [2, 2], 2 / 6)):  # of the 6 ways to choose two of {1, 1, 2, 2}, one has both ones
            self.assertAlmostEqual(significance.mann_whitney([*first], [*second]), probability)

    def test_samples_differ_by_the_test_or_by_their_ranges(self):
        for first, second, is_told in (
                ((1,), (100,), False), ((1, 2, 3), (4, 5, 6), True), ((1, 2, 3), (3, 5, 6), False),
                ((4, 5), (1, 2, 3, 3), True), ((1, 2, 3, 4), (5, 6, 7, 8), True), ((1, 2, 3, 6), (5, 7, 8, 9), False),
                ((1, 2, 3, 4, 5, 7), (6, 8, 9, 10, 11, 12), True)):
            self.assertEqual(significance.differ(first, second), is_told, (first, second))
        significance.differ.cache_clear()
        with mock.patch.object(significance, "MISSING", "scipy is missing"):
            self.assertFalse(significance.differ((1, 2, 3, 4, 5, 7), (6, 8, 9, 10, 11, 12)))
        significance.differ.cache_clear()

    @staticmethod
    def blocks(seed, count, shift, noise=0.02):
        """One pair of five values each; those in `shift` changed by 15 %."""
        chance = random.Random(seed)
        draw = lambda middle: [chance.lognormvariate(middle, noise) for _ in range(5)]
        return [[(draw(0), draw(0.15 if index in shift else 0))] for index in range(count)]

    def test_step_down_finds_one_change_among_many_pairs_and_all_of_many(self):
        for blocks, changed in ((self.blocks(5, 60, {7}), {7}), (self.blocks(6, 30, range(30), 0.01), set(range(30)))):
            found = significance.step_down(blocks)
            self.assertEqual({i for i, (p,) in enumerate(found) if p < significance.ALPHA}, changed)

    def test_without_a_change_false_alarms_are_rare(self):
        alarms = sum(min(significance.step_down(self.blocks(seed, 12, ()), 300))[0] < significance.ALPHA
                     for seed in range(100))
        self.assertLess(alarms, 11)

    def test_step_down_at_the_edges(self):
        for pair, low, high in (
                (([4096] * 5, [8192] * 5), 0, 0.05), (([4096] * 5, [4096] * 5), 1, 1),  # without any noise
                (([1.0, 1.01, 1.02], [9.0, 9.1, 9.2]), 0.05, 1)):  # three repetitions never suffice
            ((probability,),) = significance.step_down([[pair]])
            self.assertTrue(low <= probability <= high, (pair, probability))
        self.assertEqual(significance.step_down([[], []]), [[], []])

    def test_intervals_hold_the_ratio_and_no_more(self):
        low, high = significance.interval([1.0, 1.01, 0.99, 1.02, 1.0], [1.1, 1.12, 1.09, 1.1, 1.11])
        self.assertTrue(1.05 < low < 1.1 < high < 1.15, (low, high))
        self.assertEqual(significance.interval([2], [3]), (1.5, 1.5))
        for edge in significance.interval_of_mean([1.1] * 9):
            self.assertAlmostEqual(edge, 1.1)


class MessagesTest(unittest.TestCase):
    def test_the_lead_says_which_stack_is_ahead_and_how_it_stands_against_the_best_peer(self):
        cells = {"cairn": [2.2] * 4, "reference": [4] * 4, "mi": [2.0] * 4, "slow": [9] * 4}
        self.assertEqual(
            messages.leads(summary({"r": cells}))[0],
            "In time the stack cairn is at 1.10 times the best of each benchmark (geometric mean over 1 benchmark), "
            "ahead of reference (2.00). It trails the best of the others, mi (1.00), by 10 % over the 1 benchmark "
            "that both did: slower in 1, faster in 0.")
        text = messages.leads(summary({"r": {"cairn": [2.0] * 3, "mi": [1, 2.2, 3]}}))[0]
        self.assertIn("It leads the best of the others, mi (1.10), by 10 %", text)
        self.assertIn("no significant difference in 1", text)

    def test_what_makes_figures_uncertain_is_said(self):
        self.assertEqual(messages.warnings(summary({"r": {"a": [1, 1, 1, 1, 1]}})), [])
        text = "\n".join(messages.warnings(summary(
            {"r": {"a": [1, 2, 3, 4]}}, dirty=True, notes=["a note"], machine={**fixture.MACHINE, "load": [1.9]},
            settings={"rounds": 3, "quick": True, "filter": None})))
        for part in ("changes that are in no commit", "load 1.9 on 2 CPUs", "A quick run", "more than 10 %",
                     "3 repetitions", "a note"):
            self.assertIn(part, text)

class ComponentsTest(unittest.TestCase):
    def test_they_are_medians_of_their_repetitions_and_aggregates_are_left_out(self):
        found = stats.components({"components": fixture.components()})
        self.assertEqual([(one.name, one.real.count) for one in found],
                         [("buddy/take_give", 5), ("sizeclass/take_give", 5), ("percpu/pop_push", 5)])
        self.assertAlmostEqual(found[0].real.median, 21e-9, delta=2e-9)
        self.assertEqual(stats.components({"components": {}}), [])
