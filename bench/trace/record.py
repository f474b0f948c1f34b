# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""bazel run //bench:record -- [-o FILE] [--] program arguments: writes down what a program allocates.

The program runs as a child, with the recorder preloaded before whatever else is. Each process that it starts writes a
file of its own, FILE.PID. The exit status is the program's; 125 for a wrong call or when nothing was recorded, 126 and
127 as in a shell.
"""

from __future__ import annotations

import argparse
import glob
import json
import os
import pathlib
import signal
import subprocess
import sys
from typing import Any, Dict, List, Mapping, Optional, Sequence

from bench.harness import figures

VARIABLE = "CAIRN_RECORD"
MAGIC = b"cairntrc"
EXIT_OWN, EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND = 125, 126, 127


class RecordError(Exception):
    """One line for the user."""


class _Parser(argparse.ArgumentParser):
    """argparse, but a complaint is an exception."""

    def error(self, message: str) -> None:
        raise RecordError("%s (see --help)" % message)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options, and the program with its own."""
    parser = _Parser(prog="bazel run //bench:record --", allow_abbrev=False, description=__doc__.split("\n")[0],
                     usage="%(prog)s [-o FILE] [--] program [arguments]")
    parser.add_argument("-o", dest="output", metavar="FILE", default="trace", help="where to (./trace)")
    parser.add_argument("program", nargs=argparse.REMAINDER, help="what to run, and its arguments")
    known = parser.parse_args(list(arguments))
    if known.program[:1] == ["--"]:
        del known.program[0]
    if not known.program:
        raise RecordError("which program? (see --help)")
    return known


def is_trace(path: str) -> bool:
    """Whether the file is one of ours, or is empty."""
    try:
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) in (MAGIC, b"")
    except OSError:
        return False


def traces_of(output: pathlib.Path) -> List[str]:
    """The file, then those of other processes."""
    others = [path for path in glob.glob(glob.escape(str(output)) + ".*")
              if path[len(str(output)) + 1:].replace(".", "").isdecimal()]
    return [str(output)] * output.exists() + sorted(others, key=os.path.getmtime)


def make_room(output: pathlib.Path) -> None:
    """Removes the traces of an earlier recording, and nothing else."""
    if output.exists() and not (output.is_file() and is_trace(str(output))):
        raise RecordError("%s is not a trace, so it is not overwritten" % output)
    if not os.access(output.parent, os.W_OK):
        raise RecordError("directory %s: cannot be written to" % output.parent)
    for path in traces_of(output):
        if is_trace(path):
            os.unlink(path)


def environment_for(library: pathlib.Path, output: pathlib.Path, given: Mapping[str, str]) -> Dict[str, str]:
    """What the program gets: the recorder first, so that another preloaded malloc is behind it."""
    if not library.is_file():
        raise RecordError("the recorder is missing: %s" % library)
    if set(" :") & set(str(library)):
        raise RecordError("the recorder cannot be preloaded, its path has a space or a colon: %s" % library)
    hidden = ("BUILD_WORKING_DIRECTORY", "BUILD_WORKSPACE_DIRECTORY", "CAIRN_RUNFILES", "PYTHONDONTWRITEBYTECODE")
    variables = {name: value for name, value in given.items() if name not in hidden}
    if "CAIRN_RUNFILES" in given:
        variables.pop("PYTHONPATH", None)  # the launcher's
    variables["LD_PRELOAD"] = ":".join(filter(None, (str(library), given.get("LD_PRELOAD"))))
    variables[VARIABLE] = str(output)
    return variables


def run(program: Sequence[str], environment: Mapping[str, str], directory: pathlib.Path) -> int:
    """The program's status, as a shell tells it. Ctrl-C is the program's affair."""
    try:
        child = subprocess.Popen(list(program), env=dict(environment), cwd=directory)
    except FileNotFoundError:
        print("record: %s: not found" % program[0], file=sys.stderr)
        return EXIT_NOT_FOUND
    except OSError as error:
        print("record: %s: %s" % (program[0], error.strerror), file=sys.stderr)
        return EXIT_NOT_EXECUTABLE
    interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)
    terminated = signal.signal(signal.SIGTERM, lambda number, _: child.send_signal(number))
    status = child.wait()
    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, terminated)
    return status if status >= 0 else 128 - status


def info_of(info: pathlib.Path, path: str) -> Optional[Dict[str, Any]]:
    """What the reader says of a trace."""
    told = subprocess.run([str(info), "--json", path], capture_output=True, text=True, check=False)
    return json.loads(told.stdout) if told.returncode == 0 else None


def line_about(path: str, about: Optional[Dict[str, Any]]) -> str:
    """One line of the list in the end."""
    if about is None:
        return "record: %s: cannot be read" % path
    lost = ", %s LOST" % figures.plural(about["lost_events"], "event") if about["lost_events"] else ""
    command = " ".join(about["command"])
    return "record: %s: %s, %s, at most %s live%s: %s" % (
        path, figures.plural(about["events"], "event"), figures.plural(about["threads"], "thread"),
        figures.kib(about["peak_live_bytes"] / 1024), lost, command if len(command) <= 60 else command[:57] + "...")


def main(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> int:
    """The whole."""
    here = pathlib.Path(environ.get("BUILD_WORKING_DIRECTORY", os.getcwd()))
    parts = pathlib.Path(environ.get("CAIRN_RUNFILES", os.getcwd())) / "bench/trace"
    try:
        options = parse(arguments)
        output = (here / options.output).absolute()
        variables = environment_for((parts / "librecord.so").absolute(), output, environ)
        make_room(output)
    except RecordError as error:
        print("record: %s" % error, file=sys.stderr)
        return EXIT_OWN
    status = run(options.program, variables, here)
    found = [path for path in traces_of(output) if is_trace(path)]
    for path in found:
        print(line_about(path, info_of(parts / "info", path)), file=sys.stderr)
    if found or status in (EXIT_NOT_FOUND, EXIT_NOT_EXECUTABLE):
        return status
    print("record: %s: nothing was recorded; is it static or set-user-id?" % options.program[0], file=sys.stderr)
    return EXIT_OWN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
