# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The result of a session: "cairn-bench 1", as bench/README.md describes it. Checked, and written so that no
reader ever sees half a file."""

from __future__ import annotations

import collections
import datetime
import json
import os
import pathlib
from typing import Any, Callable, Dict, Iterator, List, Mapping, Sequence

SCHEMA = "cairn-bench 1"
KINDS = ("stack", "peer", "libc", "floor")
SCALING = ("threads", "heap", "cpus")
ROW_GROUPS = ("workloads", "programs") + SCALING
METRICS = ("time", "memory")

_COMPLAINTS_MOST = 20  # more say nothing new


def now() -> str:
    """This moment in UTC."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def text_of(result: Mapping[str, Any]) -> str:
    """As JSON, a run on a line: long enough files are read by people too."""
    parts = []
    for key, value in result.items():
        if key in ("subjects", "rows", "runs") and value:
            items = ",\n  ".join(json.dumps(item, ensure_ascii=False) for item in value)
            parts.append('%s: [\n  %s]' % (json.dumps(key), items))
        else:
            parts.append("%s: %s" % (json.dumps(key), json.dumps(value, ensure_ascii=False)))
    return "{" + ",\n ".join(parts) + "}\n"


def write(result: Mapping[str, Any], path: pathlib.Path) -> None:
    """Into the file, at once or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.write_text(text_of(result), encoding="utf-8")
    os.replace(draft, path)


# --- the schema ---

Check = Callable[[Any], bool]


def _is(*kinds: type) -> Check:
    """Of one of these types; bool is an int to Python, but not to us."""
    return lambda value: isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))


def _or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _one_of(words: Sequence[str]) -> Check:
    return lambda value: value in words


def _each(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(check(item) for item in value)


def _not_negative(value: Any) -> bool:
    return _is(int, float)(value) and value >= 0


def _is_count(value: Any) -> bool:
    return _is(int)(value) and value >= 0


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and "\n" not in value


_TOP: Dict[str, Check] = {
    "schema": _one_of((SCHEMA,)), "started": _is_text, "finished": _is_text, "complete": _is(bool),
    "interrupted": _is(bool), "command": _each(_is(str)), "commit": _or_null(_is_text),
    "dirty": _or_null(_is(bool)), "machine": _is(dict), "settings": _is(dict), "subjects": _is(list),
    "rows": _is(list), "runs": _is(list),
    "components": _is(dict), "handovers": _is(dict), "notes": _each(_is_text),
}
_MACHINE: Dict[str, Check] = {
    "cpu": _is_text, "cpus": lambda value: _is_count(value) and value > 0, "memory_kib": _is_count,
    "kernel": _is_text, "libc": _is_text, "thp": _or_null(_is_text), "page_bytes": _is_count,
    "governor": _or_null(_is_text),
    "load": _each(_not_negative),
}
_SETTINGS: Dict[str, Check] = {
    "rounds": _is_count, "quick": _is(bool), "filter": _or_null(_is(str)),
}
_SUBJECT: Dict[str, Check] = {
    "name": _is_text, "kind": _one_of(KINDS), "library": _or_null(_is_text), "version": _or_null(_is_text),
    "environment": lambda value: isinstance(value, dict) and all(map(_is(str), value.values())),
}
_ROW: Dict[str, Check] = {
    "name": _is_text, "group": _one_of(ROW_GROUPS), "about": _is(str), "command": _each(_is(str)),
    "x": _or_null(_not_negative), "series": _or_null(_is_text), "metric": _one_of(METRICS),
    "pinned": _is(bool),
}
_RUN: Dict[str, Check] = {
    "row": _is_text, "subject": _is_text, "round": _is_count, "order": _is_count, "ok": _is(bool),
    "error": _or_null(_is_text), "seconds": _or_null(_not_negative), "ops": _or_null(_is_count),
    "wall_s": _or_null(_not_negative), "user_s": _or_null(_not_negative), "system_s": _or_null(_not_negative),
    "peak_kib": _or_null(_is_count), "final_kib": _or_null(_is_count), "minor_faults": _or_null(_is_count),
    "major_faults": _or_null(_is_count), "involuntary_switches": _or_null(_is_count),
    "command": _each(_is(str)),
    "extra": lambda value: isinstance(value, dict) and all(map(_is(int, float), value.values())),
}


def _fields(item: Any, fields: Mapping[str, Check], where: str) -> Iterator[str]:
    if not isinstance(item, dict):
        yield "%s is not an object" % where
        return
    for name, is_right in fields.items():
        if name not in item:
            yield "%s has no %s" % (where, name)
        elif not is_right(item[name]):
            yield "%s: %s cannot be %s" % (where, name, json.dumps(item[name])[:60])


def _twice(items: Sequence[Any]) -> List[Any]:
    return sorted(item for item, count in collections.Counter(items).items() if count > 1)


def _run_agrees(run: Mapping[str, Any], where: str, rows: Sequence[str],
                subjects: Sequence[str]) -> Iterator[str]:
    """What no field of a run tells alone."""
    if run["row"] not in rows:
        yield "%s: there is no row %s" % (where, run["row"])
    if run["subject"] not in subjects:
        yield "%s: there is no subject %s" % (where, run["subject"])
    if run["ok"] and (run["error"] is not None or not run["seconds"]):
        yield "%s: ok, but with an error or without seconds" % where
    if not run["ok"] and (run["error"] is None or run["seconds"] is not None):
        yield "%s: failed, but without an error or with seconds" % where


def _shape(result: Mapping[str, Any]) -> Iterator[str]:
    yield from _fields(result["machine"], _MACHINE, "machine")
    yield from _fields(result["settings"], _SETTINGS, "settings")
    for part, fields in (("subjects", _SUBJECT), ("rows", _ROW), ("runs", _RUN)):
        for index, item in enumerate(result[part]):
            yield from _fields(item, fields, "%s[%d]" % (part, index))


def _meaning(result: Mapping[str, Any]) -> Iterator[str]:
    names = {part: [item["name"] for item in result[part]] for part in ("rows", "subjects")}
    for part, known in names.items():
        for name in _twice(known):
            yield "%s: %s is there twice" % (part, name)
    for index, row in enumerate(result["rows"]):
        if (row["group"] in SCALING) != (row["series"] is not None and row["x"] is not None):
            yield "rows[%d]: series and x belong to scaling groups, and to each of their rows" % index
    for index, run in enumerate(result["runs"]):
        yield from _run_agrees(run, "runs[%d]" % index, names["rows"], names["subjects"])
    for key in _twice([(run["row"], run["subject"], run["round"]) for run in result["runs"]]):
        yield "runs: %s, %s, round %d is there twice" % key
    if result["complete"] and result["interrupted"]:
        yield "complete and interrupted at once"


def validate(result: Any) -> List[str]:
    """A line for each way in which this is no result; [] for a good one."""
    for look in (lambda made: _fields(made, _TOP, "result"), _shape, _meaning):
        complaints = list(look(result))
        if complaints:
            return complaints[:_COMPLAINTS_MOST]
    return []
