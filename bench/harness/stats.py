# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""What a result says: medians, spreads, ratios to the best of each row, geometric means.

    result (JSON) --load--> dict --summarise--> Summary
                                                 rows: RowSummary
                                                    cells: Cell (one subject in one row)
                                                       samples: Sample (one measure of it)

Rules
 - A cell counts only when all of its runs were good; one crash in five is a crash.
 - The best of a row is the smallest median among the allocators that free. The floor is shown, but is never
   the best.
 - A geometric mean is taken over the rows in which the subject has a ratio, and says how many these were
   and which lack.
 - Two cells are told apart by the test in differ.py; where it cannot tell, neither do we.
"""

import json
import math
import os
import re
import statistics
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence, Tuple

from bench.harness import differ

SCHEMA = "cairn-bench 1"

# What a cell has: key in here, how it is called, and where a run has it.
MEASURES = {
    "time": "time",
    "cpu": "CPU time",
    "peak": "peak memory",
    "final": "final memory",
    "faults": "page faults",
}

ALL = "all"


class BadResult(Exception):
    """A file that is no result of ours; its text is one line for the user."""


@dataclass(frozen=True)
class Sample:
    """The values of one measure in the rounds of one cell, in ascending order."""

    values: Tuple[float, ...]

    @property
    def count(self) -> int:
        return len(self.values)

    @property
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
    """One subject in one row."""

    row: str
    subject: str
    samples: Dict[str, Sample]
    failures: Tuple[str, ...]
    ops: Optional[float]
    extra: Dict[str, float]
    command: Tuple[str, ...]
    rounds: int

    @property
    def ok(self) -> bool:
        return self.rounds > 0 and not self.failures

    @property
    def reason(self) -> str:
        """Why the cell does not count, or nothing."""
        if self.ok:
            return ""
        if not self.rounds:
            return "not run"
        text = "; ".join(dict.fromkeys(self.failures))
        return (
            text
            if len(self.failures) == self.rounds
            else "%s (%d of %d runs)" % (text, len(self.failures), self.rounds)
        )

    def median(self, measure: str) -> Optional[float]:
        sample = self.samples.get(measure)
        return sample.median if sample and self.ok else None


@dataclass
class RowSummary:
    """One row: its cells, and the best subject for each measure."""

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
        """Whether the measure is one to compare here: time is not, in a row that is about memory."""
        return measure not in ("time", "cpu") or self.metric != "memory"

    def ratio(self, subject: str, measure: str) -> Optional[float]:
        """The subject's median as a multiple of the best one's."""
        if measure not in self.best:
            return None
        mine = self.cells[subject].median(measure)
        best = self.cells[self.best[measure]].median(measure)
        return mine / best if mine is not None and best else None

    def told(self, subject: str, measure: str, other: Optional[str] = None) -> bool:
        """Whether the subject's runs differ from the other's (by default: the best one's) by more than
        their noise."""
        other = other or self.best.get(measure)
        cells = [self.cells[name] for name in (subject, other) if name]
        if len(cells) < 2 or any(cell.median(measure) is None for cell in cells):
            return False
        return differ.told_apart(*(cell.samples[measure].values for cell in cells))


@dataclass(frozen=True)
class Mean:
    """The geometric mean of a subject's ratios, over `rows` rows; those that lack are named."""

    value: Optional[float]
    rows: int
    missing: Tuple[str, ...]


@dataclass
class Summary:
    """All that a report shows."""

    result: Dict[str, Any]
    rows: List[RowSummary]
    kinds: Dict[str, str]
    means: Dict[Tuple[str, str, str], Mean] = field(default_factory=dict)

    @property
    def subjects(self) -> List[str]:
        return list(self.kinds)

    @property
    def groups(self) -> List[str]:
        return list(dict.fromkeys(row.group for row in self.rows))

    def of_kind(self, *kinds: str) -> List[str]:
        return [name for name, kind in self.kinds.items() if kind in kinds]

    def in_group(self, group: str) -> List[RowSummary]:
        return [row for row in self.rows if group in (row.group, ALL)]

    def mean(self, subject: str, measure: str, group: str = ALL) -> Mean:
        return self.means[group, subject, measure]

    def ranked(self, measure: str, *kinds: str) -> List[str]:
        """Subjects of these kinds, best first: who lacks the fewest rows, then whose mean is the smallest."""
        means = {name: self.mean(name, measure) for name in self.of_kind(*kinds)}
        return sorted(
            (name for name, mean in means.items() if mean.value is not None),
            key=lambda name: (len(means[name].missing), means[name].value),
        )

    def versus(self, subject: str, other: str, measure: str) -> Tuple[Optional[float], int, int]:
        """The subject against the other over the rows that both did: geometric mean, rows, rows told
        apart."""
        rows = [
            row
            for row in self.rows
            if row.compares(measure)
            and row.cells[subject].median(measure)
            and row.cells[other].median(measure)
        ]
        ratios = [row.cells[subject].median(measure) / row.cells[other].median(measure) for row in rows]
        return geometric_mean(ratios), len(rows), sum(row.told(subject, measure, other) for row in rows)


def geometric_mean(ratios: Sequence[float]) -> Optional[float]:
    """The n-th root of the product, or None of nothing."""
    return math.exp(math.fsum(map(math.log, ratios)) / len(ratios)) if ratios else None


def given(path: str) -> str:
    """A path as the user meant it: `bazel run` starts programs elsewhere, and says where the user was."""
    return os.path.join(os.environ.get("BUILD_WORKING_DIRECTORY", ""), path)


def tidy(value: Any) -> Any:
    """The value without control characters in its texts: they are no part of a name, and a terminal would
    obey them."""
    if isinstance(value, str):
        return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "\ufffd", value)
    if isinstance(value, dict):
        return {tidy(key): tidy(item) for key, item in value.items()}
    return [tidy(item) for item in value] if isinstance(value, (list, tuple)) else value


