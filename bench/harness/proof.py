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


def _bound_to(prefix: pathlib.Path) -> Optional[str]:
    """The object that malloc was bound to, by what glibc's loader wrote; None where it wrote nothing."""
    for path in prefix.parent.glob(prefix.name + ".*"):
        found = _BOUND.search(path.read_text(encoding="utf-8", errors="replace"))
        if found:
            return found.group(1)
    return None


def fault(runner: Runner, allocator: Allocator) -> Optional[str]:
    """Why the allocator cannot be measured, in a few words; None if it can."""
    bindings = runner.scratch / ("bindings-" + allocator.name)
    spoken = {**allocator.environment, "LD_DEBUG": "bindings", "LD_DEBUG_OUTPUT": str(bindings)}
    program = [str(runner.paths.workload(_PROGRAM[0])), *_PROGRAM[1:]]
    outcome = runner.measure(dataclasses.replace(allocator, environment=spoken), program)
    if outcome.error == "the library was not loaded":
        return "cannot be preloaded" + _loader_says(runner)
    if outcome.error is not None:
        return outcome.error
    if not outcome.told:
        return "a program that runs on it says nothing"
    bound = _bound_to(bindings) if allocator.library else None
    if bound is not None and re.match(r"libc[.-]", pathlib.Path(bound).name):
        return "has no malloc: a program that preloads it uses libc's"
    return None


def _loader_says(runner: Runner) -> str:
    text = (runner.scratch / "program.err").read_text(encoding="utf-8", errors="replace")
    found = re.search(r"cannot be preloaded \((.*?)\): ignored", text)
    return " (%s)" % found.group(1) if found else ""


def prove(runner: Runner, allocators: Sequence[Allocator]) -> Tuple[List[Allocator], List[str]]:
    """The allocators that work, and a line for each that does not."""
    faults = {allocator.name: fault(runner, allocator) for allocator in allocators}
    notes = ["%s: dropped: %s: %s" % (allocator.name, allocator.library or "libc's malloc", faults[allocator.name])
             for allocator in allocators if faults[allocator.name]]
    return [allocator for allocator in allocators if not faults[allocator.name]], notes
