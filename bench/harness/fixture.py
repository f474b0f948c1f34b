# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""What tests share: programs that are run, and a made-up result, no figure of which was measured.

Every allocator has a cost in time and in memory; a run's value is that of its benchmark times that cost times
noise from a fixed seed.
"""

import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import unittest
from time import sleep
from typing import Any, Dict, List, Optional, Sequence

# name, kind, times the best in time, times the best in memory
ALLOCATORS = (
    ("cairn", "stack", 1.12, 1.05), ("reference", "stack", 1.45, 1.02), ("glibc", "libc", 1.38, 1.10),
    ("jemalloc", "peer", 1.10, 1.18), ("mimalloc", "peer", 1.00, 1.30), ("tcmalloc", "peer", 1.03, 1.42),
    ("tbbmalloc", "peer", 1.20, 1.55), ("scudo", "peer", 2.10, 1.25), ("floor", "floor", 0.72, 3.00))
WORKLOADS = ("churn", "random", "random-threads", "dying", "pipeline", "bursts", "many-threads", "grow",
             "big-blocks", "sized-delete", "phases")
PROGRAMS = ("redis", "sqlite3", "python3", "gcc", "git", "lua", "z3", "ghostscript")
SERIES = (("threads", "random", (1, 2, 4, 8, 16, 32, 64)), ("threads", "pipeline", (2, 4, 8, 16)),
          ("heap", "random", (1, 4, 16, 64, 256, 1024)), ("cpus", "random", (1, 2)))
MACHINE = {"cpu": "Imagined CPU 3000", "cpus": 2, "memory_kib": 16 << 20, "kernel": "6.1.0", "libc": "glibc 2.36",
           "thp": "madvise", "page_bytes": 4096, "governor": None, "load": [0.1, 0.2, 0.3]}
GROWN = {"grown_kib": 1, "thinned_kib": 0.6, "thinned_idle_kib": 0.3, "freed_kib": 0.1}  # parts of the memory
LIVE = {"grown_live_kib": 9000, "thinned_live_kib": 900, "freed_live_kib": 0}
RUNFILES = pathlib.Path(os.environ["CAIRN_RUNFILES"]).absolute()
OF_TESTS = re.compile("TEST_|TESTBRIDGE_|XML_OUTPUT_FILE|GTEST_|PYTHON|LD_PRELOAD")
Done = subprocess.CompletedProcess
FIXED_RUN = {"ops": 4000000, "major_faults": 0, "involuntary_switches": 2}


class FolderCase(unittest.TestCase):
    """A test with a folder of its own, in which the user stands."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.environment = {**os.environ, "BUILD_WORKING_DIRECTORY": str(self.folder)}
        self.environment.pop("BUILD_WORKSPACE_DIRECTORY", None)

    def call(self, module: str, *arguments: str, **environment: str) -> "Done":
        """A command of the bench, and what it says."""
        return subprocess.run([sys.executable, "-m", "bench." + module, *arguments],
                              env={**self.environment, **environment}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)

    def interrupted(self, module: str, *arguments: str, report: str) -> str:
        """What it says that gets Ctrl-C as soon as there is the report, which is written after the first repetition."""
        process = subprocess.Popen([sys.executable, "-m", "bench." + module, *arguments], env=self.environment,
                                   text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while not (self.folder / report).exists():
            self.assertIsNone(process.poll())
            sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
        self.assertEqual(process.returncode, 130, said)
        return said


def part(path: str) -> str:
    """A program or library below the runfiles; one that begins with / is the system's."""
    return str(RUNFILES / path)


def ran(program: str, *arguments: str, **more: Any) -> Done:
    """What becomes of a program; names in capitals are its environment, beside a clean one."""
    named = {name: more.pop(name) for name in list(more) if name.isupper()}
    kept = {name: value for name, value in os.environ.items() if not OF_TESTS.match(name)}
    return subprocess.run([part(program), *arguments], env={**kept, **named},
                          **{"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "check": False, **more})


def peak_kib(*program: str, preload: Optional[str] = None, **environment: str) -> int:
    """The most memory that a program had, which must succeed."""
    preloaded = ["--preload", part(preload)] if preload else []
    done = ran("bench/measure/measure", *preloaded, "--", part(program[0]), *program[1:], **environment)
    told = json.loads(done.stderr.splitlines()[-1])
    assert told["exit"] == 0, done
    return told["peak_kib"]


def row(name: str, group: str = "workloads", series: Optional[str] = None, x: Optional[int] = None) -> Dict[str, Any]:
    return {"name": name, "group": group, "about": "what %s stresses, said in one line" % name,
            "command": [series or name] + ["%s=%d" % (group, x or 0)] * bool(x), "x": x, "series": series,
            "metric": "memory" if name == "phases" else "time", "pinned": group == "workloads"}


def rows() -> List[Dict[str, Any]]:
    """Eleven workloads, eight programs, and three scaling groups."""
    return [*map(row, WORKLOADS), *(row(name, "programs") for name in PROGRAMS),
            *(row("%s/%s=%d" % (series, group, x), group, series, x) for group, series, xs in SERIES for x in xs)]


def run(of: str, allocator: str, repetition: int, time: float, memory: float, order: int = 0) -> Dict[str, Any]:
    """One good run that took `time` seconds and `memory` KiB at its peak."""
    extra = {**{key: part * memory for key, part in GROWN.items()}, **LIVE} if of == "phases" else {}
    return {**FIXED_RUN, "row": of, "subject": allocator, "round": repetition, "order": order, "ok": True,
            "error": None, "seconds": round(time, 6), "wall_s": round(time + 0.01, 6),
            "user_s": round(time * 0.9, 6), "system_s": round(time * 0.1, 6), "peak_kib": int(memory),
            "final_kib": int(memory * 0.3), "minor_faults": int(memory / 4),
            "command": ["measure", "--preload", allocator + ".so", "--", of], "extra": extra}


def failed(good: Dict[str, Any], error: str) -> Dict[str, Any]:
    kept = ("row", "subject", "round", "order", "command")
    return {**dict.fromkeys(good), **{key: good[key] for key in kept}, "ok": False, "error": error, "extra": {}}


def allocator(name: str, kind: str = "peer") -> Dict[str, Any]:
    return {"name": name, "kind": kind, "library": None if kind == "libc" else "lib%s.so" % name,
            "version": "1.2.3", "environment": {}}


def result(repetitions: int = 5, seed: int = 1, noise: float = 0.02, factors: Optional[Dict[str, float]] = None,
           only: Optional[Sequence[str]] = None) -> Dict[str, Any]:
    """A whole result; `factors` makes (benchmark) or (benchmark/allocator) slower, `only` keeps these."""
    chance, shape = random.Random(seed), random.Random("shape")
    kept, runs = [one for one in rows() if only is None or one["name"] in only], []
    for name in (one["name"] for one in kept):
        base, kib = shape.uniform(0.2, 3.0), shape.uniform(4000, 400000)
        bends = [shape.uniform(0.85, 1.2) for _ in ALLOCATORS]
        for repetition in range(repetitions):
            for order, (who, _, slow, fat) in enumerate(ALLOCATORS):
                factor = (factors or {}).get(name, 1) * (factors or {}).get(name + "/" + who, 1)
                time = base * slow * bends[order] * factor * chance.lognormvariate(0, noise)
                memory = kib * fat * bends[order] * chance.lognormvariate(0, noise / 4)
                runs.append(run(name, who, repetition, time, memory, order))
    return {"schema": "cairn-bench 1", "started": "2026-11-23T19:40:00Z", "finished": "2026-11-23T20:02:10Z",
            "complete": True, "interrupted": False, "command": ["bazel", "run", "//bench:all"], "commit": "3ff2ee4",
            "dirty": False, "machine": dict(MACHINE),
            "settings": {"rounds": repetitions, "quick": False, "filter": None},
            "subjects": [allocator(name, kind) for name, kind, *_ in ALLOCATORS], "rows": kept, "runs": runs,
            "components": components(seed, noise), "notes": []}


def components(seed: int = 1, noise: float = 0.02, factor: float = 1.0) -> Dict[str, Any]:
    """Google Benchmark's JSON, as it writes it."""
    chance = random.Random("components %d" % seed)
    made = []
    for name, time in (("buddy/take_give", 21.0), ("sizeclass/take_give", 6.5), ("percpu/pop_push", 2.2)):
        for _ in range(5):
            real = time * factor * chance.lognormvariate(0, noise)
            made.append({"name": name, "run_name": name, "run_type": "iteration", "real_time": real,
                         "cpu_time": real * 0.99, "time_unit": "ns"})
        made.append({**made[-1], "name": name + "_median", "run_type": "aggregate", "aggregate_name": "median"})
    return {"context": {"num_cpus": 2}, "benchmarks": made}


def with_failures(made: Dict[str, Any]) -> Dict[str, Any]:
    """The result, in which one allocator crashes in one benchmark, one is too slow, and one fails now and then."""
    def error(one: Dict[str, Any]) -> Optional[str]:
        return {("bursts", "scudo"): "crashed: SIGSEGV", ("redis", "tbbmalloc"): "timed out after 60 s",
                ("grow", "jemalloc"): "exit status 3" if one["round"] == 1 else None}.get(
                    (one["row"], one["subject"]))

    runs = [failed(one, error(one) or "") if error(one) else one for one in made["runs"]]
    return {**made, "runs": runs, "dirty": True, "notes": ["not installed, so not measured: hoard, snmalloc"]}


def partial(made: Dict[str, Any]) -> Dict[str, Any]:
    """The result as it is after Ctrl-C halfway."""
    return {**made, "complete": False, "interrupted": True, "runs": made["runs"][: len(made["runs"]) // 2]}
