# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The components' part of a result: Google Benchmark's JSON."""

from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from bench.harness.stats import Sample

SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}


@dataclass(frozen=True)
class Component:
    """One benchmark with its repetitions, in seconds for one iteration; without them where it failed."""

    name: str
    real: Optional[Sample]
    cpu: Optional[Sample]
    error: str = ""


def components(part: Dict[str, Any]) -> List[Component]:
    """Every benchmark, in the order in which they ran. Aggregates are left out, for we compute our own."""
    by: Dict[str, List[Dict[str, Any]]] = {}
    for entry in part.get("benchmarks") or ():
        if entry.get("run_type", "iteration") == "iteration":
            by.setdefault(str(entry.get("run_name") or entry.get("name")), []).append(entry)
    return [_component(name, found) for name, found in by.items()]


def _component(name: str, entries: List[Dict[str, Any]]) -> Component:
    errors = [str(entry.get("error_message") or "failed") for entry in entries if entry.get("error_occurred")]
    if errors:
        return Component(name, None, None, errors[0])
    real, cpu = (sorted(entry[key] * SECONDS[entry.get("time_unit", "ns")] for entry in entries if key in entry)
                 for key in ("real_time", "cpu_time"))
    if not real or not cpu:
        return Component(name, None, None, "has no time")
    return Component(name, Sample(tuple(real)), Sample(tuple(cpu)))
