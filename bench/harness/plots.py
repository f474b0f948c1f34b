# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The pictures of a report, drawn by matplotlib; without it there are none, and a note says so.

    one per group        rows downwards, a multiple of the best to the right, a mark for each subject
    time-memory          geometric mean of time against that of memory
    one per series       time per operation, and peak memory, over threads, heap or CPUs
    phases, handovers    resident memory after each phase; lock handovers in the simulation
"""

from typing import Any, Dict, List, Optional, Sequence, Tuple

from bench.harness import curves, drawing, figures, svg, text, words
from bench.harness.drawing import MISSING, WIDE, matplotlib, name_of, pyplot
from bench.harness.stats import RowSummary, Summary
from bench.harness.svg import INK, Look, Plot, Tips


def draw(summary: Summary) -> List[Plot]:
    """Every plot for which the result has something to show."""
    if MISSING:
        return []
    with matplotlib.rc_context(svg.STYLE):
        return _draw(summary, svg.looks(summary.kinds))


def _draw(summary: Summary, looks: Dict[str, Look]) -> List[Plot]:
    made = [_scatter(summary, looks)]
    for group in summary.groups:
        rows = [row for row in summary.in_group(group) if row.series is None or row.x is None]
        made += [_ratios(rows, looks, group, measure) for measure in ("time", "peak")]
        made += [curves.scaling(rows, looks, group, name) for name, rows in series(summary, group).items()]
    made += [curves.phases(row, keys, looks) for row, keys in text.phased(summary)]
    made += [curves.simulated(summary.result.get("handovers"))]
    return [plot for plot in made if plot]


def series(summary: Summary, group: str) -> Dict[str, List[RowSummary]]:
    """The series of a scaling group, each with its rows in ascending x."""
    found: Dict[str, List[RowSummary]] = {}
    for row in summary.in_group(group):
        if row.series is not None and row.x is not None:
            found.setdefault(row.series, []).append(row)
    return {name: sorted(rows, key=lambda row: row.x or 0) for name, rows in found.items()}


def _ratios(rows: Sequence[RowSummary], looks: Dict[str, Look], group: str, measure: str) -> Optional[Plot]:
    """Rows downwards, ratios to the right, the interquartile range as a thin line through each mark."""
    rows = [row for row in rows if measure in row.best]
    if not rows:
        return None
    names = [name for name in looks if any(row.ratio(name, measure) for row in rows)]
    figure, axes = pyplot.subplots(figsize=(WIDE, 0.38 * len(rows)))
    tips = Tips()
    low = high = 1.0
    for y, row in enumerate(rows):
        if y % 2:
            axes.axhspan(y - 0.5, y + 0.5, color=INK, alpha=0.045, linewidth=0)
        for lane, name in enumerate(names):
            ends = _mark(
                axes, tips, row, name, measure, looks[name], y + 0.66 * ((lane + 0.5) / len(names) - 0.5)
            )
            low, high = min(low, ends[0]), max(high, ends[1])
    low, high = low / 1.06, high * 1.06
    axes.set(xscale="log", xlim=(low, high), ylim=(len(rows) - 0.5, -0.5))
    axes.axvline(1, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    drawing.ratio_ticks(axes.xaxis, low, high)
    what = "time" if measure == "time" else "peak memory"
    axes.set_xlabel("%s, as a multiple of the best allocator that frees (logarithmic; less is better)" % what)
    drawing.legend(figure, looks, names)
    title = "%s: %s" % (words.group_title(group), what)
    about = (
        "For each row the %s of each subject as a multiple of the best one; lines span the quartiles." % what
    )
    return svg.finish(
        figure,
        name_of(group, "%s-ratio" % ("time" if measure == "time" else "memory")),
        title,
        about,
        tips.texts,
    )


def _mark(
    axes: Any, tips: Tips, row: RowSummary, name: str, measure: str, look: Look, y: float
) -> Tuple[float, float]:
    """One subject in one row; returns how far it reaches to the left and to the right."""
    ratio = row.ratio(name, measure)
    if not ratio:
        return 1.0, 1.0
    sample = row.cells[name].samples[measure]
    best = sample.median / ratio
    low, high = (quartile / best for quartile in sample.quartiles)
    if look.dashes == "dashed":
        place = round(y)
        (mark,) = axes.plot(
            [ratio, ratio],
            [place - 0.42, place + 0.42],
            color=look.colour,
            linestyle=(0, (3, 2)),
            linewidth=1.1,
            zorder=look.layer,
        )
    else:
        axes.plot(
            [low, high], [y, y], color=look.colour, linewidth=1.4, solid_capstyle="butt", zorder=look.layer
        )
        (mark,) = axes.plot(
            [ratio],
            [y],
            marker=look.marker,
            markersize=look.size,
            color=look.colour,
            linestyle="none",
            markeredgewidth=0,
            zorder=look.layer,
        )
    tips.on(
        mark,
        "%s, %s: %s times the best, %s, spread %s"
        % (
            row.name,
            name,
            figures.ratio(ratio),
            figures.measured(measure, sample.median),
            figures.percent(sample.spread),
        ),
    )
    return min(low, ratio), max(high, ratio)


def _scatter(summary: Summary, looks: Dict[str, Look]) -> Optional[Plot]:
    """Each subject at its geometric means; hollow where it lacks rows that others have."""
    points = {}
    for name in looks:
        time, memory = summary.mean(name, "time"), summary.mean(name, "peak")
        if time.value and memory.value:
            points[name] = (time.value, memory.value, bool(time.missing or memory.missing))
    if len(points) < 2:
        return None
    figure, axes = pyplot.subplots(figsize=(5.6, 3.7))
    tips = Tips()
    for name, (x, y, lacking) in points.items():
        look = looks[name]
        if look.dashes == "dashed":
            axes.axvline(x, color=INK, linestyle=(0, (4, 3)), linewidth=0.9)
            axes.axhline(y, color=INK, linestyle=(0, (4, 3)), linewidth=0.9)
        (mark,) = axes.plot(
            [x],
            [y],
            marker="+" if look.dashes == "dashed" else look.marker,
            color=look.colour,
            markersize=look.size + 2,
            linestyle="none",
            markeredgewidth=1.4,
            markerfacecolor="none" if lacking else look.colour,
            zorder=look.layer,
        )
        tips.on(mark, "%s: time %s, memory %s" % (name, figures.ratio(x), figures.ratio(y)))
    for axis, index in ((axes.xaxis, 0), (axes.yaxis, 1)):
        low, high = (edge(point[index] for point in points.values()) for edge in (min, max))
        low, high = min(low, 1) / 1.1, high * 1.18
        (axes.set_xlim if index == 0 else axes.set_ylim)(low, high)
        (axes.set_xscale if index == 0 else axes.set_yscale)("log")
        drawing.ratio_ticks(axis, low, high)
    axes.grid()
    _label_points(axes, points, looks)
    axes.set(xlabel="time, geometric mean of multiples of the best", ylabel="peak memory, likewise")
    about = (
        "Each subject at its geometric mean of time (to the right) and of peak memory (upwards): nearer to "
        "the lower "
        "left is better. A hollow mark lacks rows that others have. Dashed: the floor."
    )
    return svg.finish(figure, "time-memory", "Time against memory, over all rows", about, tips.texts)


def _label_points(axes: Any, points: Dict[str, Tuple[float, float, bool]], looks: Dict[str, Look]) -> None:
    """A name right of each point, moved up or down until it covers neither a name nor a point set before."""
    axes.figure.canvas.draw()
    places = {name: axes.transData.transform(point[:2]) for name, point in points.items()}
    taken: List[Tuple[float, float, float, float]] = [
        (x - 5, y - 5, x + 5, y + 5) for x, y in places.values()
    ]
    for name, (x, y) in sorted(places.items(), key=lambda item: -item[1][1]):
        wide = 5.6 * len(name)
        choices = [(8, dy) for dy in (-3, 5, -11, 12, -19)] + [(-8 - wide, dy) for dy in (-3, 6, -12)]
        boxes = [(x + dx, y + dy, x + dx + wide, y + dy + 9) for dx, dy in choices]
        best = min(range(len(boxes)), key=lambda i: (sum(_overlap(boxes[i], other) for other in taken), i))
        taken.append(boxes[best])
        look = looks[name]
        axes.annotate(
            name,
            points[name][:2],
            xytext=choices[best],
            textcoords="offset points",
            color=look.colour,
            fontsize=8.5,
            fontweight="bold" if look.stack else "normal",
        )


def _overlap(a: Sequence[float], b: Sequence[float]) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
