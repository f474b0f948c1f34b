# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The line that says how far it is."""

import io
import unittest

from bench.harness import progress
from bench.harness.progress import Progress


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Terminal(io.StringIO):
    """Takes itself for one."""

    def isatty(self) -> bool:
        return True


class ProgressTest(unittest.TestCase):

    def setUp(self) -> None:
        self.clock = Clock()

    def test_elsewhere_there_is_a_line_every_ten_seconds(self) -> None:
        stream = io.StringIO()
        bar = Progress(stream, self.clock)
        for done in range(25):
            bar.show(done, 25, "churn, cairn", 100.0)
            self.clock.now_s += 1
        self.assertEqual(stream.getvalue().splitlines(), [
            "bench: %d/25  churn, cairn, 1 min 40 s left" % done for done in (0, 10, 20)])

    def test_on_a_terminal_the_line_is_drawn_in_place_and_taken_away_for_what_stays(self) -> None:
        stream = Terminal()
        bar = Progress(stream, self.clock)
        bar.show(1, 3, "churn, cairn", 5.0)
        bar.say("scudo: dropped")
        self.assertEqual(stream.getvalue(),
                         "\r\033[K1/3  churn, cairn, 5 s left\r\033[Kbench: scudo: dropped\n")

    def test_a_drawn_line_is_no_wider_than_the_terminal(self) -> None:
        stream = Terminal()
        Progress(stream, self.clock).show(1, 3, "x" * 5000, 5.0)
        self.assertNotIn("x" * 1000, stream.getvalue())

    def test_durations_are_as_exact_as_one_cares(self) -> None:
        self.assertEqual([progress.duration(seconds) for seconds in (0.4, 59.4, 60, 3599, 3660)],
                         ["0 s", "59 s", "1 min 0 s", "59 min 59 s", "1 h 1 min"])


if __name__ == "__main__":
    unittest.main()
