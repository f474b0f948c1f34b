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
import sys
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from bench.harness.options import GROUPS, UsageError

SCHEMA = "cairn-bench 1"


class BadResult(UsageError):
    """A file that is no result of ours; its text is one line for the user."""


def now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def begun(command: Sequence[str], commit: Any, machine: Mapping[str, Any], settings: Mapping[str, Any],
          rows: Sequence[Any], notes: Sequence[str]) -> Dict[str, Any]:
    """A result without runs, of benchmarks that are given."""
    return {"schema": SCHEMA, "started": now(), "finished": now(), "complete": False, "interrupted": False,
            "command": ["bazel", "run", *command], "commit": commit.name, "dirty": commit.is_dirty,
            "machine": machine, "settings": settings, "subjects": [], "rows": [one.as_json() for one in rows],
            "runs": [], "components": {}, "notes": list(notes)}


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


def publish(result: Mapping[str, Any], path: Optional[str], spoken: str) -> None:
    """What is said, on the terminal; the result too, at the path or in the place of it."""
    if path not in (None, "-"):
        write(result, pathlib.Path(path))
    if path == "-":
        sys.stdout.write(text_of(result))
    stream = sys.stderr if path == "-" else sys.stdout
    stream.write(spoken)
    stream.flush()


NUMBER, TEXT, MAYBE = (int, float), (str,), (type(None),)
WORDS = {"kind": ("stack", "peer", "libc", "floor"), "group": GROUPS[1:], "metric": ("time", "memory")}

# Each field with what it is.
FIELDS: Dict[str, Dict[str, Tuple[type, ...]]] = {
    "result": {**dict.fromkeys(("schema", "started", "finished"), TEXT), **dict.fromkeys(("machine", "settings"), (dict,)),
               **dict.fromkeys(("complete", "interrupted"), (bool,)), "commit": TEXT + MAYBE, "dirty": (bool, *MAYBE),
               **dict.fromkeys(("command", "subjects", "rows", "runs", "notes"), (list,)), "components": (dict,)},
    "machine": {**dict.fromkeys(("cpu", "kernel", "libc"), TEXT), **dict.fromkeys(("thp", "governor"), TEXT + MAYBE),
                **dict.fromkeys(("cpus", "memory_kib", "page_bytes"), (int,)), "load": (list,)},
    "settings": {"rounds": (int,), "quick": (bool,), "filter": TEXT + MAYBE},
    "subjects": {"name": TEXT, "kind": TEXT, "library": TEXT + MAYBE, "version": TEXT + MAYBE, "environment": (dict,)},
    "rows": {**dict.fromkeys(("name", "group", "about", "metric"), TEXT), "command": (list,), "pinned": (bool,),
             "series": TEXT + MAYBE, "x": NUMBER + MAYBE},
    "runs": {**dict.fromkeys(("row", "subject"), TEXT), **dict.fromkeys(("round", "order"), (int,)), "ok": (bool,),
             **dict.fromkeys(("seconds", "wall_s", "user_s", "system_s", "ops", "peak_kib", "final_kib", "minor_faults",
                              "major_faults", "involuntary_switches"), NUMBER + MAYBE),
             "error": TEXT + MAYBE, "command": (list,), "extra": (dict,)},
}


def _fields(item: Any, kind: str, where: str) -> Iterator[str]:
    for name, types in FIELDS[kind].items():
        if not isinstance(item, dict) or name not in item:
            yield "%s has no %s" % (where, name)
        elif type(item[name]) not in types:  # bool is an int to Python, but not to us
            yield "%s: %s cannot be %s" % (where, name, json.dumps(item[name])[:60])
        elif isinstance(item[name], NUMBER) and item[name] < 0:
            yield "%s: %s is negative: %s" % (where, name, item[name])
        elif item[name] not in WORDS.get(name, (item[name],)):
            yield "%s: there is no %s %s" % (where, name, item[name])


def _parts(result: Mapping[str, Any]) -> Iterator[str]:
    for part in ("machine", "settings"):
        yield from _fields(result[part], part, part)
    for part in ("subjects", "rows", "runs"):
        for index, item in enumerate(result[part]):
            yield from _fields(item, part, "%s[%d]" % (part, index))


def _runs(result: Mapping[str, Any]) -> Iterator[str]:
    names = {part: [item["name"] for item in result[part + "s"]] for part in ("row", "subject")}
    for part, known in names.items():
        for name, times in collections.Counter(known).items():
            if times > 1:
                yield "%ss: %s is there twice" % (part, name)
    seen = set()
    for index, run in enumerate(result["runs"]):
        for part, known in names.items():
            if run[part] not in known:
                yield "runs[%d]: there is no %s %s" % (index, part, run[part])
        if run["ok"] != (run["error"] is None) or run["ok"] != bool(run["seconds"]):
            yield "runs[%d]: a run is ok and has seconds, or it has an error" % index
        if (run["row"], run["subject"], run["round"]) in seen:
            yield "runs[%d]: is there twice" % index
        seen.add((run["row"], run["subject"], run["round"]))


def validate(result: Any) -> List[str]:
    """A line for each way in which this is no result; [] for a good one."""
    for look in (lambda made: _fields(made, "result", "result"), _parts, _runs):
        complaints = list(look(result))
        if complaints:
            return complaints
    return []


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
