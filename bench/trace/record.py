# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""bazel run //bench:record -- [-o FILE] [--] program arguments: writes down what a program allocates.

The program runs as a child, with the recorder preloaded before whatever else is. Each process that it starts
writes a file of its own, FILE.PID. The exit status is the program's; 125 for a wrong call or when nothing was
recorded, 126 and 127 as in a shell.
"""

import argparse
import glob
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
from typing import Any, Dict, List, Mapping, Optional, Sequence

from bench.harness import figures, machine
from bench.harness.options import Parser, UsageError

VARIABLE = "CAIRN_RECORD"
EXIT_OWN, EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND = 125, 126, 127

# Where a trace has its magic and the number of its process: struct trace_header in format.h.
MAGIC = b"cairntrc"
HEADER = struct.Struct("<8s24xI")

# What the launcher and Bazel set for us, and not for the program.
OURS = ("BUILD_WORKING_DIRECTORY", "BUILD_WORKSPACE_DIRECTORY", "CAIRN_RUNFILES", "PYTHONDONTWRITEBYTECODE")


# What about a trace is told: a field of what the reader says, its name, and what it means.
TRACE_NOTES = (
    ("lost_events", "lost events", "within signal handlers, or for lack of room"),
    ("lost_room", "lack of room", "times: the disk was full, or the file gone"),
    ("torn_blocks", "torn blocks", "they end after the file does; the rest is used"),
    ("damaged_blocks", "damaged blocks", "their checksum is wrong; left out"),
    ("bad_blocks", "bad blocks", "they make no sense from some byte on; left out from there"),
    ("skipped_pages", "skipped pages", "no block begins there"),
    ("unknown_frees", "unknown frees", "of what was allocated before the recording began"),
    ("unknown_resizes", "unknown reallocs", "likewise; taken as allocations"),
    ("inferred_frees", "missing frees", "the address was used again, so there was one"))


class RecordError(Exception):
    """One line for the user, and the exit status."""

    def __init__(self, said: str, status: int = EXIT_OWN) -> None:
        super().__init__(said)
        self.status = status


# --- options ---

def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="bazel run //bench:record --", usage="%(prog)s [-o FILE] [--] program [arguments]",
                    description="Runs a program and writes down what it allocates.",
                    epilog="Each process that it starts writes a file of its own, FILE.PID.")
    parser.add_argument("-o", dest="output", metavar="FILE", default="trace", help="where to (./trace)")
    parser.add_argument("program", nargs=argparse.REMAINDER, help="what to run, and its arguments")
    known = parser.parse_args(list(arguments))
    if known.program[:1] == ["--"]:
        del known.program[0]
    if not known.program:
        parser.error("which program?")
    return known


# --- files ---

def process_of(path: str) -> Optional[int]:
    """The process whose trace the file is; None where it is none."""
    try:
        with open(path, "rb") as file:
            magic, process = HEADER.unpack(file.read(HEADER.size))
    except (OSError, struct.error):
        return None
    return process if magic == MAGIC else None


def traces_of(output: pathlib.Path) -> List[str]:
    """The file, then those of other processes: FILE.PID, or FILE.PID.2 where a number came again."""
    own = [str(output)] * (process_of(str(output)) is not None)
    others = []
    for path in glob.glob(glob.escape(str(output)) + ".*"):
        number = path[len(str(output)) + 1:].split(".")[0]
        if number.isdecimal() and process_of(path) == int(number):
            others.append(path)
    return own + sorted(others, key=os.path.getmtime)


def make_room(output: pathlib.Path) -> None:
    """Removes the traces of an earlier recording, and nothing else; an empty file is nobody's."""
    if not output.parent.is_dir():
        raise RecordError("-o %s: no such directory: %s" % (output, output.parent))
    if output.is_dir():
        raise RecordError("-o %s: is a directory" % output)
    if not os.access(output.parent, os.W_OK):
        raise RecordError("-o %s: its directory cannot be written to" % output)
    is_empty = output.is_file() and output.stat().st_size == 0
    if os.path.lexists(output) and not is_empty and process_of(str(output)) is None:
        raise RecordError("-o %s: is there and is no trace, so it is not overwritten" % output)
    for path in [str(output)] * is_empty + traces_of(output):
        os.unlink(path)


# --- the program ---

def environment_for(library: pathlib.Path, output: pathlib.Path,
                    given: Mapping[str, str]) -> Dict[str, str]:
    """What the program gets: the recorder first, so that another preloaded malloc is behind it."""
    if not library.is_file():
        raise RecordError("the recorder is missing: %s" % library)
    if set(" :") & set(str(library)):
        raise RecordError("the recorder cannot be preloaded, its path has a space or a colon: %s" % library)
    variables = {name: value for name, value in given.items() if name not in OURS}
    if "CAIRN_RUNFILES" in given:
        variables.pop("PYTHONPATH", None)  # the launcher's
    variables["LD_PRELOAD"] = ":".join(filter(None, (str(library), given.get("LD_PRELOAD"))))
    variables[VARIABLE] = str(output)
    return variables


def run(program: Sequence[str], environment: Mapping[str, str], directory: pathlib.Path) -> int:
    """The program's status, as a shell tells it. Ctrl-C is the program's affair."""
    try:
        child = subprocess.Popen(list(program), env=dict(environment), cwd=directory)
    except FileNotFoundError as error:
        raise RecordError("%s: not found" % program[0], EXIT_NOT_FOUND) from error
    except OSError as error:
        raise RecordError("%s: %s" % (program[0], error.strerror), EXIT_NOT_EXECUTABLE) from error
    interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)
    terminated = signal.signal(signal.SIGTERM, lambda number, _: child.send_signal(number))
    status = child.wait()
    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, terminated)
    return status if status >= 0 else 128 - status


# --- what came of it ---

def command_of(about: Mapping[str, Any], most: int) -> str:
    """The recorded command, cut where it is long."""
    said = " ".join(" ".join(about["command"]).split())
    return said if len(said) <= most else said[:most - 3] + "..."


def line_about(path: str, about: Optional[Dict[str, Any]]) -> str:
    if about is None:
        return "record: %s: cannot be read" % path
    lost = ", %s LOST" % figures.plural(about["lost_events"], "event") if about["lost_events"] else ""
    return "record: %s: %s events, %s, at most %s live%s: %s" % (
        path, figures.count(about["events"]), figures.plural(about["threads"], "thread"),
        figures.kib(about["peak_live_bytes"] / 1024), lost, command_of(about, 60))


def record(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the program and says what was recorded; its exit status, or RecordError."""
    here = pathlib.Path(environ.get("BUILD_WORKING_DIRECTORY", os.getcwd()))
    parts = pathlib.Path(environ.get("CAIRN_RUNFILES", os.getcwd())) / "bench/trace"
    options = parse(arguments)
    output = (here / pathlib.Path(options.output).expanduser()).absolute()
    variables = environment_for((parts / "librecord.so").absolute(), output, environ)
    make_room(output)
    status = run(options.program, variables, here)
    found = traces_of(output)
    for path in found:
        told = machine.ask(str(parts / "info"), path)
        about = json.loads(told.stdout) if told.returncode == 0 else None
        print(line_about(path, about), file=sys.stderr)
    if not found:
        raise RecordError("%s: nothing was recorded (its exit status is %d): is it static or set-user-id?"
                          % (options.program[0], status))
    return status


def main(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> int:
    try:
        return record(arguments, environ)
    except (RecordError, UsageError) as error:
        print("record: %s" % error, file=sys.stderr)
        return getattr(error, "status", EXIT_OWN)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
