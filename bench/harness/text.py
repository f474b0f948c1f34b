# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The report as text, for a terminal of 80 columns or more.

    workloads: time as a multiple of the best
    row              best      cairn  reference    glibc ...
    churn          410 ms       1.05     1.31    1.00*
"""

import os
import shutil
import sys
from typing import Any, Dict, IO, List, Optional, Sequence, Tuple

from bench.harness import figures, stats, words
from bench.harness.stats import RowSummary, Summary

NARROWEST, WIDEST = 80, 200

# Ends the name of what a program holds, beside what is resident.
LIVE = "_live_kib"

BOLD, GREEN, YELLOW, RED, DIM = "1", "32", "33", "31", "2"

# A cell is its text and the colour of it, or none.
Word = Tuple[str, Optional[str]]


def wants_colour(stream: IO[str]) -> bool:
    """Colour is for terminals whose owner did not forbid it."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def table(result: Dict[str, Any], width: Optional[int] = None, colour: Optional[bool] = None) -> str:
    """The whole report."""
    if width is None:
        width = shutil.get_terminal_size().columns
    if colour is None:
        colour = wants_colour(sys.stdout)
    return _Writer(stats.summarise(result), min(max(width, NARROWEST), WIDEST), colour).report()


class _Writer:
    """Collects lines, so that each part need only say what it has."""

    def __init__(self, summary: Summary, width: int, colour: bool) -> None:
        self.summary, self.width, self.colour = summary, width, colour
        self.lines: List[str] = []

    def report(self) -> str:
        self._head()
        for group in self.summary.groups:
            self._matrix(group, "time", "time as a multiple of the best")
            self._matrix(group, "peak", "peak memory as a multiple of the smallest")
        self._means()
        self._phases()
        self._notes()
        return "\n".join(line.rstrip() for line in self.lines).rstrip() + "\n"

    def _paint(self, text: str, code: Optional[str]) -> str:
        return "\033[%sm%s\033[0m" % (code, text) if self.colour and code else text

    def _say(self, text: str, indent: str = "", code: Optional[str] = None) -> None:
        self.lines += [self._paint(line, code) for line in figures.wrapped(text, self.width, indent)]

    def _heading(self, text: str) -> None:
        self.lines += ["", self._paint(text, BOLD)]

    def _head(self) -> None:
        self._say("cairn's bench: " + words.origin(self.summary.result), "  ", BOLD)
        partial = words.unfinished(self.summary)
        if partial:
            self._say(partial, "  ", YELLOW)
        for sentence in words.leads(self.summary):
            self._say(sentence, "  ")

    def _matrix(self, group: str, measure: str, title: str) -> None:
        rows = [row for row in self.summary.in_group(group) if row.compares(measure)]
        if not rows:
            return
        self._heading("%s: %s" % (group, title))
        head = ["row", "best"] + self.summary.subjects
        body = [
            [(row.name, None), (self._best(row, measure), None)]
            + [self._ratio(row, name, measure) for name in self.summary.subjects]
            for row in rows
        ]
        self._grid(head, body, 2)

    @staticmethod
    def _best(row: RowSummary, measure: str) -> str:
        best = row.best.get(measure)
        return figures.measured(measure, row.cells[best].median(measure)) if best else figures.NOTHING

    def _ratio(self, row: RowSummary, name: str, measure: str) -> Word:
        cell = row.cells[name]
        if not cell.ok:
            return ("failed", RED) if cell.failures else (figures.NOTHING, DIM)
        ratio = row.ratio(name, measure)
        if row.best.get(measure) == name:
            return "%s*" % figures.ratio(ratio), GREEN
        if ratio is None or self.summary.kinds[name] == "floor":
            return figures.ratio(ratio) + " ", DIM
        sure = row.told(name, measure)
        return figures.ratio(ratio) + (" " if sure else "~"), YELLOW if sure and ratio > 2 else None

    def _grid(self, head: Sequence[str], body: Sequence[Sequence[Word]], fixed: int) -> None:
        """Columns as wide as they need; those that do not fit come again below, behind the first `fixed`."""
        wide = [max([len(head[i])] + [len(line[i][0]) for line in body]) for i in range(len(head))]
        wide[0] = min(wide[0], 28)
        gap = 2 if sum(wide) + 2 * (len(wide) - 1) <= self.width else 1
        for shown in self._blocks(wide, fixed, gap):
            self.lines.append((" " * gap).join(self._pad(head[i], wide[i], i, DIM) for i in shown))
            for line in body:
                self.lines.append(
                    (" " * gap).join(self._pad(line[i][0], wide[i], i, line[i][1]) for i in shown)
                )
            self.lines.append("")
        self.lines.pop()

    def _blocks(self, wide: Sequence[int], fixed: int, gap: int) -> List[List[int]]:
        """As few blocks of columns as fit the width, each with about as many columns."""
        first, rest = list(range(fixed)), list(range(fixed, len(wide)))
        for count in range(1, len(rest) + 1):
            size = -(-len(rest) // count)
            blocks = [first + rest[start : start + size] for start in range(0, len(rest), size)]
            if all(sum(wide[i] + gap for i in block) - gap <= self.width for block in blocks):
                return blocks
        return [first + [column] for column in rest]

    def _pad(self, text: str, wide: int, column: int, code: Optional[str]) -> str:
        """The first column to the left, all others to the right; blanks outside of the colour."""
        text = text if len(text) <= wide else text[: wide - 1] + "."
        blanks = " " * (wide - len(text))
        return self._paint(text, code) + blanks if column == 0 else blanks + self._paint(text, code)

    def _means(self) -> None:
        if not any(mean.value for mean in self.summary.means.values()):
            return
        groups = self.summary.groups + [stats.ALL]
        for measure, title in (("time", "time"), ("peak", "peak memory")):
            self._heading("geometric mean of %s, as a multiple of the best (over so many rows)" % title)
            order = self.summary.ranked(measure, "stack", "peer", "libc", "floor")
            order = [n for n in order if self.summary.kinds[n] != "floor"] + self.summary.of_kind("floor")
            body = [
                [(name, BOLD if self.summary.kinds[name] == "stack" else None)]
                + [self._mean(name, measure, group) for group in groups]
                for name in order
            ]
            self._grid(["subject"] + groups, body, 1)

    def _mean(self, name: str, measure: str, group: str) -> Word:
        mean = self.summary.mean(name, measure, group)
        return (
            "%s (%d)" % (figures.ratio(mean.value), mean.rows),
            YELLOW if mean.missing and mean.rows else None,
        )

    def _phases(self) -> None:
        for row, phases in phased(self.summary):
            self._heading("%s: resident memory after each phase" % row.name)
            names = [name for name in self.summary.subjects if row.cells[name].ok]
            body = [
                [(name, None)] + [(figures.kib(row.cells[name].extra.get(key)), None) for key in phases]
                for name in names
            ]
            if any(live_kib(row, key) is not None for key in phases):
                body.append([("live", DIM)] + [(figures.kib(live_kib(row, key)), DIM) for key in phases])
            self._grid(["subject"] + [phase_name(key) for key in phases], body, 1)

    def _notes(self) -> None:
        self._heading("notes")
        notes = words.failure_lines(self.summary) + words.warnings(self.summary)
        notes += ["geometric mean of time, " + line for line in words.missing_lines(self.summary)]
        for note in notes + ["* the best that frees; ~ cannot be told from it; failed cells count nowhere."]:
            self._say("- " + note, "  ")


def phased(summary: Summary) -> List[Tuple[RowSummary, List[str]]]:
    """Rows whose runs tell the resident memory after each of several phases, with the names of these."""
    found = []
    for row in summary.rows:
        keys = dict.fromkeys(key for cell in row.cells.values() for key in cell.extra)
        resident = [key for key in keys if key.endswith("_kib") and not key.endswith(LIVE)]
        if len(resident) > 2:
            found.append((row, resident))
    return found


def live_kib(row: RowSummary, key: str) -> Optional[float]:
    """What the program itself held after the phase, if its runs tell; idling changes nothing of that."""
    phase = key[: -len("_kib")].replace("_idle", "") + LIVE
    return next((cell.extra[phase] for cell in row.cells.values() if phase in cell.extra), None)


def phase_name(key: str) -> str:
    """thinned_kib is "thinned"."""
    return key[: -len("_kib")].replace("_", " ")
