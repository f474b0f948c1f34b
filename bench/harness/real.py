# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Rows of real programs, from bench/programs/catalogue.json. A missing program is a line, and no row."""

from __future__ import annotations

import json
import pathlib
import shutil
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from bench.harness.catalogue import PROGRAMS, Row, Server

FULL_S, QUICK_S = 1.05, 0.35
ROUNDS, QUICK_ROUNDS = 5, 1


def _filled(words: Sequence[str], places: Mapping[str, str]) -> Tuple[str, ...]:
    """The words, with {inputs} and {scratch} replaced; other braces stay."""
    filled = []
    for word in words:
        for name, path in places.items():
            word = word.replace("{%s}" % name, path)
        filled.append(word)
    return tuple(filled)


def _needed(program: Mapping[str, Any]) -> List[str]:
    """The programs that the row cannot do without."""
    needs = program.get("needs") or []
    server = program.get("server") or {}
    clients = [server[part][0] for part in ("ready", "load", "stop") if part in server]
    return list(dict.fromkeys(([needs] if isinstance(needs, str) else list(needs)) + clients))


def _server(part: Optional[Mapping[str, Any]], quick: bool, places: Mapping[str, str]) -> Optional[Server]:
    if not part:
        return None
    load = part.get("quick_load") if quick and part.get("quick_load") else part["load"]
    return Server(_filled(part["ready"], places), _filled(load, places), _filled(part["stop"], places))


def _row(program: Mapping[str, Any], quick: bool, places: Mapping[str, str]) -> Row:
    command = program.get("quick_command") if quick else None
    command = command or program.get("command") or program["server"]["command"]
    return Row(program["name"], PROGRAMS, _filled(command, places), program.get("about", ""),
               rounds=QUICK_ROUNDS if quick else ROUNDS, expected_s=QUICK_S if quick else FULL_S,
               server=_server(program.get("server"), quick, places),
               brings_malloc=bool(program.get("brings_malloc")))


def rows(folder: pathlib.Path, scratch: pathlib.Path, quick: bool) -> Tuple[List[Row], List[str]]:
    """The rows of this machine, and what is missing with the package that brings it."""
    path = folder / "catalogue.json"
    if not path.is_file():
        return [], []
    listed = json.loads(path.read_text(encoding="utf-8"))
    programs: List[Dict[str, Any]] = listed["programs"] if isinstance(listed, dict) else listed
    places = {"inputs": str(folder), "scratch": str(scratch)}
    made, missing = [], []
    for program in programs:
        lacking = [name for name in _needed(program) if shutil.which(name) is None]
        if lacking:
            missing.append("%s: not found on this machine: %s (apt-get install %s)"
                           % (program["name"], ", ".join(lacking), program["package"]))
        else:
            made.append(_row(program, quick, places))
    return made, missing
