# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""What is written as plain text: figures, the table of the terminal, the lines of other suites, and
Markdown."""

import io
import os
import re
import unittest
from unittest import mock

from bench.harness import figures, fixture, gbench, handovers, lines, summary, text


class FiguresTest(unittest.TestCase):
    def test_units_keep_three_digits(self):
        said = [figures.seconds(value) for value in (2.2e-9, 0.0000123, 0.41, 0.99951, 12.34, 1234)]
        self.assertEqual(said, ["2.20 ns", "12.3 us", "410 ms", "1.00 s", "12.3 s", "1234 s"])
        self.assertEqual(
            [figures.kib(value) for value in (0, 12, 12345, 1023.9, 3 << 20)],
            ["0 KiB", "12.0 KiB", "12.1 MiB", "1.00 MiB", "3.00 GiB"],
        )

    def test_changes_have_a_sign(self):
        self.assertEqual([figures.change(value) for value in (1.041, 0.5, 1)], ["+4.1 %", "-50 %", "+0.0 %"])

    def test_lists_are_sentences(self):
        self.assertEqual(figures.listed(["a"]), "a")
        self.assertEqual(figures.listed(["a", "b", "c"]), "a, b and c")
        self.assertEqual(figures.listed("abcdefgh"), "a, b, c, d, e and 3 more")
        self.assertEqual(figures.listed([]), "none")


class LinesTest(unittest.TestCase):
    def test_a_run_is_a_line_of_eight_fields(self):
        run = {
            "row": "two words",
            "subject": "mi",
            "wall_s": 61.239,
            "seconds": 60,
            "peak_kib": 12345,
            "user_s": 1.5,
            "system_s": 0.126,
            "major_faults": 2,
            "minor_faults": 3021,
            "ok": True,
        }
        self.assertEqual(lines.line(run), "two_words mi 1:01.24 12345 1.50 0.13 2 3021")

    def test_elapsed_is_as_gnu_time_has_it(self):
        self.assertEqual(
            [lines.elapsed(value) for value in (0, 0.41, 59.999, 3599.99, 3600, 3723.4)],
            ["0:00.00", "0:00.41", "1:00.00", "59:59.99", "1:00:00", "1:02:03"],
        )

    def test_a_failed_run_has_no_line(self):
        made = fixture.with_failures(fixture.result(only=("bursts",)))
        self.assertEqual(len(lines.lines(made)), len(made["runs"]) - 5)


class TableTest(unittest.TestCase):
    RESULT = fixture.with_failures(fixture.result())

    def test_it_fits_the_width_and_is_ascii(self):
        for width in (80, 100, 133, 200):
            for line in text.table(self.RESULT, width, False).splitlines():
                self.assertLessEqual(len(line), width, line)
                self.assertTrue(line.isascii(), line)

    def test_narrower_than_eighty_it_is_as_for_eighty(self):
        self.assertEqual(text.table(self.RESULT, 20, False), text.table(self.RESULT, 80, False))

    def test_every_row_and_subject_is_there(self):
        table = text.table(self.RESULT, 80, False)
        for name in [row["name"] for row in self.RESULT["rows"]] + [name for name, *_ in fixture.SUBJECTS]:
            self.assertIn(name, table)

    def test_the_best_has_a_star_and_a_failure_says_so(self):
        table = text.table(fixture.with_failures(fixture.result(only=("bursts",))), 200, False)
        line = next(line for line in table.splitlines() if line.startswith("bursts"))
        self.assertEqual(len(re.findall(r"1\.00\*", line)), 1)
        self.assertIn("failed", line)
        self.assertIn("scudo failed in bursts: crashed: SIGSEGV", table)

    def test_the_resident_memory_of_phases_is_shown(self):
        self.assertRegex(text.table(self.RESULT, 100, False), r"subject +grown +thinned +thinned idle +freed")

    def test_colour_changes_nothing_but_the_colour(self):
        coloured = text.table(self.RESULT, 100, True)
        self.assertIn("\033[32m", coloured)
        self.assertEqual(
            re.sub(r" *$", "", re.sub(r"\033\[\d*m", "", coloured), flags=re.M),
            text.table(self.RESULT, 100, False),
        )

    def test_colour_is_for_terminals_that_want_it(self):
        terminal = mock.Mock(isatty=lambda: True)
        with mock.patch.dict(os.environ, {"TERM": "xterm"}, clear=True):
            self.assertTrue(text.wants_colour(terminal))
            self.assertFalse(text.wants_colour(io.StringIO()))
        with mock.patch.dict(os.environ, {"NO_COLOR": "1", "TERM": "xterm"}, clear=True):
            self.assertFalse(text.wants_colour(terminal))

    def test_a_partial_result_says_so_and_an_empty_one_does_not_crash(self):
        self.assertIn(
            "Partial result: the run was interrupted", text.table(fixture.partial(self.RESULT), 200, False)
        )
        self.assertIn("No row has a time to compare yet.", text.table({**self.RESULT, "runs": []}, 80, False))


class MarkdownTest(unittest.TestCase):
    def test_what_looks_bad_comes_before_what_looks_good(self):
        made = summary.summary(fixture.with_failures(fixture.result()))
        self.assertLess(made.index("## What looks bad"), made.index("## Geometric means"))
        self.assertIn("scudo failed in bursts: crashed: SIGSEGV", made)
        self.assertRegex(made, r"reference: time 1\.\d+ times that of")

    def test_tables_have_as_many_cells_in_each_line(self):
        width = None
        for line in summary.summary(fixture.with_failures(fixture.result())).splitlines():
            cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else None
            self.assertTrue(width is None or cells is None or cells == width, line)
            width = cells

    def test_a_name_cannot_break_out_of_a_table(self):
        self.assertEqual(summary.plain("a|b\n*c* <script>"), "a\\|b \\*c\\* \\<script\\>")

    def test_the_simulation_is_called_one(self):
        self.assertIn("A simulation, not a measurement", summary.summary(fixture.result(only=("churn",))))


class PartsTest(unittest.TestCase):
    def test_benchmarks_are_medians_of_their_repetitions_and_aggregates_are_left_out(self):
        found = gbench.benchmarks(fixture.components())
        self.assertEqual(
            [one.name for one in found], ["buddy/take_give", "sizeclass/take_give", "percpu/pop_push"]
        )
        self.assertEqual([one.real.count for one in found], [5, 5, 5])
        self.assertAlmostEqual(found[0].real.median, 21e-9, delta=2e-9)

    def test_of_aggregates_alone_the_median_is_taken(self):
        part = fixture.components()
        part["benchmarks"] = [entry for entry in part["benchmarks"] if entry["run_type"] == "aggregate"]
        self.assertAlmostEqual(gbench.benchmarks(part)[0].real.median, 21e-9)

    def test_a_benchmark_that_failed_says_why(self):
        part = {
            "benchmarks": [
                {"name": "x", "run_type": "iteration", "error_occurred": True, "error_message": "no memory"}
            ]
        }
        self.assertEqual(
            (gbench.benchmarks(part)[0].real, gbench.benchmarks(part)[0].error), (None, "no memory")
        )

    def test_several_programs_are_read_one_after_the_other(self):
        self.assertEqual(len(gbench.benchmarks({"a": fixture.components(), "b": fixture.components()})), 6)
        self.assertEqual(gbench.benchmarks({}), [])

    def test_handovers_are_curves_of_both_ends_of_the_design(self):
        found = handovers.curves(fixture.handovers())
        self.assertEqual({curve.lock for curve in found}, {"shard", "depot", "source"})
        self.assertEqual({curve.shards for curve in found}, {handovers.OWN, handovers.ONE})
        self.assertEqual([x for x, _ in found[0].points], [1, 2, 4, 8, 16, 32, 64])
        self.assertEqual(handovers.curves({}), [])


if __name__ == "__main__":
    unittest.main()
