# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Carries out a plan: the runs one by one into the result, the time budget, Ctrl-C; lines on stderr that say how far it is.

The result is whole and valid after every run, and written after each repetition.
"""

import collections
import contextlib
import math
import os
import shutil
import signal
import sys
import time
from typing import Any, Callable, Dict, Iterator, Optional, Set, TextIO, Tuple

from bench.harness import figures
from bench.harness.plan import Plan, Step
from bench.harness.result import now
from bench.harness.runner import Interrupted, Runner, record

EXIT_INTERRUPTED, FAILURES_MOST = 130, 2


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


@contextlib.contextmanager
def interrupts(runner: Runner) -> Iterator[None]:
    """The first Ctrl-C ends the run that is going on; the second one ends us."""

    def handle(_number: int, _frame: Any) -> None:
        if runner.is_stopped:
            runner.kill()
            shutil.rmtree(runner.scratch, ignore_errors=True)
            os._exit(EXIT_INTERRUPTED)
        runner.stop()
        os.write(2, b"bench: interrupted: writing the report of what there is; once more to end at once\n")

    # One that our caller ignores stays ignored: nohup.
    ending = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in ending
              if signal.getsignal(number) != signal.SIG_IGN}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextlib.contextmanager
def ending(result: Dict[str, Any], plan: Plan, save: Callable[[], None]) -> Iterator[None]:
    """Says in the result how the runs within ended; Ctrl-C leaves what was reached."""
    try:
        yield
        result["complete"] = True
    except Interrupted:
        result["interrupted"] = True
        result["notes"].append("interrupted after %d of %d runs" % (len(result["runs"]), plan.run_count))
    result["finished"] = now()
    save()


class Session:
    def __init__(self, plan: Plan, runner: Runner, progress: Progress, result: Dict[str, Any],
                 save: Callable[[], None]) -> None:
        self._plan, self._runner, self._progress, self._result = plan, runner, progress, result
        self._save = save
        self._failures: Dict[Tuple[str, str], int] = collections.Counter()
        self._reported: Set[str] = set()

    def carry_out(self, budget_s: Optional[float], warm_up: bool) -> None:
        """Every run, or as many repetitions as the budget allows; raises Interrupted."""
        deadline = time.monotonic() + (math.inf if budget_s is None else budget_s)
        batches, done = list(self._plan.batches()), 0
        for index, batch in enumerate(batches):
            first = batch[0]
            if index and first.repetition != batches[index - 1][0].repetition:
                self._save()
            if first.repetition and time.monotonic() > deadline:
                names = {left[0].benchmark.name for left in batches[index:]}
                self._result["notes"].append("the time was used up in repetition %d: %s got fewer than planned" % (
                    first.repetition + 1, figures.plural(len(names), "benchmark")))
                return
            if warm_up and not first.repetition:
                self._runner.run(first)
            for step in batch:
                self._progress.show(done, self._plan.run_count, "repetition %d, %s, %s" % (
                    step.repetition + 1, step.benchmark.name, step.allocator.name))
                self._run(step)
                done += 1

    def _run(self, step: Step) -> None:
        """After two failures in a benchmark an allocator is not tried there again, nor after a time-out."""
        where = step.benchmark.name, step.allocator.name
        if self._failures[where] >= FAILURES_MOST:
            return
        outcome = self._runner.run(step)
        self._result["runs"].append(record(step, outcome))
        if outcome.error is not None:
            self._failures[where] += FAILURES_MOST if outcome.timed_out else 1
            line = "%s on %s: %s" % (*where, outcome.error)
            if line not in self._reported:
                self._reported.add(line)
                self._progress.say(line)


def estimate(plan: Plan, others_s: float, budget_s: Optional[float]) -> str:
    counts = [plan.repetitions_of(one) for one in plan.benchmarks] or [0]
    span = figures.plural(max(counts), "repetition")
    if min(counts) < max(counts):
        span = "%d to %s" % (min(counts), span)
    expected_s = min(plan.expected_s + others_s, budget_s or float("inf"))
    return "%s, %s, %s: %d runs, about %s" % (
        figures.plural(len(plan.benchmarks), "benchmark"), figures.plural(len(plan.allocators), "allocator"),
        span, plan.run_count, duration(expected_s))
