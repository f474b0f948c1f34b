# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""What the user may say to the commands of the bench, and what that means.

Names of benchmarks and allocators are checked later, where they are known.
"""

import argparse
import os
import pathlib
import re
import sys
from typing import Any, Callable, NoReturn, Sequence, Tuple

GROUPS = ("components", "workloads", "programs", "threads", "heap", "cpus")
DEFAULT_OUT = "bench-report"


class UsageError(Exception):
    """A wrong option or name: one line for the user."""


class Parser(argparse.ArgumentParser):
    """argparse, but a complaint is an exception."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**{"formatter_class": argparse.RawDescriptionHelpFormatter, **more, "allow_abbrev": False})

    def error(self, message: str) -> NoReturn:
        said = message[len("argument "):] if message.startswith("argument ") else message
        raise UsageError(said + " (see --help)")


def run(name: str, act: Callable[[], int]) -> int:
    """The exit status of a command: 2 for a UsageError and 1 for an error of the system, each a line on stderr."""
    try:
        return act()
    except UsageError as error:
        print("%s: %s" % (name, error), file=sys.stderr)
        return 2
    except BrokenPipeError:  # who read our lines has gone; no complaint of the interpreter either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        print("%s: %s: %s" % (name, error.filename or "the system", error.strerror), file=sys.stderr)
    return 1


def given_names(text: str) -> Tuple[str, ...]:
    """The names in a list; `none` is the empty one."""
    names = () if text == "none" else tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise argparse.ArgumentTypeError("an empty name in '%s'" % text)
    return names


def _groups(text: str) -> Tuple[str, ...]:
    for name in given_names(text):
        if name not in GROUPS:
            raise argparse.ArgumentTypeError("no such group: %s; there are: %s" % (name, ", ".join(GROUPS)))
    return given_names(text)


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError("not a regular expression: '%s': %s" % (text, error)) from error
    return text


def matched(what: str, pattern: str, convert: Callable[..., Any]) -> Callable[[str], Any]:
    """Reads what matches the pattern, and converts its groups."""
    def read(text: str) -> Any:
        found = re.fullmatch(pattern, text)
        if not found:
            raise argparse.ArgumentTypeError("not %s: '%s'" % (what, text))
        return convert(*found.groups())
    return read


count = matched("a number from 1 to 1000", "([1-9][0-9]{0,2}|1000)", int)
seconds = matched("a number of seconds above 0", r"(?=.*[1-9])(\d{1,5}(?:\.\d+)?|\.\d+)", float)
_setting = matched("NAME=VALUE", "([^=]+)=(.*)", lambda *pair: pair)
_peer = matched("name=path", r"([\w.+-]+)=(.+)", lambda *pair: pair)


def add_allocators(parser: argparse.ArgumentParser) -> None:
    """Which allocators a command runs, and where else its result goes."""
    add = parser.add_argument
    add("--stacks", metavar="A,B", type=given_names, help="stacks of cairn to run; 'none' for none (all)")
    add("--peers", metavar="A,B", type=given_names, help="peers, glibc, floor to compare with; 'none' (all found)")
    add("--peer", metavar="NAME=PATH", type=_peer, action="append", default=[], help="one more shared object")
    add("--json", metavar="FILE", help="the result here too; '-' for stdout")


def resolve(chosen: argparse.Namespace, caller: pathlib.Path) -> None:
    """Takes the paths of these from the caller's directory; raises UsageError where there is no such library."""
    if chosen.json not in (None, "-"):
        chosen.json = str(caller / pathlib.Path(chosen.json).expanduser())
    chosen.peer = [(name, caller / pathlib.Path(path).expanduser()) for name, path in chosen.peer]
    for index, (name, library) in enumerate(chosen.peer):
        if not library.is_file():
            raise UsageError("--peer %s: no such file: %s" % (name, library))
        if name in dict(chosen.peer[:index]):
            raise UsageError("--peer: twice the same name: %s" % name)


def parse(arguments: Sequence[str], caller: pathlib.Path) -> argparse.Namespace:
    """The options of //bench:all; raises UsageError."""
    parser = Parser(
        prog="bazel run //bench:all --",
        description="Runs cairn's stacks and every other malloc of this machine side by side.",
        epilog="Exit status: 0 when the report is written, 1 when nothing could be measured, 2 for a wrong\n"
               "call, 130 after Ctrl-C (the report is written all the same). Without --rounds, no benchmark\n"
               "runs again when the time is used up: 30 minutes, or 2 with --quick.")
    add_allocators(parser)
    add = parser.add_argument
    add("--quick", action="store_true", help="less work and fewer repetitions: under two minutes")
    add("--filter", metavar="REGEX", type=_regex, help="only benchmarks (and components) whose name it is found in")
    add("--rounds", metavar="N", type=count, help="repetitions of every benchmark, whatever time they take")
    add("--groups", metavar="A,B", type=_groups, default=GROUPS, help=", ".join(GROUPS) + " (all)")
    add("--out", metavar="DIR", default=DEFAULT_OUT, help="where the report goes (./%s)" % DEFAULT_OUT)
    add("--seconds", metavar="LIMIT", type=seconds, help="a longer run is ended (60; 20 with --quick)")
    add("--set", metavar="NAME=VALUE", type=_setting, action="append", default=[],
        help="environment of the stacks")
    add("--list", action="store_true", help="say what would run, and what is missing")
    chosen = parser.parse_args(list(arguments))
    resolve(chosen, caller)
    chosen.out = caller / pathlib.Path(chosen.out).expanduser()
    return chosen
