# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The components alone: Google Benchmark suites, which have nothing to compare with."""

import json
import re
from typing import Any, Dict, List, Optional, Sequence, Tuple

from bench.harness.runner import Runner

# Repetitions, and the least time of one.
FULL, QUICK = (5, 0.05), (2, 0.01)
OVERHEAD = 1.6  # Google Benchmark finds the number of iterations by trial


class SuiteError(Exception):
    """A suite came to nothing: one line."""


def _repeated(quick: bool) -> Tuple[int, float]:
    return QUICK if quick else FULL


def names(runner: Runner) -> List[str]:
    """Every benchmark of the components."""
    if not runner.paths.components.is_file():
        return []
    return _said(runner, "--benchmark_list_tests=true").split()


def expected_s(count: int, quick: bool) -> float:
    """How long so many of them take."""
    repetitions, least_s = _repeated(quick)
    return count * repetitions * least_s * OVERHEAD


def _said(runner: Runner, *options: str) -> str:
    """What the program says on stdout; raises SuiteError."""
    status = runner.wait(runner.start([str(runner.paths.components), *options], "components"))
    said = [(runner.scratch / ("components" + end)).read_text(encoding="utf-8", errors="replace")
            for end in (".out", ".err")]
    if status != 0:
        last = said[1].splitlines()[-1:]
        raise SuiteError("components: exit status %d%s" % (status, ": " + last[0] if last else ""))
    return said[0]


def run(runner: Runner, chosen: Optional[Sequence[str]], quick: bool) -> Dict[str, Any]:
    """Google Benchmark's JSON of these benchmarks; None: of all. Its regular expressions know fewer escapes than
    ours."""
    written = runner.scratch / "components.json"
    options = ["--benchmark_out=%s" % written, "--benchmark_out_format=json",
               "--benchmark_repetitions=%d" % _repeated(quick)[0], "--benchmark_min_time=%g" % _repeated(quick)[1]]
    if chosen is not None:
        escaped = "|".join(re.sub(r"([.^$*+?()\[\]{}|\\])", r"\\\1", name) for name in chosen)
        options.append("--benchmark_filter=^(%s)$" % escaped)
    _said(runner, *options)
    try:
        made = json.loads(written.read_text(encoding="utf-8", errors="replace"))
    except ValueError as error:
        raise SuiteError("components: not JSON: %s" % error) from error
    if not isinstance(made, dict):
        raise SuiteError("components: not an object of JSON")
    return made
