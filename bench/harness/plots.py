# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The pictures of a report, drawn by matplotlib; without it there are none, and a note says so.

    time-memory      geometric mean of time against that of memory
    one per group    benchmarks downwards, a multiple of the best to the right, a mark for each allocator
    one per series   time per operation, and peak memory, over threads, heap or CPUs
    phases           resident memory after each phase
"""

import math
from typing import Any, Dict, List, Optional, Sequence, Tuple

from bench.harness import messages, stats, svg
from bench.harness.stats import MEASURES, Benchmark, Summary
from bench.harness.svg import INK, Look, Plot, name_of

try:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot, ticker

    MISSING = None
except ImportError:
    matplotlib = pyplot = ticker = None
    MISSING = "matplotlib is missing, so there are no plots: apt-get install python3-matplotlib"

Looks = Dict[str, Look]

WIDE = 9.9  # of the axes; what is written beside them comes on top
FLOOR = (0, (4, 3))  # the dashes of its lines
X_NAMES = {"threads": "threads", "heap": "live heap, MiB", "cpus": "CPUs"}


def draw(summary: Summary) -> List[Plot]:
    if MISSING:
        return []
    looks = svg.looks(summary.kinds)
    with matplotlib.rc_context(svg.STYLE):
        made = [_scatter(summary, looks)]
        for group in summary.groups:
            ones = [one for one in summary.in_group(group) if one.series is None or one.x is None]
            made += [_ratios(ones, looks, group, measure) for measure in ("time", "peak")]
            made += [_scaling(ones, looks, group, name) for name, ones in summary.series(group).items()]
        made += [_phases(one, looks) for one in filter(stats.phases, summary.benchmarks)]
    return [plot for plot in made if plot]


# --- what all share ---

def _legend(figure: Any, looks: Looks, names: Sequence[str], are_lines: bool = False, is_narrow: bool = False) -> None:
    """A line or two above the first panel, and above its title if it has one; stacks in bold."""
    handles = []
    for name in names:
        look = looks[name]
        is_floor = look.dashes == "dashed"
        handles.append(matplotlib.lines.Line2D(
            [], [], color=look.colour, marker="" if is_floor else look.marker, markersize=look.size,
            linewidth=look.width, linestyle=look.dashes if are_lines or is_floor else "none"))
    columns = max(1, min(len(names), int((WIDE / 2 if is_narrow else WIDE) / (0.38 + 0.075 * max(map(len, names))))))
    above = matplotlib.transforms.ScaledTranslation(0, (22 if are_lines else 4) / 72, figure.dpi_scale_trans)
    drawn = figure.legend(
        handles=handles, labels=["name"] * len(names), loc="lower left", bbox_to_anchor=(0.0, 1.0),
        bbox_transform=figure.axes[0].transAxes + above, borderaxespad=0, borderpad=0, ncol=columns,
        handlelength=2.0 if are_lines else 1.4, columnspacing=1.4)
    # Set afterwards, for matplotlib leaves out a label that begins with an underscore.
    for label, name in zip(drawn.get_texts(), names):
        label.set_text(name)
        label.set_fontweight("bold" if looks[name].stack else "normal")


def _ticks(axis: Any, low: float, high: float) -> None:
    axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)) if high / low >= 6 else ticker.MaxNLocator(7))
    axis.set_minor_locator(ticker.NullLocator())
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: "%g" % value))


def line(axes: Any, look: Look, xs: Sequence[float], ys: Sequence[float], size: float = 1.0, **more: Any) -> None:
    """Marks and lines as the allocator has them."""
    axes.plot(xs, ys, **{
        "color": look.colour, "zorder": look.layer, "markeredgewidth": 0, "markersize": look.size * size,
        "marker": None if look.marker == "|" else look.marker, "linewidth": look.width,
        "linestyle": look.dashes, **more})


# --- benchmarks downwards, ratios to the right ---

def _ratios(ones: Sequence[Benchmark], looks: Looks, group: str, measure: str) -> Optional[Plot]:
    """The interquartile range is a thin line through each mark."""
    ones = [one for one in ones if measure in one.best]
    if not ones:
        return None
    names = [name for name in looks if any(one.ratio(name, measure) for one in ones)]
    figure, axes = pyplot.subplots(figsize=(WIDE, 0.38 * len(ones)))
    ends = [1.0]
    for y, one in enumerate(ones):
        if y % 2:
            axes.axhspan(y - 0.5, y + 0.5, color=INK, alpha=0.045, linewidth=0)
        for lane, name in enumerate(names):
            if one.ratio(name, measure):
                place = y + 0.66 * ((lane + 0.5) / len(names) - 0.5)
                ends += _mark(axes, one, name, measure, looks[name], place)
    low, high = min(ends) / 1.06, max(ends) * 1.06
    axes.set(xscale="log", xlim=(low, high), ylim=(len(ones) - 0.5, -0.5))
    axes.axvline(1, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(ones)), [one.name for one in ones])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    _ticks(axes.xaxis, low, high)
    what = MEASURES[measure]
    axes.set_xlabel("%s, as a multiple of the best allocator that frees (logarithmic; less is better)" % what)
    _legend(figure, looks, names)
    return svg.finish(
        figure, name_of(group, "time-ratio" if measure == "time" else "memory-ratio"),
        "%s: %s" % (messages.GROUPS[group], what),
        "For each benchmark the %s of each allocator as a multiple of the best one; lines span the quartiles."
        % what)


def _mark(axes: Any, one: Benchmark, name: str, measure: str, look: Look, y: float) -> Tuple[float, ...]:
    """One allocator in one benchmark; returns how far it reaches to the left and to the right."""
    ratio, sample = one.ratio(name, measure) or 1.0, one.cells[name].samples[measure]
    low, high = (quartile * ratio / sample.median for quartile in sample.quartiles)
    if look.dashes == "dashed":
        line(axes, look, [ratio, ratio], [round(y) - 0.42, round(y) + 0.42], linestyle=(0, (3, 2)),
              linewidth=1.1)
    else:
        line(axes, look, [low, high], [y, y], marker=None, linewidth=1.4, solid_capstyle="butt")
        line(axes, look, [ratio], [y], linestyle="none")
    return low, ratio, high


# --- time against memory ---

def _scatter(summary: Summary, looks: Looks) -> Optional[Plot]:
    """Each allocator at its geometric means; hollow where it lacks benchmarks that others have."""
    both = {name: (summary.mean(name, "time"), summary.mean(name, "peak")) for name in looks}
    points = {name: (time.value, memory.value) for name, (time, memory) in both.items()
              if time.value and memory.value}
    if len(points) < 2:
        return None
    figure, axes = pyplot.subplots(figsize=(5.6, 3.7))
    for name, (x, y) in points.items():
        look = looks[name]
        if look.dashes == "dashed":
            axes.axvline(x, color=INK, linestyle=FLOOR, linewidth=0.9)
            axes.axhline(y, color=INK, linestyle=FLOOR, linewidth=0.9)
        is_hollow = any(mean.missing for mean in both[name])
        line(axes, look, [x], [y], marker="+" if look.dashes == "dashed" else look.marker,
              markersize=look.size + 2, linestyle="none", markeredgewidth=1.4,
              markerfacecolor="none" if is_hollow else look.colour)
    axes.set(xscale="log", yscale="log")
    for axis, limit, values in zip((axes.xaxis, axes.yaxis), (axes.set_xlim, axes.set_ylim),
                                   zip(*points.values())):
        low, high = min(*values, 1) / 1.1, max(values) * 1.18
        limit(low, high)
        _ticks(axis, low, high)
    axes.grid()
    _legend(figure, looks, list(points), is_narrow=True)
    axes.set(xlabel="time, geometric mean of multiples of the best", ylabel="peak memory, likewise")
    return svg.finish(
        figure, "time-memory", "Time against memory, over all benchmarks",
        "Each allocator at its geometric mean of time (to the right) and of peak memory (upwards): nearer to the "
        "lower left is better. A hollow mark lacks benchmarks that others have. Dashed: the floor.")


# --- over threads, heap, CPUs ---

def _scaling(ones: Sequence[Benchmark], looks: Looks, group: str, series: str) -> Optional[Plot]:
    """Two panels over the same x: time for one operation, and peak memory."""
    names = [name for name in looks if any(one.cells[name].ok for one in ones)]
    if len(ones) < 2 or not names:
        return None
    figure, panels = pyplot.subplots(1, 2, figsize=(WIDE + 0.4, 2.8))
    xs = [float(one.x or 0) for one in ones]
    for axes, measure, title, unit in zip(panels, ("time", "peak"), ("time for one operation", "peak memory"),
                                          ("ns", "MiB")):
        values = {name: [_scaled(one, name, measure) for one in ones] for name in names}
        for name, ys in values.items():
            line(axes, looks[name], xs, ys, size=0.72)  # a failed cell is a gap
        axes.set_xscale("log", base=2)
        axes.set_xticks(xs, ["%g" % x for x in xs])
        axes.xaxis.set_minor_locator(ticker.NullLocator())
        known = [y for ys in values.values() for y in ys if y > 0]
        if known:
            low, high = min(known) / 1.15, max(known) * 1.15
            axes.set(yscale="log", ylim=(low, high))
            _ticks(axes.yaxis, low, high)
        axes.grid()
        axes.set(title="%s, %s" % (title, unit), xlabel=X_NAMES.get(group, group))
    _legend(figure, looks, names, are_lines=True)
    figure.subplots_adjust(wspace=0.14)
    return svg.finish(
        figure, name_of(group, series), "%s: %s" % (messages.GROUPS[group], series),
        "Lines over %s for each allocator: on the left the time for one operation, on the right peak memory, both "
        "axes logarithmic. Dashed: the floor." % X_NAMES.get(group, group))


def _scaled(one: Benchmark, name: str, measure: str) -> float:
    """Nanoseconds for one operation (for all of it where they are not counted), or MiB; not a number
    where there is none."""
    value = one.cells[name].median(measure)
    if value is None:
        return math.nan
    return 1e9 * value / (one.cells[name].ops or 1) if measure == "time" else value / 1024


# --- phases ---

def _phases(one: Benchmark, looks: Looks) -> Optional[Plot]:
    """A cluster of bars for each phase; over it what the floor keeps, and what the program itself holds."""
    keys, done = stats.phases(one), [name for name in looks if one.cells[name].ok]
    bars = [name for name in done if looks[name].dashes == "solid"]
    floors = [name for name in done if name not in bars]
    if not bars:
        return None
    figure, axes = pyplot.subplots(figsize=(WIDE + 0.4, 2.4))
    wide = 0.8 / len(bars)
    for place, key in enumerate(keys):
        for lane, name in enumerate(bars):
            kib = one.cells[name].extra.get(key, 0)
            axes.bar(place + (lane + 0.5) * wide - 0.4, kib / 1024, wide * 0.86, linewidth=0,
                     color=looks[name].colour, alpha=1 if looks[name].stack else 0.72)
        limits = [(one.cells[name].extra.get(key), FLOOR) for name in floors]
        for kib, dashes in (*limits, (stats.live_kib(one, key), "solid")):
            if kib is not None:
                axes.plot([place - 0.44, place + 0.44], [kib / 1024] * 2, color=INK, linestyle=dashes, linewidth=1)
    axes.set_xticks(range(len(keys)), list(map(stats.phase_name, keys)))
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("resident, MiB")
    axes.grid(axis="y")
    _legend(figure, looks, bars + floors)
    return svg.finish(
        figure, name_of("resident", one.name),
        "Resident memory after each phase of %s (line: live bytes)" % one.name,
        "Bars for each allocator: the resident memory after each phase of the program. Dashed: the floor. A solid "
        "line: what the program itself holds.")
