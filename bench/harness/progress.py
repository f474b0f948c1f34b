# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Lines on stderr that say how far it is, at most one every ten seconds."""

import sys
import time
from typing import Callable, Optional, TextIO

EVERY_S = 10.0


def duration(seconds: float) -> str:
    """Such as "40 s", "3 min 20 s", "1 h 5 min"."""
    whole = int(round(seconds))
    if whole < 60:
        return "%d s" % whole
    return "%d min %d s" % divmod(whole, 60) if whole < 3600 else "%d h %d min" % divmod(whole // 60, 60)


class Progress:
    """How far it is."""

    def __init__(self, stream: Optional[TextIO] = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._due_s = 0.0

    def is_due(self) -> bool:
        """Whether the last line is old enough for another one."""
        return self._clock() >= self._due_s

    def show(self, done: int, total: int, what: str, left_s: float) -> None:
        """What runs now, and the time left."""
        self._due_s = self._clock() + EVERY_S
        self.say("%d/%d  %s, %s left" % (done, total, what, duration(left_s)))

    def say(self, line: str) -> None:
        """A line, now."""
        self._stream.write("bench: " + line + "\n")
        self._stream.flush()

    def clear(self) -> None:
        """For bench/trace: there is no line to take away."""
