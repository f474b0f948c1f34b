# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""How every plot looks, and the way from a matplotlib figure to an SVG that fits a light page and a dark one.

Its ink is drawn in a colour that nothing else has, and becomes currentColor: inside the report it follows the page, and a
file of its own follows what its reader prefers. The same result gives the same bytes.
"""

import html
import io
import re
import zlib
from dataclasses import dataclass
from typing import Any, Dict

# What stands for the page's own colour of text until the SVG is written.
INK = "#010203"

# Each at least 3:1 against white and against the dark page (WCAG 1.4.11), and apart from each other also
# for eyes that do not tell red from green; the shape of the marker says it once more.
STACKS = (("#1c78c8", "o"), ("#d55e00", "D"), ("#00917c", "s"), ("#c4408e", "^"))
PEERS = (("#8a63d2", "^"), ("#8c8a1a", "s"), ("#c9596c", "v"), ("#2b95ae", "P"), ("#a0673a", "X"),
         ("#4e9a3b", "<"), ("#b07a10", ">"), ("#b565a7", "p"), ("#5f7f4f", "h"), ("#cf5a3c", "*"))
LIBC = (("#75808c", "d"),)

STYLE = {
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color",
                     "grid.color"), INK),
    **dict.fromkeys(("axes.facecolor", "figure.facecolor", "savefig.facecolor", "legend.facecolor"), "none"),
    **dict.fromkeys(("axes.linewidth", "xtick.major.width", "ytick.major.width", "grid.linewidth"), 0.6),
    **dict.fromkeys(("text.parse_math", "axes.spines.top", "axes.spines.right", "legend.frameon"), False),
    **dict.fromkeys(("figure.subplot.left", "figure.subplot.bottom", "xtick.minor.size",
                     "ytick.minor.size"), 0),
    "figure.subplot.right": 1, "figure.subplot.top": 1, "figure.dpi": 72, "svg.fonttype": "none",
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "font.size": 9, "grid.alpha": 0.14,
    "axes.axisbelow": True, "axes.titlesize": 9.5, "axes.titlelocation": "left", "axes.titleweight": "bold",
}

# A colour has no contrast of its own; outside of the report the reader's preference decides.
ALONE = ("<style>svg{color:#1d2228;background:#fff}"
         "@media (prefers-color-scheme:dark){svg{color:#dde2e8;background:#14171c}}</style>")
FONT = "system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', 'DejaVu Sans', sans-serif"


@dataclass(frozen=True)
class Look:
    colour: str
    marker: str
    size: float
    width: float
    dashes: str
    stack: bool
    layer: int


@dataclass(frozen=True)
class Plot:
    """One finished picture: `inline` belongs into a page, `alone` into a file."""

    name: str
    title: str
    inline: str

    @property
    def alone(self) -> str:
        head, rest = self.inline.split(">", 1)
        return '<?xml version="1.0" encoding="UTF-8"?>\n%s>%s%s\n' % (head, ALONE, rest)


def looks(kinds: Dict[str, str]) -> Dict[str, Look]:
    """A look for each allocator, by its place among those of its kind: reports of the same allocators
    agree."""
    pools = {"stack": STACKS, "peer": PEERS, "libc": LIBC}
    seen: Dict[str, int] = {}
    made = {}
    for name, kind in kinds.items():
        if kind == "floor":
            made[name] = Look(INK, "|", 6, 1.0, "dashed", False, 2)
            continue
        pool = pools.get(kind, PEERS)
        style = (7.5, 2.4, "solid", True, 4) if kind == "stack" else (5, 1.1, "solid", False, 3)
        made[name] = Look(*pool[seen.get(kind, 0) % len(pool)], *style)
        seen[kind] = seen.get(kind, 0) + 1
    return made


def name_of(*parts: str) -> str:
    """A name for a file and for an anchor; one that lost letters ends in a number made of what it was."""
    slugs = [re.sub(r"[^A-Za-z0-9]+", "-", part).strip("-").lower() for part in parts]
    lost = any(slug != part.lower() for slug, part in zip(slugs, parts))
    return "_".join(slugs) + ("_%08x" % zlib.crc32("\0".join(parts).encode()) if lost else "")


def finish(figure: Any, name: str, title: str, about: str) -> Plot:
    """The figure as an SVG that may stand beside others in one page: its names begin with its own."""
    import matplotlib
    from matplotlib import pyplot

    target = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(target, format="svg", bbox_inches="tight", pad_inches=0.06, metadata={"Date": None})
    pyplot.close(figure)
    return Plot(name, title, _clean(target.getvalue(), name, title, about))


def _clean(drawn: str, prefix: str, title: str, about: str) -> str:
    drawn = drawn[drawn.index("<svg") :].rstrip()
    for pattern, written in (
            (r"(?s)<metadata>.*?</metadata>\s*|<!--.*?-->\s*", ""), (r'\bid="([^"]+)"', r'id="%s-\1"' % prefix),
            (r'xlink:href="#', 'xlink:href="#%s-' % prefix), (r"url\(#", "url(#%s-" % prefix),
            (INK, "currentColor"), ("'DejaVu Sans'(, sans-serif)*", FONT)):
        drawn = re.sub(pattern, written, drawn)
    head, rest = drawn.split(">", 1)
    return ('<svg role="img" aria-labelledby="{0}-title {0}-about"{1}><title id="{0}-title">{2}</title>'
            '<desc id="{0}-about">{3}</desc>{4}').format(
                prefix, head[len("<svg") :], html.escape(title), html.escape(about), rest)
