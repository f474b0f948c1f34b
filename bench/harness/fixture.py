# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""A made-up result for tests: no figure in it was measured.

Every allocator has a cost in time and in memory; a row's value is its base times that cost times noise from
a fixed seed.
"""

import random
from typing import Any, Dict, List, Optional, Sequence

# name, kind, times the best in time, times the best in memory
SUBJECTS = (
    ("cairn", "stack", 1.12, 1.05),
    ("reference", "stack", 1.45, 1.02),
    ("glibc", "libc", 1.38, 1.10),
    ("jemalloc", "peer", 1.10, 1.18),
    ("mimalloc", "peer", 1.00, 1.30),
    ("tcmalloc", "peer", 1.03, 1.42),
    ("tbbmalloc", "peer", 1.20, 1.55),
    ("scudo", "peer", 2.10, 1.25),
    ("floor", "floor", 0.72, 3.00),
)

WORKLOADS = (
    "churn",
    "random",
    "random-threads",
    "dying",
    "pipeline",
    "bursts",
    "many-threads",
    "grow",
    "big-blocks",
    "sized-delete",
    "phases",
)
PROGRAMS = ("redis", "sqlite3", "python3", "gcc", "git", "lua", "z3", "ghostscript")
MACHINE = {
    "cpu": "Imagined CPU 3000",
    "cpus": 2,
    "memory_kib": 16 << 20,
    "kernel": "6.1.0",
    "libc": "glibc 2.36",
    "thp": "madvise",
    "page_bytes": 4096,
    "governor": None,
    "load": [0.1, 0.2, 0.3],
}


def rows() -> List[Dict[str, Any]]:
    """Eleven workloads, eight programs, and three scaling groups."""
    made = [_row(name, "workloads") for name in WORKLOADS] + [_row(name, "programs") for name in PROGRAMS]
    for group, series, xs in (
        ("threads", "random", (1, 2, 4, 8, 16, 32, 64)),
        ("threads", "pipeline", (2, 4, 8, 16)),
        ("heap", "random", (1, 4, 16, 64, 256, 1024)),
        ("cpus", "random", (1, 2)),
    ):
        made += [_row("%s/%s=%d" % (series, group, x), group, series, x) for x in xs]
    return made


def _row(name: str, group: str, series: Optional[str] = None, x: Optional[int] = None) -> Dict[str, Any]:
    return {
        "name": name,
        "group": group,
        "about": "what %s stresses, said in one line" % name,
        "command": [series or name] + (["%s=%d" % (group, x)] if x else []),
        "x": x,
        "series": series,
        "metric": "memory" if name == "phases" else "time",
        "pinned": group == "workloads",
    }


def run(row: Dict[str, Any], subject: str, order: int, time: float, memory: float) -> Dict[str, Any]:
    """One good run that took `time` seconds and `memory` KiB at its peak."""
    extra = {}
    if row["name"] == "phases":
        extra = {
            "grown_kib": memory,
            "grown_live_kib": 9000,
            "thinned_kib": memory * 0.6,
            "thinned_live_kib": 900,
            "thinned_idle_kib": memory * 0.3,
            "freed_kib": memory * 0.1,
            "freed_live_kib": 0,
        }
    return {
        "row": row["name"],
        "subject": subject,
        "round": 0,
        "order": order,
        "ok": True,
        "error": None,
        "seconds": round(time, 6),
        "ops": 4000000,
        "wall_s": round(time + 0.01, 6),
        "user_s": round(time * 0.9, 6),
        "system_s": round(time * 0.1, 6),
        "peak_kib": int(memory),
        "final_kib": int(memory * 0.3),
        "minor_faults": int(memory / 4),
        "major_faults": 0,
        "involuntary_switches": 2,
        "command": ["measure", "--preload", subject + ".so", "--"] + row["command"],
        "extra": extra,
    }


def failed(row: Dict[str, Any], subject: str, order: int, error: str) -> Dict[str, Any]:
    """One run that came to nothing."""
    broken = dict.fromkeys(run(row, subject, order, 1, 1))
    return {
        **broken,
        "row": row["name"],
        "subject": subject,
        "round": 0,
        "order": order,
        "ok": False,
        "error": error,
        "command": ["measure", "--"] + row["command"],
        "extra": {},
    }


def result(
    rounds: int = 5,
    seed: int = 1,
    noise: float = 0.02,
    factors: Optional[Dict[str, float]] = None,
    only: Optional[Sequence[str]] = None,
) -> Dict[str, Any]:
    """A whole result; `factors` makes (row) or (row/subject) slower, `only` keeps these rows."""
    chance = random.Random(seed)
    shape = random.Random("shape")
    kept = [row for row in rows() if only is None or row["name"] in only]
    runs = []
    for row in kept:
        base, kib = shape.uniform(0.2, 3.0), shape.uniform(4000, 400000)
        bends = {name: shape.uniform(0.85, 1.2) for name, *_ in SUBJECTS}
        for turn in range(rounds):
            for order, (name, _, slow, fat) in enumerate(SUBJECTS):
                slower = (factors or {}).get(row["name"], 1) * (factors or {}).get(
                    row["name"] + "/" + name, 1
                )
                time = base * slow * bends[name] * slower * chance.lognormvariate(0, noise)
                made = run(
                    row, name, order, time, kib * fat * bends[name] * chance.lognormvariate(0, noise / 4)
                )
                runs.append({**made, "round": turn})
    return {
        "schema": "cairn-bench 1",
        "started": "2026-11-23T19:40:00Z",
        "finished": "2026-11-23T20:02:10Z",
        "complete": True,
        "interrupted": False,
        "command": ["bazel", "run", "//bench:all"],
        "commit": "3ff2ee4",
        "dirty": False,
        "machine": dict(MACHINE),
        "settings": {"rounds": rounds, "quick": False, "filter": None},
        "subjects": [subject(name, kind) for name, kind, *_ in SUBJECTS],
        "rows": kept,
        "runs": runs,
        "components": components(seed, noise),
        "handovers": handovers(),
        "notes": [],
    }


def subject(name: str, kind: str) -> Dict[str, Any]:
    """One entry of subjects."""
    library = None if kind == "libc" else "lib%s.so" % name
    return {"name": name, "kind": kind, "library": library, "version": "1.2.3", "environment": {}}


def components(
    seed: int = 1, noise: float = 0.02, repetitions: int = 5, factor: float = 1.0
) -> Dict[str, Any]:
    """Google Benchmark's JSON, as it writes it."""
    chance = random.Random("components %d" % seed)
    made = []
    for name, time in (("buddy/take_give", 21.0), ("sizeclass/take_give", 6.5), ("percpu/pop_push", 2.2)):
        for index in range(repetitions):
            real = time * factor * chance.lognormvariate(0, noise)
            made.append(
                {
                    "name": name,
                    "run_name": name,
                    "run_type": "iteration",
                    "repetitions": repetitions,
                    "repetition_index": index,
                    "iterations": 1000000,
                    "real_time": real,
                    "cpu_time": real * 0.99,
                    "time_unit": "ns",
                }
            )
        made.append(
            {
                "name": name + "_median",
                "run_name": name,
                "run_type": "aggregate",
                "aggregate_name": "median",
                "real_time": time,
                "cpu_time": time,
                "time_unit": "ns",
            }
        )
    return {"context": {"num_cpus": 2, "library_build_type": "release"}, "benchmarks": made}


