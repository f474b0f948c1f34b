# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The report as text, for a terminal of 80 columns or more.

    Workloads, time: multiples of the best; ~ does not differ significantly from it
    time             best      cairn  reference    glibc ...
    churn          410 ms       1.05~     1.31     1.00*
"""

import os
import shutil
import sys
from typing import Any, Dict, IO, List, Optional

from bench.harness import document, figures, messages, stats
from bench.harness.document import Table

NARROWEST, WIDEST = 80, 200
FIRST_MOST = 28  # columns of the first word

BOLD, GREEN, YELLOW, RED, DIM = "1", "32", "33", "31", "2"
COLOURS = {"best": GREEN, "failed": RED, "floor": DIM, "stack": BOLD, "h3": YELLOW, "h4": YELLOW}
ENDS = {"best": "*", "unsure": "~"}


def wants_colour(stream: IO[str]) -> bool:
    """Colour is for terminals whose owner did not forbid it."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def painted(text: str, code: Optional[str]) -> str:
    return "\033[%sm%s\033[0m" % (code, text) if code and text else text


def grid(table: Table, width: Optional[int] = None, is_coloured: bool = False) -> List[str]:
    """The lines of a table. Columns that do not fit come again below, behind the first one."""
    is_marked = any(cell.mark in ENDS for line in table.body for cell in line)
    lines = [[(name, DIM) for name in table.head]]
    for cells in table.body:
        ends = [ENDS.get(cell.mark, " ") if is_marked and cell.worth is not None else "" for cell in cells]
        lines.append([(cell.text + end, COLOURS.get(cell.mark)) for cell, end in zip(cells, ends)])
    wide = [max(len(line[i][0]) for line in lines) for i in range(len(table.head))]
    if width:
        wide[0] = min(wide[0], FIRST_MOST)
    gap = 2 if not width or sum(wide) + 2 * (len(wide) - 1) <= width else 1
    shown = []
    for block in _blocks(wide, gap, width) if width else [list(range(len(wide)))]:
        for line in lines:
            words = []
            for i in block:
                text, code = line[i]
                text = text if len(text) <= wide[i] else text[: wide[i] - 1] + "."
                blanks, text = " " * (wide[i] - len(text)), painted(text, code if is_coloured else None)
                words.append(text + blanks if i < table.words else blanks + text)
            shown.append((" " * gap).join(words).rstrip())
        shown.append("")
    return shown[:-1]


def _blocks(wide: List[int], gap: int, width: int) -> List[List[int]]:
    """The columns, in as few parts of about one size as fit."""
    rest = range(1, len(wide))
    for count in range(1, len(rest) + 1):
        size = -(-len(rest) // count)
        blocks = [[0, *rest[start : start + size]] for start in range(0, len(rest), size)]
        if all(sum(wide[i] + gap for i in block) - gap <= width for block in blocks):
            return blocks
    return [[0, i] for i in rest]


def report(result: Dict[str, Any], width: Optional[int] = None, is_coloured: Optional[bool] = None) -> str:
    """The whole report."""
    width = min(max(width or shutil.get_terminal_size().columns, NARROWEST), WIDEST)
    is_coloured = wants_colour(sys.stdout) if is_coloured is None else is_coloured
    summary = stats.summarise(result)
    lines: List[str] = []

    def say(text: str, code: Optional[str] = None) -> None:
        lines.extend(painted(line, code if is_coloured else None)
                     for line in figures.wrapped(text, width, "  "))

    def show(title: str, table: Table) -> None:
        if table.body:
            lines.append("")
            say(title + table.caption[0].lower() + table.caption[1:] if title else table.caption, BOLD)
            lines.extend(grid(table, width, is_coloured))

    say("cairn's bench: " + messages.origin(summary.result), BOLD)
    say(messages.unfinished(summary) or "", YELLOW)
    for sentence in messages.leads(summary):
        say(sentence)
    for group in summary.groups:
        for measure in ("time", "peak"):
            show(messages.GROUPS[group] + ", ", document.matrix(summary, group, measure))
    for measure in ("time", "peak"):
        show("", document.means(summary, measure))
    for one in filter(stats.phases, summary.benchmarks):
        show("", document.resident(summary, one))
    lines += ["", painted("Notes", BOLD if is_coloured else None)]
    for note in messages.notes(summary) + ["* the best that frees; failed cells count nowhere."]:
        say("- " + note)
    return "\n".join(lines) + "\n"
