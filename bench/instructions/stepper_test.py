# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""What the stepper counts, against a malloc whose instructions are known, and how it ends otherwise."""

import json
import unittest
from typing import Dict, List

from bench.harness import fixture

PAIRS = fixture.part("bench/instructions/pairs")
Counts = Dict[str, List[int]]


def step(*words: str, library: str = "", **environment: str) -> fixture.Done:
    """The stepper with these words."""
    if library:
        environment["STEPPER_PRELOAD"] = fixture.part(library)
    return fixture.ran("bench/instructions/stepper", *words, **environment)


def counts(count: int, size: int, warm: int, library: str = "", **environment: str) -> Counts:
    """Of so many pairs."""
    done = step(str(count), PAIRS, str(size), str(warm), str(count), library=library, **environment)
    return json.loads(done.stdout)


def known(make: int, drop: int) -> Counts:
    """Of five pairs that run so many rounds more."""
    return counts(5, 100, 20, "bench/bump/libfake.so", FAKE="make=%d drop=%d" % (make, drop))


class StepperTest(unittest.TestCase):
    def setUp(self) -> None:
        if "not allowed" in step("1", PAIRS, "16", "1", "1").stderr:
            self.skipTest("ptrace is not allowed here")

    def test_every_call_of_each_is_counted_the_same_each_time(self) -> None:
        first, second = counts(37, 64, 100), counts(37, 64, 100)
        self.assertEqual({name: len(numbers) for name, numbers in first.items()}, {"malloc": 37, "free": 37})
        self.assertEqual(first["free"], second["free"])

    def test_what_malloc_and_free_do_is_counted_each_by_itself(self) -> None:
        few, ten, more = known(5, 5), known(15, 5), known(25, 35)
        self.assertEqual(len(few["malloc"]), 5)
        turn = (ten["malloc"][0] - few["malloc"][0]) // 10
        self.assertTrue(2 <= turn <= 4, turn)  # a subtraction and a jump, at least
        for made, makes, drops in ((ten, 10, 0), (more, 20, 30)):
            self.assertEqual(made["malloc"], [one + makes * turn for one in few["malloc"]])
            self.assertEqual(made["free"], [one + drops * turn for one in few["free"]])

    def test_it_goes_through_the_sequences_of_cairn(self) -> None:
        """In a mode with restartable sequences: if those were begun anew, it would take for ever."""
        warm = counts(8, 64, 100, "composed/malloc/libcairn.so")
        self.assertLess(warm["malloc"][0], 1000)
        for numbers in warm.values():
            self.assertEqual(numbers, [numbers[0]] * 8)
        cold = counts(3, 64, 0, "composed/malloc/libcairn.so")["malloc"]
        self.assertGreater(cold[0], cold[-1])  # the first call costs more

    def test_a_program_that_does_not_get_that_far_is_told(self) -> None:
        for words, said in ((["/bin/true"], "exit status 0"), (["/no/such/program"], "exit status 127"),
                            ([PAIRS, "64", "100", "2"], "exit status 0")):
            done = step("5", *words)
            self.assertEqual((done.returncode, done.stdout), (1, ""), done)
            self.assertEqual(done.stderr, "stepper: the program ended early: %s\n" % said)


class CallTest(unittest.TestCase):
    def test_wrong_calls_are_refused(self) -> None:
        for count in ("0", "-3", "10001", "x"):
            done = step(count, "/bin/true")
            self.assertEqual((done.returncode, done.stderr[:15]), (2, "usage: stepper "), count)
        done = fixture.ran("bench/instructions/pairs", "16", "x", "3")
        self.assertEqual((done.returncode, done.stderr), (2, "pairs: not a number: x\n"))