def handovers() -> Dict[str, Any]:
    """What the simulation of CPUs that the machine lacks might say."""
    made = []
    for shape, part in (("churn", 2.0), ("pipeline", 40.0)):
        for cpus in (1, 2, 4, 8, 16, 32, 64):
            for shards in sorted({cpus, 1}):
                often = part * (1 - 1 / cpus) * (cpus / shards) ** 0.5
                made.append(
                    {
                        "shape": shape,
                        "cpus": cpus,
                        "threads": 2 * cpus,
                        "shards": shards,
                        "operations": 65536,
                        "shard_handovers_per_1000": round(often, 3),
                        "depot_handovers_per_1000": round(often / 8, 3),
                        "depot_handovers_per_1000_by_class": [0.1, 0.2],
                        "source_handovers_per_1000": round(often / 90, 3),
                    }
                )
    return {"simulation": True, "about": "shards against CPUs", "rseq": "has no shard locks", "rows": made}


def with_failures(made: Dict[str, Any]) -> Dict[str, Any]:
    """The result, in which one subject crashes in one row, one now and then, and one is interrupted."""
    known = {row["name"]: row for row in made["rows"]}
    broken = {("bursts", "scudo"): "crashed: SIGSEGV", ("redis", "tbbmalloc"): "timed out after 60 s"}
    runs = []
    for one in made["runs"]:
        error = broken.get((one["row"], one["subject"]))
        if (one["row"], one["subject"], one["round"]) == ("grow", "jemalloc", 1):
            error = "exit status 3"
        lost = failed(known[one["row"]], one["subject"], one["order"], error or "")
        runs.append({**lost, "round": one["round"]} if error else one)
    return {**made, "runs": runs, "dirty": True, "notes": ["not installed, so not measured: hoard, snmalloc"]}


def partial(made: Dict[str, Any]) -> Dict[str, Any]:
    """The result as it was when somebody pressed Ctrl-C halfway."""
    return {**made, "complete": False, "interrupted": True, "runs": made["runs"][: len(made["runs"]) // 2]}
