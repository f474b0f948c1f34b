# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""In which order things run.

A machine drifts: it warms up, its memory fragments, another one takes its time. So in each repetition every
benchmark meets every allocator, and the order of allocators turns:

    repetition 0   benchmark 0: a b c d   benchmark 1: b c d a   ...
    repetition 1   benchmark 0: d c b a   benchmark 1: a d c b   ...      the mirror image of the one before
    repetition 2   benchmark 0: b c d a   ...                             turned by one more

Over two repetitions each allocator has the same mean place in each benchmark; over 2n repetitions of n
allocators, each place twice.
"""

from typing import Iterator, List, NamedTuple, Optional, Tuple

from bench.harness.allocators import Allocator
from bench.harness.catalogue import Benchmark

FULL_BUDGET_S = 30 * 60
QUICK_BUDGET_S = 100


class Step(NamedTuple):
    benchmark: Benchmark
    allocator: Allocator
    repetition: int
    order: int  # the place of the allocator among those of its benchmark in this repetition


def order_of(count: int, index: int, repetition: int) -> List[int]:
    """Indices of `count` allocators as they come in a benchmark of a repetition."""
    turn = (index + repetition // 2) % count
    order = [(turn + place) % count for place in range(count)]
    return order[::-1] if repetition % 2 else order


class Plan(NamedTuple):
    """All runs: the allocators of a benchmark follow each other in time."""

    benchmarks: Tuple[Benchmark, ...]
    allocators: Tuple[Allocator, ...]
    repetitions: Optional[int]  # of every benchmark; None: each one's own

    def repetitions_of(self, benchmark: Benchmark) -> int:
        return benchmark.repetitions if self.repetitions is None else self.repetitions

    def batches(self) -> Iterator[List[Step]]:
        for repetition in range(max(map(self.repetitions_of, self.benchmarks), default=0)):
            for index, one in enumerate(self.benchmarks):
                if repetition < self.repetitions_of(one) and self.allocators:
                    order = order_of(len(self.allocators), index, repetition)
                    yield [Step(one, self.allocators[which], repetition, place)
                           for place, which in enumerate(order)]

    @property
    def run_count(self) -> int:
        return sum(map(self.repetitions_of, self.benchmarks)) * len(self.allocators)

    @property
    def expected_s(self) -> float:
        """How long all of it takes, by the catalogue."""
        return sum(self.repetitions_of(one) * one.expected_s for one in self.benchmarks) * len(self.allocators)
