# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The command as a user calls it, and the tables that it writes."""

import json
import os
import shutil
import subprocess
import sys
import unittest
from typing import Any, Dict

from bench.harness import fixture, instructions, paths
from bench.harness.instructions import Count
from bench.harness.markdown import table

CRASH = str(paths.find().runfiles / "bench/bump/libfake_crash.so")

WRITTEN = """\
# callgrind format
positions: line
events: Ir

ob=(1) /bench/pairs
fn=(1) main
0 5
cob=(2) /lib/libc.so.6
cfn=(2) malloc
calls=10 0
0 400
* 3

ob=(2)
fn=(2)
0 400
+4 7
cfn=(3) deeper
calls=1 0
0 30

fn=(3)
0 30

ob=(1)
fn=(4) play
0 1000
"""


class TableTest(unittest.TestCase):
    def test_a_cell_tells_the_pair_and_its_parts_and_the_mean_where_some_pairs_cost_more(self) -> None:
        for counts, said in (((23, 32, 55), "55 (23 + 32)"), ((22.5, 32, 54.5), "54.5 (22.5 + 32)"),
                             ((96, 110, 313.2), "206 (96 + 110), mean 313"), ((100, 100, 200.9), "200 (100 + 100)"),
                             ((), "failed")):
            self.assertEqual(instructions.cell(Count("x", 16, *counts)), said)

    def test_the_fewest_instructions_come_first_by_the_mean_and_failures_last(self) -> None:
        counts = [Count("bad", 16, error="crashed"), Count("many", 16, 1, 1, 90), Count("few", 16, 20, 20, 40),
                  Count("cairn", 16, 2, 3, 5)]
        made = {"sizes": [16], "counts": [vars(count) for count in counts],
                "subjects": [fixture.allocator(one.subject, "stack" if one.subject == "cairn" else "peer")
                             for one in counts]}
        lines = table(instructions.counted(made, "instructions", instructions.cell))
        self.assertEqual([line.split(" ")[1] for line in lines[2:-1]], ["**cairn**", "few", "many", "bad"])
        self.assertEqual(lines[0], "| instructions | 16 bytes |")

    def test_what_callgrind_wrote_is_summed_without_an_object_and_without_callees(self) -> None:
        for text, program, cost in ((WRITTEN, "/bench/pairs", 437), (WRITTEN, "/lib/libc.so.6", 1008), ("", "x", 0)):
            self.assertEqual(instructions.cost_outside(text, program), cost)


class CommandTest(fixture.FolderCase):
    def call(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([sys.executable, "-m", "bench.harness.instructions", *arguments],
                              env={**os.environ, "BUILD_WORKING_DIRECTORY": str(self.folder)}, capture_output=True,
                              text=True, check=False)

    def counted(self, *arguments: str) -> Dict[str, Dict[str, Any]]:
        made = json.loads(self.call(*arguments, "--sizes", "64", "--json", "-").stdout)
        counts = {one["subject"]: one for one in made["counts"]}
        if any("not allowed" in (one["error"] or "") for one in counts.values()):
            self.skipTest("ptrace is not allowed here")
        return counts

    def test_each_wrong_word_is_one_line_and_status_2(self) -> None:
        for arguments, said in (
                (["--sizes", "16,x"], "--sizes: not sizes up to 999999999: '16,x'"),
                (["--sizes", "0"], "--sizes: not sizes"), (["--fast"], "unrecognized arguments: --fast"),
                (["--peers", "nalloc"], "--peers: no such name: nalloc; there are: glibc"),
                (["--peer", "mine=gone.so"], "--peer mine: no such file: ")):
            done = self.call(*arguments)
            self.assertEqual((done.returncode, done.stdout, len(done.stderr.splitlines())), (2, "", 1), done.stderr)
            self.assertTrue(done.stderr.startswith("instructions: " + said), done.stderr)

    def test_the_stacks_and_libc_are_counted_and_a_peer_that_crashes_is_told(self) -> None:
        counts = self.counted("--peers", "glibc", "--peer", "bad=" + CRASH)
        self.assertIn("Segmentation fault", counts.pop("bad")["error"])
        self.assertLessEqual({"cairn", "reference", "glibc"}, set(counts))
        for count in counts.values():
            self.assertTrue(count["error"] is None and count["malloc"] > 5 and count["pair_mean"] >= 10, count)
        self.assertLess(counts["cairn"]["pair_mean"], counts["reference"]["pair_mean"])

    @unittest.skipUnless(shutil.which("valgrind"), "valgrind is not installed")
    def test_valgrind_counts_the_same_on_libc_and_nothing_on_a_stack(self) -> None:
        counts = self.counted("--stacks", "reference", "--peers", "glibc", "--control")
        # Not equal: what happens once, as when a line of output is formatted, is spread over 2000 pairs.
        self.assertAlmostEqual(counts["glibc"]["callgrind_pair_mean"], counts["glibc"]["pair_mean"], delta=0.1)
        self.assertIsNone(counts["reference"]["callgrind_pair_mean"])

    def test_the_tables_and_the_file_hold_the_same_counts(self) -> None:
        done = self.call("--stacks", "none", "--peers", "glibc", "--sizes", "16,32", "--json", "counts.json")
        made = json.loads((self.folder / "counts.json").read_text(encoding="utf-8"))
        self.assertEqual((made["schema"], [one["bytes"] for one in made["counts"]]), ("cairn-instructions 1", [16, 32]))
        cells = [instructions.cell(Count(**one)) for one in made["counts"]]
        self.assertIn("| glibc | %s |" % " | ".join(cells), done.stdout)
        self.assertIn("- glibc: ", done.stdout)
