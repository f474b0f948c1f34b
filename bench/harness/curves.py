# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Plots over an x, or over phases: how time and memory scale, what stays resident, how often a simulated
lock moves."""

from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from bench.harness import drawing, figures, handovers, svg, text, words
from bench.harness.drawing import WIDE, name_of, pyplot
from bench.harness.stats import RowSummary
from bench.harness.svg import INK, Look, Plot, Tips

X_NAMES = {"threads": "threads", "heap": "live heap, MiB", "cpus": "CPUs"}


def _per_operation(row: RowSummary, name: str) -> Optional[float]:
    """Nanoseconds for one operation, or for all of the row where it does not count them."""
    time = row.cells[name].median("time")
    return None if time is None else 1e9 * time / (row.cells[name].ops or 1)


def _peak_mib(row: RowSummary, name: str) -> Optional[float]:
    peak = row.cells[name].median("peak")
    return None if peak is None else peak / 1024


def scaling(rows: Sequence[RowSummary], looks: Dict[str, Look], group: str, name: str) -> Optional[Plot]:
    """Two panels over the same x: time for one operation, and peak memory."""
    present = [one for one in looks if any(row.cells[one].ok for row in rows)]
    if len(rows) < 2 or not present:
        return None
    figure, panels = pyplot.subplots(1, 2, figsize=(WIDE + 0.4, 2.8))
    tips = Tips()
    parts: Tuple[Tuple[str, str, Callable[[RowSummary, str], Optional[float]]], ...] = (
        ("time for one operation", "ns", _per_operation),
        ("peak memory", "MiB", _peak_mib),
    )
    for axes, (title, unit, value) in zip(panels, parts):
        lines = {one: [(float(row.x or 0), value(row, one)) for row in rows] for one in present}
        _panel(axes, tips, lines, looks, unit)
        axes.set(title="%s, %s" % (title, unit), xlabel=X_NAMES.get(group, group))
    drawing.legend(figure, looks, present, lines=True)
    figure.subplots_adjust(wspace=0.14)
    about = (
        "Lines over %s for each subject: on the left the time for one operation, on the right peak memory, "
        "both axes "
        "logarithmic. Dashed: the floor." % X_NAMES.get(group, group)
    )
    return svg.finish(
        figure, name_of(group, name), "%s: %s" % (words.group_title(group), name), about, tips.texts
    )


def _panel(
    axes: Any,
    tips: Tips,
    lines: Dict[str, List[Tuple[float, Optional[float]]]],
    looks: Dict[str, Look],
    unit: str,
) -> None:
    """A line for each subject over x in powers of two; a failed cell is a gap."""
    for name, points in lines.items():
        look = looks[name]
        (line,) = axes.plot(
            [x for x, _ in points],
            [float("nan") if y is None else y for _, y in points],
            color=look.colour,
            linewidth=look.width,
            marker=None if look.marker == "|" else look.marker,
            markersize=look.size * 0.72,
            markeredgewidth=0,
            linestyle=look.dashes,
            zorder=look.layer,
        )
        tips.on(
            line,
            "%s: %s"
            % (
                name,
                ", ".join(
                    "%g: %s" % (x, "failed" if y is None else figures.digits(y) + " " + unit)
                    for x, y in points
                ),
            ),
        )
    xs = [x for points in lines.values() for x, _ in points if x > 0]
    axes.set_xscale("log", base=2)
    drawing.powers_of_two(axes.xaxis, xs)
    ys = [y for points in lines.values() for _, y in points if y]
    if ys:
        axes.set_yscale("log")
        axes.set_ylim(min(ys) / 1.15, max(ys) * 1.15)
        drawing.measure_ticks(axes.yaxis, min(ys) / 1.15, max(ys) * 1.15)
    axes.grid()


def phases(row: RowSummary, keys: Sequence[str], looks: Dict[str, Look]) -> Optional[Plot]:
    """A cluster of bars for each phase; over it what the floor keeps, and what the program itself holds."""
    bars = [name for name in looks if row.cells[name].ok and looks[name].dashes == "solid"]
    floors = [name for name in looks if row.cells[name].ok and looks[name].dashes == "dashed"]
    if not bars:
        return None
    figure, axes = pyplot.subplots(figsize=(WIDE + 0.4, 2.4))
    tips = Tips()
    wide = 0.8 / len(bars)
    for lane, name in enumerate(bars):
        for place, key in enumerate(keys):
            kib = row.cells[name].extra.get(key, 0)
            (bar,) = axes.bar(
                place + (lane + 0.5) * wide - 0.4,
                kib / 1024,
                wide * 0.86,
                color=looks[name].colour,
                alpha=1 if looks[name].stack else 0.72,
                linewidth=0,
            )
            tips.on(bar, "%s, %s: %s" % (text.phase_name(key), name, figures.kib(kib)))
    for place, key in enumerate(keys):
        for name in floors:
            _limit(axes, tips, place, name, row.cells[name].extra.get(key), (0, (4, 3)))
        _limit(axes, tips, place, "live", text.live_kib(row, key), "solid")
    axes.set_xticks(range(len(keys)), [text.phase_name(key) for key in keys])
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("resident, MiB")
    axes.grid(axis="y")
    drawing.legend(figure, looks, bars + floors)
    about = (
        "Bars for each subject: the resident memory after each phase of the program. Dashed: the floor. A "
        "solid line: "
        "what the program itself holds."
    )
    return svg.finish(
        figure,
        name_of("resident", row.name),
        "Resident memory after each phase of %s (line: live bytes)" % row.name,
        about,
        tips.texts,
    )


def _limit(axes: Any, tips: Tips, place: int, name: str, kib: Optional[float], style: Any) -> None:
    """A line across the cluster of one phase."""
    if kib is not None:
        (line,) = axes.plot(
            [place - 0.44, place + 0.44], [kib / 1024] * 2, color=INK, linestyle=style, linewidth=1
        )
        tips.on(line, "%s: %s" % (name, figures.kib(kib)))


def simulated(part: Any) -> Optional[Plot]:
    """A panel for each lock, a colour for each shape of work; dashed with one shard for all."""
    drawn = [curve for curve in handovers.curves(part) if len(curve.points) > 1]
    locks = list(dict.fromkeys(curve.lock for curve in drawn))
    if not locks:
        return None
    shapes = list(dict.fromkeys(curve.shape for curve in drawn))
    looks = svg.looks(dict.fromkeys(shapes, "peer"))
    figure, panels = pyplot.subplots(1, len(locks), figsize=(WIDE + 0.4, 2.4), squeeze=False)
    tips = Tips()
    for axes, lock in zip(panels[0], locks):
        for curve in (curve for curve in drawn if curve.lock == lock):
            own = curve.shards == handovers.OWN
            (line,) = axes.plot(
                *zip(*curve.points),
                color=looks[curve.shape].colour,
                marker=looks[curve.shape].marker,
                markersize=4,
                markeredgewidth=0,
                linewidth=1.5,
                linestyle="solid" if own else (0, (4, 2))
            )
            tips.on(
                line,
                "%s, %s, %s: %s"
                % (lock, curve.shape, curve.shards, ", ".join("%g: %g" % point for point in curve.points)),
            )
        axes.set_xscale("log", base=2)
        drawing.powers_of_two(axes.xaxis, [x for curve in drawn for x, _ in curve.points])
        axes.set_ylim(bottom=0)
        axes.set(title="%s lock" % lock, xlabel="simulated CPUs")
        axes.grid()
    panels[0][0].set_ylabel("handovers per 1000 operations")
    drawing.legend(figure, looks, shapes, lines=True)
    each = figures.plural(handovers.threads_per_cpu(handovers.records(part)), "thread")
    title = "Simulated: solid with %s, dashed with %s; %s on each CPU" % (handovers.OWN, handovers.ONE, each)
    return svg.finish(
        figure,
        "handovers",
        title,
        "A simulation, not a measurement: how often each lock is taken by another "
        "CPU than the one that held it last, over the number of simulated CPUs.",
        tips.texts,
    )
