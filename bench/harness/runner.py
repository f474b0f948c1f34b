# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Runs one benchmark on one allocator once, under bench/measure, and says what came of it.

    harness --- measure --- program          a session of its own, so that Ctrl-C reaches the harness alone
       |           \\------ report (JSON)
       \\---------- stdout, stderr in files

A crash, a time-out or nonsense on stdout is an error in the record of the run; nothing is raised.
"""

import dataclasses
import json
import math
import pathlib
import re
import shutil
import signal
import subprocess
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from bench.harness.allocators import LIBC, Allocator, library_of
from bench.harness.catalogue import Benchmark
from bench.harness.paths import Paths
from bench.harness.plan import Step

ERROR_CHARACTERS_MOST, TAIL_BYTES = 160, 1 << 16

# What the record of a run takes over from measure's report.
MEASURED = ("wall_s", "user_s", "system_s", "peak_kib", "final_kib", "minor_faults", "major_faults",
            "involuntary_switches")

Process = subprocess.Popen


class Interrupted(Exception):
    """The user wants it to end."""


@dataclasses.dataclass
class Outcome:
    command: List[str]
    error: Optional[str] = None
    timed_out: bool = False
    cost: Dict[str, Any] = dataclasses.field(default_factory=dict)
    told: Dict[str, Any] = dataclasses.field(default_factory=dict)

    def failed(self, error: str) -> "Outcome":
        """The same with an error, cut to a line."""
        self.error = " ".join(error.split())[:ERROR_CHARACTERS_MOST]
        return self


def _first_to_be_killed() -> None:
    """In the child: a machine out of memory ends what is measured, not the harness."""
    try:
        pathlib.Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    except OSError:
        pass  # an allowance that some containers do not give


def lines_of(path: pathlib.Path) -> List[str]:
    """The last lines that a program wrote, without empty ones."""
    with open(path, "rb") as source:
        source.seek(max(0, path.stat().st_size - TAIL_BYTES))
        return [line for line in source.read().decode("utf-8", "replace").splitlines() if line.strip()]


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def result_line(lines: Sequence[str]) -> Dict[str, Any]:
    """The JSON that a workload ends with; {} if it is none, or without a time."""
    try:
        told = json.loads(lines[-1]) if lines else None
    except ValueError:
        return {}
    if not isinstance(told, dict) or not _is_number(told.get("seconds")) or told["seconds"] <= 0:
        return {}
    extra = told.get("extra")
    numbers = extra.items() if isinstance(extra, dict) else ()
    return {"seconds": told["seconds"], "ops": told["ops"] if isinstance(told.get("ops"), int) else None,
            "extra": {name: value for name, value in numbers if _is_number(value)}}


def complaint(cost: Mapping[str, Any], said: Sequence[str], limit_s: float) -> Optional[str]:
    """Why a program that measure reports on did not do its work; `said` is its stderr."""
    if cost.get("timed_out"):
        return "timed out after %g s" % limit_s
    last = said[-1] if said else ""
    if "out of memory" in last.lower():
        return "out of memory"
    if cost.get("signal"):
        known = {number.value: number.name for number in signal.Signals}
        return "crashed: " + known.get(cost["signal"], "signal %d" % cost["signal"])
    if cost.get("exit"):
        return "exit status %d%s" % (cost["exit"], ": " + last if last else "")
    return "the library was not loaded" if cost.get("preloaded") is False else None


class Runner:
    def __init__(self, paths: Paths, scratch: pathlib.Path, environment: Mapping[str, str], limit_s: float,
                 cpus: Sequence[int]) -> None:
        self.paths, self.scratch, self.limit_s, self.cpus = paths, scratch, limit_s, list(cpus)
        self.work = scratch / "work"  # the directory of the program: empty before each run
        self.is_stopped = False
        self._environment = dict(environment)
        self._running: Optional[Process] = None
        self._clear()

    def _clear(self) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(exist_ok=True)

    # --- one program ---

    def stop(self) -> None:
        """Ends what runs, and lets nothing begin. Called from a signal handler."""
        self.is_stopped = True
        if self._running is not None:
            self._running.terminate()

    def kill(self) -> None:
        """Ends what runs at once: measure takes its program with it."""
        if self._running is not None:
            self._running.kill()

    def start(self, command: Sequence[str], name: str) -> Process:
        """A program with its output in files of this name."""
        if self.is_stopped:
            raise Interrupted
        path = str(self.scratch / name)
        with open(path + ".out", "wb") as out, open(path + ".err", "wb") as err:
            process = Process(  # pylint: disable=consider-using-with
                list(command), stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=self._environment,
                cwd=self.work, start_new_session=True, preexec_fn=_first_to_be_killed)
        self._running = process
        if self.is_stopped:  # the signal came while the process was made
            process.terminate()
        return process

    def wait(self, process: Process) -> int:
        """Its exit status; raises Interrupted if the user was first."""
        status = process.wait()
        self._running = None
        if self.is_stopped:
            raise Interrupted
        return status

    def measure(self, allocator: Allocator, program: Sequence[str], cpus: Sequence[int] = ()) -> Outcome:
        self._clear()
        command = ["env", *map("=".join, allocator.environment.items())] if allocator.environment else []
        command += ["taskset", "-c", ",".join(map(str, cpus))] if cpus else []
        command += [str(self.paths.measure), "--seconds", "%g" % self.limit_s]
        command += ["--preload", str(allocator.library)] if allocator.library else []
        outcome, report = Outcome([*command, "--", *program]), self.scratch / "report"
        report.unlink(missing_ok=True)
        self.wait(self.start([*command, "--report", str(report), "--", *program], "program"))
        said = lines_of(self.scratch / "program.err")
        try:
            outcome.cost = json.loads(report.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return outcome.failed(said[-1] if said else "measure: no report")
        outcome.timed_out = bool(outcome.cost.get("timed_out"))
        why = complaint(outcome.cost, said, self.limit_s)
        if why:
            return outcome.failed(why)
        outcome.told = result_line(lines_of(self.scratch / "program.out"))
        return outcome

    # --- one run of a benchmark ---

    def cpus_of(self, benchmark: Benchmark) -> List[int]:
        """The CPUs that a benchmark is held to; none: all of them. The first ones take the machine's interrupts."""
        if benchmark.pinned:
            return self.cpus[-1:]
        count = benchmark.cpus or len(self.cpus)
        return self.cpus[-count:] if count < len(self.cpus) else []

    def run(self, step: Step) -> Outcome:
        one, allocator, program = step.benchmark, step.allocator, list(step.benchmark.command)
        if one.group != "programs":
            program[0] = str(self.paths.workload(program[0]))
        if one.brings_malloc and allocator.kind == LIBC:  # it must be put before
            allocator = dataclasses.replace(allocator, library=library_of("libc.so.6"))
        outcome = self.measure(allocator, program, self.cpus_of(one))
        if outcome.error is None and not outcome.told and one.group != "programs":
            outcome.failed("no result line on stdout")
        return outcome


