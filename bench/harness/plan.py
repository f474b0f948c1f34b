# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""In which order things run, and how long they will take.

A machine drifts: it warms up, its memory fragments, a neighbour wakes. So in each round every row meets every
subject, and the order of subjects turns:

    round 0   row 0: a b c d   row 1: b c d a   ...
    round 1   row 0: d c b a   row 1: a d c b   ...      the mirror image of the round before
    round 2   row 0: b c d a   ...                       turned by one more

Over two rounds each subject has the same mean place in each row; over 2n rounds of n subjects, each place
twice.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from bench.harness.catalogue import Row
from bench.harness.subjects import Subject

FULL_BUDGET_S = 30 * 60
QUICK_BUDGET_S = 100
FAILURES_MOST = 2


@dataclasses.dataclass(frozen=True)
class Step:
    """One run to be made."""

    row: Row
    subject: Subject
    round: int
    order: int  # the place of the subject among those of its row in this round


def order_of(count: int, row_index: int, round_index: int) -> List[int]:
    """Indices of `count` subjects as they come in a row of a round."""
    turn = (row_index + round_index // 2) % count
    order = [(turn + place) % count for place in range(count)]
    return order[::-1] if round_index % 2 else order


def steps_of(row: Row, row_index: int, subjects: Sequence[Subject], round_index: int) -> List[Step]:
    """The runs of one row in one round."""
    order = order_of(len(subjects), row_index, round_index)
    return [Step(row, subjects[index], round_index, place) for place, index in enumerate(order)]


@dataclasses.dataclass(frozen=True)
class Plan:
    """All runs: rows outermost within a round, so that the subjects of a row follow each other in time."""

    rows: Tuple[Row, ...]
    subjects: Tuple[Subject, ...]
    rounds: Optional[int]  # of every row; None: each row's own

    def rounds_of(self, row: Row) -> int:
        """Rounds that a row is to have."""
        return row.rounds if self.rounds is None else self.rounds

    def batches(self) -> Iterator[List[Step]]:
        """A row of a round at a time."""
        for round_index in range(max((self.rounds_of(row) for row in self.rows), default=0)):
            for row_index, row in enumerate(self.rows):
                if round_index < self.rounds_of(row):
                    yield steps_of(row, row_index, self.subjects, round_index)

    @property
    def run_count(self) -> int:
        """Runs in all."""
        return sum(self.rounds_of(row) for row in self.rows) * len(self.subjects)

    @property
    def expected_s(self) -> float:
        """How long all of it takes, by the catalogue."""
        return sum(self.rounds_of(row) * row.expected_s for row in self.rows) * len(self.subjects)


class Costs:
    """What runs have cost so far, and what is left by that."""

    def __init__(self) -> None:
        self._spent: Dict[str, List[float]] = collections.defaultdict(list)
        self._expected_s = 0.0
        self._actual_s = 0.0

    def add(self, row: Row, cost_s: float) -> None:
        """A run of this row took so long, with everything around it."""
        self._spent[row.name].append(cost_s)
        self._expected_s += row.expected_s
        self._actual_s += cost_s

    def of(self, row: Row) -> float:
        """A run of this row: the mean of those seen, else the catalogue's, as wrong as for the others."""
        seen = self._spent.get(row.name)
        if seen:
            return sum(seen) / len(seen)
        return row.expected_s * (self._actual_s / self._expected_s if self._expected_s else 1.0)

    def left_s(self, steps: Sequence[Step]) -> float:
        """All of these."""
        return sum(self.of(step.row) for step in steps)


class Failures:
    """Who failed how often in which row: after two failures it is not tried again, nor after a time-out."""

    def __init__(self) -> None:
        self._counts: Dict[Tuple[str, str], int] = collections.Counter()

    def add(self, step: Step, timed_out: bool) -> None:
        """This run failed."""
        self._counts[step.row.name, step.subject.name] += FAILURES_MOST if timed_out else 1

    def given_up(self, step: Step) -> bool:
        """It is pointless to make this run."""
        return self._counts[step.row.name, step.subject.name] >= FAILURES_MOST
