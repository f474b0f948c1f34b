# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The schema of results: good ones pass, and each way to break one is named; files that are none."""

import copy
import json
import unittest

from bench.harness import fixture, result

GOOD = fixture.result(repetitions=2, only=("churn", "phases", "random/threads=1"))

# What is put where (None: taken away), and the complaint.
BROKEN = (
    (("notes",), None, "result has no notes"), (("machine", "cpu"), None, "machine has no cpu"),
    (("settings", "rounds"), "5", 'settings: rounds cannot be "5"'),
    (("rows", 2, "series"), None, "rows[2] has no series"), (("runs", 3, "wall_s"), None, "runs[3] has no wall_s"),
    (("runs", 0, "peak_kib"), "12", 'runs[0]: peak_kib cannot be "12"'),
    (("runs", 0, "round"), True, "round cannot be true"), (("runs", 0, "row"), "xyz", "there is no row xyz"),
    (("runs", 0, "error"), "out of memory", "runs[0]"), (("runs", 0, "seconds"), 0, "runs[0]"),
    (("runs", 9, "round"), 0, "runs[9]: is there twice"),
    (("runs", 2, "seconds"), -0.1, "runs[2]: seconds is negative: -0.1"),
    (("machine", "cpus"), -1, "machine: cpus is negative"),
    (("subjects", 1, "kind"), "pear", "subjects[1]: there is no kind pear"),
    (("rows", 0, "group"), "components", "rows[0]: there is no group components"),
    (("rows", 0, "metric"), "luck", "there is no metric luck"),
    (("rows", 1, "name"), "churn", "rows: churn is there twice"),
    (("subjects", 1, "name"), "cairn", "subjects: cairn is there twice"),
)


class ValidateTest(unittest.TestCase):
    def test_whole_partial_and_failed_results_are_valid(self):
        for made in (GOOD, fixture.with_failures(GOOD), fixture.partial(GOOD), {**GOOD, "handovers": {}}):
            self.assertEqual(result.validate(made), [])

    def test_each_fault_is_named_with_its_place(self):
        for (*places, last), value, complaint in BROKEN:
            made = copy.deepcopy(GOOD)
            part = made
            for place in places:
                part = part[place]
            part[last] = value
            if value is None:
                del part[last]
            complaints = result.validate(made)
            self.assertTrue(any(complaint in one for one in complaints), (complaint, complaints))


class FileTest(fixture.FolderCase):
    def test_what_is_written_is_read_back_the_same_and_each_run_has_a_line(self):
        path = self.folder / "new" / "result.json"
        result.write(GOOD, path)
        self.assertEqual(result.load(str(path)), GOOD)
        self.assertEqual([file.name for file in path.parent.iterdir()], ["result.json"])
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if '"row": "churn"' in line]
        self.assertEqual(len(lines), sum(run["row"] == "churn" for run in GOOD["runs"]))

    def test_a_file_that_is_no_result_is_a_line(self):
        for content, complaint in (
                ('{"schema": "cairn-b', "not JSON, or cut off"), ("[1]", "not a result of cairn's bench"),
                ('{"context": {}}', "not a result of cairn's bench"),
                ('{"schema": "cairn-bench 0"}', 'has schema "cairn-bench 0"'),
                (json.dumps({**GOOD, "runs": None}), "broken: result: runs cannot be null")):
            (self.folder / "a.json").write_text(content, encoding="utf-8")
            with self.assertRaisesRegex(result.BadResult, "^[^\n]*a.json: [^\n]*%s[^\n]*$" % complaint):
                result.load(str(self.folder / "a.json"))
        with self.assertRaisesRegex(result.BadResult, "nowhere.json: cannot be read: No such file"):
            result.load("nowhere.json")

    def test_control_characters_do_not_reach_a_terminal(self):
        result.write({**GOOD, "notes": ["\x1b[31mred\x00"]}, self.folder / "a.json")
        self.assertEqual(result.load(str(self.folder / "a.json"))["notes"], ["\ufffd[31mred\ufffd"])
