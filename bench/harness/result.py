# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The result of a session: "cairn-bench 1", as bench/README.md describes it. Checked when it is read, and
written so that no reader ever sees half a file.

In the file an allocator is a "subject", a benchmark a "row", and a repetition a "round".
"""

import collections
import datetime
import json
import os
import pathlib
import re
from typing import Any, Callable, Dict, Iterator, List, Mapping, Sequence

from bench.harness.options import UsageError

SCHEMA = "cairn-bench 1"
KINDS = ("stack", "peer", "libc", "floor")
SCALING = ("threads", "heap", "cpus")
GROUPS = ("workloads", "programs") + SCALING

_COMPLAINTS_MOST = 20  # more say nothing new


class BadResult(UsageError):
    """A file that is no result of ours; its text is one line for the user."""


def now() -> str:
    """This moment in UTC."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def text_of(result: Mapping[str, Any]) -> str:
    """As JSON, a run on a line: people read it, too."""
    parts = []
    for key, value in result.items():
        text = json.dumps(value, ensure_ascii=False)
        if key in ("subjects", "rows", "runs") and value:
            text = "[\n  %s]" % ",\n  ".join(json.dumps(item, ensure_ascii=False) for item in value)
        parts.append("%s: %s" % (json.dumps(key), text))
    return "{" + ",\n ".join(parts) + "}\n"


def write(result: Mapping[str, Any], path: pathlib.Path) -> None:
    """Into the file, at once or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.write_text(text_of(result), encoding="utf-8")
    os.replace(draft, path)


# --- the schema ---

def _number(value: Any, *kinds: type) -> bool:
    return type(value) in kinds and value >= 0  # bool is an int to Python, but not to us


def _line(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and "\n" not in value


CHECKS: Dict[str, Callable[[Any], bool]] = {
    "flag": lambda value: isinstance(value, bool), "line": _line, "text": lambda value: isinstance(value, str),
    "count": lambda value: _number(value, int), "number": lambda value: _number(value, int, float),
    "list": lambda value: isinstance(value, list), "object": lambda value: isinstance(value, dict),
    "lines": lambda value: isinstance(value, list) and all(map(_line, value)),
    "texts": lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value),
    "numbers": lambda value: isinstance(value, list) and all(_number(one, int, float) for one in value),
    "variables": lambda value: isinstance(value, dict) and all(isinstance(one, str) for one in value.values()),
    "extra": lambda value: isinstance(value, dict) and all(type(one) in (int, float) for one in value.values()),
    "schema": lambda value: value == SCHEMA, "kind": lambda value: value in KINDS,
    "group": lambda value: value in GROUPS, "metric": lambda value: value in ("time", "memory")}

# Each field with what it is; ? where it may be null.
FIELDS = {
    "result": "schema:schema started:line finished:line complete:flag interrupted:flag command:texts commit:line? "
              "dirty:flag? machine:object settings:object subjects:list rows:list runs:list components:object "
              "notes:lines",
    "machine": "cpu:line cpus:count memory_kib:count kernel:line libc:line thp:line? page_bytes:count governor:line? "
               "load:numbers",
    "settings": "rounds:count quick:flag filter:text?",
    "subjects": "name:line kind:kind library:line? version:line? environment:variables",
    "rows": "name:line group:group about:text command:texts x:number? series:line? metric:metric pinned:flag",
    "runs": "row:line subject:line round:count order:count ok:flag error:line? seconds:number? ops:count? "
            "wall_s:number? user_s:number? system_s:number? peak_kib:count? final_kib:count? minor_faults:count? "
            "major_faults:count? involuntary_switches:count? command:texts extra:extra",
}


def _fields(item: Any, kind: str, where: str) -> Iterator[str]:
    if not isinstance(item, dict):
        yield "%s is not an object" % where
        return
    for name, what in (field.split(":") for field in FIELDS[kind].split()):
        if name not in item:
            yield "%s has no %s" % (where, name)
        elif not CHECKS[what.rstrip("?")](item[name]) and (item[name] is not None or "?" not in what):
            yield "%s: %s cannot be %s" % (where, name, json.dumps(item[name])[:60])


def _shape(result: Mapping[str, Any]) -> Iterator[str]:
    for part in ("machine", "settings"):
        yield from _fields(result[part], part, part)
    for part in ("subjects", "rows", "runs"):
        for index, item in enumerate(result[part]):
            yield from _fields(item, part, "%s[%d]" % (part, index))


def _twice(items: Sequence[Any]) -> List[Any]:
    return sorted(item for item, count in collections.Counter(items).items() if count > 1)


def _meaning(result: Mapping[str, Any]) -> Iterator[str]:
    """What no field tells alone."""
    names = {part: [item["name"] for item in result[part + "s"]] for part in ("row", "subject")}
    for part, known in names.items():
        for name in _twice(known):
            yield "%ss: %s is there twice" % (part, name)
    for index, row in enumerate(result["rows"]):
        if len({row["group"] in SCALING, row["series"] is not None, row["x"] is not None}) > 1:
            yield "rows[%d]: series and x belong to scaling groups, and to each of their rows" % index
    for index, run in enumerate(result["runs"]):
        for part, known in names.items():
            if run[part] not in known:
                yield "runs[%d]: there is no %s %s" % (index, part, run[part])
        if run["ok"] != (run["error"] is None) or run["ok"] != bool(run["seconds"]):
            yield "runs[%d]: a run is ok and has seconds, or it has an error" % index
    for key in _twice([(run["row"], run["subject"], run["round"]) for run in result["runs"]]):
        yield "runs: %s, %s, round %d is there twice" % key
    if result["complete"] and result["interrupted"]:
        yield "complete and interrupted at once"


def validate(result: Any) -> List[str]:
    """A line for each way in which this is no result; [] for a good one."""
    for look in (lambda made: _fields(made, "result", "result"), _shape, _meaning):
        complaints = list(look(result))
        if complaints:
            return complaints[:_COMPLAINTS_MOST]
    return []


# --- reading ---

def given(path: str) -> str:
    """A path as the user meant it: `bazel run` starts programs elsewhere, and says where the user was."""
    return os.path.join(os.environ.get("BUILD_WORKING_DIRECTORY", ""), path)


def tidy(value: Any) -> Any:
    """The value without control characters in its texts: a terminal would obey them."""
    if isinstance(value, str):
        return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "\ufffd", value)
    if isinstance(value, dict):
        return {tidy(key): tidy(item) for key, item in value.items()}
    return [tidy(item) for item in value] if isinstance(value, (list, tuple)) else value


def load(path: str) -> Dict[str, Any]:
    """The result in a file, or BadResult with one line that says what is wrong with it."""
    try:
        result = json.loads(pathlib.Path(given(path)).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadResult("%s: cannot be read: %s" % (path, error.strerror)) from error
    except ValueError as error:
        raise BadResult("%s: not JSON, or cut off: %s" % (path, error)) from error
    schema = result.get("schema") if isinstance(result, dict) else None
    if not isinstance(schema, str) or not schema.startswith("cairn-bench "):
        raise BadResult("%s: not a result of cairn's bench: no schema \"%s\"" % (path, SCHEMA))
    if schema != SCHEMA:
        raise BadResult("%s: has schema \"%s\", and this program reads \"%s\"" % (path, schema, SCHEMA))
    for complaint in validate(result):
        raise BadResult("%s: broken: %s" % (path, complaint))
    return tidy(result)
