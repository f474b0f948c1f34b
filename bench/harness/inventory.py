# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""What there is on this machine, and what the options leave of it: benchmarks, allocators, components."""

import argparse
import dataclasses
import functools
from typing import Dict, List, Optional, Tuple

from bench.harness import allocators, catalogue, machine, suites
from bench.harness.allocators import Allocator, Found
from bench.harness.catalogue import Benchmark
from bench.harness.runner import Runner


@dataclasses.dataclass
class Work:
    """What is to be done."""

    benchmarks: List[Benchmark]
    allocators: List[Allocator]
    components: Optional[List[str]]  # None: every one; []: none
    components_s: float
    notes: List[str]

    @property
    def is_empty(self) -> bool:
        """Nothing would run."""
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


def take(chosen: argparse.Namespace, runner: Runner, found: Found) -> Work:
    """What the options leave; raises UsageError when they name what is not there, or leave nothing."""
    wanted = allocators.choose(found, chosen.stacks, chosen.peers, chosen.peer)
    every, missing = _benchmarks(chosen.quick, runner)
    notes, names = allocators.notes_on_missing(found, chosen.peers), []
    if "components" in chosen.groups:
        try:
            names = suites.names(runner)
        except suites.SuiteError as error:
            notes.append(str(error))
    if "programs" in chosen.groups and chosen.filter is None:
        notes += missing
    benchmarks = catalogue.choose(every, chosen.groups, chosen.filter)
    components = catalogue.matching(names, chosen.filter)
    if not benchmarks and not components:
        there = [one.name for one in every if one.group in chosen.groups] + names
        raise catalogue.nothing_matches(chosen.filter, chosen.groups, there)
    return Work(benchmarks, wanted, None if components and components == names else components,
                suites.expected_s(len(components), chosen.quick), notes)


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
