# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Where the parts of the bench lie: below Bazel's runfiles; and where workspace and caller are."""

import os
import pathlib
from typing import Mapping, NamedTuple, Optional

from bench.harness.options import UsageError


class Paths(NamedTuple):
    """Roots, and the files below them that the harness runs."""

    runfiles: pathlib.Path
    workspace: Optional[pathlib.Path]
    caller: pathlib.Path

    @property
    def measure(self) -> pathlib.Path:
        return self.runfiles / "bench/measure/measure"

    @property
    def components(self) -> pathlib.Path:
        return self.runfiles / "bench/components/components"

    @property
    def programs(self) -> pathlib.Path:
        return self.runfiles / "bench/programs"

    def workload(self, name: str) -> pathlib.Path:
        return self.runfiles / "bench/workloads" / name


def find(environ: Mapping[str, str] = os.environ) -> Paths:
    """The paths as `bazel run` tells them; raises UsageError where nothing was built."""
    here = pathlib.Path.cwd()
    runfiles = pathlib.Path(environ.get("CAIRN_RUNFILES", here)).absolute()
    workspace = environ.get("BUILD_WORKSPACE_DIRECTORY")
    found = Paths(runfiles, pathlib.Path(workspace) if workspace else None,
                  pathlib.Path(environ.get("BUILD_WORKING_DIRECTORY", here)))
    if not found.measure.is_file():
        raise UsageError("no such program: %s: start this with `bazel run`" % found.measure)
    return found
