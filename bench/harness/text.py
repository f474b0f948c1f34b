# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The report as text, for a terminal of 80 columns or more.

    Workloads, time: multiples of the best; ~ does not differ significantly from it
    time             best      cairn  reference    glibc ...
    churn          410 ms       1.05~     1.31     1.00*
"""

import shutil
from typing import Any, Dict, List, Optional

from bench.harness import document, figures, messages, stats
from bench.harness.document import Table

NARROWEST, WIDEST = 80, 200
FIRST_MOST = 28  # columns of the first word
ENDS = {"best": "*", "unsure": "~"}


def grid(table: Table, width: Optional[int] = None) -> List[str]:
    """The lines of a table. Columns that do not fit come again below, behind the first one."""
    is_marked = any(cell.mark in ENDS for line in table.body for cell in line)
    lines = [list(table.head)]
    lines += [[cell.text + ENDS.get(cell.mark, " " * (is_marked and i >= table.words))
               for i, cell in enumerate(line)] for line in table.body]
    wide = [max(len(line[i]) for line in lines) for i in range(len(table.head))]
    if width:
        wide[0] = min(wide[0], FIRST_MOST)
    gap = 2 if not width or sum(wide) + 2 * (len(wide) - 1) <= width else 1
    shown = []
    for block in _blocks(wide, gap, width or 1 << 30):
        for line in lines:
            words = [line[i] if len(line[i]) <= wide[i] else line[i][: wide[i] - 1] + "." for i in block]
            shown.append((" " * gap).join(word.ljust(wide[i]) if i < table.words else word.rjust(wide[i])
                                          for i, word in zip(block, words)).rstrip())
        shown.append("")
    return shown[:-1]


def _blocks(wide: List[int], gap: int, width: int) -> List[List[int]]:
    """The columns, in as few parts of about one size as fit."""
    rest = range(1, len(wide))
    for count in range(1, len(rest) + 1):
        size = -(-len(rest) // count)
        blocks = [[0, *rest[start : start + size]] for start in range(0, len(rest), size)]
        if all(sum(wide[i] + gap for i in block) - gap <= width for block in blocks):
            break
    return blocks


def report(result: Dict[str, Any], width: Optional[int] = None) -> str:
    width = min(max(width or shutil.get_terminal_size().columns, NARROWEST), WIDEST)
    summary = stats.summarise(result)
    lines: List[str] = []

    def say(*texts: str) -> None:
        for text in texts:
            lines.extend(figures.wrapped(text, width, "  "))

    def show(title: str, table: Table) -> None:
        if table.body:
            lines.append("")
            say(title + table.caption[0].lower() + table.caption[1:] if title else table.caption)
            lines.extend(grid(table, width))

    say("cairn's bench: " + messages.origin(summary.result), messages.unfinished(summary) or "",
        *messages.leads(summary))
    for group in summary.groups:
        for measure in ("time", "peak"):
            show(messages.GROUPS[group] + ", ", document.matrix(summary, group, measure))
    for measure in ("time", "peak"):
        show("", document.means(summary, measure))
    for one in filter(stats.phases, summary.benchmarks):
        show("", document.resident(summary, one))
    lines += ["", "Notes"]
    say(*("- " + note for note in messages.notes(summary) + ["* the best that frees; failed cells count nowhere."]))
    return "\n".join(lines) + "\n"