def load(path: str) -> Dict[str, Any]:
    """The result in a file, or BadResult with one line that says what is wrong with it."""
    try:
        with open(given(path), encoding="utf-8") as source:
            result = json.load(source)
    except OSError as error:
        raise BadResult("%s: cannot be read: %s" % (path, error.strerror)) from error
    except ValueError as error:
        raise BadResult("%s: not JSON, or cut off: %s" % (path, error)) from error
    check(result, path)
    return tidy(result)


def check(result: Any, path: str) -> None:
    """Raises BadResult unless the result is of our schema and whole."""
    schema = result.get("schema") if isinstance(result, dict) else None
    if not isinstance(schema, str) or not schema.startswith("cairn-bench "):
        raise BadResult("%s: not a result of cairn's bench: no schema \"%s\"" % (path, SCHEMA))
    if schema != SCHEMA:
        raise BadResult("%s: has schema \"%s\", and this program reads \"%s\"" % (path, schema, SCHEMA))
    for key, kind in (
        ("subjects", list),
        ("rows", list),
        ("runs", list),
        ("machine", dict),
        ("settings", dict),
    ):
        if not isinstance(result.get(key), kind):
            raise BadResult("%s: broken: no %s" % (path, key))
    _check_parts(result, path)


def _check_parts(result: Dict[str, Any], path: str) -> None:
    needed = {
        "subjects": ("name", "kind"),
        "rows": ("name", "group"),
        "runs": ("row", "subject", "round", "ok"),
    }
    for part, keys in needed.items():
        for index, item in enumerate(result[part]):
            lacking = [key for key in keys if not isinstance(item, dict) or key not in item]
            if lacking:
                raise BadResult("%s: broken: %s[%d] has no %s" % (path, part, index, lacking[0]))
    for part in ("subjects", "rows"):
        names = [item["name"] for item in result[part]]
        twice = sorted(name for name in set(names) if names.count(name) > 1)
        if twice:
            raise BadResult("%s: broken: %s has %s twice" % (path, part, twice[0]))
        known = set(names)
        for run in result["runs"]:
            if run[part[:-1]] not in known:
                raise BadResult("%s: broken: a run of the unknown %s %s" % (path, part[:-1], run[part[:-1]]))


