# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""What the user may say to //bench:all, and what that means.

A wrong word ends in one line that names it and what would be right; names of rows and subjects are looked at
later, by those who know them.
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
import re
from typing import Dict, List, Optional, Sequence, Tuple

GROUPS = ("components", "handovers", "workloads", "programs", "threads", "heap", "cpus")
DEFAULT_OUT = "bench-report"
NONE = "none"


class UsageError(Exception):
    """A wrong option or name: one line for the user."""


@dataclasses.dataclass(frozen=True)
class Options:
    """The options, checked; None is "as it comes"."""

    quick: bool = False
    filter: Optional[str] = None
    rounds: Optional[int] = None
    stacks: Optional[Tuple[str, ...]] = None
    peers: Optional[Tuple[str, ...]] = None
    added: Tuple[Tuple[str, pathlib.Path], ...] = ()
    groups: Tuple[str, ...] = GROUPS
    json: Optional[str] = None
    out: pathlib.Path = pathlib.Path(DEFAULT_OUT)
    list: bool = False
    install: bool = False
    seconds: Optional[float] = None
    settings: Tuple[Tuple[str, str], ...] = ()

    @property
    def environment(self) -> Dict[str, str]:
        """What --set gives to the stacks."""
        return dict(self.settings)


class Parser(argparse.ArgumentParser):
    """argparse, but a complaint is an exception."""

    hint = " (see --help)"

    def error(self, message: str) -> None:
        said = message[len("argument "):] if message.startswith("argument ") else message
        raise UsageError(said + self.hint)


class _Parser(Parser):
    hint = ""  # whoever prints it says so


def given_names(text: str) -> Tuple[str, ...]:
    """The names in a list, empty ones left out."""
    return () if text == NONE else tuple(name.strip() for name in text.split(",") if name.strip())


def _names(text: str) -> Tuple[str, ...]:
    if text == NONE:
        return ()
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise argparse.ArgumentTypeError("an empty name in '%s'" % text)
    return names


def _groups(text: str) -> Tuple[str, ...]:
    unknown = [name for name in _names(text) if name not in GROUPS]
    if unknown:
        raise argparse.ArgumentTypeError("no such group: %s; there are: %s" % (unknown[0], ", ".join(GROUPS)))
    return _names(text)


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError("not a regular expression: '%s': %s" % (text, error)) from error
    return text


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError("not a number from 1 to 1000: '%s'" % text)
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 86400:
        raise argparse.ArgumentTypeError("not a number of seconds above 0: '%s'" % text)
    return seconds


def _pair(text: str) -> Tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals or not value:
        raise argparse.ArgumentTypeError("not name=value: '%s'" % text)
    return name, value


def _setting(text: str) -> Tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError("not NAME=VALUE: '%s'" % text)
    return name, value


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="bazel run //bench:all --", allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Runs cairn's stacks and every other malloc of this machine side by side.",
        epilog="Exit status: 0 when the report is written, 1 when nothing could be measured, 2 for a wrong\n"
               "call, 130 after Ctrl-C (the report is written all the same). Without --rounds, no row runs\n"
               "again when the time is used up: 30 minutes, or 2 with --quick.")
    add = parser.add_argument
    add("--quick", action="store_true", help="less work and fewer rounds: under two minutes")
    add("--filter", metavar="REGEX", type=_regex, help="only rows (and components) whose name it is found in")
    add("--rounds", metavar="N", type=_count, help="rounds of every row, whatever time they take")
    add("--stacks", metavar="A,B", type=_names, help="stacks of cairn to run; 'none' for none (all)")
    add("--peers", metavar="A,B", type=_names, help="peers, glibc, floor to compare with; 'none' (all found)")
    add("--peer", metavar="NAME=PATH", type=_pair, action="append", default=[], help="one more shared object")
    add("--groups", metavar="A,B", type=_groups, default=GROUPS, help=", ".join(GROUPS) + " (all)")
    add("--json", metavar="FILE", help="the result here too; '-' for stdout")
    add("--out", metavar="DIR", default=DEFAULT_OUT, help="where the report goes (./%s)" % DEFAULT_OUT)
    add("--seconds", metavar="LIMIT", type=_seconds, help="a longer run is ended (60; 20 with --quick)")
    add("--set", metavar="NAME=VALUE", type=_setting, action="append", default=[],
        help="environment of the stacks")
    add("--list", action="store_true", help="say what would run, and what is missing")
    add("--install", action="store_true", help="first install peers and programs with apt")
    return parser


def _unknown(parser: argparse.ArgumentParser, argument: str) -> UsageError:
    if not argument.startswith("-"):
        return UsageError("not an option: '%s' (see --help)" % argument)
    known = [name for action in parser._actions for name in action.option_strings if name.startswith("--")]
    return UsageError("no such option: %s; there are: %s" % (argument.split("=")[0], " ".join(known)))


def _added(pairs: Sequence[Tuple[str, str]], caller: pathlib.Path) -> Tuple[Tuple[str, pathlib.Path], ...]:
    """--peer, with paths from where the user stands."""
    added: List[Tuple[str, pathlib.Path]] = []
    for name, path in pairs:
        library = caller / pathlib.Path(path).expanduser()
        if not re.fullmatch(r"[\w.+-]+", name):
            raise UsageError("--peer: not a name of letters, digits and -._+: '%s'" % name)
        if not library.is_file():
            raise UsageError("--peer %s: no such file: %s" % (name, library))
        if name in dict(added):
            raise UsageError("--peer: twice the same name: %s" % name)
        added.append((name, library))
    return tuple(added)


def parse(arguments: Sequence[str], caller: pathlib.Path) -> Options:
    """The options; raises UsageError. Paths are taken from the caller's directory."""
    parser = _parser()
    known, rest = parser.parse_known_args(list(arguments))
    if rest:
        raise _unknown(parser, rest[0])
    if known.json not in (None, "-"):
        known.json = str(caller / pathlib.Path(known.json).expanduser())
    return Options(
        quick=known.quick, filter=known.filter, rounds=known.rounds, stacks=known.stacks, peers=known.peers,
        added=_added(known.peer, caller), groups=known.groups, json=known.json,
        out=caller / pathlib.Path(known.out).expanduser(), list=known.list, install=known.install,
        seconds=known.seconds, settings=tuple(known.set))
