# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""What the kernel of this machine charges for memory, as a table and a picture.

    bazel run //bench:kernel -- [-o FOLDER] [--largest-mib N] [--fragment-mib N]

Writes prices.json (a line for each price), kernel.md and, with matplotlib, kernel.svg into FOLDER, and prints kernel.md.
`--fragment-mib` first takes so much memory and gives every second page back: give nearly all that the machine has, to see
what huge pages cost when free memory is in pieces.
"""

import collections
import json
import os
import pathlib
import subprocess
import sys
from typing import Any, Dict, List, Sequence, Tuple

from bench.harness import machine, markdown, options, plots, svg
from bench.harness.document import Cell, Table
from bench.harness.result import given

Prices = Dict[Tuple[str, int], Dict[int, float]]  # of a price and so many threads: by KiB, nanoseconds

PAGE_KIB = 4
# Of these the whole call is told, for it does not depend on the length; of others what a page of 4 KiB costs.
FLAT = ("brk up", "mmap", "munmap, untouched", "mremap in place")


def measured(largest_mib: int, fragment_mib: int) -> List[Dict[str, Any]]:
    """One entry for each price, size and number of threads."""
    command = [os.path.join(os.environ["CAIRN_RUNFILES"], "bench/kernel/prices"), str(largest_mib)]
    command += [str(fragment_mib)] if fragment_mib > 0 else []
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise options.UsageError("prices: exit status %d" % done.returncode)
    return [json.loads(line) for line in done.stdout.splitlines()]


def origin(fragment_mib: int) -> str:
    about = machine.describe()
    return "%s, %d CPUs, %d MiB, Linux %s, huge pages %s%s" % (
        about["cpu"], about["cpus"], about["memory_kib"] // 1024, about["kernel"], about["thp"],
        ", %d MiB cut into pages" % fragment_mib if fragment_mib > 0 else "")


def grouped(entries: Sequence[Dict[str, Any]]) -> Prices:
    prices: Prices = collections.defaultdict(dict)
    for entry in entries:
        prices[entry["price"], entry["threads"]][entry["kib"]] = entry["ns"]
    return prices


def shown(name: str, kib: int, nanoseconds: float) -> float:
    """What is told of a price: of the call, or of a page."""
    return nanoseconds if name in FLAT else nanoseconds / (kib / PAGE_KIB)


def size_of(kib: int) -> str:
    return "%d MiB" % (kib // 1024) if kib >= 1024 else "%d KiB" % kib


def table(prices: Prices) -> Table:
    sizes = sorted({kib for by_kib in prices.values() for kib in by_kib})
    body = []
    for (name, threads), by_kib in prices.items():
        cells = ["%.0f" % shown(name, kib, by_kib[kib]) if kib in by_kib else "" for kib in sizes]
        body.append([Cell(name), Cell("call" if name in FLAT else "page"), *map(Cell, [str(threads)] + cells)])
    return Table("", ["price", "of a", "threads", *map(size_of, sizes)], body, words=2)


def text(prices: Prices, said: str) -> str:
    lines = ["# What the kernel charges for memory", "", said + ".", "",
             "Nanoseconds, medians: of one call where the length does not matter, else of each page of %d KiB. Touching "
             "is one store into each page. With 2 threads both do the same at once." % PAGE_KIB, "",
             *markdown.table(table(prices))]
    return "\n".join(lines).rstrip() + "\n"


def drawn(prices: Prices) -> List[svg.Plot]:
    """One panel for each number of threads: a line for each price of a page."""
    if plots.MISSING:
        return []
    names = list(dict.fromkeys(name for name, _ in prices if name not in FLAT))
    looks = svg.looks({name: "stack" if name.startswith("huge") else "peer" for name in names})
    counts = sorted({threads for _, threads in prices})
    with plots.matplotlib.rc_context(svg.STYLE):
        figure, panels = plots.pyplot.subplots(1, len(counts), figsize=(plots.WIDE, 3.6), sharey=True, squeeze=False)
        for axes, threads in zip(panels[0], counts):
            for name in names:
                by_kib = prices.get((name, threads), {})
                plots.line(axes, looks[name], [kib / 1024 for kib in by_kib],
                           [shown(name, kib, value) for kib, value in by_kib.items()], label=name)
            axes.set(xscale="log", yscale="log", xlabel="MiB", title="%d thread%s, ns a page" % (threads, "s" * (threads > 1)))
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_formatter(plots.ticker.FuncFormatter(lambda value, _: "%g" % value))
            axes.grid()
        panels[0][-1].legend(loc="upper left", bbox_to_anchor=(1.02, 1.0))
        return [svg.finish(figure, "kernel", "What the kernel charges for a page",
                           "For each price, nanoseconds for a page of 4 KiB over the length of the memory; both axes "
                           "are logarithmic.")]


def _act(arguments: Sequence[str]) -> int:
    parser = options.Parser(prog="kernel", description="What the kernel charges for memory.")
    parser.add_argument("-o", "--output", metavar="FOLDER", default="kernel-prices", help="where to (%(default)s)")
    parser.add_argument("--largest-mib", type=int, default=256, help="the largest size (%(default)s)")
    parser.add_argument("--fragment-mib", type=int, default=0, help="memory to be cut into pages first (%(default)s)")
    chosen = parser.parse_args(arguments)
    entries = measured(chosen.largest_mib, chosen.fragment_mib)
    prices = grouped(entries)
    folder = pathlib.Path(given(chosen.output))
    folder.mkdir(parents=True, exist_ok=True)
    report = text(prices, origin(chosen.fragment_mib))
    (folder / "prices.json").write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
    (folder / "kernel.md").write_text(report, encoding="utf-8")
    for plot in drawn(prices):
        (folder / "kernel.svg").write_text(plot.alone, encoding="utf-8")
    sys.stdout.write(report)
    return 0


def main(arguments: Sequence[str]) -> int:
    """Exit status 0; 2 for a wrong option."""
    return options.run("kernel", lambda: _act(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