def values_of(run: Dict[str, Any]) -> Dict[str, float]:
    """What one good run measured, by the names of MEASURES."""
    found = {
        "time": run.get("seconds"),
        "cpu": _sum(run, "user_s", "system_s"),
        "peak": run.get("peak_kib"),
        "final": run.get("final_kib"),
        "faults": _sum(run, "minor_faults", "major_faults"),
    }
    return {measure: value for measure, value in found.items() if value is not None}


def _sum(run: Dict[str, Any], *keys: str) -> Optional[float]:
    parts = [run.get(key) for key in keys]
    return None if all(part is None for part in parts) else sum(part or 0 for part in parts)


def cell_of(row: str, subject: str, runs: Sequence[Dict[str, Any]]) -> Cell:
    """The cell that these runs make."""
    good = [run for run in runs if run["ok"]]
    measured = [values_of(run) for run in good]
    samples = {}
    for measure in MEASURES:
        values = sorted(one[measure] for one in measured if measure in one)
        if values:
            samples[measure] = Sample(tuple(values))
    extras = [run.get("extra") or {} for run in good]
    keys = dict.fromkeys(key for extra in extras for key in extra)
    extra = {key: statistics.median(e[key] for e in extras if key in e) for key in keys}
    ops = [run["ops"] for run in good if run.get("ops")]
    command = next((tuple(run["command"]) for run in runs if run.get("command")), ())
    failures = tuple(run.get("error") or "failed" for run in runs if not run["ok"])
    return Cell(
        row, subject, samples, failures, statistics.median(ops) if ops else None, extra, command, len(runs)
    )


def _best(row: RowSummary, kinds: Dict[str, str]) -> Dict[str, str]:
    """For each measure the subject that frees and has the smallest median."""
    best = {}
    for measure in MEASURES:
        medians = {name: cell.median(measure) for name, cell in row.cells.items() if kinds[name] != "floor"}
        known = [name for name, value in medians.items() if value is not None]
        if known and row.compares(measure):
            best[measure] = min(known, key=lambda name: medians[name])
    return best


def summarise(result: Dict[str, Any]) -> Summary:
    """Everything that is computed from the runs."""
    result = tidy(result)
    runs: Dict[Tuple[str, str], List[Dict[str, Any]]] = {}
    for run in result["runs"]:
        runs.setdefault((run["row"], run["subject"]), []).append(run)
    kinds = {subject["name"]: subject["kind"] for subject in result["subjects"]}
    summary = Summary(result, [], kinds)
    for row in result["rows"]:
        cells = {name: cell_of(row["name"], name, runs.get((row["name"], name), ())) for name in kinds}
        one = RowSummary(
            row["name"],
            row["group"],
            row.get("about") or "",
            list(row.get("command") or ()),
            row.get("series"),
            row.get("x"),
            row.get("metric") or "time",
            bool(row.get("pinned")),
            cells,
        )
        one.best = _best(one, kinds)
        summary.rows.append(one)
    for group in summary.groups + [ALL]:
        for subject in kinds:
            for measure in MEASURES:
                summary.means[group, subject, measure] = _mean(summary.in_group(group), subject, measure)
    return summary


def _mean(rows: Sequence[RowSummary], subject: str, measure: str) -> Mean:
    """Rows in which nobody has the measure are no one's lack."""
    ratios = {row.name: row.ratio(subject, measure) for row in rows if measure in row.best}
    good = [ratio for ratio in ratios.values() if ratio]
    return Mean(geometric_mean(good), len(good), tuple(name for name, ratio in ratios.items() if not ratio))
