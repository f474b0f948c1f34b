# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Carries out a plan: the runs one by one into the result, the time budget, Ctrl-C.

The result is whole and valid after every run; it is written after each round too, so that not even a power
cut costs more.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence

from bench.harness.plan import Costs, Failures, Plan, Step
from bench.harness.progress import Progress, duration
from bench.harness.runner import Outcome, Runner, record

EXIT_INTERRUPTED = 130


@contextlib.contextmanager
def interrupts(runner: Runner, progress: Progress) -> Iterator[None]:
    """The first Ctrl-C ends the run that is going on; the second one ends us."""

    def handle(_number: int, _frame: Any) -> None:
        if runner.is_stopped:
            runner.kill()
            shutil.rmtree(runner.scratch, ignore_errors=True)
            os._exit(EXIT_INTERRUPTED)
        runner.stop()
        progress.clear()
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
        self.plan = plan
        self.runner = runner
        self.progress = progress
        self.result = result
        self.costs = Costs()
        self._failures = Failures()
        self._batches: List[List[Step]] = list(plan.batches())
        self._save = save
        self._reported: List[str] = []

    def carry_out(self, budget_s: Optional[float], warm_up: bool) -> None:
        """Every run, or as many rounds as the budget allows; raises Interrupted."""
        deadline = None if budget_s is None else time.monotonic() + budget_s
        for index, batch in enumerate(self._batches):
            if index and batch[0].round != self._batches[index - 1][0].round:
                self._save()
            steps = [step for step in batch if not self._failures.given_up(step)]
            ready_s = time.monotonic() + self.costs.left_s(steps)
            if deadline is not None and batch[0].round and ready_s > deadline:
                self._out_of_time(self._batches[index:])
                return
            if warm_up and batch[0].round == 0:
                self._show(index, batch[0], "warming up")
                self.runner.run(batch[0])
            for place, step in enumerate(batch):
                if not self._failures.given_up(step):
                    self._show(index, step, step.subject.name, place)
                    self._run(step)

    def _run(self, step: Step) -> None:
        began = time.monotonic()
        outcome = self.runner.run(step)
        self.costs.add(step.row, time.monotonic() - began)
        self.result["runs"].append(record(step, outcome))
        if outcome.error is not None:
            self._failures.add(step, outcome.timed_out)
            self._report(step, outcome)

    def _report(self, step: Step, outcome: Outcome) -> None:
        """A failure is told once."""
        line = "%s on %s: %s" % (step.row.name, step.subject.name, outcome.error)
        if line not in self._reported:
            self._reported.append(line)
            self.progress.say(line)

    def _show(self, index: int, step: Step, what: str, place: int = 0) -> None:
        if not self.progress.is_due():
            return
        done = sum(len(batch) for batch in self._batches[:index]) + place
        left = [step for batch in self._batches[index:] for step in batch][place:]
        left = [step for step in left if not self._failures.given_up(step)]
        doing = "round %d, %s, %s" % (step.round + 1, step.row.name, what)
        self.progress.show(done, self.plan.run_count, doing, self.costs.left_s(left))

    def _out_of_time(self, left: Sequence[Sequence[Step]]) -> None:
        rows = sorted({batch[0].row.name for batch in left})
        self.result["notes"].append("the time was used up in round %d: %d row%s got fewer rounds than planned"
                                    % (left[0][0].round + 1, len(rows), "" if len(rows) == 1 else "s"))


def estimate(plan: Plan, others_s: float, budget_s: Optional[float]) -> str:
    """What is going to happen, in a line."""
    rounds = sorted({plan.rounds_of(row) for row in plan.rows}) or [0]
    span = "%d" % rounds[0] if len(rounds) == 1 else "%d to %d" % (rounds[0], rounds[-1])
    expected_s = plan.expected_s + others_s
    if budget_s is not None:
        expected_s = min(expected_s, budget_s)
    amounts = ", ".join("%s %s%s" % (count, noun, "" if count == "1" else "s") for count, noun in (
        (str(len(plan.rows)), "row"), (str(len(plan.subjects)), "subject"), (span, "round")))
    return "%s: %d runs, about %s" % (amounts, plan.run_count, duration(expected_s))


