# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The pictures of a replay.

    heap        live and resident memory over the calls of the trace, a line for each subject
    classes     usable bytes for each byte asked, over the size of the block
    space       for each subject: its address space upwards, the calls to the right, the darker the fuller
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from bench.harness import figures, svg
from bench.harness.svg import INK, Look, Plot
from bench.trace import findings

try:
    import matplotlib
    matplotlib.use("svg")
    from matplotlib import colors, pyplot, ticker
    MISSING: Optional[str] = None
except ImportError:
    MISSING = "matplotlib is missing, so there are no pictures: apt-get install python3-matplotlib"

WIDE = 9.4
MOST_ROWS = 200


def draw(result: Mapping[str, Any]) -> List[Plot]:
    """Every picture for which there is something to show."""
    reports = {name: report for name, report in result["replay"]["reports"].items() if report["samples"]}
    if MISSING or not reports:
        return []
    looks = svg.looks({subject["name"]: subject["kind"] for subject in result["subjects"]})
    with matplotlib.rc_context(svg.STYLE):
        return [_heap(reports, looks), _classes(reports, looks)] + [
            _space(name, report, looks[name]) for name, report in reports.items()]


def _legend(axes: Any) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncol=6, borderaxespad=0, handlelength=1.6)


def _heap(reports: Mapping[str, Mapping[str, Any]], looks: Mapping[str, Look]) -> Plot:
    figure, axes = pyplot.subplots(figsize=(WIDE, 3.6))
    longest = max(reports.values(), key=lambda report: len(report["samples"]))
    axes.fill_between([sample["calls"] for sample in longest["samples"]],
                      [sample["live_kib"] / 1024 for sample in longest["samples"]], color=INK, alpha=0.16,
                      linewidth=0, label="live")
    for name, report in reports.items():
        look = looks[name]
        axes.plot([sample["calls"] for sample in report["samples"]],
                  [sample["resident_kib"] / 1024 for sample in report["samples"]], color=look.colour,
                  linewidth=look.width, linestyle=look.dashes, label=name, zorder=look.layer)
    axes.set(xlim=(0, longest["samples"][-1]["calls"]), ylim=(0, None), xlabel="calls", ylabel="MiB")
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: figures.count(value)))
    axes.grid(axis="y")
    _legend(axes)
    return svg.finish(figure, "heap", "The heap over time",
                      "Live bytes as an area, and the resident memory of each subject as a line, over the calls.")


def _classes(reports: Mapping[str, Mapping[str, Any]], looks: Mapping[str, Look]) -> Plot:
    figure, axes = pyplot.subplots(figsize=(WIDE, 3.2))
    classes = findings.size_classes(reports, merged=False)
    for name in reports:
        points = [(entry.to_bytes, entry.usable[name]) for entry in classes if entry.usable.get(name)]
        look = looks[name]
        axes.plot([size for size, _ in points], [ratio for _, ratio in points], color=look.colour,
                  linewidth=look.width, linestyle=look.dashes, label=name, zorder=look.layer)
    axes.set(ylim=(0.98, None), xlabel="size of the block (logarithmic)", ylabel="usable bytes for each byte asked")
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: findings.size_of(int(value))))
    axes.grid(axis="y")
    _legend(axes)
    return svg.finish(figure, "classes", "Waste by size",
                      "For each class of sizes, how many bytes a subject gives for each that is asked for.")


def fill_of(report: Mapping[str, Any], most_rows: int = MOST_ROWS) -> Tuple[List[List[float]], int]:
    """Rows of the address space, lowest first, of columns of samples: which part of each is live; and a row's granules.

    Granules in which nothing ever lived are left out, so that a heap in several places is one picture.
    """
    samples = [dict(zip(sample["space"][::2], sample["space"][1::2])) for sample in report["samples"]]
    granules = sorted(set().union(*samples))
    together = max(1, -(-len(granules) // most_rows))
    granule_kib = report["granule_bytes"] / 1024
    rows = []
    for first in range(0, len(granules), together):
        group = granules[first:first + together]
        whole_kib = granule_kib * len(group)
        rows.append([min(1.0, sum(sample.get(granule, 0) for granule in group) / whole_kib) for sample in samples])
    return rows, together


def _space(name: str, report: Mapping[str, Any], look: Look) -> Plot:
    rows, together = fill_of(report)
    figure, axes = pyplot.subplots(figsize=(WIDE, 2.6))
    red, green, blue = colors.to_rgb("#75808c" if look.colour == INK else look.colour)
    # The least that lives is still seen; nothing is nothing.
    image = [[(red, green, blue, 0.12 + 0.88 * part if part else 0.0) for part in row] for row in rows]
    calls = report["samples"][-1]["calls"]
    if image:
        axes.imshow(image, aspect="auto", origin="lower", interpolation="none", extent=(0, calls, 0, len(rows)))
    axes.set(xlabel="calls", yticks=[], ylabel="addresses in use")
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: figures.count(value)))
    row_kib = together * report["granule_bytes"] / 1024
    axes.set_title("%s: %d rows of %s" % (name, len(rows), figures.kib(row_kib)))
    return svg.finish(figure, "space-%s" % "".join(letter if letter.isalnum() else "-" for letter in name),
                      "The address space of %s" % name,
                      "Where live blocks are, over the calls; the stronger the colour, the fuller the memory.")
