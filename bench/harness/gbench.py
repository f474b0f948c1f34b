# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The components' part of a result: Google Benchmark's JSON, of one program or of several under their
names."""

from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from bench.harness.stats import Sample

SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}


@dataclass(frozen=True)
class Benchmark:
    """One benchmark with its repetitions, in seconds for one iteration; without them where it failed."""

    name: str
    real: Optional[Sample]
    cpu: Optional[Sample]
    error: str


def benchmarks(part: Any) -> List[Benchmark]:
    """Every benchmark, in the order in which they ran."""
    if not isinstance(part, dict):
        return []
    if "benchmarks" in part:
        return _of_one(part["benchmarks"])
    return [one for program in part.values() for one in benchmarks(program)]


def _of_one(entries: List[Dict[str, Any]]) -> List[Benchmark]:
    """Aggregates are left out, for we compute our own; of a run that kept nothing else, its median is the
    one value."""
    plain = [entry for entry in entries if entry.get("run_type", "iteration") == "iteration"]
    names = {_name(entry) for entry in plain}
    plain += [
        entry for entry in entries if entry.get("aggregate_name") == "median" and _name(entry) not in names
    ]
    by: Dict[str, List[Dict[str, Any]]] = {}
    for entry in plain:
        by.setdefault(_name(entry), []).append(entry)
    return [_benchmark(name, found) for name, found in by.items()]


def _name(entry: Dict[str, Any]) -> str:
    return str(entry.get("run_name") or entry.get("name"))


def _benchmark(name: str, entries: List[Dict[str, Any]]) -> Benchmark:
    errors = [str(entry.get("error_message") or "failed") for entry in entries if entry.get("error_occurred")]
    if errors:
        return Benchmark(name, None, None, errors[0])
    real, cpu = (
        tuple(sorted(entry[key] * SECONDS[entry.get("time_unit", "ns")] for entry in entries if key in entry))
        for key in ("real_time", "cpu_time")
    )
    if not real or not cpu:
        return Benchmark(name, None, None, "has no time")
    return Benchmark(name, Sample(real), Sample(cpu), "")
