# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The sentences of every report: who leads, what failed, what makes the figures uncertain. The same in the
terminal, in the page and in Markdown."""

from typing import Any, Dict, List, Optional, Tuple

from bench.harness import figures, significance
from bench.harness.stats import ALL, MEASURES, Summary

MEANS = "Geometric means of multiples of the best, over so many benchmarks (! where some lack)"

GROUPS = {"workloads": "Workloads", "programs": "Real programs", "threads": "Scaling with threads",
          "heap": "Scaling with the heap", "cpus": "Scaling with CPUs", ALL: "All benchmarks"}

METHOD = (
    "Each repetition runs every allocator once in every benchmark; the order alternates from one to the "
    "next, so that a drift of the machine meets all alike.",
    "A figure is the median of the repetitions; its spread is the interquartile range as a part of the median.",
    "A ratio is to the best allocator of the benchmark. The floor never frees: it is the physical limit, and "
    "never the best.",
    "A geometric mean is over the benchmarks that the allocator did without a failure, with their number "
    "beside it.",
    "~ marks a figure that does not differ significantly from the best: the Mann-Whitney test gives it 5 % or "
    "more, or, with two or three repetitions, the ranges touch.",
    "Memory is the program's own at its peak (VmHWM) and when it ends (VmRSS), read from the kernel.",
)


def leads(summary: Summary) -> List[str]:
    """The first sentences of a report: time, then memory."""
    return [_leads(summary, measure) for measure in ("time", "peak")]


def _leads(summary: Summary, measure: str) -> str:
    stacks, peers = summary.ranked(measure, "stack"), summary.ranked(measure, "peer", "libc")
    if not stacks + peers:
        return "No benchmark has %s to compare yet." % ("a time" if measure == "time" else "memory")
    ratios = {name: figures.ratio(summary.mean(name, measure).value) for name in stacks + peers}
    if not stacks:
        return "In %s %s leads at %s times the best of each benchmark; no stack of cairn was measured." % (
            MEASURES[measure], peers[0], ratios[peers[0]])
    head = "In %s the stack %s is at %s times the best of each benchmark (geometric mean over %s)" % (
        MEASURES[measure], stacks[0], ratios[stacks[0]],
        figures.plural(summary.mean(stacks[0], measure).count, "benchmark"))
    if len(stacks) > 1:
        head += ", ahead of " + figures.listed(["%s (%s)" % (name, ratios[name]) for name in stacks[1:]])
    return head + ". " + _against(summary, stacks[0], peers, measure)


def _against(summary: Summary, stack: str, peers: List[str], measure: str) -> str:
    """How the leading stack stands against the best peer, over the benchmarks that both did."""
    if not peers:
        return "There is no other allocator to compare it with."
    ratio, both = summary.versus(stack, peers[0], measure)
    if ratio is None:
        return "It has no benchmark in common with %s." % peers[0]
    differing = [one for one in both if one.significant(stack, measure, peers[0])]
    above = sum(one.cells[stack].median(measure) > one.cells[peers[0]].median(measure) for one in differing)
    worse, better = ("slower", "faster") if measure == "time" else ("larger", "smaller")
    unsure = len(both) - len(differing)
    return ("It %s the best of the others, %s (%s), by %s over the %s that both did: %s in %d, %s in %d%s." % (
        "trails" if ratio >= 1 else "leads", peers[0],
        figures.ratio(summary.mean(peers[0], measure).value), figures.percent(max(ratio, 1 / ratio) - 1),
        figures.plural(len(both), "benchmark"), worse, above, better, len(differing) - above,
        ", no significant difference in %d" % unsure if unsure else ""))


def unfinished(summary: Summary) -> Optional[str]:
    """What to say of a result that is not whole."""
    result = summary.result
    if result["complete"]:
        return None
    cells = [cell for one in summary.benchmarks for cell in one.cells.values()]
    return ("Partial result: the run was %s after %s; %d of %d cells (an allocator in a benchmark) have any. "
            "What follows is computed from these alone." % (
                "interrupted" if result["interrupted"] else "not finished",
                figures.plural(len(result["runs"]), "run"), sum(cell.repetitions > 0 for cell in cells),
                len(cells)))


def failures(summary: Summary) -> List[str]:
    """A line for each allocator and reason; cells that were never run are no failures."""
    by: Dict[Tuple[str, str], List[str]] = {}
    for one in summary.benchmarks:
        for name, cell in one.cells.items():
            if cell.failures:
                by.setdefault((name, cell.reason), []).append(one.name)
    return ["%s failed in %s: %s" % (name, figures.listed(where), reason)
            for (name, reason), where in by.items()]


def warnings(summary: Summary) -> List[str]:
    """What makes the figures less certain than they look."""
    result, machine, said = summary.result, summary.result["machine"], []
    if result["dirty"]:
        said.append("The tree had changes that are in no commit: %s names only what they were based on."
                    % (result["commit"] or "the commit"))
    load = (machine["load"] or [0])[0]
    if load > 0.5 * machine["cpus"]:
        said.append("The machine was busy: load %.1f on %s when the run began."
                    % (load, figures.plural(machine["cpus"], "CPU")))
    if result["settings"]["quick"]:
        said.append("A quick run: less work and fewer repetitions, good for a first look and not for a "
                    "verdict.")
    wide = [one.name for one in summary.benchmarks if one.compares("time") for cell in one.cells.values()
            if cell.ok and "time" in cell.samples and cell.samples["time"].spread > 0.10]
    if wide:
        said.append("Times vary by more than 10 %% between quartiles in %s, in the benchmarks %s."
                    % (figures.plural(len(wide), "cell"), figures.listed(list(dict.fromkeys(wide)))))
    repetitions = result["settings"]["rounds"]
    if repetitions < significance.LEAST_REPETITIONS:
        how = "the ranges of both must not touch" if repetitions > 1 else "no difference is significant"
        said.append("%s: too few for a test at 5 %%, so %s."
                    % (figures.plural(repetitions, "repetition").capitalize(), how))
    elif significance.MISSING:
        said.append(significance.MISSING)
    return said + result["notes"]


def missing(summary: Summary, measure: str = "time") -> List[str]:
    """Which benchmarks an allocator's geometric mean lacks."""
    lacking = {name: summary.mean(name, measure).missing for name in summary.allocators}
    return ["%s: without %s (mean of %s)" % (name, figures.listed(names), MEASURES[measure])
            for name, names in lacking.items() if names]


