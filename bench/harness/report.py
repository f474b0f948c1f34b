# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Writes a result as a report: a page, its pictures, a text, and lines for other tools.

    bazel run //bench:report -- result.json [-o FOLDER | --text]      the report
    bazel run //bench:summary -- result.json > docs/benchmarks.md     the summary beside the source

    report.html   everything, in one file that opens offline
    svg/*.svg     the pictures one by one
    report.txt    the table of the terminal, 100 columns wide
    lines.txt     one line for each run, in the format of mimalloc-bench: GNU time's "%E %M %U %S %F %R" behind two names

    <test> <allocator> <elapsed m:ss.cc> <peak KiB> <user s> <system s> <major faults> <minor faults>

In the order in which the runs ran within a benchmark; one that failed has no line, for the format has no word for it.
"""

import os
import pathlib
import re
import sys
from typing import Any, Dict, List, Sequence

from bench.harness import markdown, options, page, plots, stats, text
from bench.harness.result import given, load

TEXT_COLUMNS = 100


def elapsed(seconds: float) -> str:
    """As GNU time's %E: 0:00.41, and from an hour on 1:02:03."""
    hundredths = round(seconds * 100)
    if hundredths >= 360000:
        whole = round(seconds)
        return "%d:%02d:%02d" % (whole // 3600, whole // 60 % 60, whole % 60)
    return "%d:%02d.%02d" % (hundredths // 6000, hundredths // 100 % 60, hundredths % 100)


def line(run: Dict[str, Any]) -> str:
    """One run; blanks separate fields, so names have none."""
    names = [re.sub(r"\s+", "_", run[key].strip()) or "_" for key in ("row", "subject")]
    wall = run.get("wall_s")
    of = {key: run.get(key) or 0 for key in ("peak_kib", "user_s", "system_s", "major_faults", "minor_faults")}
    return "%s %s %s %d %.2f %.2f %d %d" % (*names, elapsed(run["seconds"] if wall is None else wall),
                                            *of.values())


def lines(result: Dict[str, Any]) -> List[str]:
    return [line(run) for run in result["runs"] if run["ok"]]


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
    files = {} if page.MISSING else {target / "report.html": page.page(summary, drawn, folder)}
    files.update({pictures / (plot.name + ".svg"): plot.alone for plot in drawn})
    files[target / "report.txt"] = text.report(summary.result, TEXT_COLUMNS)
    files[target / "lines.txt"] = "".join(line + "\n" for line in lines(summary.result))
    for path, content in files.items():
        path.write_text(content, encoding="utf-8", errors="replace")
    return [str(path) for path in files]


def _act(arguments: Sequence[str]) -> int:
    parser = options.Parser(prog="report", description="Writes a result of the bench as a page, pictures and text.")
    parser.add_argument("result", help="the JSON file of a run")
    parser.add_argument("-o", "--output", metavar="FOLDER",
                        help="where to (default: the result's name without .json)")
    parser.add_argument("--text", action="store_true", help="print the table and write nothing")
    parser.add_argument("--markdown", action="store_true", help="print a summary in Markdown and write nothing")
    chosen = parser.parse_args(arguments)
    result = load(chosen.result)
    if chosen.text or chosen.markdown:
        sys.stdout.write(markdown.report(result) if chosen.markdown else text.report(result))
        return 0
    written = write_all(result, given(chosen.output or os.path.splitext(chosen.result)[0] + ".report"))
    for note in page.shortcomings():
        print("report: " + note, file=sys.stderr)
    print("\n".join(path for path in written if not path.endswith(".svg")))
    return 0


def main(arguments: Sequence[str]) -> int:
    """Exit status 0; 2 when the result cannot be read, 1 when the report cannot be written."""
    return options.run("report", lambda: _act(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
