# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The line on stderr that says how far it is: redrawn in place on a terminal, elsewhere every ten seconds."""

from __future__ import annotations

import shutil
import sys
import time
from typing import Callable, Optional, TextIO

PLAIN_EVERY_S = 10.0
DRAWN_EVERY_S = 0.1


def duration(seconds: float) -> str:
    """Such as "40 s", "3 min 20 s", "1 h 5 min"."""
    whole = int(round(seconds))
    if whole < 60:
        return "%d s" % whole
    if whole < 3600:
        return "%d min %d s" % divmod(whole, 60)
    return "%d h %d min" % (whole // 3600, whole % 3600 // 60)


class Progress:
    """How far it is."""

    def __init__(self, stream: Optional[TextIO] = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._is_terminal = self._stream.isatty()
        self._shown_s: Optional[float] = None
        self._is_drawn = False

    def is_due(self) -> bool:
        """Whether the last line is old enough for another one."""
        every_s = DRAWN_EVERY_S if self._is_terminal else PLAIN_EVERY_S
        return self._shown_s is None or self._clock() - self._shown_s >= every_s

    def show(self, done: int, total: int, what: str, left_s: float) -> None:
        """What runs now, and the time left."""
        if not self.is_due():
            return
        self._shown_s = self._clock()
        line = "%d/%d  %s, %s left" % (done, total, what, duration(left_s))
        if self._is_terminal:
            columns = shutil.get_terminal_size().columns
            self._stream.write("\r\033[K" + line[:columns - 1])
            self._is_drawn = True
        else:
            self._stream.write("bench: " + line + "\n")
        self._stream.flush()

    def say(self, line: str) -> None:
        """A line that stays."""
        self.clear()
        self._stream.write("bench: " + line + "\n")
        self._stream.flush()

    def clear(self) -> None:
        """Takes the drawn line away."""
        if self._is_drawn:
            self._stream.write("\r\033[K")
            self._stream.flush()
            self._is_drawn = False
