# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Medians, ratios and means on examples that can be checked by hand, and files that are not results."""

import json
import math
import os
import tempfile
import unittest

from bench.harness import fixture, stats, words
from bench.harness.stats import Sample

ROW = {
    "name": "r",
    "group": "workloads",
    "about": "",
    "command": ["r"],
    "x": None,
    "series": None,
    "metric": "time",
    "pinned": False,
}


def result(values, kinds=None, rows=None):
    """A result of {row: {subject: [seconds or an error, ...]}}; memory is 1000 KiB for each second."""
    kinds = kinds or {}
    made = fixture.result(only=())
    names = list(dict.fromkeys(name for row in values.values() for name in row))
    made["subjects"] = [fixture.subject(name, kinds.get(name, "peer")) for name in names]
    made["rows"] = [{**ROW, "name": row, **((rows or {}).get(row, {}))} for row in values]
    for row in made["rows"]:
        for name, seconds in values[row["name"]].items():
            for turn, value in enumerate(seconds):
                run = (
                    fixture.failed(row, name, 0, value)
                    if isinstance(value, str)
                    else fixture.run(row, name, 0, value, value * 1000)
                )
                made["runs"].append({**run, "round": turn})
    return made


class SampleTest(unittest.TestCase):
    def test_the_median_of_five_is_the_middle_one(self):
        self.assertEqual(Sample((1, 2, 3, 10, 100)).median, 3)

    def test_quartiles_of_five_are_the_second_and_the_fourth(self):
        self.assertEqual(Sample((1, 2, 4, 8, 100)).quartiles, (2, 8))

    def test_the_spread_is_the_interquartile_range_as_a_part_of_the_median(self):
        self.assertEqual(Sample((1, 2, 4, 8, 100)).spread, 6 / 4)

    def test_one_value_has_no_spread(self):
        self.assertEqual(Sample((3,)).spread, 0)

    def test_a_median_of_zero_has_no_spread(self):
        self.assertEqual(Sample((0, 0, 5)).spread, 0)


