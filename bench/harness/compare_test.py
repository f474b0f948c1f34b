# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""bench:compare on results whose differences are known, and on files that cannot be compared."""

import contextlib
import functools
import io
import json
import os
import tempfile
import unittest
from unittest import mock

from bench.harness import compare, differ, fixture, stats
from bench.harness.compare import Comparison

SOME = ("churn", "random", "dying", "grow", "redis", "lua")


class CompareTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def file(self, name, result):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as target:
            json.dump(result, target)
        return path

    def run_on(self, before, after, *options):
        """Exit status, output, complaints."""
        out, error = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            try:
                status = compare.main([self.file("a.json", before), self.file("b.json", after), *options])
            except SystemExit as stopped:
                status = stopped.code
        return status, out.getvalue(), error.getvalue()

    def test_a_row_that_became_slower_is_found_and_nothing_else(self):
        status, out, _ = self.run_on(
            fixture.result(seed=1, only=SOME),
            fixture.result(seed=2, only=SOME, factors={"churn/cairn": 1.15}),
        )
        self.assertEqual(status, 1)
        self.assertRegex(out, r"(?m)^slower +churn +cairn +time .* \+1\d %")
        self.assertEqual(out.splitlines()[-1], "slower: 1 row, faster: 0, no difference can be told: 14")

    def test_a_row_that_became_faster_is_no_failure(self):
        status, out, _ = self.run_on(
            fixture.result(seed=1, only=SOME),
            fixture.result(seed=2, only=SOME, factors={"lua/reference": 0.85}),
        )
        self.assertEqual(status, 0)
        self.assertRegex(out, r"(?m)^faster +lua +reference +time")
        self.assertIn("slower: 0 rows, faster: 1", out)

    def test_ten_percent_are_found_with_five_rounds_among_all_rows(self):
        status, out, _ = self.run_on(
            fixture.result(seed=1, noise=0.01), fixture.result(seed=2, noise=0.01, factors={"git/cairn": 1.1})
        )
        self.assertEqual(status, 1)
        self.assertRegex(out, r"(?m)^slower +git +cairn +time")

    def test_the_same_result_twice_has_no_difference(self):
        status, out, error = self.run_on(fixture.result(only=SOME), fixture.result(only=SOME))
        self.assertEqual((status, error), (0, ""))
        self.assertEqual(out.splitlines()[-1], "slower: 0 rows, faster: 0, no difference can be told: 15")

    def test_more_memory_is_called_larger(self):
        after = fixture.result(seed=2, only=SOME)
        for run in after["runs"]:
            run["peak_kib"] *= 2 if (run["row"], run["subject"]) == ("grow", "cairn") else 1
        status, out, _ = self.run_on(fixture.result(seed=1, only=SOME), after)
        self.assertEqual(status, 1)
        self.assertRegex(out, r"(?m)^larger +grow +cairn +peak .* \+\d+ %")
        self.assertIn("larger: 1", out)

    def test_below_the_threshold_a_difference_is_not_shown(self):
        results = (
            fixture.result(seed=1, only=SOME, noise=0.002),
            fixture.result(seed=2, only=SOME, noise=0.002, factors={"churn/cairn": 1.05}),
        )
        self.assertEqual(self.run_on(*results)[0], 1)
        self.assertEqual(self.run_on(*results, "--threshold", "10%")[0], 0)
        self.assertEqual(self.run_on(*results, "--threshold", "0.1")[0], 0)

    def test_all_shows_every_pair(self):
        _, out, _ = self.run_on(fixture.result(seed=1, only=SOME), fixture.result(seed=2, only=SOME), "--all")
        # Six rows of two stacks with three measures, three benchmarks with two.
        self.assertEqual(out.count("same?"), 6 * 2 * 3 + 3 * 2)

    def test_a_component_that_became_slower_is_found(self):
        after = {**fixture.result(seed=2, only=SOME), "components": fixture.components(seed=2, factor=1.3)}
        status, out, _ = self.run_on(fixture.result(seed=1, only=SOME), after)
        self.assertEqual(status, 1)
        self.assertRegex(out, r"(?m)^slower +percpu/pop_push +components +time +2\.\d+ ns")

    def test_what_worked_before_and_fails_now_is_told(self):
        status, out, _ = self.run_on(
            fixture.result(only=("bursts",)),
            fixture.with_failures(fixture.result(only=("bursts",))),
            "--subject",
            "scudo",
        )
        self.assertEqual(status, 1)
        self.assertIn("failed: bursts, scudo: crashed: SIGSEGV", out)
        self.assertIn("failed: 1", out.splitlines()[-1])

    def test_a_machine_that_moved_is_recognised_by_its_peers_and_taken_out(self):
        slow = {row: 1.1 for row in SOME}
        results = fixture.result(seed=1, only=SOME, noise=0.005), fixture.result(
            seed=2, only=SOME, noise=0.005, factors=slow
        )
        status, _, error = self.run_on(*results)
        self.assertEqual(status, 1)
        self.assertRegex(error, r"the peers \(glibc, .*\), which did not change, moved by \+10 %")
        self.assertIn("12 differences below moved no more than that; --normalise", error)
        results[1]["components"] = {}
        status, out, _ = self.run_on(*results, "--normalise")
        self.assertEqual(status, 0)
        self.assertIn("divided by the peers' own change: time +10 %", out)

    def test_unlike_machines_and_settings_are_warned_of(self):
        after = fixture.result(only=SOME)
        after["machine"]["libc"] = "glibc 2.40"
        after["settings"]["quick"] = True
        _, _, error = self.run_on(fixture.result(only=SOME), {**after, "complete": False})
        self.assertIn("compare: warning: machine: libc differs: glibc 2.36 before, glibc 2.40 after", error)
        self.assertIn("settings: quick differs: false before, true after", error)
        self.assertIn("the result after is partial", error)

    def test_too_few_rounds_are_told(self):
        status, out, error = self.run_on(
            fixture.result(only=SOME, rounds=3),
            fixture.result(only=SOME, rounds=3, factors={"churn/cairn": 9}),
        )
        self.assertEqual(status, 0)
        self.assertIn("6 rows with fewer than 4 rounds on each side", error)
        self.assertIn("no difference can be told", out)

    def test_rows_of_one_side_are_told(self):
        _, _, error = self.run_on(fixture.result(only=SOME), fixture.result(only=SOME[:-1]))
        self.assertIn("only in the result before: lua", error)

    def test_bad_input_is_one_line_and_status_two(self):
        good = fixture.result(only=SOME)
        for before, after, options, complaint in (
            ({"schema": "other"}, good, (), "compare: .*a.json: not a result of cairn's bench"),
            (good, {**good, "schema": "cairn-bench 9"}, (), 'has schema "cairn-bench 9"'),
            (good, good, ("--subject", "hoard"), "no subject hoard in both files, which have cairn, "),
            (good, fixture.result(only=("z3",)) | {"components": {}}, (), "nothing to compare"),
        ):
            status, out, error = self.run_on(before, after, *options)
            self.assertEqual((status, out), (2, ""))
            self.assertRegex(error, complaint)
            self.assertEqual(error.count("\n"), 1)
        status, _, error = self.run_on(good, good, "--threshold", "much")
        self.assertEqual(status, 2)
        self.assertIn("not a part like 3% or 0.03: much", error)


class FalseAlarmTest(unittest.TestCase):
    @staticmethod
    def compared(first: int, second: int, **changes) -> Comparison:
        made = [
            stats.summarise(fixture.result(seed=seed, only=("churn", "grow", "lua"), **more))
            for seed, more in ((first, {}), (second, changes))
        ]
        quicker = functools.partial(differ.step_down, shuffles=400)
        with mock.patch.object(differ, "step_down", quicker):
            return compare.compare(made[0], made[1], ["cairn"])

    def test_results_of_one_distribution_differ_seldom(self):
        alarms = sum(
            any(one.shows(0) for one in self.compared(seed, seed + 1000).differences) for seed in range(200)
        )
        # 5 % are allowed: 10 of 200, with room for chance.
        self.assertLessEqual(alarms, 18)

    def test_a_change_of_ten_percent_is_nearly_always_found(self):
        found = sum(
            any(
                one.shows(0.03) and one.row == "grow" and one.measure == "time"
                for one in self.compared(seed, seed + 1000, factors={"grow/cairn": 1.1}).differences
            )
            for seed in range(40)
        )
        self.assertGreaterEqual(found, 36)


if __name__ == "__main__":
    unittest.main()
