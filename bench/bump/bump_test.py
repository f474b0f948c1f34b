# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The limit is a malloc."""

import os
import unittest

from bench.harness import fixture

# All that the suite asks of a malloc, but for freeing, statistics, and names that only libc has.
PROMISES = ("--gtest_filter=-*UsesFreedMemoryAgain:Mallinfo*:AddressSpaceLimit.*:Realloc.FreesTheBlock*:"
            "Surface.*:*DoesNotLeak*")
PYTHON = """
import json, threading
threads = [threading.Thread(target=json.dumps, args=(list(range(20000)),)) for _ in '12345678']
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(json.loads(json.dumps({str(n): n for n in range(300)}))))
"""


def on_bump(*program: str, **environment: str) -> fixture.Done:
    """A program on the limit."""
    library = fixture.part("bench/bump/libcairn_bump.so")
    return fixture.ran(*program, LD_PRELOAD=library, CAIRN_EXPECTED_OBJECT=library, **environment)


class BumpTest(unittest.TestCase):
    def test_it_keeps_the_promises_of_a_malloc(self) -> None:
        for shard in range(10):  # for each of which there is memory
            done = on_bump("tests/conformance/conformance", "--gtest_brief=1", PROMISES,
                           GTEST_TOTAL_SHARDS="10", GTEST_SHARD_INDEX=str(shard))
            self.assertEqual((done.returncode, done.stdout.count("[  PASSED  ]")), (0, 1), done)

    def test_it_uses_nothing_twice(self) -> None:
        few, many = (fixture.peak_kib("bench/instructions/pairs", "32", "0", count,
                                      preload="bench/bump/libcairn_bump.so") for count in ("10", "1000000"))
        block_bytes = 32 + 16  # its size is in the padding before it
        self.assertAlmostEqual(many - few, 1000000 * block_bytes / 1024, delta=4096)

    def test_it_runs_programs_that_fork_and_threads(self) -> None:
        self.assertEqual(on_bump("/bin/sh", "-c", "for i in 3 1 2; do echo $i | cat; done | sort").stdout, "1\n2\n3\n")
        if not os.access("/usr/bin/python3", os.X_OK):
            self.skipTest("python3 is not installed")
        self.assertEqual(on_bump("/usr/bin/python3", "-c", PYTHON).stdout, "300\n")