class SummaryTest(unittest.TestCase):
    def test_ratios_are_to_the_smallest_median(self):
        summary = stats.summarise(result({"r": {"a": [2, 2, 9], "b": [3, 3, 3]}}))
        row = summary.rows[0]
        self.assertEqual(row.best["time"], "a")
        self.assertEqual(row.ratio("b", "time"), 1.5)
        self.assertEqual(row.ratio("a", "time"), 1)

    def test_the_floor_has_a_ratio_and_is_never_the_best(self):
        summary = stats.summarise(result({"r": {"floor": [1], "a": [4]}}, {"floor": "floor"}))
        self.assertEqual(summary.rows[0].best["time"], "a")
        self.assertEqual(summary.rows[0].ratio("floor", "time"), 0.25)

    def test_cpu_and_faults_are_sums_of_their_two_kinds(self):
        cell = stats.cell_of(
            "r",
            "a",
            [
                {
                    **fixture.run(ROW, "a", 0, 1, 1),
                    "user_s": 2,
                    "system_s": 3,
                    "minor_faults": 5,
                    "major_faults": 7,
                }
            ],
        )
        self.assertEqual(cell.median("cpu"), 5)
        self.assertEqual(cell.median("faults"), 12)

    def test_one_failed_run_makes_the_cell_fail_and_another_the_best(self):
        summary = stats.summarise(result({"r": {"a": [1, "crashed: SIGSEGV"], "b": [5, 5]}}))
        row = summary.rows[0]
        self.assertEqual(row.best["time"], "b")
        self.assertIsNone(row.ratio("a", "time"))
        self.assertEqual(row.cells["a"].reason, "crashed: SIGSEGV (1 of 2 runs)")

    def test_geometric_means_are_over_the_rows_that_were_done_and_name_the_others(self):
        summary = stats.summarise(
            result(
                {
                    "r": {"a": [1], "b": [2]},
                    "s": {"a": [1], "b": [8]},
                    "t": {"a": [1], "b": ["exit status 3"]},
                }
            )
        )
        mean = summary.mean("b", "time")
        self.assertAlmostEqual(mean.value, 4)
        self.assertEqual((mean.rows, mean.missing), (2, ("t",)))

    def test_means_are_taken_for_each_group_and_for_all_rows(self):
        summary = stats.summarise(
            result({"r": {"a": [1], "b": [2]}, "s": {"a": [1], "b": [8]}}, rows={"s": {"group": "programs"}})
        )
        for group, value in (("workloads", 2), ("programs", 8), (stats.ALL, 4)):
            self.assertAlmostEqual(summary.mean("b", "time", group).value, value)

    def test_time_is_not_compared_in_a_row_about_memory(self):
        summary = stats.summarise(result({"r": {"a": [1], "b": [2]}}, rows={"r": {"metric": "memory"}}))
        self.assertNotIn("time", summary.rows[0].best)
        self.assertEqual(summary.rows[0].ratio("b", "peak"), 2)
        self.assertEqual(summary.mean("b", "time").rows, 0)

    def test_a_best_of_nothing_gives_no_ratio(self):
        made = result({"r": {"a": [1], "b": [2]}})
        for run in made["runs"]:
            run.update(minor_faults=0, major_faults=0)
        self.assertIsNone(stats.summarise(made).rows[0].ratio("b", "faults"))

    def test_who_lacks_a_row_does_not_lead(self):
        made = result({"r": {"a": [1], "b": [2]}, "s": {"a": ["out of memory"], "b": [2]}})
        self.assertEqual(stats.summarise(made).ranked("time", "peer"), ["b", "a"])

    def test_two_subjects_are_set_against_each_other_over_the_rows_that_both_did(self):
        summary = stats.summarise(
            result({"r": {"a": [1], "b": [2]}, "s": {"a": [4], "b": [2]}, "t": {"a": [1], "b": ["x"]}})
        )
        ratio, rows, told = summary.versus("a", "b", "time")
        self.assertAlmostEqual(ratio, 1)
        self.assertEqual((rows, told), (2, 0))

    def test_extras_are_medians(self):
        runs = [{**fixture.run(ROW, "a", 0, 1, 1), "extra": {"grown_kib": value}} for value in (1, 5, 2)]
        self.assertEqual(stats.cell_of("r", "a", runs).extra, {"grown_kib": 2})

    def test_a_cell_that_was_never_run_says_so_and_is_no_failure(self):
        made = result({"r": {"a": [1], "b": [1]}})
        made["runs"] = [run for run in made["runs"] if run["subject"] == "a"]
        summary = stats.summarise(made)
        self.assertEqual(summary.rows[0].cells["b"].reason, "not run")
        self.assertEqual(words.failures(summary), [])


