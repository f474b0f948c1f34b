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
    def __init__(self, stream: Optional[TextIO] = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream or sys.stderr, clock
        self._began_s, self._due_s = clock(), 0.0

    def show(self, done: int, total: int, what: str) -> None:
        """What runs now, and the time left if the rest is like what was done."""
        now_s = self._clock()
        if now_s >= self._due_s:
            self._due_s = now_s + EVERY_S
            left = ", %s left" % duration((now_s - self._began_s) * (total - done) / done) if done else ""
            self.say("%d/%d  %s%s" % (done, total, what, left))

    def say(self, line: str) -> None:
        self._stream.write("bench: " + line + "\n")
        self._stream.flush()
