# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""What a result says: medians, spreads, ratios to the best of each benchmark, geometric means.

    result (JSON) --summarise--> Summary
                                    benchmarks: Benchmark
                                       cells: Cell (one allocator in one benchmark)
                                          samples: Sample (one measure of it)

A cell counts only when all of its runs were good: one crash in five is a crash. The best of a benchmark is the smallest
median among the allocators that free; the floor is shown, but is never the best.
"""

import statistics
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Dict, List, Optional, Sequence, Tuple

from bench.harness import result as results
from bench.harness import significance

# What a cell has: key in here, and how it is called.
MEASURES = {"time": "time", "cpu": "CPU time", "peak": "peak memory", "final": "final memory",
            "faults": "page faults"}

ALL = "all"


@dataclass(frozen=True)
class Sample:
    """The values of one measure in the repetitions of one cell, in ascending order."""

    values: Tuple[float, ...]

    @property
    def count(self) -> int:
        return len(self.values)

    @cached_property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def quartiles(self) -> Tuple[float, float]:
        if self.count < 2:
            return self.values[0], self.values[0]
        low, _, high = statistics.quantiles(self.values, n=4, method="inclusive")
        return low, high

    @property
    def spread(self) -> float:
        """The interquartile range as a part of the median; 0 where the median is 0."""
        low, high = self.quartiles
        return (high - low) / self.median if self.median else 0.0


@dataclass(frozen=True)
class Cell:
    samples: Dict[str, Sample]
    failures: Tuple[str, ...]
    ops: Optional[float]
    extra: Dict[str, float]
    command: Tuple[str, ...]
    repetitions: int

    @property
    def ok(self) -> bool:
        return self.repetitions > 0 and not self.failures

    @property
    def reason(self) -> str:
        """Why the cell does not count, or nothing."""
        if self.ok or not self.repetitions:
            return "" if self.ok else "not run"
        text, failed = "; ".join(dict.fromkeys(self.failures)), len(self.failures)
        return text if failed == self.repetitions else "%s (%d of %d runs)" % (text, failed, self.repetitions)

    def median(self, measure: str) -> Optional[float]:
        sample = self.samples.get(measure)
        return sample.median if sample and self.ok else None


@dataclass
class Benchmark:
    """One benchmark: its cells, and the best allocator for each measure."""

    name: str
    group: str
    about: str
    command: List[str]
    series: Optional[str]
    x: Optional[float]
    metric: str
    pinned: bool
    cells: Dict[str, Cell]
    best: Dict[str, str] = field(default_factory=dict)

    def compares(self, measure: str) -> bool:
        """Whether the measure is one to compare here: time is not, in a benchmark about memory."""
        return measure not in ("time", "cpu") or self.metric != "memory"

    def best_median(self, measure: str) -> Optional[float]:
        return self.cells[self.best[measure]].median(measure) if measure in self.best else None

    def ratio(self, allocator: str, measure: str) -> Optional[float]:
        """The allocator's median as a multiple of the best one's."""
        mine, best = self.cells[allocator].median(measure), self.best_median(measure)
        return mine / best if mine is not None and best else None

    def significant(self, allocator: str, measure: str, other: Optional[str] = None) -> bool:
        """Whether the allocator's runs differ from the other's (by default: the best one's) by more than
        their noise."""
        other = other or self.best.get(measure)
        cells = [self.cells[name] for name in (allocator, other) if name]
        if len(cells) < 2 or any(cell.median(measure) is None for cell in cells):
            return False
        return significance.differ(*(cell.samples[measure].values for cell in cells))


@dataclass(frozen=True)
class Mean:
    """The geometric mean of an allocator's ratios over so many benchmarks; those that lack are named."""

    value: Optional[float]
    count: int
    missing: Tuple[str, ...]


@dataclass
class Summary:
    result: Dict[str, Any]
    benchmarks: List[Benchmark]
    kinds: Dict[str, str]
    _means: Dict[Tuple[str, str, str], Mean] = field(default_factory=dict)

    @property
    def allocators(self) -> List[str]:
        return list(self.kinds)

    @property
    def groups(self) -> List[str]:
        return list(dict.fromkeys(one.group for one in self.benchmarks))

    def of_kind(self, *kinds: str) -> List[str]:
        return [name for name, kind in self.kinds.items() if kind in kinds]

    def in_group(self, group: str) -> List[Benchmark]:
        return [one for one in self.benchmarks if group in (one.group, ALL)]

    def mean(self, allocator: str, measure: str, group: str = ALL) -> Mean:
        """A benchmark in which no allocator has the measure is not missing."""
        if (group, allocator, measure) not in self._means:
            ratios = {one.name: one.ratio(allocator, measure) for one in self.in_group(group) if measure in one.best}
            good = [ratio for ratio in ratios.values() if ratio]
            lacking = tuple(name for name, ratio in ratios.items() if not ratio)
            self._means[group, allocator, measure] = Mean(geometric_mean(good), len(good), lacking)
        return self._means[group, allocator, measure]

    def ranked(self, measure: str, *kinds: str) -> List[str]:
        """Allocators of these kinds, best first: the fewest lacking, then the smallest mean. By default
        those that free, then the floor."""
        if not kinds:
            return self.ranked(measure, "stack", "peer", "libc") + self.ranked(measure, "floor")
        means = {name: self.mean(name, measure) for name in self.of_kind(*kinds)}
        known = [name for name, mean in means.items() if mean.value is not None]
        return sorted(known, key=lambda name: (len(means[name].missing), means[name].value))

    def versus(self, allocator: str, other: str, measure: str) -> Tuple[Optional[float], List[Benchmark]]:
        """The allocator against the other: geometric mean, and the benchmarks that both did."""
        both = [one for one in self.benchmarks if one.compares(measure)
                and one.cells[allocator].median(measure) and one.cells[other].median(measure)]
        ratios = [one.cells[allocator].median(measure) / one.cells[other].median(measure) for one in both]
        return geometric_mean(ratios), both

    def series(self, group: str) -> Dict[str, List[Benchmark]]:
        """The series of a scaling group, each with its benchmarks in ascending x."""
        found: Dict[str, List[Benchmark]] = {}
        for one in self.in_group(group):
            if one.series is not None and one.x is not None:
                found.setdefault(one.series, []).append(one)
        return {name: sorted(ones, key=lambda one: one.x or 0) for name, ones in found.items()}


# --- resident memory, phase by phase ---

LIVE = "_live_kib"  # ends the name of what a program holds, beside what is resident


def phases(benchmark: Benchmark) -> List[str]:
    """The keys of the resident memory after each of several phases, if the runs tell it."""
    keys = dict.fromkeys(key for cell in benchmark.cells.values() for key in cell.extra)
    resident = [key for key in keys if key.endswith("_kib") and not key.endswith(LIVE)]
    return resident if len(resident) > 2 else []


def phase_name(key: str) -> str:
    """thinned_kib is "thinned"."""
    return key[: -len("_kib")].replace("_", " ")


def live_kib(benchmark: Benchmark, key: str) -> Optional[float]:
    """What the program itself held after the phase, if its runs tell; idling changes nothing of that."""
    phase = key.split("_")[0] + LIVE
    return next((cell.extra[phase] for cell in benchmark.cells.values() if phase in cell.extra), None)


# --- from runs to cells, means and the whole ---

def geometric_mean(ratios: Sequence[float]) -> Optional[float]:
    """The n-th root of the product, or None of nothing."""
    return statistics.geometric_mean(ratios) if ratios else None


def values_of(run: Dict[str, Any]) -> Dict[str, float]:
    """What one good run measured, by the names of MEASURES."""
    keys = {"time": ["seconds"], "cpu": ["user_s", "system_s"], "peak": ["peak_kib"], "final": ["final_kib"],
            "faults": ["minor_faults", "major_faults"]}
    known = {measure: [run[key] for key in parts if run.get(key) is not None]
             for measure, parts in keys.items()}
    return {measure: sum(values) for measure, values in known.items() if values}


def cell_of(runs: Sequence[Dict[str, Any]]) -> Cell:
    good = [run for run in runs if run["ok"]]
    measured = [values_of(run) for run in good]
    values = {measure: tuple(sorted(one[measure] for one in measured if measure in one))
              for measure in MEASURES}
    extras = [run.get("extra") or {} for run in good]
    keys = dict.fromkeys(key for extra in extras for key in extra)
    ops = [run["ops"] for run in good if run.get("ops")]
    return Cell({measure: Sample(found) for measure, found in values.items() if found},
                tuple(run.get("error") or "failed" for run in runs if not run["ok"]),
                statistics.median(ops) if ops else None,
                {key: statistics.median(one[key] for one in extras if key in one) for key in keys},
                next((tuple(run["command"]) for run in runs if run.get("command")), ()), len(runs))


def _best(benchmark: Benchmark, kinds: Dict[str, str]) -> Dict[str, str]:
    """For each measure the allocator that frees and has the smallest median."""
    best = {}
    for measure in filter(benchmark.compares, MEASURES):
        medians = {name: cell.median(measure) for name, cell in benchmark.cells.items()
                   if kinds[name] != "floor"}
        known = [name for name, value in medians.items() if value is not None]
        if known:
            best[measure] = min(known, key=lambda name: medians[name])
    return best


def summarise(result: Dict[str, Any]) -> Summary:
    result = results.tidy(result)
    runs: Dict[Tuple[str, str], List[Dict[str, Any]]] = {}
    for run in result["runs"]:
        runs.setdefault((run["row"], run["subject"]), []).append(run)
    kinds = {one["name"]: one["kind"] for one in result["subjects"]}
    made = []
    for row in result["rows"]:
        cells = {name: cell_of(runs.get((row["name"], name), ())) for name in kinds}
        told = ("name", "group", "about", "command", "series", "x", "metric", "pinned")
        made.append(Benchmark(*(row[key] for key in told), cells))
        made[-1].best = _best(made[-1], kinds)
    return Summary(result, made, kinds)


# --- the components' part: Google Benchmark's JSON ---

SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}


@dataclass(frozen=True)
class Component:
    """One benchmark with its repetitions, in seconds for one iteration; without them where it failed."""

    name: str
    real: Optional[Sample]
    cpu: Optional[Sample]
    error: str = ""


def components(result: Dict[str, Any]) -> List[Component]:
    """Every benchmark, in the order in which they ran. Aggregates are left out, for we compute our own."""
    by: Dict[str, List[Dict[str, Any]]] = {}
    for entry in result["components"].get("benchmarks") or ():
        if entry.get("run_type", "iteration") == "iteration":
            by.setdefault(str(entry.get("run_name") or entry.get("name")), []).append(entry)
    found = []
    for name, entries in by.items():
        times = [tuple(sorted(one[key] * SECONDS[one.get("time_unit", "ns")] for one in entries if key in one))
                 for key in ("real_time", "cpu_time")]
        errors = [str(one.get("error_message") or "failed") for one in entries if one.get("error_occurred")]
        errors += [] if all(times) else ["has no time"]
        found.append(Component(name, None, None, errors[0]) if errors else Component(name, *map(Sample, times)))
    return found
