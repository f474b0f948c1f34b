# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The instructions of a pair by valgrind's callgrind: another way to count, against which stepping is held.

    ob=(2) /usr/lib/libc.so.6     the object of the lines that follow
    fn=(14) malloc
    0 41                          a cost of its own
    calls=1 0
    0 88                          that of a function it calls, which has lines of its own: left out
"""

from __future__ import annotations

import pathlib
import re
import subprocess
from typing import Dict, List, Mapping, Sequence

LEAST_PAIRS, MORE_PAIRS = 500, 2500
LIMIT_S = 120.0


class CallgrindError(Exception):
    """Nothing was counted: one line."""


def cost_outside(text: str, program: str) -> int:
    """Instructions in all objects but the program's own."""
    names: Dict[str, str] = {}
    cost, is_own, is_of_callee = 0, False, False
    for line in text.splitlines():
        found = re.match(r"(c?ob)=\((\d+)\)(?: (.*))?$", line)
        if found:
            kind, number, name = found.groups()
            names.setdefault(number, name or "")
            if kind == "ob":
                is_own = names[number] == program
        elif line.startswith("calls="):
            is_of_callee = True
        elif re.match(r"[\d+*-]", line):
            if not is_own and not is_of_callee:
                cost += int(line.split()[-1])
            is_of_callee = False
    return cost


def _run(command: Sequence[str], environment: Mapping[str, str], written: pathlib.Path) -> str:
    try:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--callgrind-out-file=%s" % written, "--dump-line=no", *command],
            env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=LIMIT_S, check=False)
        if done.returncode != 0:
            raise CallgrindError("exit status %d under valgrind" % done.returncode)
        return written.read_text(encoding="utf-8", errors="replace")
    except subprocess.TimeoutExpired as error:
        raise CallgrindError("timed out under valgrind after %g s" % LIMIT_S) from error
    except OSError as error:
        raise CallgrindError("valgrind: %s" % error.strerror) from error


def pair(program: pathlib.Path, size_bytes: int, environment: Mapping[str, str],
         scratch: pathlib.Path) -> float:
    """The mean of malloc and free together: two runs of different length, so that the start cancels out."""
    costs: List[int] = []
    for count in (LEAST_PAIRS, MORE_PAIRS):
        text = _run([str(program), str(size_bytes), "1000", str(count)], environment, scratch / "callgrind")
        costs.append(cost_outside(text, str(program.resolve())))
    return (costs[1] - costs[0]) / (MORE_PAIRS - LEAST_PAIRS)
