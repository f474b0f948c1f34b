# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The command as a user calls it, and the tables that it writes."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
from typing import Any, Dict

from bench.harness import instructions, places
from bench.harness.instructions import Count
from bench.harness.subjects import Subject

PLACES = places.find()
CRASH = str(PLACES.runfiles / "bench/bump/libfake_crash.so")


def made(*counts: Count) -> Dict[str, Any]:
    subjects = [{"name": name, "kind": "stack" if name == "cairn" else "peer", "version": None}
                for name in dict.fromkeys(count.subject for count in counts)]
    return {"sizes": sorted({count.bytes for count in counts}), "subjects": subjects,
            "counts": [vars(count) for count in counts]}


class TableTest(unittest.TestCase):

    def test_a_cell_tells_the_pair_and_its_parts(self) -> None:
        self.assertEqual(instructions.cell(Count("x", 16, 23, 32, 55)), "55 (23 + 32)")
        self.assertEqual(instructions.cell(Count("x", 16, 22.5, 32, 54.5)), "54.5 (22.5 + 32)")

    def test_the_mean_is_told_where_some_pairs_cost_more(self) -> None:
        self.assertEqual(instructions.cell(Count("x", 16, 96, 110, 313.2)), "206 (96 + 110), mean 313")
        self.assertEqual(instructions.cell(Count("x", 16, 100, 100, 200.9)), "200 (100 + 100)")

    def test_what_was_not_counted_is_told(self) -> None:
        self.assertEqual(instructions.cell(Count("x", 16, error="crashed")), "failed")

    def test_the_fewest_instructions_come_first_by_the_mean_and_failures_last(self) -> None:
        lines = instructions.table(made(Count("bad", 16, error="crashed"), Count("many", 16, 1, 1, 90),
                                        Count("few", 16, 20, 20, 40), Count("cairn", 16, 2, 3, 5)),
                                   "instructions", instructions.cell)
        self.assertEqual([line.split(" ")[1] for line in lines[2:]], ["**cairn**", "few", "many", "bad"])
        self.assertEqual(lines[0], "| instructions | 16 bytes |")

    def test_a_stack_is_not_held_against_valgrind(self) -> None:
        self.assertFalse(instructions.can_be_controlled(Subject("cairn", "stack")))
        self.assertTrue(instructions.can_be_controlled(Subject("glibc", "libc")))


class CommandTest(unittest.TestCase):

    def call(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        with tempfile.TemporaryDirectory() as folder:
            environment = {**os.environ, "BUILD_WORKING_DIRECTORY": folder}
            done = subprocess.run([sys.executable, "-m", "bench.harness.instructions", *arguments],
                                  env=environment, capture_output=True, text=True, check=False)
            self.written = {path.name: path.read_text(encoding="utf-8")
                            for path in pathlib.Path(folder).iterdir()}
        return done

    def counted(self, *arguments: str) -> Dict[str, Dict[str, Any]]:
        done = self.call(*arguments, "--sizes", "64", "--json", "-")
        result = json.loads(done.stdout)
        counts = {one["subject"]: one for one in result["counts"]}
        if any("not allowed" in (one["error"] or "") for one in counts.values()):
            self.skipTest("ptrace is not allowed here")
        return counts

    def test_each_wrong_word_is_one_line_and_status_2(self) -> None:
        for arguments, said in (
                (["--sizes", "16,x"], "--sizes: not sizes from 1 to 2^30: '16,x'"),
                (["--sizes", "0"], "--sizes: not sizes"),
                (["--peers", "nalloc"], "--peers: no such name: nalloc; there are: glibc"),
                (["--peer", "mine=gone.so"], "--peer mine: no such file: "),
                (["--peer", "mine"], "--peer: not name=path: 'mine'"),
                (["--fast"], "unrecognized arguments: --fast")):
            done = self.call(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertTrue(done.stderr.startswith("instructions: " + said), done.stderr)

    def test_the_stacks_and_libc_are_counted(self) -> None:
        counts = self.counted("--peers", "glibc")
        self.assertLessEqual({"cairn", "reference", "glibc"}, set(counts))
        for count in counts.values():
            self.assertIsNone(count["error"], count)
            self.assertGreater(count["malloc"], 5)
            self.assertGreaterEqual(count["pair_mean"], 10)
        self.assertLess(counts["cairn"]["pair_mean"], counts["reference"]["pair_mean"])

    @unittest.skipUnless(shutil.which("valgrind"), "valgrind is not installed")
    def test_valgrind_counts_the_same_on_libc(self) -> None:
        counts = self.counted("--stacks", "none", "--peers", "glibc", "--control")
        # Not equal: what happens once, as when a line of output is formatted, is spread over 2000 pairs.
        self.assertAlmostEqual(counts["glibc"]["callgrind_pair_mean"], counts["glibc"]["pair_mean"], delta=0.1)

    def test_a_peer_that_crashes_is_told_and_the_others_are_counted(self) -> None:
        counts = self.counted("--stacks", "none", "--peers", "glibc", "--peer", "bad=" + CRASH)
        self.assertIsNone(counts["glibc"]["error"])
        self.assertIn("Segmentation fault", counts["bad"]["error"])

    def test_the_tables_and_the_file_hold_the_same_counts(self) -> None:
        done = self.call("--stacks", "none", "--peers", "glibc", "--sizes", "16,32", "--json", "counts.json")
        result = json.loads(self.written["counts.json"])
        self.assertEqual(result["schema"], "cairn-instructions 1")
        self.assertEqual([one["bytes"] for one in result["counts"]], [16, 32])
        self.assertIn("| glibc | %s |" % " | ".join(
            instructions.cell(Count(**one)) for one in result["counts"]), done.stdout)
        self.assertIn("- glibc: ", done.stdout)


if __name__ == "__main__":
    unittest.main()
