# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The pictures of a replay.

    heap        live and resident memory over the calls of the trace, a line for each subject
    space       for each subject: its address space upwards, the calls to the right, the darker the fuller
    classes     usable bytes for each byte asked, over the size of the block

Who never frees is drawn on the scale of the others, and leaves the picture.
"""

from typing import Any, Dict, List, Mapping

from bench.harness import figures, plots, svg
from bench.harness.svg import INK, Look, Plot
from bench.trace import findings
from bench.trace.findings import Reports

if not plots.MISSING:
    import matplotlib
    from matplotlib import colors, pyplot, ticker

WIDE = 9.4
PANEL_HIGH = 1.7
PANELS_BESIDE = 2
MOST_ROWS = 160
MOST_IN_A_LINE = 11
LARGEST_RATIO = 2.0
GREY = "#75808c"  # for pictures without a line: INK has no shades


def draw(result: Mapping[str, Any]) -> List[Plot]:
    reports = {name: report for name, report in result["replay"]["reports"].items() if report["samples"]}
    if plots.MISSING or not reports:
        return []
    kinds = findings.replayed(result)[0].kinds
    looks = svg.looks(kinds)
    freeing = [name for name in reports if kinds[name] != "floor"] or list(reports)
    with matplotlib.rc_context(svg.STYLE):
        drawn = [_heap(reports, looks, freeing), _space(reports, looks, freeing)]
        sized = findings.wasting(result)
        return drawn + ([_classes(sized, looks)] if findings.total_class(sized) else [])


def _legend(axes: Any) -> None:
    count = len(axes.get_legend_handles_labels()[0])
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), borderaxespad=0, handlelength=1.4,
                columnspacing=1.2, ncol=count if count <= MOST_IN_A_LINE else -(-count // 2))


def _count_calls(axes: Any, most: int) -> None:
    axes.xaxis.set_major_locator(ticker.MaxNLocator(most, integer=True))
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: figures.count(value)))


def _line(axes: Any, name: str, look: Look, across: List[float], upwards: List[float]) -> None:
    plots.line(axes, look, across, upwards, marker=None, label=name)


# --- the heap ---

def _series(report: Mapping[str, Any], name: str) -> List[float]:
    return [sample[name] / 1024 for sample in report["samples"]]


def _heap(reports: Reports, looks: Mapping[str, Look], freeing: List[str]) -> Plot:
    figure, axes = pyplot.subplots(figsize=(WIDE, 3.6))
    longest = max(reports.values(), key=lambda report: len(report["samples"]))
    axes.fill_between([sample["calls"] for sample in longest["samples"]], _series(longest, "live_kib"),
                      color=INK, alpha=0.16, linewidth=0, label="live")
    for name, report in reports.items():
        _line(axes, name, looks[name], [sample["calls"] for sample in report["samples"]],
              _series(report, "resident_kib"))
    tallest = max(max(_series(reports[name], "resident_kib")) for name in freeing)
    top = 1.06 * max([tallest] + _series(longest, "live_kib"))
    axes.set(xlim=(0, longest["samples"][-1]["calls"]), ylim=(0, top or None), xlabel="calls", ylabel="MiB")
    _count_calls(axes, 8)
    axes.grid(axis="y")
    _legend(axes)
    return svg.finish(figure, "heap", "The heap over time",
                      "Live bytes as an area, and each subject's resident memory as a line, over the calls.")


# --- the address space ---

def _samples(report: Mapping[str, Any]) -> List[Dict[int, int]]:
    return [dict(zip(sample["space"][::2], sample["space"][1::2])) for sample in report["samples"]]


def granules_of(report: Mapping[str, Any]) -> List[int]:
    """The granules of the address space in which anything ever lived, lowest first."""
    return sorted(set().union(*_samples(report)))


def fill_of(report: Mapping[str, Any], together: int) -> List[List[float]]:
    """Rows of so many granules, lowest first, of columns of samples: which part of each is live.

    Granules in which nothing ever lived are left out, so that a heap in several places is one picture.
    """
    samples, granules = _samples(report), granules_of(report)
    granule_kib = report["granule_bytes"] / 1024
    rows = []
    for first in range(0, len(granules), together):
        group = granules[first:first + together]
        whole_kib = granule_kib * len(group)
        rows.append([min(1.0, sum(sample.get(granule, 0) for granule in group) / whole_kib)
                     for sample in samples])
    return rows


def _panel(axes: Any, name: str, report: Mapping[str, Any], look: Look, together: int,
           top_mib: float) -> None:
    rows = fill_of(report, together)
    red, green, blue = colors.to_rgb(GREY if look.colour == INK else look.colour)
    # The least that lives is still seen; nothing is nothing.
    image = [[(red, green, blue, 0.15 + 0.85 * part if part else 0.0) for part in row] for row in rows]
    calls = report["samples"][-1]["calls"]
    granule_mib = report["granule_bytes"] / (1 << 20)
    used_mib = len(granules_of(report)) * granule_mib
    if image:
        axes.imshow(image, aspect="auto", origin="lower", interpolation="none",
                    extent=(0, calls, 0, len(rows) * together * granule_mib))
    axes.set(xlim=(0, calls), ylim=(0, top_mib))
    axes.set_title("%s: %s%s" % (name, figures.kib(used_mib * 1024),
                                 ", cut off" if used_mib > 1.05 * top_mib else ""))


def _space(reports: Reports, looks: Mapping[str, Look], freeing: List[str]) -> Plot:
    most = max(len(granules_of(reports[name])) for name in freeing)
    together = max(1, -(-most // MOST_ROWS))
    granule_mib = max(report["granule_bytes"] for report in reports.values()) / (1 << 20)
    lines = -(-len(reports) // PANELS_BESIDE)
    figure, grid = pyplot.subplots(lines, PANELS_BESIDE, figsize=(WIDE, PANEL_HIGH * lines), sharex=True,
                                   sharey=True, squeeze=False, gridspec_kw={"hspace": 0.32, "wspace": 0.1})
    panels = list(grid.flat)
    for axes, (name, report) in zip(panels, reports.items()):
        _panel(axes, name, report, looks[name], together, max(1, most) * granule_mib)
        _count_calls(axes, 4)
    for axes in panels[len(reports):]:
        axes.set_visible(False)
    for axes in panels[max(0, len(reports) - PANELS_BESIDE):len(reports)]:
        axes.set_xlabel("calls")
        axes.tick_params(labelbottom=True)
    for line in grid:
        line[0].set_ylabel("MiB of addresses")
    return svg.finish(figure, "space", "Where the blocks are",
                      "For each subject the address space in use upwards, the calls to the right; the "
                      "stronger the colour, the fuller the memory.")


# --- classes ---

def _classes(reports: Reports, looks: Mapping[str, Look]) -> Plot:
    figure, axes = pyplot.subplots(figsize=(WIDE, 3.2))
    classes = findings.size_classes(reports, merged=False)
    for name in reports:
        points = [(entry.to_bytes, entry.usable[name]) for entry in classes if entry.usable.get(name)]
        _line(axes, name, looks[name], [size for size, _ in points], [ratio for _, ratio in points])
    largest = max((ratio for entry in classes for ratio in entry.usable.values()), default=1.0)
    axes.set(ylim=(0.98, min(LARGEST_RATIO, 1.02 * largest)), xlabel="size of the block",
             ylabel="usable bytes for each byte asked")
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: findings.size_of(int(value))))
    axes.grid(axis="y")
    _legend(axes)
    return svg.finish(figure, "classes", "Waste by size",
                      "For each class of sizes, how many bytes a subject gives for each that is asked for.")
