# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""bazel run //bench:replay -- TRACE: a recorded program's allocations on every malloc of this machine.

    --info               only say what the trace holds (with --json -: as JSON)
    --rounds, --stacks, --peers, --peer, --seconds   as of //bench:all
    --touch, --paced     as of the replayer, replay.c

The result is a `cairn-bench 1` of one row, so that //bench:compare reads it; the pictures' data is under "replay".
Exit status: 0; 1 when nothing could be replayed; 2 for a wrong call; 130 after Ctrl-C (the report is written).
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from bench.harness import machine, subjects
from bench.harness.options import UsageError
from bench.harness.subjects import Subject
from bench.trace import findings, pages, pictures, rounds

EXIT_FAILED, EXIT_WRONG_CALL, EXIT_INTERRUPTED = 1, 2, 130
DEFAULT_OUT = "replay-report"
ABOUT = "the allocations of a recorded program, in its threads and its order"


class _Parser(argparse.ArgumentParser):
    """argparse, but a complaint is an exception."""

    def error(self, message: str) -> None:
        raise UsageError("%s (see --help)" % message)


def _names(text: str) -> Tuple[str, ...]:
    return () if text == "none" else tuple(name.strip() for name in text.split(",") if name.strip())


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError("not a number from 1 to 1000: '%s'" % text)
    return int(text)


def _seconds(text: str) -> float:
    if not re.fullmatch(r"\d+(\.\d+)?", text) or float(text) == 0:
        raise argparse.ArgumentTypeError("not a number of seconds above 0: '%s'" % text)
    return float(text)


def _pair(text: str) -> Tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not value or not re.fullmatch(r"[\w.+-]+", name):
        raise argparse.ArgumentTypeError("not name=path: '%s'" % text)
    return name, value


def parser() -> argparse.ArgumentParser:
    """All options."""
    made = _Parser(prog="bazel run //bench:replay --", allow_abbrev=False, epilog=__doc__.rsplit("\n\n", 1)[1],
                   description="Replays a trace that //bench:record wrote, on each malloc of this machine.")
    add = made.add_argument
    add("trace", metavar="TRACE", help="the file that //bench:record wrote")
    add("--info", action="store_true", help="only say what the trace holds")
    add("--rounds", metavar="N", type=_count, default=5, help="times that each subject plays it (5)")
    add("--stacks", metavar="A,B", type=_names, help="stacks of cairn; 'none' for none (all)")
    add("--peers", metavar="A,B", type=_names, help="peers, glibc, floor; 'none' for none (all found)")
    add("--peer", metavar="NAME=PATH", type=_pair, action="append", default=[], help="one more shared object")
    add("--touch", choices=("none", "ends", "all"), default="ends", help="which bytes of a block are written (ends)")
    add("--paced", action="store_true", help="keep the threads about as far as they were recorded")
    add("--seconds", metavar="LIMIT", type=_seconds, default=120.0, help="a run that takes longer is ended (120)")
    add("--json", metavar="FILE", help="the result here too; '-' for stdout")
    add("--out", metavar="DIR", default=DEFAULT_OUT, help="where the report goes (./%s)" % DEFAULT_OUT)
    return made


