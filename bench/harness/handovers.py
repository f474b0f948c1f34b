# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The simulation's part of a result, as a table and as curves.

Its rows are records like this one; each key that ends in _handovers_per_1000 is a lock:

    {"shape": "churn", "cpus": 64, "threads": 128, "shards": 64, "shard_handovers_per_1000": 3.2,
     "depot_handovers_per_1000": 1.1, "source_handovers_per_1000": 0.2, ...}

Curves are drawn of the two ends of the design: as many shards as CPUs, and one shard for all.
"""

from dataclasses import dataclass
from typing import Any, Dict, List, Sequence, Tuple

Record = Dict[str, Any]

LOCK = "_handovers_per_1000"
OWN, ONE = "a shard for each CPU", "one shard for all"


@dataclass(frozen=True)
class Curve:
    """Handovers of one lock per 1000 operations over CPUs, for one shape of work and one end of the
    design."""

    lock: str
    shape: str
    shards: str
    points: Tuple[Tuple[float, float], ...]


def records(part: Any) -> List[Record]:
    """The simulation's rows, without what is not a plain value."""
    rows = part.get("rows") if isinstance(part, dict) else None
    return [
        {key: value for key, value in row.items() if isinstance(value, (str, int, float))}
        for row in rows or ()
        if isinstance(row, dict)
    ]


def about(part: Any) -> List[str]:
    """What the simulation says of itself."""
    return [str(part[key]) for key in ("about", "rseq") if isinstance(part, dict) and part.get(key)]


def columns(found: Sequence[Record]) -> List[str]:
    """Every key, in the order in which they first appear."""
    return list(dict.fromkeys(key for record in found for key in record))


def locks(found: Sequence[Record]) -> List[str]:
    """The locks whose handovers were counted."""
    return [key[: -len(LOCK)] for key in columns(found) if key.endswith(LOCK)]


def threads_per_cpu(found: Sequence[Record]) -> int:
    """The number of threads on each CPU that the curves are for: two, where that was simulated."""
    known = {
        record["threads"] // record["cpus"]
        for record in found
        if record.get("cpus") and record.get("threads")
    }
    return 2 if 2 in known else min(known, default=1)


def curves(part: Any) -> List[Curve]:
    """For each lock and shape the curves of both ends of the design."""
    found = records(part)
    each = threads_per_cpu(found)
    lines: Dict[Tuple[str, str, str], Dict[float, float]] = {}
    for record in found:
        if not record.get("cpus") or record.get("threads") != each * record["cpus"]:
            continue
        for lock in locks(found):
            for shards, count in ((OWN, record["cpus"]), (ONE, 1)):
                if record.get("shards") == count and lock + LOCK in record:
                    key = (lock, str(record.get("shape", "")), shards)
                    lines.setdefault(key, {})[record["cpus"]] = record[lock + LOCK]
    return [Curve(*key, tuple(sorted(points.items()))) for key, points in lines.items()]
