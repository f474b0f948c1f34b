# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Every program of the catalogue that is installed does its work on libc's malloc, with the output that is known."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest
from typing import Sequence

from bench.harness import catalogue
from bench.harness.catalogue import Benchmark

INPUTS = pathlib.Path(os.environ["CAIRN_RUNFILES"]) / "bench/programs"
LIMIT_S = 60
NAMES = "redis sqlite3 python3 python3-malloc gcc git lua z3 ghostscript perl".split()

# The whole output of the full command, and of the quick one.
PYTHON = ("orders 32000, customers 500, items 2000, text 2828578, check c13f6dae\n",
          "orders 8000, customers 500, items 2000, text 706415, check a689e41f\n")
OUTPUTS = {
    "python3": PYTHON,
    "python3-malloc": PYTHON,
    "perl": ("lines 28000, words 3615, pairs 196150, most an, written 2067828, check 162479140\n",
             "lines 7000, words 3614, pairs 60121, most lo, written 518799, check 40859533\n"),
    "lua": ("keys 6961, text 339172, check 644850207\n", "keys 7416, text 353426, check 26359206\n"),
    "z3": ("unsat\nunsat\nunsat\n", "unsat\nunsat\n"),
    "git": ("commits 600, changed lines 19920\nblamed 28\n897558bc69a9d3c783e6dc5c0a4ad74aed5991e1\n",
            "commits 150, changed lines 9120\nblamed 8\n4bc90df4195960b2ee8388868889a3a7b2c843d1\n"),
    "ghostscript": ("pages 160, check 80200, 320\n", "pages 40, check 80200, 6450\n"),
    "sqlite3": (
        "133334|6666468243|100016|a99970\n"
        "town 89|104|69615722|62\ntown 23|104|69491642|62\ntown 93|104|69401567|62\n"
        "4258765\n1|949995000\n2|883285000\n3|813305000\n",
        "33334|1666668243|10058|a9965 (changed)\n"
        "town 89|26|17666044|61\ntown 85|26|17657172|60\ntown 94|26|17653459|60\n"
        "1042177\n1|233141250\n2|222686250\n3|200998750\n"),
}


def run(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Runs a command to its end."""
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S, check=False)


class ProgramsTest(unittest.TestCase):
    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory(prefix="cairn", dir="/tmp")  # short: it has the name of a socket
        self.addCleanup(scratch.cleanup)
        self.scratch = pathlib.Path(scratch.name)
        self.both, self.missing = zip(*(catalogue.programs(INPUTS, self.scratch, quick) for quick in (False, True)))

    def installed(self, name: str, quick: bool) -> Benchmark:
        for one in self.both[quick]:
            if one.name == name:
                return one
        self.skipTest("; ".join(line for line in self.missing[quick] if line.startswith(name + ":")))

    def test_what_is_measured_is_there_described_and_a_binary_and_no_shim(self) -> None:
        names = {one.name for one in self.both[0]} | {line.split(":")[0] for line in self.missing[0]}
        self.assertEqual(names, set(NAMES))
        for one in self.both[0] + self.both[1]:
            self.assertTrue(one.about, one.name)
            self.assertNotIn("{", " ".join(one.command))
            for path in [word for word in one.command if word.startswith(str(INPUTS))]:
                self.assertTrue(os.path.isfile(path), path)
            path = next(word for word in one.command if not word.endswith("/env") and "=" not in word)
            self.assertEqual(pathlib.Path(path).read_bytes()[:4], b"\x7fELF", path)

    def test_the_output_is_the_known_one_also_a_second_time_with_what_the_first_one_left(self) -> None:
        for name, outputs in OUTPUTS.items():
            for quick, output in enumerate(outputs):
                with self.subTest(name, quick=quick):
                    for _ in range(2 if name == "git" else 1):
                        ended = run(self.installed(name, bool(quick)).command)
                        self.assertEqual((ended.returncode, ended.stderr, ended.stdout), (0, "", output))
                    if name == "ghostscript":
                        written = (self.scratch / "pages.pdf").read_bytes()
                        self.assertTrue(written[:5] == b"%PDF-" and len(written) > 20000)

    def test_gcc_compiles_a_third_of_the_copies_in_the_quick_run(self) -> None:
        for quick, last, beyond in ((False, b"report_39", b"report_40"), (True, b"report_32", b"report_33")):
            ended = run(self.installed("gcc", quick).command)
            self.assertEqual((ended.returncode, ended.stdout, ended.stderr), (0, "", ""))
            written = (self.scratch / "parse.o").read_bytes()
            self.assertEqual((written[:4], last in written, beyond in written), (b"\x7fELF", True, False))

    def test_redis_takes_the_load_and_tells_how_long_that_took(self) -> None:
        for quick in (False, True):
            ended = run(self.installed("redis", quick).command)
            keys, told = ended.stdout.splitlines()
            self.assertEqual((ended.returncode, ended.stderr), (0, ""))
            self.assertTrue(int(keys) > 1000 and json.loads(told)["seconds"] > 0, ended.stdout)
