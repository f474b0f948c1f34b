# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""A result as plain Markdown, to be kept beside the source: what looks bad comes first."""

import re
import shlex
from typing import Any, Dict, List

from bench.harness import document, figures, messages, stats
from bench.harness.document import Cell, Table
from bench.harness.stats import MEASURES, Summary

# From where on a stack's ratio is bad news.
BAD = 1.25
BAD_MOST = 12


def plain(text: Any) -> str:
    """Text that Markdown leaves alone, also inside a table."""
    return re.sub(r"([\\`*_|<>\[\]#~])", r"\\\1", " ".join(str(text).split()))


def _cell(cell: Cell) -> str:
    text = plain(cell.text)
    return "**%s**" % text if cell.mark in ("best", "stack") else text + "\\~" * (cell.mark == "unsure")


def table(made: Table) -> List[str]:
    """Words to the left, figures to the right; nothing of an empty table."""
    rule = ["---"] * made.words + ["--:"] * (len(made.head) - made.words)
    lines = [map(plain, made.head), rule, *(map(_cell, line) for line in made.body)]
    return ["| %s |" % " | ".join(line) for line in lines] + [""] if made.body else []


def _bad(summary: Summary) -> List[str]:
    """Failures, then the benchmarks where a stack is far from the best, the farthest first."""
    far = []
    for one in summary.benchmarks:
        for name in summary.of_kind("stack"):
            for measure in ("time", "peak"):
                ratio = one.ratio(name, measure)
                if ratio and ratio >= BAD and one.significant(name, measure):
                    far.append((ratio, "%s, %s: %s %s times that of %s" % (
                        one.name, name, MEASURES[measure], figures.ratio(ratio), one.best[measure])))
    far.sort(key=lambda one: -one[0])
    lines = messages.failures(summary) + messages.warnings(summary) + [text for _, text in far[:BAD_MOST]]
    if len(far) > BAD_MOST:
        lines.append("%d more at %s times the best or above, in the tables below" % (len(far) - BAD_MOST, BAD))
    return lines or ["Nothing: no failure, and no benchmark in which a stack is at %s times the best." % BAD]


def report(result: Dict[str, Any]) -> str:
    summary = stats.summarise(result)
    result = summary.result
    partial = messages.unfinished(summary)
    lines = ["# How cairn compares", "", plain(messages.origin(result)) + ".", ""]
    lines += ["**%s**" % plain(partial), ""] if partial else []
    for sentence in messages.leads(summary):
        lines += [plain(sentence), ""]

    def section(title: str, *parts: List[str]) -> None:
        lines.extend(["## " + title, "", *(line for part in parts for line in part)])

    def bullets(texts: List[str]) -> List[str]:
        return ["- " + plain(text) for text in texts] + [""] * bool(texts)

    section("What looks bad", bullets(_bad(summary)))
    section("Geometric means", [messages.MEANS + ".", ""],
            *(table(document.means(summary, measure)) for measure in ("time", "peak")),
            bullets(messages.missing(summary)))
    for group in summary.groups:
        section(messages.GROUPS[group],
                *(table(document.matrix(summary, group, measure)) for measure in ("time", "peak")))
    components = document.components(result)
    if components.body:
        section("Components alone", table(components))
    section("Method", bullets(list(messages.METHOD)),
            ["Command: `%s`, %s." % (shlex.join(result["command"]).replace("`", "'"),
                                     figures.plural(result["settings"]["rounds"], "repetition")), ""])
    section("Machine and versions", bullets(
        ["%s: %s" % pair for pair in messages.machine(result)]
        + ["%s: %s" % (one["name"], one["version"] or "version unknown") for one in result["subjects"]]))
    return "\n".join(lines).rstrip() + "\n"
