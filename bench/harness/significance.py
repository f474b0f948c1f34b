# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""When do two samples differ by more than their noise?

One pair (differ): the Mann-Whitney test at 5 %, exact also for ties, for memory comes in whole pages. Below four
repetitions no test can reach 5 %, so the ranges must not touch, as without scipy; one repetition tells nothing.

Many pairs at once (step_down): of 90 pairs tested at 5 % each, four or five would be alarms though nothing changed, and
with five repetitions the smallest probability, 2/252, times 90 finds nothing. Westfall and Young's step-down procedure
(Resampling-Based Multiple Testing, 1993, algorithm 2.8) keeps the chance of even one false alarm at 5 %:

    t = difference of the mean logarithms / its standard error        for each pair, as measured
    p = how often the largest t of this and all lesser pairs reaches it, before and after shuffled together
"""

import functools
import itertools
import math
from typing import Any, List, Sequence, Tuple

try:
    import numpy
    from scipy import stats

    MISSING = None
except ImportError:
    numpy = stats = None
    MISSING = ("scipy is missing, so two figures differ only where their ranges do not touch: apt-get "
               "install python3-scipy")

ALPHA = 0.05
SHUFFLES = 2000
RESAMPLES = 1000
SPLITS_MOST = 200000  # of two samples, beyond which their probability is approximated

ROUNDING = 1e-5  # the part of t by which another order of additions changes it

LEAST_REPETITIONS = 4  # below no exact test reaches ALPHA: 2 of the C(6, 3) = 20 orders are as extreme as any

Pair = Tuple[Sequence[float], Sequence[float]]


@functools.lru_cache(maxsize=None)
def differ(first: Tuple[float, ...], second: Tuple[float, ...]) -> bool:
    """Whether two samples differ by more than their noise."""
    fewest = min(len(first), len(second))
    if fewest < LEAST_REPETITIONS or MISSING:
        return fewest > 1 and (max(first) < min(second) or max(second) < min(first))
    return mann_whitney(first, second) < ALPHA


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> float:
    """The two-sided probability of ranks as unequal as these."""
    count, size = len(first) + len(second), len(first)
    if math.comb(count, size) > SPLITS_MOST:
        return float(stats.mannwhitneyu(first, second).pvalue)
    ranks = stats.rankdata([*first, *second])
    off = abs(ranks[_splits(count, size)].sum(axis=1) - size * (count + 1) / 2)
    return float((off >= off[0]).mean())


@functools.lru_cache(maxsize=8)
def _splits(count: int, size: int) -> Any:
    """The places of the first sample in every split, as it is being the first."""
    return numpy.array(list(itertools.combinations(range(count), size)))


def interval(before: Sequence[float], after: Sequence[float]) -> Tuple[float, float]:
    """The bootstrap's 95 % interval of median(after) / median(before)."""
    def ratio(old: Any, new: Any, axis: int) -> Any:
        return numpy.median(new, axis) / numpy.median(old, axis)

    return _bootstrap((before, after), ratio)


def interval_of_mean(ratios: Sequence[float]) -> Tuple[float, float]:
    """The bootstrap's 95 % interval of a geometric mean, the benchmarks being the sample."""
    low, high = _bootstrap((numpy.log(ratios),), numpy.mean)
    return math.exp(low), math.exp(high)


def _bootstrap(samples: Tuple[Any, ...], statistic: Any) -> Tuple[float, float]:
    if min(map(len, samples)) < 2:  # scipy refuses a sample of one
        value = float(statistic(*map(numpy.array, samples), axis=0))
        return value, value
    found = stats.bootstrap(samples, statistic, n_resamples=RESAMPLES, method="percentile", random_state=1)
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def step_down(blocks: Sequence[Sequence[Pair]], shuffles: int = SHUFFLES) -> List[List[float]]:
    """The adjusted probability of each pair; the pairs of one block are measures of the same runs, shuffled
    alike, and of the same numbers of runs."""
    if not any(blocks):
        return [[] for _ in blocks]
    chance = numpy.random.default_rng(1)
    observed, shuffled = [], []
    for block in filter(None, blocks):
        size = len(block[0][0])
        places = numpy.arange(size + len(block[0][1]))
        orders = chance.permuted(numpy.tile(places, (shuffles, 1)), axis=1)
        for before, after in block:
            logs = numpy.log(numpy.maximum([*before, *after], 1e-12))
            observed.append(_t(logs[None, :], size)[0])
            shuffled.append(_t(logs[orders], size))
    order = numpy.argsort(observed, kind="stable")
    largest = numpy.maximum.accumulate(numpy.array(shuffled)[order], axis=0)
    least = numpy.array(observed)[order, None] * (1 - ROUNDING)
    reached = ((largest >= least).sum(axis=1) + 1) / (shuffles + 1)
    adjusted = numpy.empty(len(order))
    adjusted[order] = numpy.maximum.accumulate(reached[::-1])[::-1]
    each = iter(adjusted.tolist())
    return [[next(each) for _ in block] for block in blocks]


def _t(logs: Any, size: int) -> Any:
    """Student's t, without its sign, of each line of logarithms, whose first `size` are the first sample.
    Samples without any noise are infinitely far apart, or not at all."""
    first, second = logs[:, :size], logs[:, size:]
    rest = second.shape[1]
    gap = abs(first.mean(axis=1) - second.mean(axis=1))
    within = size * first.var(axis=1) + rest * second.var(axis=1)
    is_exact = within <= 1e-10 * (size + rest) * logs.var(axis=1)
    error = numpy.sqrt(numpy.where(is_exact, 1, within) / max(1, size + rest - 2) * (1 / size + 1 / rest))
    return numpy.where(is_exact, numpy.where(gap > 1e-9, numpy.inf, 0), gap / error)
