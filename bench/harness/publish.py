# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""After the last run: the result and its report in files, the table on the terminal."""

from __future__ import annotations

import pathlib
import shutil
import sys
from typing import Any, Dict

from bench.harness import report, result, text
from bench.harness.options import Options
from bench.harness.progress import Progress


def publish(made: Dict[str, Any], chosen: Options, bar: Progress) -> None:
    """Files, table, notes; the result first, for nothing that goes wrong after it may cost it."""
    files = [str(chosen.out / "result.json")]
    result.write(made, chosen.out / "result.json")
    if chosen.json == "-":
        sys.stdout.write(result.text_of(made))
    elif chosen.json is not None:
        result.write(made, pathlib.Path(chosen.json))
        files.append(chosen.json)
    files += [path for path in report.write_all(made, str(chosen.out)) if not path.endswith(".svg")]
    stream = sys.stderr if chosen.json == "-" else sys.stdout
    stream.write(text.table(made, shutil.get_terminal_size().columns))
    stream.flush()
    for note in report.shortcomings():
        bar.say(note)
    for path in files:
        bar.say("written: " + path)
