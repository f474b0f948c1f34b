# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""When two samples differ: against tables, against scipy where it is installed, and on samples that do not
differ."""

import random
import unittest

from bench.harness import differ

try:
    from scipy.stats import mannwhitneyu
except ImportError:
    mannwhitneyu = None


class MannWhitneyTest(unittest.TestCase):
    def test_separated_samples_of_five_have_the_smallest_probability(self):
        self.assertAlmostEqual(differ.mann_whitney([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]), 2 / 252)

    def test_samples_that_interleave_are_alike(self):
        self.assertEqual(differ.mann_whitney([1, 4], [2, 3]), 1)

    def test_ties_are_counted_exactly(self):
        # Of the 6 ways to choose two of {1, 1, 2, 2}, one has both ones and one has both twos.
        self.assertAlmostEqual(differ.mann_whitney([1, 1], [2, 2]), 2 / 6)

    def test_equal_values_are_alike(self):
        self.assertEqual(differ.mann_whitney([5] * 5, [5] * 5), 1)
        self.assertEqual(differ.mann_whitney([5] * 40, [5] * 40), 1)

    @unittest.skipIf(mannwhitneyu is None, "scipy is not installed")
    def test_scipy_says_the_same(self):
        chance = random.Random(3)
        for count, other, method in (
            (4, 4, "exact"),
            (5, 7, "exact"),
            (9, 3, "exact"),
            (12, 12, "exact"),
            (40, 45, "asymptotic"),
        ):
            for _ in range(20):
                first = [chance.gauss(0, 1) for _ in range(count)]
                second = [chance.gauss(0.5, 1) for _ in range(other)]
                expected = mannwhitneyu(first, second, method=method, use_continuity=False).pvalue
                self.assertAlmostEqual(differ.mann_whitney(first, second), expected, 9)


class ToldApartTest(unittest.TestCase):
    def test_one_round_tells_nothing(self):
        self.assertFalse(differ.told_apart([1], [100]))

    def test_with_few_rounds_ranges_must_not_touch(self):
        self.assertTrue(differ.told_apart([1, 2, 3], [4, 5, 6]))
        self.assertFalse(differ.told_apart([1, 2, 3], [3, 5, 6]))
        self.assertTrue(differ.told_apart([4, 5], [1, 2, 3, 3]))

    def test_four_rounds_can_tell_and_an_overlap_cannot(self):
        self.assertTrue(differ.told_apart([1, 2, 3, 4], [5, 6, 7, 8]))
        self.assertFalse(differ.told_apart([1, 2, 3, 6], [5, 7, 8, 9]))

    def test_samples_of_one_kind_are_seldom_told_apart(self):
        chance = random.Random(1)
        alarms = sum(
            differ.told_apart(
                [chance.gauss(1, 0.02) for _ in range(6)], [chance.gauss(1, 0.02) for _ in range(6)]
            )
            for _ in range(400)
        )
        self.assertLess(alarms / 400, 0.08)


class StepDownTest(unittest.TestCase):
    @staticmethod
    def pair(chance, shift=0.0, rounds=5, noise=0.02):
        draw = lambda middle: [chance.lognormvariate(middle, noise) for _ in range(rounds)]
        return draw(0), draw(shift)

    def test_one_change_among_many_pairs_is_found_with_five_rounds(self):
        chance = random.Random(5)
        blocks = [[self.pair(chance, 0.15 if index == 7 else 0)] for index in range(60)]
        found = [block[0] for block in differ.step_down(blocks, 1000)]
        self.assertLess(found[7], differ.ALPHA)
        self.assertEqual(sum(value < differ.ALPHA for value in found), 1)

    def test_many_changes_at_once_are_all_found(self):
        chance = random.Random(6)
        blocks = [[self.pair(chance, 0.15, noise=0.01)] for _ in range(30)]
        self.assertTrue(all(block[0] < differ.ALPHA for block in differ.step_down(blocks, 1000)))

    def test_without_a_change_false_alarms_are_rare(self):
        alarms = 0
        for seed in range(100):
            chance = random.Random(seed)
            found = differ.step_down([[self.pair(chance)] for _ in range(12)], 300)
            alarms += any(block[0] < differ.ALPHA for block in found)
        self.assertLess(alarms, 11)

    def test_a_difference_without_any_noise_is_significant(self):
        self.assertLess(differ.step_down([[([4096] * 5, [8192] * 5)]])[0][0], differ.ALPHA)

    def test_equal_values_are_not(self):
        self.assertEqual(differ.step_down([[([4096] * 5, [4096] * 5)]])[0][0], 1)

    def test_nothing_gives_nothing(self):
        self.assertEqual(differ.step_down([]), [])

    def test_three_rounds_never_reach_significance(self):
        self.assertGreater(differ.step_down([[([1.0, 1.01, 1.02], [9.0, 9.1, 9.2])]])[0][0], differ.ALPHA)


class IntervalTest(unittest.TestCase):
    def test_the_interval_holds_the_ratio_and_not_one(self):
        low, high = differ.interval([1.0, 1.01, 0.99, 1.02, 1.0], [1.1, 1.12, 1.09, 1.1, 1.11])
        self.assertTrue(1.05 < low < 1.1 < high < 1.15, (low, high))

    def test_the_same_samples_give_the_same_interval(self):
        self.assertEqual(differ.interval([1, 2, 3], [2, 3, 4]), differ.interval([1, 2, 3], [2, 3, 4]))

    def test_the_mean_of_equal_ratios_has_no_width(self):
        low, high = differ.interval_of_mean([1.1] * 9)
        self.assertAlmostEqual(low, 1.1)
        self.assertAlmostEqual(high, 1.1)


if __name__ == "__main__":
    unittest.main()
