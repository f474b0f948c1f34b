# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The benchmarks: every one can be run, and says what it needs to."""

import json
import os
import pathlib
import re
import subprocess
import unittest
from typing import List

from bench.harness import catalogue, fixture, paths, significance
from bench.harness.catalogue import Benchmark

PATHS = paths.find()
FULL, QUICK = ({one.name: one for one in catalogue.workloads(is_quick, 4)} for is_quick in (False, True))


def small(one: Benchmark) -> List[str]:
    tiny = {"ops": "ops=64", "live": "live=64k", "idle_ms": "idle_ms=0"}
    words = [tiny.get(word.partition("=")[0], word) for word in one.command[1:]]
    return [str(PATHS.workload(one.command[0])), *words]


class WorkloadsTest(unittest.TestCase):
    def test_every_benchmark_is_understood_by_its_workload_and_every_workload_has_one(self) -> None:
        for one in [*FULL.values(), *QUICK.values()]:
            done = subprocess.run(small(one), capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""), one.name)
            self.assertGreater(json.loads(done.stdout.splitlines()[-1])["seconds"], 0, one.name)
        there = {path.name for path in PATHS.workload("churn").parent.iterdir()
                 if path.is_file() and os.access(path, os.X_OK) and not path.suffix}
        self.assertEqual(there, {one.command[0] for one in FULL.values()})

    def test_a_full_run_can_be_compared_with_another_and_one_thread_is_pinned(self) -> None:
        self.assertEqual(len(FULL), len(catalogue.workloads(False, 4)), "a name is there twice")
        for name, one in FULL.items():
            self.assertRegex(name, r"^[a-z0-9-]+$")
            self.assertGreaterEqual(one.repetitions, significance.LEAST_REPETITIONS + (one.x is None), name)
            if one.group == "workloads":
                has_threads = any(re.fullmatch(r"threads=(?!1$).*", word) for word in one.command)
                self.assertFalse(one.pinned and has_threads, name)

    def test_curves_have_the_same_work_at_each_point(self) -> None:
        self.assertEqual([catalogue.counts_up_to(cpus) for cpus in (1, 2, 3, 8, 12)],
                         [[1], [1, 2], [1, 2, 3], [1, 2, 4, 8], [1, 2, 4, 8, 12]])
        for series in ("churn", "server"):
            ones = [one for name, one in FULL.items() if name.startswith(series + "-threads-")]
            self.assertEqual([one.command[2] for one in ones], ["threads=%d" % one.x for one in ones])
            self.assertEqual(len({one.command[1] for one in ones}), 1)
        self.assertEqual([FULL["server-threads-%d" % count].command[3:] for count in (256, 512)],
                         [("generations=2",), ("generations=2", "blocks=1000")])

    def test_the_filter_is_found_anywhere_in_the_name_and_the_group_counts_too(self) -> None:
        chosen = catalogue.choose(list(FULL.values()), ("workloads",), "churn|bursts-l")
        self.assertEqual([one.name for one in chosen], ["churn", "bursts-lifo", "churn-4"])
        self.assertEqual(str(catalogue.nothing_matches("x", ("heap",), ["a", "b"])),
                         "--filter 'x': nothing to run; there are: a, b")
        self.assertIn("--groups heap", str(catalogue.nothing_matches(None, ("heap",), [])))


class ProgramsTest(fixture.FolderCase):
    PROGRAM = {"name": "sh", "about": "a shell", "needs": "sh", "package": "dash", "amounts": ["9", "1"],
               "command": ["sh", "{inputs}/a", "{scratch}/b", "n={amount}", "{other}"]}

    def programs(self, *programs: dict, quick: bool = False):
        (self.folder / "catalogue.json").write_text(json.dumps(programs), encoding="utf-8")
        return catalogue.programs(self.folder, pathlib.Path("/scratch"), quick)

    def test_paths_and_amounts_are_filled_in(self) -> None:
        full, quick = (self.programs(self.PROGRAM, quick=is_quick)[0][0] for is_quick in (False, True))
        self.assertEqual(full.command, ("sh", "%s/a" % self.folder, "/scratch/b", "n=9", "{other}"))
        self.assertEqual((full.name, full.group, full.about), ("sh", "programs", "a shell"))
        self.assertEqual((quick.command[3], full.repetitions), ("n=1", catalogue.REPETITIONS))
        self.assertLess(quick.repetitions, full.repetitions)

    def test_a_program_that_is_not_here_is_a_line_with_its_package(self) -> None:
        made, missing = self.programs({**self.PROGRAM, "needs": "no-such-program"}, self.PROGRAM)
        self.assertEqual(len(made), 1)
        self.assertEqual(missing, ["sh: not found on this machine: no-such-program (apt-get install dash)"])
