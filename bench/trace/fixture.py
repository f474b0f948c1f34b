# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""What the tests of the trace tools share: the commands as a user calls them, a result of known figures."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
from typing import Any, Dict, List

from bench.trace import findings

RUNFILES = pathlib.Path(os.environ["CAIRN_RUNFILES"])
PARTS = RUNFILES / "bench/trace"
HANDOFF = str(RUNFILES / "bench/workloads/handoff")

Done = subprocess.CompletedProcess


class CommandCase(unittest.TestCase):
    """A directory of its own, in which the user stands."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.environment = {**os.environ, "BUILD_WORKING_DIRECTORY": folder.name}
        self.environment.pop("BUILD_WORKSPACE_DIRECTORY", None)

    def call(self, module: str, *arguments: str, **environment: str) -> Done:
        """A command with what it says."""
        return subprocess.run([sys.executable, "-m", "bench.trace." + module, *arguments],
                              env={**self.environment, **environment}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)

    def record(self, *arguments: str, **environment: str) -> Done:
        """bazel run //bench:record"""
        return self.call("record", *arguments, **environment)

    def replay(self, *arguments: str, **environment: str) -> Done:
        """bazel run //bench:replay"""
        return self.call("replay", *arguments, **environment)

    def recorded(self, *program: str) -> str:
        """The trace of a program, which must succeed."""
        done = self.record("-o", "t.trace", "--", *program)
        self.assertEqual(done.returncode, 0, done.stderr)
        return "t.trace"

    def info(self, name: str) -> Dict[str, Any]:
        """What a trace holds."""
        done = self.replay(name, "--info", "--json", "-")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def result(self, out: str = "replay-report") -> Dict[str, Any]:
        """What a replay wrote."""
        return json.loads((self.folder / out / "replay.json").read_text(encoding="utf-8"))


# --- a result that nobody measured ---

def report(calls: int = 100, factor: int = 2, granules: int = 3) -> Dict[str, Any]:
    """A sampler's: the live bytes grow to the end, `factor` times as much is resident."""
    samples = [{"seconds": calls * part / 4e6, "calls": calls * part // 4, "live_kib": 256 * part,
                "resident_kib": 256 * part * factor,
                "space": [number for granule in range(granules) for number in (7 * granule, 16 * part)]}
               for part in range(1, 5)]
    return {"calls": calls, "peak_live_kib": 1024, "baseline_kib": 900,
            "granule_bytes": 65536, "samples": samples,
            "classes": [[0, 1, 10, 10, 10 * 24], [14, 15, 1, 15, 16], [15, 16, 2, 32, 32 * factor],
                        [18, 20, 5, 100, 120], [4096, 4608, 1, 4100, 4608]]}


def runs_of(subject: str, seconds: List[float], peak_kib: int) -> List[Dict[str, Any]]:
    """Good runs."""
    return [{"row": "replay of t", "subject": subject, "round": number, "order": 0, "ok": True, "error": None,
             "seconds": one, "ops": 100, "wall_s": one + 0.01, "user_s": one, "system_s": 0.0,
             "peak_kib": 5000, "final_kib": 4000, "minor_faults": 100, "major_faults": 0,
             "involuntary_switches": 0, "command": ["measure", "--", "replayer", "t"],
             "extra": {"peak_resident_kib": peak_kib, "waste": peak_kib / 1024, "end_resident_kib": 10}}
            for number, one in enumerate(seconds)]


def info() -> Dict[str, Any]:
    """What the reader says of a trace."""
    counts = dict.fromkeys((name for name, _, _ in findings.TRACE_NOTES), 0)
    return {**counts, "command": ["prog", "<x>"], "calls": {"malloc": 1000000, "free": 234567}, "started_unix": 0.0,
            "seconds": 2.0, "peak_seconds": 1.0, "process": 7, "threads": 1, "events": 1234567,
            "event_bytes": 4938268, "total_bytes": 5 << 20, "peak_live_bytes": 1 << 20, "peak_live_blocks": 9,
            "end_live_bytes": 500, "end_live_blocks": 2, "frees": 234567, "cross_frees": 0, "failed": 0,
            "torn_blocks": 3, "blocks_by_bits_of_size": [0, 0, 0, 0, 0, 5, 15] + [0] * 58,
            "bytes_by_bits_of_size": [0, 0, 0, 0, 0, 100, 900] + [0] * 58,
            "blocks_by_lifetime": [10] + [0] * 8 + [10]}


def _subject(name: str, kind: str) -> Dict[str, Any]:
    return {"name": name, "kind": kind, "library": None, "version": "1", "environment": {}}


def result() -> Dict[str, Any]:
    """Three subjects that play, and one that crashes: cairn is twice as fast as glibc."""
    bad = {**runs_of("bad", [1.0], 1)[0], **dict.fromkeys(
        ("seconds", "ops", "wall_s", "user_s", "system_s", "peak_kib", "final_kib", "minor_faults",
         "major_faults", "involuntary_switches")), "ok": False, "error": "crashed: SIGSEGV", "extra": {}}
    return {
        "schema": "cairn-bench 1", "started": "2026-11-23T19:40:00Z", "finished": "2026-11-23T19:41:00Z",
        "complete": True, "interrupted": False, "command": ["bazel", "run", "//bench:replay", "--", "t"],
        "commit": "3ff2ee4", "dirty": False,
        "machine": {"cpu": "a CPU", "cpus": 2, "memory_kib": 1 << 20, "kernel": "6.1", "libc": "glibc 2.36",
                    "thp": "madvise", "page_bytes": 4096, "governor": None, "load": [0.1]},
        "settings": {"rounds": 3, "quick": False, "filter": None, "touch": "ends", "paced": False},
        "subjects": [_subject("cairn", "stack"), _subject("glibc", "libc"), _subject("bad", "peer"),
                     _subject("floor", "floor")],
        "rows": [{"name": "replay of t", "group": "workloads", "about": "a trace",
                  "command": ["replayer", "t"], "x": None, "series": None, "metric": "time",
                  "pinned": False}],
        "runs": runs_of("cairn", [0.2, 0.1, 0.3], 1024) + runs_of("glibc", [0.4, 0.4, 0.4], 2048)
        + runs_of("floor", [0.01, 0.01, 0.01], 9999) + [bad],
        "components": {}, "handovers": {}, "notes": ["a <note>"],
        "replay": {"trace": "t", "planner": ["t", "plan"], "info": info(),
                   "reports": {"cairn": report(factor=1), "glibc": report(), "floor": report(granules=40)}},
    }