class Replay:
    """One call of the command: where its parts lie, and what the user asked for."""

    def __init__(self, options: argparse.Namespace, environ: Mapping[str, str], tell: Callable[[str], None]) -> None:
        here = pathlib.Path.cwd()
        self.options, self.tell = options, tell
        self.caller = pathlib.Path(environ.get("BUILD_WORKING_DIRECTORY", here))
        self.runfiles = pathlib.Path(environ.get("CAIRN_RUNFILES", here)).absolute()
        workspace = environ.get("BUILD_WORKSPACE_DIRECTORY")
        self.commit, self.dirty = machine.commit_of(pathlib.Path(workspace) if workspace else None)
        self.trace = self.caller / pathlib.Path(options.trace).expanduser()
        self.parts = self.runfiles / "bench/trace"

    def info(self, *form: str) -> str:
        """What the reader says of the trace."""
        told = subprocess.run([str(self.parts / "info"), *form, str(self.trace)], capture_output=True, text=True,
                              errors="replace", check=False)
        if told.returncode != 0:
            raise UsageError(told.stderr.strip().replace("info: ", "", 1) or "the trace cannot be read")
        return told.stdout

    def subjects(self) -> Tuple[List[Subject], List[str]]:
        """Who plays, and a line for each that is missing."""
        added = []
        for name, path in self.options.peer:
            library = self.caller / pathlib.Path(path).expanduser()
            if not library.is_file():
                raise UsageError("--peer %s: no such file: %s" % (name, library))
            added.append((name, library))
        found = subjects.find(self.runfiles, self.commit, {}, added)
        chosen = subjects.choose(found, self.options.stacks, self.options.peers, added)
        if not chosen:
            raise UsageError("nobody is left to replay it")
        return chosen, subjects.notes_on_missing(found, self.options.peers)

    def result(self, command: Sequence[str]) -> Dict[str, Any]:
        """Plays everything."""
        info = json.loads(self.info("--json"))
        chosen, notes = self.subjects()
        player = rounds.Player(self.runfiles / "bench/measure/measure", self.parts / "replayer", self.trace,
                               self.options.touch, self.options.paced, self.options.seconds)
        started, about = _now(), machine.describe()
        runs, complete = rounds.play_rounds(player, chosen, self.options.rounds, self.row, self.tell)
        good = [subject for subject in chosen if any(run["ok"] and run["subject"] == subject.name for run in runs)]
        reports: Dict[str, Any] = {}
        if complete:
            reports, complete = rounds.watch(player, good, self.tell)
        return {
            "schema": "cairn-bench 1", "started": started, "finished": _now(), "complete": complete,
            "interrupted": not complete, "command": list(command), "commit": self.commit, "dirty": self.dirty,
            "machine": about,
            "settings": {"rounds": self.options.rounds, "quick": False, "filter": None, "touch": self.options.touch,
                         "paced": self.options.paced},
            "subjects": [subject.as_json() for subject in chosen],
            "rows": [{"name": self.row, "group": "workloads", "about": ABOUT, "command": player.command(), "x": None,
                      "series": None, "metric": "time", "pinned": False}],
            "runs": runs, "components": {}, "handovers": {}, "notes": notes + notes_on(info),
            "replay": {"trace": self.trace.name, "info": info, "reports": reports},
        }

    @property
    def row(self) -> str:
        """What the row is called."""
        return "replay of %s" % self.trace.name

    def write(self, result: Dict[str, Any]) -> List[pathlib.Path]:
        """The result, the page and the pictures, below --out."""
        folder = self.caller / pathlib.Path(self.options.out).expanduser()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path in (folder / "replay.json", self._json_file()):
                if path is not None:
                    path.write_text(json.dumps(result) + "\n", encoding="utf-8")
            plots = pictures.draw(result)
            return [folder / "replay.json"] + pages.write(folder, result, plots)
        except OSError as error:
            raise UsageError("%s: %s" % (error.filename, error.strerror)) from error

    def _json_file(self) -> Optional[pathlib.Path]:
        return None if self.options.json in (None, "-") else self.caller / pathlib.Path(self.options.json).expanduser()


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def notes_on(info: Mapping[str, Any]) -> List[str]:
    """What makes the trace less than what the program did."""
    said = (("lost_events", "%d events were lost when it was recorded"),
            ("torn_blocks", "%d blocks of the trace are cut off"),
            ("damaged_blocks", "%d blocks of the trace are damaged and left out"),
            ("bad_blocks", "%d blocks of the trace make no sense from some point on"),
            ("unknown_frees", "%d frees of blocks from before the recording are not replayed"),
            ("inferred_frees", "%d frees are missing in the trace and were inferred"))
    notes = [line % info[name] for name, line in said if info[name]]
    return notes + [pictures.MISSING] * bool(pictures.MISSING)


def _progress(stream: Any) -> Callable[[str], None]:
    if stream.isatty():
        return lambda line: print("\r\033[K%s" % line, end="", file=stream, flush=True)
    return lambda line: None


def _run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    replay = Replay(options, environ, _progress(sys.stderr))
    if options.info:
        sys.stdout.write(replay.info(*["--json"] * (options.json == "-")))
        return 0
    result = replay.result(["bazel", "run", "//bench:replay", "--", *sys.argv[1:]])
    replay.tell("")
    written = replay.write(result)
    if options.json == "-":
        print(json.dumps(result))
    else:
        print(findings.text(result) + "\nwritten: %s and %d pictures" % (written[1], len(written) - 2))
    if result["interrupted"]:
        return EXIT_INTERRUPTED
    return 0 if any(run["ok"] for run in result["runs"]) else EXIT_FAILED


def main(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> int:
    """The exit status."""
    try:
        return _run(parser().parse_args(list(arguments)), environ)
    except UsageError as error:
        print("replay: %s" % error, file=sys.stderr)
        return EXIT_WRONG_CALL


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
