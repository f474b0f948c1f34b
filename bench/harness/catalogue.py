# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The benchmarks: which work is done, in full and in quick runs.

A full run takes some tenths of a second on a common machine, and a quick one a tenth of that. A benchmark of a scaling
group does the same work at each x, so that its curve is flat where the allocator scales.
"""

import dataclasses
import json
import pathlib
import re
import shutil
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from bench.harness.options import UsageError

WORKLOADS, PROGRAMS, THREADS, HEAP, CPUS = "workloads", "programs", "threads", "heap", "cpus"

# As many as //bench:compare needs to tell anything, and one more where there is time for it.
REPETITIONS, SCALING_REPETITIONS, QUICK_REPETITIONS, QUICK_ONCE = 5, 4, 2, 1
EXPECTED_S, QUICK_EXPECTED_S = 0.35, 0.09
PROGRAM_S, QUICK_PROGRAM_S = 1.05, 0.35


@dataclasses.dataclass(frozen=True)
class Benchmark:
    """One piece of work, the same for every allocator."""

    name: str
    group: str
    command: Tuple[str, ...]
    about: str = ""
    series: Optional[str] = None
    x: Optional[int] = None
    pinned: bool = False
    cpus: Optional[int] = None  # as many of the machine's; None: all, or one if pinned
    metric: str = "time"
    repetitions: int = REPETITIONS
    expected_s: float = EXPECTED_S  # of one run: what the plan goes by until runs have told
    brings_malloc: bool = False  # the program is linked with one: libc's must be put before it

    def as_json(self) -> Dict[str, Any]:
        return {"name": self.name, "group": self.group, "about": self.about, "command": list(self.command),
                "x": self.x, "series": self.series, "metric": self.metric, "pinned": self.pinned}


class Work(NamedTuple):
    """A workload: arguments that stay, and the one that a quick run makes smaller."""

    name: str
    fixed: str
    full: str
    quick: str
    expected_s: float = EXPECTED_S
    quick_expected_s: float = QUICK_EXPECTED_S
    metric: str = "time"


# A single thread is pinned; several have all CPUs.
_SINGLE = (
    Work("pingpong", "pingpong", "ops=25m", "ops=3m"),
    Work("churn", "churn", "ops=4m", "ops=500k"),
    Work("bursts-lifo", "bursts order=lifo", "ops=5m", "ops=500k"),
    Work("bursts-fifo", "bursts order=fifo", "ops=5m", "ops=500k"),
    Work("bursts-random", "bursts order=random", "ops=5m", "ops=500k"),
    Work("batches", "batches", "ops=4m", "ops=400k"),
    Work("batches-1k", "batches blocks=1600 bytes=1024", "ops=3m", "ops=200k"),
    Work("growth", "growth", "ops=3000", "ops=400"),
    Work("big", "big", "ops=60", "ops=8"),
    Work("resized", "growth mode=random", "ops=3000", "ops=400"),
    Work("medium", "medium", "ops=8k", "ops=1000"),
    Work("sized", "sized", "ops=2m", "ops=250k"),
    Work("tree", "tree", "ops=8m", "ops=1m"),
    Work("cleared", "cleared", "ops=60k", "ops=8k"),
    Work("aligned", "aligned", "ops=1m", "ops=120k"),
    Work("parser", "parser", "ops=1500k", "ops=200k"),
    Work("mixed", "mixed", "ops=3m", "ops=300k"),
    Work("cons", "cons", "ops=1m", "ops=150k"),
    Work("cache", "cache", "ops=400k", "ops=60k"),
    Work("sawtooth", "sawtooth", "ops=3m", "ops=300k"),
    Work("strings", "strings", "ops=400k", "ops=50k"),
    Work("phases", "phases", "live=1g", "live=64m idle_ms=100", 4.3, 0.45, metric="memory"),
    Work("phases-pairs", "phases idle=pairs", "live=256m idle_ms=1000", "live=64m idle_ms=100", 2.9, 0.45, metric="memory"),
    Work("phases-asleep", "phases idle=asleep", "live=256m idle_ms=1000", "live=64m idle_ms=100", 2.9, 0.45, metric="memory"),
)
_PARALLEL = (
    Work("churn-4", "churn threads=4", "ops=5m", "ops=600k"),
    Work("server-2", "server threads=2", "ops=8m", "ops=800k"),
    Work("server-16", "server threads=16", "ops=8m generations=20", "ops=800k generations=4"),
    Work("server-64", "server threads=64", "ops=8m generations=5", "ops=800k generations=2"),
    Work("server-sized", "server threads=2 sized=1", "ops=8m", "ops=800k"),
    Work("handoff", "handoff", "ops=1500k", "ops=200k"),
    Work("bursts-across", "bursts_across", "ops=3m", "ops=300k"),
    Work("manythreads", "manythreads", "ops=250k", "ops=40k"),
    Work("manythreads-in-turn", "manythreads threads=1000 alive=1 blocks=8", "ops=48000", "ops=8000"),
    Work("sharing", "sharing", "ops=250m", "ops=40m"),
    Work("sharing-swapped", "sharing mode=swapped", "ops=250m", "ops=40m"),
    Work("tree-4", "tree threads=4", "ops=8m", "ops=1m"),
    Work("workers", "workers producers=2 consumers=2", "ops=2m", "ops=200k"),
    Work("workers-fan-out", "workers producers=1 consumers=3", "ops=1500k", "ops=150k"),
    Work("workers-fan-in", "workers producers=3 consumers=1", "ops=1500k", "ops=150k"),
    Work("pipeline", "pipeline", "ops=150k", "ops=20k"),
    Work("sawtooth-4", "sawtooth threads=4", "ops=4m", "ops=400k"),
    Work("large-4", "churn threads=4 min=8k max=128k live=64m", "ops=200k", "ops=30k"),
    Work("big-2", "big threads=2", "ops=60", "ops=8"),
    Work("workers-large", "workers min=8k max=128k", "ops=100k", "ops=15k"),
    Work("mixed-4", "mixed threads=4", "ops=4m", "ops=400k"),
)

_THREADS, _THREADS_QUICK = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512), (1, 4, 64)
_LIVE_MIB, _LIVE_MIB_QUICK = (1, 4, 16, 64, 256, 1024), (1, 16, 256)
_SERVER_BLOCKS, _SERVER_BLOCKS_IN_ALL = 2000, 512000


def _workload(work: Work, quick: bool, pinned: bool) -> Benchmark:
    command = (*work.fixed.split(), *(work.quick if quick else work.full).split())
    return Benchmark(work.name, WORKLOADS, command, pinned=pinned, metric=work.metric,
                     repetitions=QUICK_REPETITIONS if quick else REPETITIONS,
                     expected_s=work.quick_expected_s if quick else work.expected_s)


def _scaled(group: str, series: str, x: int, quick: bool, arguments: str, **more: Any) -> Benchmark:
    return Benchmark("%s-%s-%d" % (series, group, x), group, (series, *arguments.split()), series=series, x=x,
                     repetitions=QUICK_ONCE if quick else SCALING_REPETITIONS,
                     expected_s=QUICK_EXPECTED_S if quick else EXPECTED_S, **more)


def _threads(quick: bool) -> Iterator[Benchmark]:
    """The same blocks in all, made by ever more threads. Each line of a server has its live blocks; of very
    many lines less, or filling their tables would be the work."""
    for series, ops in (("churn", "500k" if quick else "4m"), ("server", "600k" if quick else "6m")):
        for count in _THREADS_QUICK if quick else _THREADS:
            arguments, blocks = "ops=%s threads=%d" % (ops, count), _SERVER_BLOCKS_IN_ALL // count
            if series == "server":
                arguments += " generations=2" + (" blocks=%d" % blocks if blocks < _SERVER_BLOCKS else "")
            yield _scaled(THREADS, series, count, quick, arguments)


def _heap(quick: bool) -> Iterator[Benchmark]:
    """The same number of blocks, of which ever more live at a time."""
    for live in _LIVE_MIB_QUICK if quick else _LIVE_MIB:
        yield _scaled(HEAP, "churn", live, quick, "ops=%s live=%dm" % ("500k" if quick else "4m", live), pinned=True)


def counts_up_to(cpus: int) -> List[int]:
    """1, 2, 4 ... and the last."""
    return [1 << exponent for exponent in range(cpus.bit_length()) if 1 << exponent < cpus] + [cpus]


def _cpus(quick: bool, cpus: int) -> Iterator[Benchmark]:
    """As many threads as CPUs, each with the same work: one more costs no time where the allocator scales."""
    for count in counts_up_to(cpus):
        arguments = "ops=%dk threads=%d live=%dm" % (count * (500 if quick else 3000), count, 16 * count)
        yield _scaled(CPUS, "churn", count, quick, arguments, cpus=count)


def workloads(quick: bool, cpus: int) -> List[Benchmark]:
    return [*(_workload(work, quick, True) for work in _SINGLE),
            *(_workload(work, quick, False) for work in _PARALLEL),
            *_threads(quick), *_heap(quick), *_cpus(quick, cpus)]


# --- real programs ---

def programs(folder: pathlib.Path, scratch: pathlib.Path, quick: bool) -> Tuple[List[Benchmark], List[str]]:
    """The benchmarks of this machine, and what is missing with the package that brings it."""
    path = folder / "catalogue.json"
    made, missing = [], []
    for program in json.loads(path.read_text(encoding="utf-8")) if path.is_file() else ():
        if shutil.which(program["needs"]) is None:
            missing.append("%s: not found on this machine: %s (apt-get install %s)"
                           % (program["name"], program["needs"], program["package"]))
        else:
            made.append(_program(program, quick, {"inputs": str(folder), "scratch": str(scratch),
                                                  "amount": program["amounts"][quick]}))
    return made, missing


def _program(program: Mapping[str, Any], quick: bool, values: Mapping[str, str]) -> Benchmark:
    """With {inputs}, {scratch} and {amount} replaced; other braces stay."""
    command = tuple(re.sub("{(%s)}" % "|".join(values), lambda found: values[found.group(1)], word)
                    for word in program["command"])
    return Benchmark(program["name"], PROGRAMS, command, program["about"],
                     repetitions=QUICK_ONCE if quick else REPETITIONS,
                     expected_s=QUICK_PROGRAM_S if quick else PROGRAM_S,
                     brings_malloc=program.get("brings_malloc", False))


# --- which of them ---

def matching(names: Sequence[str], pattern: Optional[str]) -> List[str]:
    return [name for name in names if pattern is None or re.search(pattern, name)]


def choose(benchmarks: Sequence[Benchmark], groups: Sequence[str], pattern: Optional[str]) -> List[Benchmark]:
    """Benchmarks of the groups whose name the filter lets through."""
    return [one for one in benchmarks if one.group in groups and matching([one.name], pattern)]


def nothing_matches(pattern: Optional[str], groups: Sequence[str], names: Sequence[str]) -> UsageError:
    what = "--filter '%s'" % pattern if pattern else "--groups " + ",".join(groups)
    there = ", ".join(names) or "no such benchmarks on this machine"
    return UsageError("%s: nothing to run; there are: %s" % (what, there))
