# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Plays a trace on each subject, in rounds, under measure; and once more watched, for the pictures."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import signal
import subprocess
import tempfile
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from bench.harness.subjects import Subject


@dataclasses.dataclass(frozen=True)
class Player:
    """How the C replayer is called."""

    measure: pathlib.Path
    replay: pathlib.Path
    trace: pathlib.Path
    touch: str = "ends"
    paced: bool = False
    limit_s: float = 120.0

    def command(self, report: Optional[pathlib.Path] = None) -> List[str]:
        """The replayer with its options."""
        options = ["--touch=" + self.touch] + ["--paced"] * self.paced
        return [str(self.replay)] + options + ["--report=%s" % report] * (report is not None) + [str(self.trace)]

    def measured(self, subject: Subject, cost: pathlib.Path, command: Sequence[str]) -> List[str]:
        """The same under measure."""
        preload = ["--preload", str(subject.library)] if subject.library else []
        settings = [part for name, value in subject.environment.items() for part in ("--set", "%s=%s" % (name, value))]
        return [str(self.measure), *preload, *settings, "--seconds", "%g" % self.limit_s, "--report", str(cost), "--",
                *command]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "signal %d" % number


def failure_of(cost: Dict[str, Any], limit_s: float, said: str) -> Optional[str]:
    """One line about what went wrong, or None."""
    if "cannot be preloaded" in said:
        return "the library cannot be preloaded"
    if cost["timed_out"]:
        return "timed out after %g s" % limit_s
    if cost["signal"]:
        return "crashed: %s" % _signal_name(cost["signal"])
    if cost["exit"]:
        return "out of memory" if "out of memory" in said else "exit status %d" % cost["exit"]
    return None


def _last_json(text: str) -> Optional[Dict[str, Any]]:
    lines = text.strip().splitlines()
    try:
        return json.loads(lines[-1]) if lines else None
    except ValueError:
        return None


def _outcome(player: Player, done: subprocess.CompletedProcess, cost_file: pathlib.Path) -> Dict[str, Any]:
    try:
        cost = json.loads(cost_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"ok": False, "error": (done.stderr.strip().splitlines() or ["measure told nothing"])[-1]}
    error = failure_of(cost, player.limit_s, done.stderr)
    played = _last_json(done.stdout)
    if error is None and played is None:
        error = "the replayer told nothing"
    kept = {name: cost[name] for name in ("wall_s", "user_s", "system_s", "peak_kib", "final_kib", "minor_faults",
                                          "major_faults", "involuntary_switches")}
    if error is not None or played is None:
        return {"ok": False, "error": error, **dict.fromkeys(("seconds", "ops", *kept)), "extra": {}}
    return {"ok": True, "error": None, "seconds": played["seconds"], "ops": played["ops"], **kept,
            "extra": played["extra"]}


def play(player: Player, subject: Subject, report: Optional[pathlib.Path] = None) -> Dict[str, Any]:
    """One run, as in a result, without its place in the order."""
    with tempfile.TemporaryDirectory() as scratch:
        cost_file = pathlib.Path(scratch) / "cost"
        command = player.measured(subject, cost_file, player.command(report))
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                              check=False)
        return {"subject": subject.name, "command": command, **_outcome(player, done, cost_file)}


def order_of(subjects: Sequence[Subject], number: int) -> List[Subject]:
    """Forwards and backwards in turn, so that a drift of the machine meets all alike."""
    return list(subjects) if number % 2 == 0 else list(reversed(subjects))


def play_rounds(player: Player, subjects: Sequence[Subject], rounds: int, row: str,
                tell: Callable[[str], None]) -> Tuple[List[Dict[str, Any]], bool]:
    """All runs, and whether the user let them end. A subject that failed is not run again."""
    runs: List[Dict[str, Any]] = []
    failed = set()
    try:
        for number in range(rounds):
            for subject in order_of(subjects, number):
                if subject.name in failed:
                    continue
                tell("round %d of %d: %s" % (number + 1, rounds, subject.name))
                run = play(player, subject)
                runs.append({"row": row, "round": number, "order": len(runs), **run})
                if not run["ok"]:
                    failed.add(subject.name)
    except KeyboardInterrupt:
        return runs, False
    return runs, True


def watch(player: Player, subjects: Sequence[Subject],
          tell: Callable[[str], None]) -> Tuple[Dict[str, Dict[str, Any]], bool]:
    """The observer's report of each subject that can be watched, and whether the user let them end."""
    reports: Dict[str, Dict[str, Any]] = {}
    try:
        with tempfile.TemporaryDirectory() as scratch:
            for subject in subjects:
                report = pathlib.Path(scratch) / "report"
                tell("watching %s" % subject.name)
                if play(player, subject, report)["ok"]:
                    reports[subject.name] = json.loads(report.read_text(encoding="utf-8", errors="replace"))
    except KeyboardInterrupt:
        return reports, False
    return reports, True
