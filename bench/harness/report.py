# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Writes a result as a report: a page, its pictures, a text, and lines for other tools.

    report.html   everything, in one file that opens offline
    svg/*.svg     the pictures one by one
    report.txt    the table of the terminal, 100 columns wide
    lines.txt     one line for each run, in the format of the common benchmark suites
"""

import argparse
import os
import pathlib
import shutil
import sys
from typing import Any, Dict, List, Optional, Sequence

from bench.harness import lines, page, plots, stats, text

TEXT_COLUMNS = 100


def shortcomings(folder: pathlib.Path = page.JAVASCRIPT) -> List[str]:
    """What a report lacks on this machine, a line each with what to install."""
    return [note for note in (plots.MISSING, None if page.sorter(folder) else page.NO_SORTER) if note]


def write_all(result: Dict[str, Any], directory: str, folder: pathlib.Path = page.JAVASCRIPT) -> List[str]:
    """Writes the report into the directory and returns the paths, the page first."""
    summary = stats.summarise(result)
    target = pathlib.Path(directory)
    pictures = target / "svg"
    pictures.mkdir(parents=True, exist_ok=True)
    # A picture of an earlier result would be taken for one of this.
    for old in pictures.glob("*.svg"):
        old.unlink()
    drawn = plots.draw(summary)
    files = {target / "report.html": page.page(summary, drawn, folder)}
    files.update({pictures / (plot.name + ".svg"): plot.alone for plot in drawn})
    files[target / "report.txt"] = text.table(summary.result, TEXT_COLUMNS, False)
    files[target / "lines.txt"] = "".join(line + "\n" for line in lines.lines(summary.result))
    for path, content in files.items():
        path.write_text(content, encoding="utf-8", errors="replace")
    return [str(path) for path in files]


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Exit status 0, or 2 when the result cannot be read or the report not be written."""
    parser = argparse.ArgumentParser(
        prog="report", description="Writes a result of the bench as a page, pictures and text."
    )
    parser.add_argument("result", help="the JSON file of a run")
    parser.add_argument(
        "-o", "--output", metavar="FOLDER", help="where to (default: the result's name without .json)"
    )
    parser.add_argument("--text", action="store_true", help="print the table and write nothing")
    options = parser.parse_args(arguments)
    try:
        result = stats.load(options.result)
        if options.text:
            sys.stdout.write(text.table(result, shutil.get_terminal_size().columns))
            return 0
        folder = stats.given(options.output or os.path.splitext(options.result)[0] + ".report")
        written = write_all(result, folder)
    except stats.BadResult as error:
        print("report: %s" % error, file=sys.stderr)
        return 2
    except OSError as error:
        print("report: %s: cannot be written: %s" % (error.filename, error.strerror), file=sys.stderr)
        return 2
    for note in shortcomings():
        print("report: " + note, file=sys.stderr)
    print("\n".join(path for path in written if not path.endswith(".svg")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
