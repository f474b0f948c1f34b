# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Every suite runs, none is missing, and the counters say what the heads of the files promise."""

import json
import os
import re
import subprocess
import unittest
from typing import Any, Dict

PROGRAM = os.path.join(os.environ["CAIRN_RUNFILES"], "bench/components/components")

FAMILIES = """
arena/locked arena/mixed arena/pair arena/reset
buddy/chunks buddy/mixed buddy/packed buddy/pair buddy/purge buddy/resize buddy/tail
depot/dry depot/full depot/pair depot/threads/one_class depot/threads/own_class
backend/pair backend/threads backend/trim
pagemap/hit/tree pagemap/hit/window
pagemap/miss/tree pagemap/miss/window
pagemap/miss_beyond/tree
pagemap/owner/tree pagemap/owner/window
pagemap/set/tree pagemap/set/window
pagesource/fresh/auto pagesource/fresh/brk pagesource/fresh/mmap
pagesource/resize/in_place pagesource/resize/moved
pagesource/retained/auto pagesource/retained/brk pagesource/retained/mmap
pagesource/threads pagesource/untouched/auto
percpu/burst/lock percpu/burst/rseq percpu/by_way/getcpu percpu/cpu_id/getcpu
percpu/cross/lock percpu/cross/ring percpu/cross/rseq
percpu/flush/lock percpu/flush/rseq percpu/pair/lock percpu/pair/rseq percpu/refill/lock percpu/refill/rseq
pool/batch pool/mixed pool/pair
sizeclass/batch sizeclass/carve sizeclass/class_of sizeclass/mixed sizeclass/of sizeclass/thinned sizeclass/threads
source/bare source/buffer source/counted source/locked
""".split()

# A thread has its id from libc or from us, never both, and perhaps from neither.
BY_MACHINE = {f"percpu/{what}/{way}" for what in ("by_way", "cpu_id") for way in ("libc_rseq", "own_rseq")}


def family(name: str) -> str:
    """The name without arguments, threads, and what is timed."""
    return "/".join(part for part in name.split("/") if ":" not in part and part != "real_time")


class ComponentsTest(unittest.TestCase):
    runs: Dict[str, Dict[str, Any]]

    @classmethod
    def setUpClass(cls) -> None:
        outcome = subprocess.run([PROGRAM, "--benchmark_min_time=0.001", "--benchmark_format=json"],
                                 stdout=subprocess.PIPE, text=True, timeout=240, check=True)
        cls.runs = {run["name"]: run for run in json.loads(outcome.stdout)["benchmarks"]}

    def test_every_family_is_there(self) -> None:
        self.assertEqual({family(name) for name in self.runs} - BY_MACHINE, set(FAMILIES))

    def test_only_a_missing_mode_is_an_error(self) -> None:
        for name, run in self.runs.items():
            if not run.get("error_occurred"):
                self.assertGreater(run["real_time"], 0, name)
                continue
            self.assertIn("/rseq/", name)
            self.assertRegex(run["error_message"], r"^rseq mode is not .+")

    def test_a_mode_is_not_measured_under_the_name_of_another(self) -> None:
        modes = {"lock": 0, "rseq": 0}
        for name, run in self.runs.items():
            mode = family(name).split("/")[-1]
            if mode in modes and not run.get("error_occurred"):
                self.assertEqual(run["label"], mode, name)
                modes[mode] += 1
        self.assertGreater(modes["lock"], 15)

    def test_percpu_runs_on_1_to_64_threads(self) -> None:
        for mode in ("lock", "rseq"):
            threads = {int(match[1]) for match in (re.search(rf"percpu/pair/{mode}/.*threads:(\d+)$", name)
                                                   for name in self.runs) if match}
            self.assertEqual(threads, {1, 2, 4, 8, 16, 32, 64})

    def test_only_fresh_pages_cost_faults_and_system_calls(self) -> None:
        for policy in ("brk", "mmap", "auto"):
            fresh = self.runs[f"pagesource/fresh/{policy}/kib:4"]
            retained = self.runs[f"pagesource/retained/{policy}/kib:4"]
            self.assertGreater(fresh["faults"], 0.9)
            self.assertGreaterEqual(fresh["syscalls"], 2)
            self.assertLess(retained["faults"], 0.1)
            self.assertEqual(retained["syscalls"], 0)
        self.assertLess(self.runs["pagesource/untouched/auto/kib:64"]["faults"], 0.1)

    def test_a_block_that_has_to_move_needs_no_call_each_time(self) -> None:
        self.assertLess(self.runs["pagesource/resize/moved/kib:64"]["syscalls"], 0.1)
        self.assertEqual(self.runs["pagesource/resize/in_place/kib:64"]["syscalls"], 0)

    def test_fragmentation_is_a_share(self) -> None:
        for name, run in self.runs.items():
            for counter in ("largest_of_free", "used_of_held", "used_of_usable"):
                self.assertTrue(0 < run.get(counter, 1) <= 1, f"{name}: {counter}")
        for percent, least in ((10, 0.05), (50, 0.4), (80, 0.6)):
            self.assertGreater(self.runs[f"buddy/mixed/percent:{percent}"]["used_of_held"], least)

    def test_a_refill_brings_a_batch_that_its_size_decides(self) -> None:
        for what in ("refill", "flush"):
            batches = [self.runs[f"percpu/{what}/lock/bytes:{size}"]["batch"] for size in (64, 512, 4096)]
            self.assertEqual(batches, [64, 32, 4])

    def test_slabs_that_become_thin_become_fewer(self) -> None:
        for size in (64, 1024):
            mixed = self.runs[f"sizeclass/mixed/bytes:{size}"]
            thinned = self.runs[f"sizeclass/thinned/bytes:{size}"]
            self.assertLess(thinned["slabs"], mixed["slabs"] / 2)

    def test_an_unknown_option_is_refused(self) -> None:
        outcome = subprocess.run([PROGRAM, "--benchmark_fliter=arena"], capture_output=True, text=True)
        self.assertEqual(outcome.returncode, 1)
        self.assertIn("--benchmark_fliter=arena", outcome.stderr)
