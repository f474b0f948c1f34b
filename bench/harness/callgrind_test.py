# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""What callgrind writes is read right, and agrees with the machine."""

import os
import pathlib
import shutil
import tempfile
import unittest

from bench.harness import callgrind, places

WRITTEN = """\
# callgrind format
version: 1
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
totals: 1445
"""


class CallgrindTest(unittest.TestCase):

    def test_the_costs_of_other_objects_are_summed_without_those_of_callees(self) -> None:
        self.assertEqual(callgrind.cost_outside(WRITTEN, "/bench/pairs"), 437)

    def test_an_object_is_known_by_its_whole_path(self) -> None:
        self.assertEqual(callgrind.cost_outside(WRITTEN, "/lib/libc.so.6"), 5 + 3 + 1000)

    def test_nothing_written_is_nothing(self) -> None:
        self.assertEqual(callgrind.cost_outside("", "/bench/pairs"), 0)

    @unittest.skipUnless(shutil.which("valgrind"), "valgrind is not installed")
    def test_a_pair_of_libcs_malloc_takes_some_dozens_of_instructions_and_always_as_many(self) -> None:
        program = places.find().runfiles / "bench/instructions/pairs"
        with tempfile.TemporaryDirectory() as scratch:
            first, second = (callgrind.pair(program, 64, os.environ, pathlib.Path(scratch)) for _ in range(2))
        self.assertEqual(first, second)
        self.assertTrue(20 < first < 1000, first)

    @unittest.skipUnless(shutil.which("valgrind"), "valgrind is not installed")
    def test_a_program_that_fails_is_told(self) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            with self.assertRaisesRegex(callgrind.CallgrindError, "exit status 1 under valgrind"):
                callgrind.pair(pathlib.Path("/bin/false"), 64, os.environ, pathlib.Path(scratch))


if __name__ == "__main__":
    unittest.main()
