# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The rows: every one can be run, and says what it needs to."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest
from typing import List

from bench.harness import catalogue, differ, places, real
from bench.harness.catalogue import Row

PLACES = places.find()


def small(row: Row) -> List[str]:
    """The row's command with so little work that nobody waits."""
    tiny = {"ops": "ops=64", "live": "live=64k", "idle_ms": "idle_ms=0"}
    words = [tiny.get(word.partition("=")[0], word) for word in row.command[1:]]
    return [str(PLACES.workload(row.command[0])), *words]


class WorkloadRowsTest(unittest.TestCase):

    def test_every_row_is_understood_by_its_workload(self) -> None:
        for quick in (False, True):
            for row in catalogue.workload_rows(quick, 4):
                done = subprocess.run(small(row), capture_output=True, text=True, check=False)
                self.assertEqual((done.returncode, done.stderr), (0, ""), row.name)
                self.assertGreater(json.loads(done.stdout.splitlines()[-1])["seconds"], 0, row.name)

    def test_every_workload_there_is_has_a_row(self) -> None:
        used = {row.command[0] for row in catalogue.workload_rows(False, 2)}
        there = {path.name for path in PLACES.workload("churn").parent.iterdir()
                 if path.is_file() and os.access(path, os.X_OK) and not path.suffix}
        self.assertEqual(there, used)

    def test_full_and_quick_have_the_same_rows_but_for_fewer_points_of_a_curve(self) -> None:
        full, quick = ({row.name: row for row in catalogue.workload_rows(is_quick, 2)}
                       for is_quick in (False, True))
        self.assertEqual([name for name, row in full.items() if row.x is None],
                         [name for name, row in quick.items() if row.x is None])
        for name, row in quick.items():
            self.assertLess(row.expected_s, full[name].expected_s, name)

    def test_a_full_run_has_rounds_enough_to_be_compared_with_another(self) -> None:
        for row in catalogue.workload_rows(False, 4):
            least = differ.ROUNDS_FOR_A_TEST + (row.x is None)
            self.assertGreaterEqual(row.rounds, least, row.name)

    def test_names_are_there_once_and_are_words(self) -> None:
        names = [row.name for row in catalogue.workload_rows(False, 16)]
        self.assertEqual(len(names), len(set(names)))
        for name in names:
            self.assertRegex(name, r"^[a-z0-9-]+$")

    def test_a_row_with_one_thread_is_pinned_and_others_are_not(self) -> None:
        for row in catalogue.workload_rows(False, 2):
            if row.group == "workloads":
                threads = [word for word in row.command if re.fullmatch(r"threads=(?!1$).*", word)]
                self.assertFalse(row.pinned and threads, row.name)

    def test_cpus_are_counted_in_powers_of_two_up_to_what_the_machine_has(self) -> None:
        self.assertEqual([catalogue.counts_up_to(cpus) for cpus in (1, 2, 3, 8, 12)],
                         [[1], [1, 2], [1, 2, 3], [1, 2, 4, 8], [1, 2, 4, 8, 12]])

    def test_threads_share_the_same_work(self) -> None:
        for series in ("churn", "server"):
            rows = [row for row in catalogue.workload_rows(False, 2)
                    if row.name.startswith(series + "-threads-")]
            self.assertEqual([row.x for row in rows], [1, 2, 4, 8, 16, 32, 64, 128, 256, 512])
            self.assertEqual([row.command[2] for row in rows], ["threads=%d" % row.x for row in rows])
            self.assertEqual(len({row.command[1] for row in rows}), 1)

    def test_a_server_of_very_many_threads_has_no_more_blocks_alive_than_one_of_256(self) -> None:
        commands = {row.x: row.command for row in catalogue.workload_rows(False, 2)
                    if row.name.startswith("server-threads-")}
        self.assertIn("blocks=1000", commands[512])
        for threads in (1, 128, 256):
            self.assertEqual(commands[threads][3:], ("generations=2",))


class ChooseTest(unittest.TestCase):

    def test_the_filter_is_found_anywhere_in_the_name_and_the_group_counts_too(self) -> None:
        rows = catalogue.workload_rows(False, 2)
        names = [row.name for row in catalogue.choose(rows, ("workloads",), "churn|bursts-l")]
        self.assertEqual(names, ["churn", "bursts-lifo", "churn-4"])

    def test_a_filter_that_nothing_matches_is_told_with_what_there_is(self) -> None:
        self.assertEqual(str(catalogue.nothing_matches("x", ("heap",), ["a", "b"])),
                         "--filter 'x': nothing to run; there are: a, b")
        self.assertIn("--groups heap", str(catalogue.nothing_matches(None, ("heap",), [])))


class RealProgramsTest(unittest.TestCase):

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def rows(self, *programs: dict, quick: bool = False):
        (self.folder / "catalogue.json").write_text(json.dumps(programs), encoding="utf-8")
        return real.rows(self.folder, pathlib.Path("/scratch"), quick)

    PROGRAM = {"name": "sh", "about": "a shell", "needs": "sh", "package": "dash", "server": None,
               "command": ["sh", "{inputs}/a", "{scratch}/b", "{other}"], "quick_command": ["sh", "quick"]}

    def test_places_are_filled_in_and_other_braces_stay(self) -> None:
        (row,), _ = self.rows(self.PROGRAM)
        self.assertEqual(row.command, ("sh", "%s/a" % self.folder, "/scratch/b", "{other}"))
        self.assertEqual((row.name, row.group, row.about), ("sh", "programs", "a shell"))

    def test_a_full_run_has_as_many_rounds_as_of_the_workloads_and_a_quick_one_less(self) -> None:
        self.assertEqual(self.rows(self.PROGRAM)[0][0].rounds, catalogue.ROUNDS)
        self.assertLess(self.rows(self.PROGRAM, quick=True)[0][0].rounds, catalogue.ROUNDS)

    def test_a_quick_run_has_its_own_command_where_there_is_one(self) -> None:
        self.assertEqual(self.rows(self.PROGRAM, quick=True)[0][0].command, ("sh", "quick"))
        (row,), _ = self.rows({**self.PROGRAM, "quick_command": None}, quick=True)
        self.assertEqual(row.command[1], "%s/a" % self.folder)

    def test_a_program_that_is_not_here_is_a_line_with_its_package(self) -> None:
        rows, missing = self.rows({**self.PROGRAM, "needs": ["sh", "no-such-program"]}, self.PROGRAM)
        self.assertEqual(len(rows), 1)
        self.assertEqual(missing, ["sh: not found on this machine: no-such-program (apt-get install dash)"])

    def test_the_catalogue_of_the_bench_can_be_read_whole(self) -> None:
        listed = (PLACES.programs / "catalogue.json").read_text(encoding="utf-8")
        for quick in (False, True):
            rows, missing = real.rows(PLACES.programs, self.folder, quick)
            self.assertEqual(len(rows) + len(missing), listed.count('"about"'))


if __name__ == "__main__":
    unittest.main()