def record(step: Step, outcome: Outcome) -> Dict[str, Any]:
    is_ok = outcome.error is None
    cost, told = (outcome.cost, outcome.told) if is_ok else ({}, {})
    return {"row": step.benchmark.name, "subject": step.allocator.name, "round": step.repetition, "order": step.order,
            "ok": is_ok, "error": outcome.error, "seconds": told.get("seconds", cost.get("wall_s")),
            "ops": told.get("ops"), **{name: cost.get(name) for name in MEASURED},
            "command": outcome.command, "extra": told.get("extra", {})}


# --- whether an allocator works here at all: a small program must have got its malloc from it ---

_PROGRAM = ("churn", "threads=2", "ops=4000", "live=256k")
_BOUND = re.compile(r"binding file \S+ \[0\] to (\S+) .*: normal symbol `malloc'")


def fault(runner: Runner, allocator: Allocator) -> Optional[str]:
    """Why the allocator cannot be measured, in a few words; None if it can. glibc's loader writes which object
    malloc was bound to."""
    bindings = "bindings-" + allocator.name
    spoken = ["env", "LD_DEBUG=bindings", "LD_DEBUG_OUTPUT=%s" % (runner.scratch / bindings)]
    outcome = runner.measure(allocator, [*spoken, str(runner.paths.workload(_PROGRAM[0])), *_PROGRAM[1:]])
    if outcome.error == "the library was not loaded":
        said = (runner.scratch / "program.err").read_text(encoding="utf-8", errors="replace")
        why = re.search(r"cannot be preloaded( \(.*?\)): ignored", said)
        return "cannot be preloaded" + (why.group(1) if why else "")
    if outcome.error is not None or not outcome.told:
        return outcome.error or "a program that runs on it says nothing"
    for path in runner.scratch.glob(bindings + ".*") if allocator.library else ():
        bound = _BOUND.search(path.read_text(encoding="utf-8", errors="replace"))
        if bound and re.match(r"libc[.-]", pathlib.Path(bound.group(1)).name):
            return "has no malloc: a program that preloads it uses libc's"
    return None


def prove(runner: Runner, allocators: Sequence[Allocator]) -> Tuple[List[Allocator], List[str]]:
    """The allocators that work, and a line for each that does not."""
    faults = {one.name: fault(runner, one) for one in allocators}
    return ([one for one in allocators if not faults[one.name]],
            ["%s: dropped: %s: %s" % (one.name, one.library or "libc's malloc", faults[one.name])
             for one in allocators if faults[one.name]])
