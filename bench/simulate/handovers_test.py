# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The program: what it prints is JSON that adds up, twice the same, and a wrong call gets one line."""

import json
import os
import subprocess
import unittest

PROGRAM = os.path.join(os.environ["CAIRN_RUNFILES"], "bench/simulate/handovers")


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=60)


class HandoversTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.text = run("--quick").stdout
        cls.result = json.loads(cls.text)

    def test_it_says_that_it_is_a_simulation(self) -> None:
        self.assertIs(self.result["simulation"], True)
        self.assertIn("Simulation, not a measurement", self.result["about"])
        self.assertIn("shard figures are 0", self.result["rseq"])
        self.assertEqual(self.result["mode"], "lock")

    def test_every_shape_is_there_up_to_256_cpus(self) -> None:
        for shape in ("churn", "pipeline", "exchange", "migrate"):
            cpus = {row["cpus"] for row in self.result["rows"] if row["shape"] == shape}
            self.assertEqual((min(cpus), max(cpus)), (1, 256), shape)

    def test_no_row_comes_twice(self) -> None:
        plans = [(row["shape"], row["cpus"], row["threads"], row["shards"]) for row in self.result["rows"]]
        self.assertEqual(len(plans), len(set(plans)))

    def test_the_figures_of_a_row_agree(self) -> None:
        for row in self.result["rows"]:
            with self.subTest(row=row):
                self.assertGreaterEqual(row["shard_acquisitions_per_1000"], 1000)
                for layer, taken in (("shard", "acquisitions"), ("depot", "acquisitions"), ("source", "calls")):
                    self.assertLessEqual(row[f"{layer}_handovers_per_1000"], row[f"{layer}_{taken}_per_1000"])
                self.assertAlmostEqual(sum(row["depot_handovers_per_1000_by_class"]),
                                       row["depot_handovers_per_1000"], delta=0.01)
                self.assertEqual(row["migrations_per_1000"] > 0, row["shape"] == "migrate" and row["cpus"] > 1)
                if row["shards"] == row["cpus"]:
                    self.assertEqual(row["shard_handovers_per_1000"], 0)
                else:
                    self.assertGreater(row["shard_handovers_per_1000"], 100)

    def test_it_says_the_same_again(self) -> None:
        self.assertEqual(run("--quick").stdout, self.text)

    def test_a_wrong_call_gets_one_line_and_status_2(self) -> None:
        for arguments in (["--slow"], ["--quick", "now"]):
            outcome = run(*arguments)
            self.assertEqual(outcome.returncode, 2)
            self.assertEqual(outcome.stdout, "")
            self.assertEqual(outcome.stderr,
                             f"handovers: unknown argument: {arguments[-1]} (usage: handovers [--quick])\n")

    def test_an_output_that_cannot_be_written_is_an_error(self) -> None:
        with open("/dev/full", "w") as full:
            outcome = subprocess.run([PROGRAM, "--quick"], stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual(outcome.returncode, 1)
        self.assertRegex(outcome.stderr, r"^handovers: stdout: .+\n$")


if __name__ == "__main__":
    unittest.main()
