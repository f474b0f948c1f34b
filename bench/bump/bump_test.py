# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The limit is a malloc, and the fake one is as bad as it is told to be."""

import os
import signal
import time
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


def fake_pairs(count: int, fault: str) -> fixture.Done:
    """So many pairs of malloc and free on the fake."""
    return fixture.ran("bench/instructions/pairs", "32", "0", str(count), FAKE=fault,
                       LD_PRELOAD=fixture.part("bench/bump/libfake.so"))


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


class FakeTest(unittest.TestCase):
    def test_it_takes_the_time_and_the_memory_that_it_is_told_to(self) -> None:
        begun = time.monotonic()
        self.assertEqual(fake_pairs(2000, "slow=100000").returncode, 0)
        self.assertGreaterEqual(time.monotonic() - begun, 0.2)  # it cannot be faster: that is what it is for
        lean, fat = (fixture.peak_kib("bench/instructions/pairs", "32", "0", "10", preload="bench/bump/libfake.so",
                                      FAKE=fault) for fault in ("", "waste=50000"))
        self.assertAlmostEqual(fat - lean, 50000, delta=2000)

    def test_it_crashes_at_the_named_call_or_has_no_memory_after_it(self) -> None:
        for count, fault, status in ((4000, "crash=5000", 0), (5000, "crash=5000", -signal.SIGSEGV),
                                     (4000, "fail=5000", 0), (5001, "fail=5000", 1)):
            self.assertEqual(fake_pairs(count, fault).returncode, status, (count, fault))
