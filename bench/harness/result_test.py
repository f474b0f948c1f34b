# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The schema of results: good ones pass, and each way to break one is named."""

import copy
import json
import pathlib
import tempfile
import unittest
from typing import Any, Callable, Dict

from bench.harness import fixture, result

Break = Callable[[Dict[str, Any]], Any]


class ValidateTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls) -> None:
        cls.good = fixture.result(rounds=2, only=("churn", "phases", "random/threads=1"))

    def complaint(self, spoil: Break) -> str:
        broken = copy.deepcopy(self.good)
        spoil(broken)
        complaints = result.validate(broken)
        self.assertEqual(len(complaints), 1, complaints)
        return complaints[0]

    def test_a_whole_result_has_nothing_wrong(self) -> None:
        self.assertEqual(result.validate(self.good), [])

    def test_failed_runs_and_partial_results_are_valid(self) -> None:
        self.assertEqual(result.validate(fixture.with_failures(fixture.result(rounds=1))), [])
        self.assertEqual(result.validate(fixture.partial(fixture.result(rounds=1))), [])

    def test_what_is_no_object_is_no_result(self) -> None:
        for wrong in (None, [], "x", 3):
            self.assertEqual(result.validate(wrong), ["result is not an object"])

    def test_an_empty_object_lacks_every_field(self) -> None:
        self.assertIn("result has no runs", result.validate({}))

    def test_another_schema_is_refused(self) -> None:
        self.assertIn("schema", self.complaint(lambda made: made.update(schema="cairn-bench 2")))

    def test_a_missing_field_is_named_with_its_place(self) -> None:
        self.assertEqual(self.complaint(lambda made: made["runs"][3].pop("wall_s")), "runs[3] has no wall_s")
        self.assertEqual(self.complaint(lambda made: made["machine"].pop("cpu")), "machine has no cpu")
        self.assertEqual(self.complaint(lambda made: made.pop("notes")), "result has no notes")

    def test_a_field_of_the_wrong_type_is_named_with_its_value(self) -> None:
        said = self.complaint(lambda made: made["runs"][0].update(peak_kib="12"))
        self.assertEqual(said, 'runs[0]: peak_kib cannot be "12"')
        self.assertIn("round cannot be true", self.complaint(lambda made: made["runs"][0].update(round=True)))
        self.assertIn("seconds cannot be -1", self.complaint(lambda made: made["runs"][0].update(seconds=-1)))
        self.assertIn("extra", self.complaint(lambda made: made["runs"][0].update(extra={"a": "b"})))
        self.assertIn("settings: rounds", self.complaint(lambda made: made["settings"].update(rounds=None)))

    def test_words_outside_the_list_are_refused(self) -> None:
        self.assertIn("kind", self.complaint(lambda made: made["subjects"][0].update(kind="malloc")))
        self.assertIn("group", self.complaint(lambda made: made["rows"][0].update(group="rows")))
        self.assertIn("metric", self.complaint(lambda made: made["rows"][0].update(metric="space")))

    def test_a_line_of_text_has_one_line(self) -> None:
        self.assertIn("notes", self.complaint(lambda made: made.update(notes=["a\nb"])))

    def test_a_run_of_an_unknown_row_or_subject_is_refused(self) -> None:
        self.assertIn("no row xyz", self.complaint(lambda made: made["runs"][0].update(row="xyz")))
        self.assertIn("no subject xyz", self.complaint(lambda made: made["runs"][0].update(subject="xyz")))

    def test_a_run_is_there_once(self) -> None:
        self.assertIn("twice", self.complaint(lambda made: made["runs"].append(made["runs"][0])))

    def test_names_are_there_once(self) -> None:
        def double(made: Dict[str, Any]) -> None:
            made["subjects"].append(made["subjects"][0])
        self.assertIn("subjects: cairn is there twice", self.complaint(double))

    def test_ok_and_error_exclude_each_other(self) -> None:
        self.assertIn("runs[0]", self.complaint(lambda made: made["runs"][0].update(error="out of memory")))
        self.assertIn("runs[0]", self.complaint(lambda made: made["runs"][0].update(seconds=None)))
        self.assertIn("runs[0]", self.complaint(lambda made: made["runs"][0].update(ok=False)))

    def test_series_and_x_are_of_scaling_groups_and_no_others(self) -> None:
        self.assertIn("series and x", self.complaint(lambda made: made["rows"][0].update(x=3, series="a")))
        self.assertIn("series and x", self.complaint(lambda made: made["rows"][2].update(x=None)))

    def test_complete_and_interrupted_exclude_each_other(self) -> None:
        self.assertIn("at once", self.complaint(lambda made: made.update(interrupted=True)))


class WriteTest(unittest.TestCase):

    def test_what_is_written_is_read_back_the_same(self) -> None:
        made = fixture.result(rounds=1)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "new" / "result.json"
            result.write(made, path)
            self.assertEqual(json.loads(path.read_text(encoding="utf-8")), made)
            self.assertEqual([file.name for file in path.parent.iterdir()], ["result.json"])

    def test_each_run_has_a_line(self) -> None:
        made = fixture.result(rounds=1, only=("churn",))
        lines = [line for line in result.text_of(made).splitlines() if '"row": "churn"' in line]
        self.assertEqual(len(lines), len(made["runs"]))


if __name__ == "__main__":
    unittest.main()
