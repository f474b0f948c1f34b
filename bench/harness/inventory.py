# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""What there is on this machine, and what the options leave of it: rows, subjects, suites."""

from __future__ import annotations

import dataclasses
import subprocess
from typing import Dict, List, Optional, Sequence, Tuple

from bench.harness import catalogue, machine, real, subjects, suites
from bench.harness.catalogue import Row
from bench.harness.options import Options
from bench.harness.places import Places
from bench.harness.runner import Runner
from bench.harness.subjects import Found, Subject


@dataclasses.dataclass
class Work:
    """What is to be done."""

    rows: List[Row]
    subjects: List[Subject]
    benchmarks: Optional[List[str]]  # None: every one; []: none
    expected_benchmarks_s: float
    handovers: bool
    notes: List[str]

    @property
    def is_empty(self) -> bool:
        """Nothing would run."""
        return not (self.rows and self.subjects) and self.benchmarks == [] and not self.handovers


def _about(where: Places, program: str, seen: Dict[str, str]) -> str:
    """What a workload says of itself; it is asked once."""
    if program not in seen:
        try:
            asked = subprocess.run([str(where.workload(program)), "--about"], stdin=subprocess.DEVNULL,
                                   capture_output=True, text=True, check=False)
            seen[program] = asked.stdout.strip().replace("\n", " ")
        except OSError:
            seen[program] = ""
    return seen[program]


def _rows(chosen: Options, runs: Runner) -> Tuple[List[Row], List[str]]:
    """Every row of this machine, and a line for each program that it lacks."""
    seen: Dict[str, str] = {}
    rows = [dataclasses.replace(row, about=_about(runs.places, row.command[0], seen))
            for row in catalogue.workload_rows(chosen.quick, len(machine.allowed_cpus()))]
    programs, missing = real.rows(runs.places.programs, runs.work, chosen.quick)
    return rows + programs, missing


def _benchmarks(chosen: Options, runs: Runner, notes: List[str]) -> List[str]:
    """Names of the components' benchmarks, if they are wanted at all."""
    if "components" not in chosen.groups:
        return []
    try:
        return suites.benchmark_names(runs)
    except suites.SuiteError as error:
        notes.append(str(error))
        return []


def _wants_handovers(chosen: Options, places: Places) -> bool:
    return ("handovers" in chosen.groups and places.handovers.is_file()
            and bool(catalogue.matching(["handovers"], chosen.filter)))


def take(chosen: Options, runs: Runner, found: Found) -> Work:
    """What the options leave; raises UsageError when they name what is not there, or leave nothing."""
    wanted = subjects.choose(found, chosen.stacks, chosen.peers, chosen.added)
    every_row, missing = _rows(chosen, runs)
    notes = subjects.notes_on_missing(found, chosen.peers)
    names = _benchmarks(chosen, runs, notes)
    rows = catalogue.choose(every_row, chosen.groups, chosen.filter)
    if "programs" in chosen.groups and chosen.filter is None:
        notes += missing
    benchmarks = catalogue.matching(names, chosen.filter)
    has_handovers = _wants_handovers(chosen, runs.places)
    if not rows and not benchmarks and not has_handovers:
        there = [row.name for row in every_row if row.group in chosen.groups] + names
        raise catalogue.nothing_matches(chosen.filter, chosen.groups, there)
    every_one = bool(names) and benchmarks == names
    expected_s = suites.expected_components_s(benchmarks, chosen.quick)
    return Work(rows, wanted, None if every_one else benchmarks, expected_s, has_handovers, notes)


# --- --list ---

def _lines(rows: Sequence[Row]) -> List[Tuple[str, str]]:
    """Name and about of each row; those of a series share a line."""
    shared: Dict[str, List[Row]] = {}
    for row in rows:
        shared.setdefault(row.name if row.x is None else row.name.rpartition("-")[0], []).append(row)
    lines = []
    for name, found in shared.items():
        points = ", ".join("%d" % row.x for row in found if row.x is not None)
        lines.append((name, "with " + points if points else found[0].about))
    return lines


def _rows_listed(rows: Sequence[Row]) -> List[str]:
    lines = []
    for group in dict.fromkeys(row.group for row in rows):
        lines.append("rows of %s:" % group)
        lines += ["  %-18s %s" % line for line in _lines([row for row in rows if row.group == group])]
    return lines


def listed(work: Work, found: Found) -> str:
    """What would run, and what is missing."""
    lines = ["subjects:"]
    lines += ["  %-12s %-6s %s  %s" % (subject.name, subject.kind, subject.version or "version unknown",
                                       subject.library or "the C library's own") for subject in work.subjects]
    lines += ["  %-12s %-6s %s" % (name, subjects.PEER, why) for name, why in found.missing.items()]
    lines += _rows_listed(work.rows)
    benchmarks = "all" if work.benchmarks is None else ", ".join(work.benchmarks) or "none"
    lines += ["components: " + benchmarks, "handovers: " + ("yes" if work.handovers else "no")]
    lines += ["missing: " + note for note in work.notes if note.split(":")[0] not in found.missing]
    return "\n".join(lines) + "\n"
