# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Plays a trace on each subject, in rounds, by the harness; and once more watched, for the pictures.

The runs of the rounds are what is compared. A watched run is slow: it looks at the whole heap 160 times.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import Any, Callable, Dict, List, Optional, Sequence

from bench.harness.catalogue import Row
from bench.harness.plan import Plan
from bench.harness.progress import Progress
from bench.harness.runner import Runner
from bench.harness.session import Session
from bench.harness.subjects import Subject

ABOUT = "the allocations of a recorded program, in its threads and its order"


@dataclasses.dataclass(frozen=True)
class Playing:
    """How the replayer is called."""

    replayer: pathlib.Path
    trace: pathlib.Path
    touch: str = "ends"
    paced: bool = False

    def command(self, report: Optional[pathlib.Path] = None) -> List[str]:
        """The replayer with its options."""
        options = ["--touch=" + self.touch] + ["--paced"] * self.paced
        if report is not None:
            options.append("--report=%s" % report)
        return [str(self.replayer), *options, str(self.trace)]

    @property
    def row(self) -> Row:
        """What the result says of it. An absolute path is no workload of the harness, and is run as it is."""
        return Row("replay of %s" % self.trace.name, "workloads", tuple(self.command()), ABOUT)


def play(playing: Playing, subjects: Sequence[Subject], rounds: int, runner: Runner, bar: Progress,
         made: Dict[str, Any], save: Callable[[], None]) -> None:
    """All runs, into the result; raises Interrupted."""
    plan = Plan((playing.row,), tuple(subjects), rounds)
    Session(plan, runner, bar, made, save).carry_out(None, warm_up=True)


def watch(playing: Playing, subjects: Sequence[Subject], runner: Runner, made: Dict[str, Any]) -> None:
    """The observer's report of each subject that played, into the result; raises Interrupted."""
    failed = {run["subject"] for run in made["runs"] if not run["ok"]}
    report = runner.scratch / "observed"
    for subject in subjects:
        if subject.name in failed:
            continue
        outcome = runner.measure(subject, playing.command(report))
        if outcome.error is not None:
            made["notes"].append("%s: has no picture: %s" % (subject.name, outcome.error))
            continue
        seen = json.loads(report.read_text(encoding="utf-8", errors="replace"))
        made["replay"]["reports"][subject.name] = seen
