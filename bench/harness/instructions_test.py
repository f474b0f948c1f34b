# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The command as a user calls it, and the tables that it writes."""

import json
import unittest
from typing import Any, Dict

from bench.harness import fixture, instructions
from bench.harness.instructions import Count


class TableTest(unittest.TestCase):
    def test_a_cell_tells_the_pair_and_its_parts_and_the_mean_where_some_pairs_cost_more(self) -> None:
        for counts, said in (((23, 32, 55), "55 (23 + 32)"), ((22.5, 32, 54.5), "54.5 (22.5 + 32)"),
                             ((96, 110, 313.2), "206 (96 + 110), mean 313"), ((100, 100, 200.9), "200 (100 + 100)"),
                             ((), "failed")):
            self.assertEqual(instructions.cell(Count("x", 16, *counts)), said)

class CommandTest(fixture.FolderCase):
    def count(self, *arguments: str, **environment: str) -> fixture.Done:
        return self.call("harness.instructions", *arguments, **environment)

    def counted(self, *arguments: str, **environment: str) -> Dict[str, Dict[str, Any]]:
        made = json.loads(self.count(*arguments, "--sizes", "64", "--json", "-", **environment).stdout)
        counts = {one["subject"]: one for one in made["counts"]}
        if any("not allowed" in (one["error"] or "") for one in counts.values()):
            self.skipTest("ptrace is not allowed here")
        return counts

    def test_each_wrong_word_is_one_line_and_status_2(self) -> None:
        for arguments, said in (
                (["--sizes", "16,x"], "--sizes: not sizes up to 999999999: '16,x'"),
                (["--sizes", "0"], "--sizes: not sizes"),
                (["--peers", "nalloc"], "--peers: no such name: nalloc; there are: glibc")):
            done = self.count(*arguments)
            self.assertEqual((done.returncode, done.stdout, len(done.stderr.splitlines())), (2, "", 1), done.stderr)
            self.assertTrue(done.stderr.startswith("instructions: " + said), done.stderr)

    def test_the_stacks_and_libc_are_counted_and_a_peer_that_crashes_is_told(self) -> None:
        fake = fixture.part("bench/bump/libfake.so")
        counts = self.counted("--peers", "glibc", "--peer", "bad=" + fake, FAKE="crash=1000")
        self.assertIn("Segmentation fault", counts.pop("bad")["error"])
        self.assertLessEqual({"cairn", "reference", "glibc"}, set(counts))
        for count in counts.values():
            self.assertTrue(count["error"] is None and count["malloc"] > 5 and count["pair_mean"] >= 10, count)
        self.assertLess(counts["cairn"]["pair_mean"], counts["reference"]["pair_mean"])

    def test_the_tables_and_the_file_hold_the_same_counts(self) -> None:
        done = self.count("--stacks", "none", "--peers", "glibc", "--sizes", "16,32", "--json", "counts.json")
        made = json.loads((self.folder / "counts.json").read_text(encoding="utf-8"))
        self.assertEqual((made["schema"], [one["bytes"] for one in made["counts"]]), ("cairn-instructions 1", [16, 32]))
        cells = [instructions.cell(Count(**one)) for one in made["counts"]]
        self.assertIn("| glibc | %s |" % " | ".join(cells), done.stdout)
        self.assertIn("- glibc: ", done.stdout)
