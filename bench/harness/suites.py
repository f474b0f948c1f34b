# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""What is measured without anything to compare with: the components alone, the simulated lock handovers."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, List, Optional, Sequence

from bench.harness.runner import Runner

# Of one benchmark, and of the simulation: what the plan goes by.
REPETITIONS, QUICK_REPETITIONS = 5, 2
MIN_TIME_S, QUICK_MIN_TIME_S = 0.05, 0.01
OVERHEAD = 1.6  # Google Benchmark finds the number of iterations by trial
HANDOVERS_S, QUICK_HANDOVERS_S = 10.0, 2.0


class SuiteError(Exception):
    """A suite came to nothing: one line."""


def benchmark_names(runner: Runner) -> List[str]:
    """Every benchmark of the components."""
    if not runner.places.components.is_file():
        return []
    listed = _finished(runner, [str(runner.places.components), "--benchmark_list_tests=true"], "components")
    return [line.strip() for line in listed.splitlines() if line.strip()]


def expected_components_s(names: Sequence[str], quick: bool) -> float:
    """How long these benchmarks take."""
    repetitions, least_s = (QUICK_REPETITIONS, QUICK_MIN_TIME_S) if quick else (REPETITIONS, MIN_TIME_S)
    return len(names) * repetitions * least_s * OVERHEAD


def _finished(runner: Runner, command: Sequence[str], what: str) -> str:
    """What a program says on stdout; raises SuiteError."""
    status = runner.wait(runner.start(command, what))
    if status != 0:
        said = (runner.scratch / (what + ".err")).read_text(encoding="utf-8", errors="replace").splitlines()
        raise SuiteError("%s: exit status %d%s" % (what, status, ": " + said[-1] if said else ""))
    return (runner.scratch / (what + ".out")).read_text(encoding="utf-8", errors="replace")


def _json(text: str, what: str) -> Dict[str, Any]:
    try:
        made = json.loads(text)
    except ValueError as error:
        raise SuiteError("%s: not JSON: %s" % (what, error)) from error
    if not isinstance(made, dict):
        raise SuiteError("%s: not an object of JSON" % what)
    return made


def _escaped(name: str) -> str:
    """For the regular expressions of Google Benchmark, which know fewer escapes than ours."""
    return re.sub(r"([.^$*+?()\[\]{}|\\])", r"\\\1", name)


def components(runner: Runner, names: Optional[Sequence[str]], quick: bool) -> Dict[str, Any]:
    """Google Benchmark's JSON of these benchmarks; None: of all."""
    repetitions, least_s = (QUICK_REPETITIONS, QUICK_MIN_TIME_S) if quick else (REPETITIONS, MIN_TIME_S)
    written = runner.scratch / "components.json"
    command = [str(runner.places.components), "--benchmark_out=%s" % written, "--benchmark_out_format=json",
               "--benchmark_format=json", "--benchmark_min_time=%g" % least_s,
               "--benchmark_repetitions=%d" % repetitions]
    if names is not None:
        command.append("--benchmark_filter=^(%s)$" % "|".join(_escaped(name) for name in names))
    _finished(runner, command, "components")
    return _json(written.read_text(encoding="utf-8", errors="replace"), "components")


def handovers(runner: Runner, quick: bool) -> Dict[str, Any]:
    """The simulation's JSON."""
    command = [str(runner.places.handovers)] + (["--quick"] if quick else [])
    return _json(_finished(runner, command, "handovers"), "handovers")


def handovers_s(quick: bool) -> float:
    """How long the simulation takes."""
    return QUICK_HANDOVERS_S if quick else HANDOVERS_S
