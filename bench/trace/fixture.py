# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""What the tests of the trace tools share: the commands as a user calls them."""

import json
import os
import pathlib
import subprocess
import sys
from typing import Any, Dict

from bench.harness import fixture

RUNFILES = pathlib.Path(os.environ["CAIRN_RUNFILES"])
PARTS = RUNFILES.absolute() / "bench/trace"
HANDOFF = str(RUNFILES / "bench/workloads/handoff")

Done = subprocess.CompletedProcess


class CommandCase(fixture.FolderCase):
    """A directory of its own, in which the user stands."""

    def setUp(self) -> None:
        super().setUp()
        self.environment = {**os.environ, "BUILD_WORKING_DIRECTORY": str(self.folder)}
        self.environment.pop("BUILD_WORKSPACE_DIRECTORY", None)

    def call(self, module: str, *arguments: str, **environment: str) -> Done:
        """A command with what it says."""
        return subprocess.run([sys.executable, "-m", "bench.trace." + module, *arguments],
                              env={**self.environment, **environment}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)

    def recorded(self, *program: str) -> str:
        """The trace of a program, which must succeed."""
        done = self.call("record", "-o", "t.trace", "--", *program)
        self.assertEqual(done.returncode, 0, done.stderr)
        return "t.trace"

    def info(self, name: str) -> Dict[str, Any]:
        """What a trace holds."""
        done = self.call("replay", name, "--info", "--json", "-")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)
