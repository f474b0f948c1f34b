# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""When do two samples differ by more than their noise?

Two questions, two answers.

One pair (told_apart): is this subject slower than that one, in this row of this result? From four rounds
on, the Mann-Whitney test with exact probabilities (also for ties: memory comes in whole pages) at 5 %. With
two or three rounds no test can reach 5 %, so the ranges of the two must not touch. With one round nothing
can be told.

Many pairs at once (step_down): which of these 90 pairs changed between two results? At 5 % each, four or
five of 90 would be alarms though nothing changed. Multiplying ranks' probabilities by 90 is no answer
either: with five rounds the smallest is 2/252, so nothing could ever be found. Westfall and Young's step-down
procedure (Resampling-Based Multiple Testing, 1993, algorithm 2.8) keeps the chance of even one false
alarm at 5 % and still finds a change that stands out of the noise: it shuffles the rounds of each pair
between before and after, and asks how large the largest difference among all pairs then is.

    t = difference of the mean logarithms / its standard error        for each pair, as measured
    p = how often the largest t of this and all lesser pairs, shuffled, reaches it
"""

import math
import random
import statistics
from typing import Dict, List, Sequence, Tuple

ALPHA = 0.05
SHUFFLES = 2000

# The same split reached in another order of additions gives the same t but for this part of it.
ROUNDING = 1e-5

# Below this many rounds on each side no exact test reaches ALPHA: 2 of the C(6, 3) = 20 orders are as
# extreme as any.
ROUNDS_FOR_A_TEST = 4


def told_apart(first: Sequence[float], second: Sequence[float]) -> bool:
    """Whether two samples differ by more than their noise."""
    fewest = min(len(first), len(second))
    if fewest < 2:
        return False
    if fewest < ROUNDS_FOR_A_TEST:
        return max(first) < min(second) or max(second) < min(first)
    return mann_whitney(first, second) < ALPHA


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> float:
    """The two-sided probability of ranks as unequal as these, exact also where values are equal."""
    ranks = _doubled_midranks(list(first) + list(second))
    mine = sum(ranks[: len(first)])
    expected = len(first) * (len(ranks) + 1)
    if len(ranks) > 60:
        return _normal(mine, expected, ranks, len(first))
    sums = _sums_of_subsets(ranks, len(first))
    extreme = sum(ways for total, ways in sums.items() if abs(total - expected) >= abs(mine - expected))
    return extreme / math.comb(len(ranks), len(first))


def _doubled_midranks(values: Sequence[float]) -> List[int]:
    """Twice the rank of each value, equal values sharing their mean rank: whole numbers."""
    order = sorted(values)
    first = {}
    last = {}
    for position, value in enumerate(order, 1):
        first.setdefault(value, position)
        last[value] = position
    return [first[value] + last[value] for value in values]


def _sums_of_subsets(ranks: Sequence[int], size: int) -> Dict[int, int]:
    """How many subsets of this size have each sum."""
    ways: List[Dict[int, int]] = [{} for _ in range(size + 1)]
    ways[0][0] = 1
    for rank in ranks:
        for chosen in range(size - 1, -1, -1):
            for total, count in ways[chosen].items():
                ways[chosen + 1][total + rank] = ways[chosen + 1].get(total + rank, 0) + count
    return ways[size]


def _normal(mine: float, expected: float, ranks: Sequence[int], size: int) -> float:
    """The large-sample approximation, for sums of doubled ranks drawn without replacement."""
    count = len(ranks)
    variance = size * (count - size) / (count - 1) * statistics.pvariance(ranks)
    return math.erfc(abs(mine - expected) / math.sqrt(2 * variance)) if variance else 1.0


def interval(before: Sequence[float], after: Sequence[float], draws: int = 1000) -> Tuple[float, float]:
    """The bootstrap's 95 % interval of median(after) / median(before)."""
    chance = random.Random("interval")
    ratios = sorted(
        statistics.median(chance.choices(after, k=len(after)))
        / statistics.median(chance.choices(before, k=len(before)))
        for _ in range(draws)
    )
    return ratios[int(0.025 * draws)], ratios[int(0.975 * draws) - 1]


def interval_of_mean(ratios: Sequence[float], draws: int = 1000) -> Tuple[float, float]:
    """The bootstrap's 95 % interval of a geometric mean, the rows being the sample."""
    chance = random.Random("interval of mean")
    logs = [math.log(ratio) for ratio in ratios]
    means = sorted(math.exp(statistics.fmean(chance.choices(logs, k=len(logs)))) for _ in range(draws))
    return means[int(0.025 * draws)], means[int(0.975 * draws) - 1]


Pair = Tuple[Sequence[float], Sequence[float]]


def step_down(blocks: Sequence[Sequence[Pair]], shuffles: int = SHUFFLES) -> List[List[float]]:
    """The adjusted probability of each pair; the pairs of one block are measures of the same runs, shuffled
    alike."""
    logs = [[_Logs(*pair) for pair in block] for block in blocks]
    places = [(b, p) for b, block in enumerate(logs) for p in range(len(block))]
    observed = {(b, p): logs[b][p].observed() for b, p in places}
    places.sort(key=lambda place: observed[place])
    reached = dict.fromkeys(places, 1)
    chance = random.Random("step-down")
    for _ in range(shuffles):
        shuffled = {}
        for b, block in enumerate(logs):
            chosen = chance.sample(range(block[0].count), block[0].size) if block else []
            for p, pair in enumerate(block):
                shuffled[b, p] = pair.statistic(chosen)
        largest = 0.0
        for place in places:
            largest = max(largest, shuffled[place])
            reached[place] += largest >= observed[place] * (1 - ROUNDING)
    adjusted = {}
    worst = 0.0
    for place in reversed(places):
        worst = max(worst, reached[place] / (shuffles + 1))
        adjusted[place] = worst
    return [[adjusted[b, p] for p in range(len(block))] for b, block in enumerate(logs)]


class _Logs:
    """The logarithms of one pair, ready to be split again and again."""

    def __init__(self, before: Sequence[float], after: Sequence[float]) -> None:
        values = [math.log(max(value, 1e-12)) for value in (*before, *after)]
        centre = statistics.fmean(values)
        self.values = [value - centre for value in values]
        self.size = len(before)
        self.count = len(values)
        self.total = math.fsum(self.values)
        self.squares = math.fsum(value * value for value in self.values)

    def observed(self) -> float:
        return self.statistic(range(self.size))

    def statistic(self, chosen: Sequence[int]) -> float:
        """Student's t, without its sign, when the chosen values are the first sample."""
        rest = self.count - self.size
        mine = sum(self.values[index] for index in chosen)
        first, second = mine / self.size, (self.total - mine) / rest
        within = self.squares - self.size * first * first - rest * second * second
        difference = abs(first - second)
        if within <= 1e-10 * self.squares:
            return math.inf if difference > 1e-9 else 0.0
        return difference / math.sqrt(within / (self.count - 2) * (1 / self.size + 1 / rest))