def notes(summary: Summary) -> List[str]:
    return failures(summary) + warnings(summary) + missing(summary)


def machine(result: Dict[str, Any]) -> List[Tuple[str, str]]:
    """The machine, a pair for each line."""
    about = dict(result["machine"])
    memory, page, load = (about.pop(key) for key in ("memory_kib", "page_bytes", "load"))
    pairs = [("CPU", about.pop("cpu")), ("CPUs", about.pop("cpus")),
             ("memory", figures.kib(memory) if memory else None), ("kernel", about.pop("kernel")),
             ("libc", about.pop("libc")), ("page size", figures.kib(page / 1024)),
             ("transparent huge pages", about.pop("thp")), ("frequency governor", about.pop("governor")),
             ("load at the start", ", ".join("%.2f" % part for part in load) or None)]
    pairs += [(key.replace("_", " "), value) for key, value in about.items()]
    return [(name, str(value)) for name, value in pairs if value is not None]


def origin(result: Dict[str, Any]) -> str:
    """When, where and of what, in one line."""
    about = result["machine"]
    return "%s, %s, %s, Linux %s, commit %s%s" % (
        result["started"].replace("T", " ").replace("Z", " UTC"), about["cpu"],
        figures.plural(about["cpus"], "CPU"), about["kernel"], result["commit"] or "unknown",
        " with changes" if result["dirty"] else "")
