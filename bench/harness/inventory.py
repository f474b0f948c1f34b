# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""What there is on this machine, and what the options leave of it: benchmarks, allocators, components.

The components are Google Benchmark's suites, which have nothing to compare with: they are run from here.
"""

import argparse
import dataclasses
import functools
import json
import re
from typing import Any, Dict, List, Optional, Sequence, Tuple

from bench.harness import allocators, catalogue, machine
from bench.harness.allocators import Allocator, Found
from bench.harness.catalogue import Benchmark
from bench.harness.runner import Runner

# Repetitions of a component, and the least time of one, by whether the run is quick.
COMPONENTS = {False: (5, 0.05), True: (2, 0.01)}
COMPONENT_OVERHEAD = 1.6  # Google Benchmark finds the number of iterations by trial


@dataclasses.dataclass
class Work:
    benchmarks: List[Benchmark]
    allocators: List[Allocator]
    components: Optional[List[str]]  # None: every one; []: none
    components_s: float
    notes: List[str]

    @property
    def is_empty(self) -> bool:
        return not (self.benchmarks and self.allocators) and self.components == []


def _benchmarks(quick: bool, runner: Runner) -> Tuple[List[Benchmark], List[str]]:
    """Every benchmark of this machine, and a line for each program that it lacks."""

    @functools.lru_cache(maxsize=None)
    def about(program: str) -> str:
        """What a workload says of itself; it is asked once."""
        return machine.ask(str(runner.paths.workload(program)), "--about").stdout.strip().replace("\n", " ")

    made = [dataclasses.replace(one, about=about(one.command[0]))
            for one in catalogue.workloads(quick, len(machine.allowed_cpus()))]
    programs, missing = catalogue.programs(runner.paths.programs, runner.work, quick)
    return made + programs, missing


# --- components ---

class SuiteError(Exception):
    """The components came to nothing: one line."""


def _said(runner: Runner, *options: str) -> str:
    """What the program says on stdout; raises SuiteError."""
    status = runner.wait(runner.start([str(runner.paths.components), *options], "components"))
    out, err = ((runner.scratch / ("components" + end)).read_text(encoding="utf-8", errors="replace")
                for end in (".out", ".err"))
    if status != 0:
        raise SuiteError("components: exit status %d: %s" % (status, (err.splitlines() or ["nothing said"])[-1]))
    return out


def run_components(runner: Runner, chosen: Optional[Sequence[str]], quick: bool) -> Dict[str, Any]:
    """Google Benchmark's JSON of these; None: of all. Its regular expressions know fewer escapes than ours."""
    written = runner.scratch / "components.json"
    options = ["--benchmark_out=%s" % written, "--benchmark_out_format=json",
               "--benchmark_repetitions=%d" % COMPONENTS[quick][0], "--benchmark_min_time=%g" % COMPONENTS[quick][1]]
    if chosen is not None:
        escaped = "|".join(re.sub(r"([.^$*+?()\[\]{}|\\])", r"\\\1", name) for name in chosen)
        options.append("--benchmark_filter=^(%s)$" % escaped)
    _said(runner, *options)
    return json.loads(written.read_text(encoding="utf-8", errors="replace"))


# --- what the options leave ---

def take(chosen: argparse.Namespace, runner: Runner, found: Found) -> Work:
    """What the options leave; raises UsageError when they name what is not there, or leave nothing."""
    wanted = allocators.choose(found, chosen.stacks, chosen.peers, chosen.peer)
    every, missing = _benchmarks(chosen.quick, runner)
    notes, names = allocators.notes_on_missing(found, chosen.peers), []
    if "components" in chosen.groups and runner.paths.components.is_file():
        try:
            names = _said(runner, "--benchmark_list_tests=true").split()
        except SuiteError as error:
            notes.append(str(error))
    if "programs" in chosen.groups and chosen.filter is None:
        notes += missing
    benchmarks = catalogue.choose(every, chosen.groups, chosen.filter)
    components = catalogue.matching(names, chosen.filter)
    if not benchmarks and not components:
        there = [one.name for one in every if one.group in chosen.groups] + names
        raise catalogue.nothing_matches(chosen.filter, chosen.groups, there)
    repetitions, least_s = COMPONENTS[chosen.quick]
    return Work(benchmarks, wanted, None if components and components == names else components,
                len(components) * repetitions * least_s * COMPONENT_OVERHEAD, notes)


def listed(work: Work, found: Found) -> str:
    """What would run, and what is missing: --list."""
    lines = ["allocators:"]
    lines += ["  %-12s %-6s %s  %s" % (one.name, one.kind, one.version or "version unknown",
                                       one.library or "the C library's own") for one in work.allocators]
    lines += ["  %-12s %-6s %s" % (name, allocators.PEER, why) for name, why in found.missing.items()]
    group = None
    series: Dict[str, List[Benchmark]] = {}  # those of one series share a line
    for one in work.benchmarks:
        series.setdefault(one.name if one.x is None else one.name.rpartition("-")[0], []).append(one)
    for name, ones in series.items():
        if ones[0].group != group:
            group = ones[0].group
            lines.append("benchmarks of %s:" % group)
        points = ", ".join("%d" % one.x for one in ones if one.x is not None)
        lines.append("  %-18s %s" % (name, "with " + points if points else ones[0].about))
    lines.append("components: " + ("all" if work.components is None else ", ".join(work.components) or "none"))
    lines += ["missing: " + note for note in work.notes if note.split(":")[0] not in found.missing]
    return "\n".join(lines) + "\n"
