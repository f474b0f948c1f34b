# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""What all plots share: whether they can be drawn at all, their width, names, legends and ticks."""

import re
import zlib
from typing import Any, Dict, Sequence

from bench.harness.svg import Look

try:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot, ticker

    MISSING = None
except ImportError:
    matplotlib = pyplot = ticker = None
    MISSING = "matplotlib is missing, so there are no plots: apt-get install python3-matplotlib"

# Of the axes; what is written beside them comes on top.
WIDE = 9.9
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
MORE_TICKS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.5, 1.75, 2, 2.5, 3)


def name_of(*parts: str) -> str:
    """A name for a file and for an anchor; one that lost letters ends in a number made of what it was."""
    slugs = [re.sub(r"[^A-Za-z0-9]+", "-", part).strip("-").lower() for part in parts]
    lost = any(slug != part.lower() for slug, part in zip(slugs, parts))
    return "_".join(slugs) + ("_%08x" % zlib.crc32("\0".join(parts).encode()) if lost else "")


def legend(figure: Any, looks: Dict[str, Look], names: Sequence[str], lines: bool = False) -> None:
    """A line or two above the first panel, and above its title if it has one; stacks in bold."""
    handles = []
    for name in names:
        look = looks[name]
        floor = look.dashes == "dashed"
        handles.append(
            matplotlib.lines.Line2D(
                [],
                [],
                color=look.colour,
                marker="" if floor else look.marker,
                markersize=look.size,
                linewidth=look.width,
                linestyle=look.dashes if lines or floor else "none",
            )
        )
    columns = max(1, min(len(names), int(WIDE / (0.38 + 0.075 * max(map(len, names))))))
    above = matplotlib.transforms.ScaledTranslation(0, (22 if lines else 4) / 72, figure.dpi_scale_trans)
    drawn = figure.legend(
        handles=handles,
        labels=["name"] * len(names),
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        bbox_transform=figure.axes[0].transAxes + above,
        borderaxespad=0,
        borderpad=0,
        ncol=columns,
        handlelength=2.0 if lines else 1.4,
        columnspacing=1.4,
    )
    # Set afterwards, for matplotlib leaves out a label that begins with an underscore.
    for label, name in zip(drawn.get_texts(), names):
        label.set_text(name)
        label.set_fontweight("bold" if looks[name].stack else "normal")


def ratio_ticks(axis: Any, low: float, high: float) -> None:
    """Round numbers, closer together where the range is narrow."""
    ticks = [tick for tick in TICKS if low <= tick <= high]
    if high / low < 6:
        crowded = () if high / low < 2.5 else (0.9, 1.1, 1.3, 1.75)
        ticks = [tick for tick in MORE_TICKS if low <= tick <= high and tick not in crowded]
    axis.set_major_locator(ticker.FixedLocator(ticks or [low, high]))
    axis.set_minor_locator(ticker.NullLocator())
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: "%g" % value))


def measure_ticks(axis: Any, low: float, high: float) -> None:
    """One, two and five times the powers of ten; with few of them, more."""
    scale = [base * 10.0**power for power in range(-3, 9) for base in (1, 2, 5)]
    ticks = [tick for tick in scale if low <= tick <= high]
    if len(ticks) < 3:
        finer = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
        ticks = [tick for tick in (b * 10.0**p for p in range(-3, 9) for b in finer) if low <= tick <= high]
    axis.set_major_locator(ticker.FixedLocator(ticks))
    axis.set_minor_locator(ticker.NullLocator())
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: "%g" % value))


def powers_of_two(axis: Any, xs: Sequence[float]) -> None:
    """A tick at each of the values, and only there."""
    axis.set_major_locator(ticker.FixedLocator(sorted(set(xs))))
    axis.set_major_formatter(ticker.FuncFormatter(lambda x, _: "%g" % x))
