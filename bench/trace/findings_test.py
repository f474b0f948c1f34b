# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The figures and the text of a replay whose runs are known."""

import subprocess
import sys
import unittest

from bench.harness import result
from bench.trace import findings, fixture
from bench.trace.findings import SizeClass

WITHOUT_MATPLOTLIB = """
import sys
class Hook:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "matplotlib":
            raise ImportError("hidden")
sys.meta_path.insert(0, Hook())
from bench.trace import replay
sys.exit(replay.main(sys.argv[1:]))
"""


class LinesTest(unittest.TestCase):

    def test_the_fixture_is_a_result(self) -> None:
        self.assertEqual(result.validate(fixture.result()), [])

    def test_a_line_has_the_medians_of_its_runs(self) -> None:
        cairn = findings.lines_of(fixture.result())[0]
        self.assertEqual((cairn.subject, cairn.error), ("cairn", None))
        self.assertEqual((cairn.time.median, cairn.time.count), (0.2, 3))
        self.assertEqual((cairn.peak_kib.median, cairn.waste.median, cairn.end_kib.median), (1024, 1.0, 10))

    def test_one_failed_run_is_a_failed_line(self) -> None:
        made = fixture.result()
        made["runs"][1].update(ok=False, error="crashed: SIGBUS", seconds=None)
        self.assertEqual(findings.lines_of(made)[0].error, "crashed: SIGBUS")
        self.assertIsNone(findings.lines_of(made)[0].time)

    def test_one_that_was_not_reached_says_so(self) -> None:
        made = fixture.result()
        made["runs"] = made["runs"][:1]
        self.assertEqual(findings.lines_of(made)[1].error, "was not run")

    def test_the_floor_is_never_the_best(self) -> None:
        made = fixture.result()
        self.assertEqual(findings.best_time(findings.lines_of(made), findings.kinds_of(made)), 0.2)

    def test_a_replay_of_a_few_milliseconds_is_doubted(self) -> None:
        made = fixture.result()
        self.assertEqual(findings.doubts(made), [])
        for run in made["runs"][:3]:
            run["seconds"] /= 100
        self.assertEqual(findings.doubts(made),
                         ["the trace is played in 2.00 ms: too short for times that tell"])
        self.assertEqual(findings.doubts({**made, "runs": []}), [])


    def test_threads_that_ran_ahead_of_each_other_are_told(self) -> None:
        made = fixture.result()
        made["replay"]["reports"]["glibc"]["samples"][1]["live_kib"] = 1537
        self.assertRegex(" ".join(findings.doubts(made)),
                         r"up to 1.50 MiB were live in the replay, 1.00 MiB in the program; .* --paced")
        made["replay"]["reports"]["glibc"]["samples"][1]["live_kib"] = 1536
        self.assertEqual(findings.doubts(made), [])


class ClassesTest(unittest.TestCase):

    def test_each_class_has_its_own_bounds_and_the_ratio_of_each_subject(self) -> None:
        found = findings.size_classes({"a": fixture.report(factor=1), "b": fixture.report()}, merged=False)
        self.assertEqual([(entry.from_bytes, entry.to_bytes) for entry in found],
                         [(0, 1), (14, 15), (15, 16), (18, 20), (4096, 4608)])
        self.assertEqual(found[2], SizeClass(15, 16, 2, 32, {"a": 1.0, "b": 2.0}))

    def test_merged_they_are_powers_of_two(self) -> None:
        found = findings.size_classes({"a": fixture.report()}, merged=True)
        self.assertEqual([(entry.from_bytes, entry.to_bytes, entry.blocks) for entry in found],
                         [(0, 1, 10), (8, 16, 3), (16, 32, 5), (4096, 8192, 1)])
        self.assertAlmostEqual(found[1].usable["a"], (16 + 64) / 47)

    def test_blocks_of_no_bytes_have_no_ratio(self) -> None:
        empty = {"classes": [[0, 1, 5, 0, 120]]}
        self.assertEqual(findings.size_classes({"a": empty}, merged=False), [SizeClass(0, 1, 5, 0, {})])
        self.assertEqual(findings.total_class({"a": empty}), {})

    def test_the_floor_is_left_out_unless_it_is_alone(self) -> None:
        made = fixture.result()
        self.assertEqual(list(findings.wasting(made)), ["cairn", "glibc"])
        made["replay"]["reports"] = {"floor": fixture.report()}
        self.assertEqual(list(findings.wasting(made)), ["floor"])

    def test_sizes_are_short(self) -> None:
        for value, said in ((1, "1 B"), (1000, "1000 B"), (1024, "1 KiB"), (1280, "1.25 KiB"),
                            (3 << 20, "3 MiB"), (5 << 40, "5120 GiB")):
            self.assertEqual(findings.size_of(value), said)


class TextTest(fixture.CommandCase):

    def test_it_has_all_that_matters(self) -> None:
        said = findings.text(fixture.result())
        for line in (r"t: 1,234,567 events, 1 thread, at most 1.00 MiB live; 3 rounds", r"  prog <x>",
                     r"cairn +200 ms +50 % +1.00 +1.00 MiB +1.00 +10.0 KiB",
                     r"glibc +400 ms +0.0 % +2.00 +2.00 MiB +2.00 +10.0 KiB", r"bad: crashed: SIGSEGV",
                     r"size to +blocks +cairn +glibc", r"16 B +3 +1.02 +1.70", r"all +1.18 +1.19",
                     r"note: a <note>"):
            self.assertRegex(said, "(?m)^%s$" % line)

    def test_without_reports_there_is_no_table_of_waste(self) -> None:
        made = fixture.result()
        made["replay"]["reports"] = {}
        self.assertNotIn("usable bytes", findings.text(made))

    def test_a_long_command_is_cut(self) -> None:
        made = fixture.result()
        made["replay"]["info"]["command"] = ["a" * 99, "b\nc"]
        self.assertEqual(findings.program(made), "a" * 97 + "...")

    def test_without_matplotlib_there_are_text_page_and_result_and_a_line_about_it(self) -> None:
        trace = self.recorded("ls", "/")
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_MATPLOTLIB, trace, "--stacks", "none", "--peers", "glibc",
             "--rounds", "1"], env=self.environment, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"(?m)^glibc +\d")
        self.assertIn("matplotlib is missing, so there are no pictures: apt-get install", done.stderr)
        self.assertEqual(result.validate(self.result()), [])
        page = (self.folder / "replay-report/replay.html").read_text(encoding="utf-8")
        self.assertNotIn("<figure>", page)
        self.assertIn("matplotlib is missing", page)


if __name__ == "__main__":
    unittest.main()
