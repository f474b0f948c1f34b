# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Whether an allocator works here at all: a small program runs on it, and must have got its malloc from it."""

import dataclasses
import pathlib
import re
from typing import List, Optional, Sequence, Tuple

from bench.harness.allocators import Allocator
from bench.harness.runner import Runner

_PROGRAM = ("churn", "threads=2", "ops=4000", "live=256k")
_BOUND = re.compile(r"binding file \S+ \[0\] to (\S+) .*: normal symbol `malloc'")


def fault(runner: Runner, allocator: Allocator) -> Optional[str]:
    """Why the allocator cannot be measured, in a few words; None if it can. glibc's loader writes which object
    malloc was bound to."""
    bindings = "bindings-" + allocator.name
    spoken = {**allocator.environment, "LD_DEBUG": "bindings", "LD_DEBUG_OUTPUT": str(runner.scratch / bindings)}
    program = [str(runner.paths.workload(_PROGRAM[0])), *_PROGRAM[1:]]
    outcome = runner.measure(dataclasses.replace(allocator, environment=spoken), program)
    if outcome.error == "the library was not loaded":
        said = (runner.scratch / "program.err").read_text(encoding="utf-8", errors="replace")
        why = re.search(r"cannot be preloaded( \(.*?\)): ignored", said)
        return "cannot be preloaded" + (why.group(1) if why else "")
    if outcome.error is not None or not outcome.told:
        return outcome.error or "a program that runs on it says nothing"
    for path in runner.scratch.glob(bindings + ".*") if allocator.library else ():
        bound = _BOUND.search(path.read_text(encoding="utf-8", errors="replace"))
        if bound and re.match(r"libc[.-]", pathlib.Path(bound.group(1)).name):
            return "has no malloc: a program that preloads it uses libc's"
    return None


def prove(runner: Runner, allocators: Sequence[Allocator]) -> Tuple[List[Allocator], List[str]]:
    """The allocators that work, and a line for each that does not."""
    faults = {one.name: fault(runner, one) for one in allocators}
    return ([one for one in allocators if not faults[one.name]],
            ["%s: dropped: %s: %s" % (one.name, one.library or "libc's malloc", faults[one.name])
             for one in allocators if faults[one.name]])
