# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Carries out a plan: the runs one by one into the result, the time budget, Ctrl-C.

The result is whole and valid after every run; it is written after each repetition, so that not even a power
cut costs more.
"""

import contextlib
import os
import shutil
import signal
import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Set

from bench.harness import figures
from bench.harness.plan import Costs, Failures, Plan, Step
from bench.harness.progress import Progress, duration
from bench.harness.runner import Runner, record

EXIT_INTERRUPTED = 130


@contextlib.contextmanager
def interrupts(runner: Runner, _progress: Progress) -> Iterator[None]:
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


class Session:
    """The runs of one plan."""

    def __init__(self, plan: Plan, runner: Runner, progress: Progress, result: Dict[str, Any],
                 save: Callable[[], None]) -> None:
        self._plan, self._runner, self._progress, self._result = plan, runner, progress, result
        self._save = save
        self._costs, self._failures = Costs(), Failures()
        self._batches = list(plan.batches())
        self._reported: Set[str] = set()

    def carry_out(self, budget_s: Optional[float], warm_up: bool) -> None:
        """Every run, or as many repetitions as the budget allows; raises Interrupted."""
        deadline = None if budget_s is None else time.monotonic() + budget_s
        for index, batch in enumerate(self._batches):
            if index and batch[0].repetition != self._batches[index - 1][0].repetition:
                self._save()
            ready_s = time.monotonic() + self._costs.left_s(self._left(batch))
            if deadline is not None and batch[0].repetition and ready_s > deadline:
                self._out_of_time(self._batches[index:])
                return
            if warm_up and batch[0].repetition == 0:
                self._show(index, batch[0], "warming up")
                self._runner.run(batch[0])
            for place, step in enumerate(batch):
                if not self._failures.given_up(step):
                    self._show(index, step, step.allocator.name, place)
                    self._run(step)

    def _left(self, steps: Sequence[Step]) -> List[Step]:
        return [step for step in steps if not self._failures.given_up(step)]

    def _run(self, step: Step) -> None:
        began = time.monotonic()
        outcome = self._runner.run(step)
        self._costs.add(step.benchmark, time.monotonic() - began)
        self._result["runs"].append(record(step, outcome))
        if outcome.error is not None:
            self._failures.add(step, outcome.timed_out)
            line = "%s on %s: %s" % (step.benchmark.name, step.allocator.name, outcome.error)
            if line not in self._reported:
                self._reported.add(line)
                self._progress.say(line)

    def _show(self, index: int, step: Step, what: str, place: int = 0) -> None:
        if self._progress.is_due():
            done = sum(map(len, self._batches[:index])) + place
            left = self._left([step for batch in self._batches[index:] for step in batch][place:])
            doing = "repetition %d, %s, %s" % (step.repetition + 1, step.benchmark.name, what)
            self._progress.show(done, self._plan.run_count, doing, self._costs.left_s(left))

    def _out_of_time(self, left: Sequence[Sequence[Step]]) -> None:
        names = {batch[0].benchmark.name for batch in left}
        self._result["notes"].append("the time was used up in repetition %d: %s got fewer than planned" % (
            left[0][0].repetition + 1, figures.plural(len(names), "benchmark")))


def estimate(plan: Plan, others_s: float, budget_s: Optional[float]) -> str:
    """What is going to happen, in a line."""
    counts = [plan.repetitions_of(one) for one in plan.benchmarks] or [0]
    span = figures.plural(max(counts), "repetition")
    if min(counts) < max(counts):
        span = "%d to %s" % (min(counts), span)
    expected_s = min(plan.expected_s + others_s, budget_s or float("inf"))
    return "%s, %s, %s: %d runs, about %s" % (
        figures.plural(len(plan.benchmarks), "benchmark"), figures.plural(len(plan.allocators), "allocator"),
        span, plan.run_count, duration(expected_s))
