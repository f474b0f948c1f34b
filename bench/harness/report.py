# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Writes a result as a report: a page, its pictures, and a text.

    bazel run //bench:report -- result.json [-o FOLDER]               the report
    bazel run //bench:summary -- result.json > docs/benchmarks.md     the summary beside the source

    report.html   everything, in one file that opens offline
    svg/*.svg     the pictures one by one
    report.txt    the table of the terminal, 100 columns wide
"""

import os
import pathlib
import sys
from typing import Any, Dict, List, Sequence

from bench.harness import markdown, options, page, plots, stats, text
from bench.harness.result import given, load


def write_all(result: Dict[str, Any], directory: str) -> List[str]:
    """Writes the report into the directory and returns the paths, the page first."""
    summary = stats.summarise(result)
    drawn = plots.draw(summary)
    files = {} if page.MISSING else {"report.html": page.page(summary, drawn)}
    files["report.txt"] = text.report(summary.result, 100)
    return page.write(pathlib.Path(directory), files, drawn)


def _act(arguments: Sequence[str]) -> int:
    parser = options.Parser(prog="report", description="Writes a result of the bench as a page, pictures and text.")
    parser.add_argument("result", help="the JSON file of a run")
    parser.add_argument("-o", "--output", metavar="FOLDER",
                        help="where to (default: the result's name without .json)")
    parser.add_argument("--markdown", action="store_true", help="print a summary in Markdown and write nothing")
    chosen = parser.parse_args(arguments)
    result = load(chosen.result)
    if chosen.markdown:
        sys.stdout.write(markdown.report(result))
        return 0
    written = write_all(result, given(chosen.output or os.path.splitext(chosen.result)[0] + ".report"))
    for note in page.shortcomings():
        print("report: " + note, file=sys.stderr)
    print("\n".join(written))
    return 0


def main(arguments: Sequence[str]) -> int:
    """Exit status 0; 2 when the result cannot be read, 1 when the report cannot be written."""
    return options.run("report", lambda: _act(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