class WordsTest(unittest.TestCase):
    KINDS = {"cairn": "stack", "reference": "stack", "mi": "peer", "slow": "peer"}

    def test_the_summary_says_which_stack_leads_and_by_how_much_it_trails(self):
        made = result(
            {"r": {"cairn": [2.2] * 4, "reference": [4] * 4, "mi": [2.0] * 4, "slow": [9] * 4}}, self.KINDS
        )
        text = words.leads(stats.summarise(made))[0]
        self.assertIn(
            "the stack cairn is at 1.10 times the best of each row (geometric mean over 1 row), "
            "ahead of reference (2.00)",
            text,
        )
        self.assertIn(
            "It trails the best of the others, mi (1.00), by 10 % over the 1 row that both did: "
            "slower in 1, faster in 0.",
            text,
        )

    def test_the_summary_says_when_a_stack_leads_all(self):
        made = result({"r": {"cairn": [2.0] * 4, "mi": [2.2] * 4}}, self.KINDS)
        self.assertIn(
            "It leads the best of the others, mi (1.10), by 10 %", words.leads(stats.summarise(made))[0]
        )

    def test_without_a_stack_or_a_peer_the_summary_still_says_something(self):
        for values in ({"r": {"mi": [1]}}, {"r": {"cairn": [1]}}, {"r": {"cairn": ["x"]}}):
            for sentence in words.leads(stats.summarise(result(values, self.KINDS))):
                self.assertTrue(sentence.endswith("."), sentence)

    def test_what_makes_figures_uncertain_is_said(self):
        made = {**result({"r": {"a": [1, 2, 3, 4]}}), "dirty": True, "notes": ["a note"]}
        made["machine"]["load"] = [1.9, 1, 1]
        made["settings"].update(quick=True, rounds=3)
        text = "\n".join(words.warnings(stats.summarise(made)))
        for part in (
            "changes that are in no commit",
            "load 1.9 on 2 CPUs",
            "A quick run",
            "more than 10 %",
            "3 rounds",
            "a note",
        ):
            self.assertIn(part, text)

    def test_a_calm_whole_result_gives_no_warning(self):
        self.assertEqual(words.warnings(stats.summarise(result({"r": {"a": [1, 1, 1, 1, 1]}}))), [])

    def test_a_partial_result_is_called_so(self):
        made = fixture.partial(fixture.result())
        self.assertRegex(
            words.unfinished(stats.summarise(made)), r"interrupted after \d+ runs; \d+ of 342 cells"
        )
        self.assertIsNone(words.unfinished(stats.summarise(fixture.result(only=()))))


class LoadTest(unittest.TestCase):
    def load(self, content):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "a.json")
            with open(path, "w", encoding="utf-8") as target:
                target.write(content)
            return stats.load(path)

    def complaint(self, content):
        with self.assertRaises(stats.BadResult) as caught:
            self.load(content if isinstance(content, str) else json.dumps(content))
        text = str(caught.exception)
        self.assertNotIn("\n", text)
        return text

    def test_what_was_written_is_read(self):
        made = fixture.result(only=("churn",))
        self.assertEqual(self.load(json.dumps(made)), made)

    def test_a_missing_file_is_named(self):
        with self.assertRaisesRegex(stats.BadResult, "nowhere.json: cannot be read: No such file"):
            stats.load("nowhere.json")

    def test_what_is_not_ours_is_told(self):
        self.assertIn("not JSON, or cut off", self.complaint('{"schema": "cairn-b'))
        self.assertIn("not a result of cairn's bench", self.complaint([1]))
        self.assertIn("not a result of cairn's bench", self.complaint({"context": {}}))
        self.assertIn('has schema "cairn-bench 0"', self.complaint({"schema": "cairn-bench 0"}))

    def test_a_broken_result_names_what_is_broken(self):
        made = fixture.result(only=("churn",), rounds=1)
        self.assertIn("broken: no runs", self.complaint({**made, "runs": None}))
        self.assertIn("rows[0] has no group", self.complaint({**made, "rows": [{"name": "churn"}]}))
        self.assertIn("unknown subject", self.complaint({**made, "subjects": made["subjects"][1:]}))
        self.assertIn(
            "has cairn twice", self.complaint({**made, "subjects": made["subjects"] + made["subjects"][:1]})
        )

    def test_control_characters_do_not_reach_a_terminal(self):
        made = fixture.result(only=("churn",), rounds=1)
        read = self.load(json.dumps({**made, "notes": ["\x1b[31mred\x00"]}))
        self.assertEqual(read["notes"], ["\ufffd[31mred\ufffd"])


class FixtureTest(unittest.TestCase):
    def test_the_made_up_result_is_the_same_every_time(self):
        self.assertEqual(fixture.result(), fixture.result())
        self.assertNotEqual(fixture.result(seed=2), fixture.result())

    def test_geometric_mean_of_nothing_is_nothing(self):
        self.assertIsNone(stats.geometric_mean([]))
        self.assertTrue(math.isclose(stats.geometric_mean([2, 8]), 4))


if __name__ == "__main__":
    unittest.main()
