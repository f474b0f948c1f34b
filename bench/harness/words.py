# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""What every report says in words: who leads, what failed, what to beware of. The same sentences on paper
and on screen."""

from typing import Any, Dict, List, Optional, Tuple

from bench.harness import figures
from bench.harness.stats import ALL, Summary

NOTHING_COMPARED = "No row has a time to compare yet."


def leads(summary: Summary) -> List[str]:
    """The first sentences of a report: time, then memory."""
    return [_leads(summary, "time"), _leads(summary, "peak")]


def _leads(summary: Summary, measure: str) -> str:
    stacks, peers = summary.ranked(measure, "stack"), summary.ranked(measure, "peer", "libc")
    if not stacks:
        return _without_stack(summary, measure, peers)
    mean = summary.mean(stacks[0], measure)
    head = "In %s the stack %s is at %s times the best of each row (geometric mean over %s)" % (
        _what(measure),
        stacks[0],
        figures.ratio(mean.value),
        figures.plural(mean.rows, "row"),
    )
    if len(stacks) > 1:
        head += ", ahead of %s" % figures.listed(
            ["%s (%s)" % (name, figures.ratio(summary.mean(name, measure).value)) for name in stacks[1:]]
        )
    return head + ". " + _against(summary, stacks[0], peers, measure)


def _without_stack(summary: Summary, measure: str, peers: List[str]) -> str:
    if not peers:
        return NOTHING_COMPARED if measure == "time" else "No row has memory to compare yet."
    return "In %s %s leads at %s times the best of each row; no stack of cairn was measured." % (
        _what(measure),
        peers[0],
        figures.ratio(summary.mean(peers[0], measure).value),
    )


def _what(measure: str) -> str:
    return "time" if measure == "time" else "peak memory"


def _against(summary: Summary, stack: str, peers: List[str], measure: str) -> str:
    """How the leading stack stands against the best peer, over the rows that both did."""
    if not peers:
        return "There is no other allocator to compare it with."
    ratio, rows, told = summary.versus(stack, peers[0], measure)
    if ratio is None:
        return "It has no row in common with %s." % peers[0]
    worse, better = ("slower", "faster") if measure == "time" else ("larger", "smaller")
    verb = "trails" if ratio >= 1 else "leads"
    amount = ratio - 1 if ratio >= 1 else 1 / ratio - 1
    unsure = rows - told
    return "It %s the best of the others, %s (%s), by %s over the %s that both did: %s in %d, %s in %d%s." % (
        verb,
        peers[0],
        figures.ratio(summary.mean(peers[0], measure).value),
        figures.percent(amount),
        figures.plural(rows, "row"),
        worse,
        _told(summary, stack, peers[0], measure, 1),
        better,
        _told(summary, stack, peers[0], measure, -1),
        ", cannot tell in %d" % unsure if unsure else "",
    )


def _told(summary: Summary, stack: str, peer: str, measure: str, sign: int) -> int:
    """In how many rows the stack is told to be above (1) or below (-1) the peer."""
    found = 0
    for row in summary.rows:
        mine, other = (row.cells[name].median(measure) for name in (stack, peer))
        if row.compares(measure) and mine is not None and other is not None and (mine - other) * sign > 0:
            found += row.told(stack, measure, peer)
    return found


def unfinished(summary: Summary) -> Optional[str]:
    """What to say of a result that is not whole."""
    result = summary.result
    if result.get("complete", True):
        return None
    cells = [cell for row in summary.rows for cell in row.cells.values()]
    why = "interrupted" if result.get("interrupted") else "not finished"
    return (
        "Partial result: the run was %s after %s; %d of %d cells (a subject in a row) have any. What "
        "follows is "
        "computed from these alone."
        % (
            why,
            figures.plural(len(result["runs"]), "run"),
            sum(cell.rounds > 0 for cell in cells),
            len(cells),
        )
    )


def failures(summary: Summary) -> List[Tuple[str, str, str]]:
    """Row, subject and reason of each cell that failed; cells that were never run are no failures."""
    return [
        (row.name, name, cell.reason)
        for row in summary.rows
        for name, cell in row.cells.items()
        if cell.failures
    ]


def failure_lines(summary: Summary) -> List[str]:
    """The same, one line for each subject and reason."""
    by: Dict[Tuple[str, str], List[str]] = {}
    for row, name, reason in failures(summary):
        by.setdefault((name, reason), []).append(row)
    return [
        "%s failed in %s: %s" % (name, figures.listed(rows), reason) for (name, reason), rows in by.items()
    ]


def warnings(summary: Summary) -> List[str]:
    """What makes the figures less certain than they look."""
    result, machine = summary.result, summary.result["machine"]
    said = []
    if result.get("dirty"):
        said.append(
            "The tree had changes that are in no commit: %s names only what they were based on."
            % (result.get("commit") or "the commit")
        )
    load, cpus = (machine.get("load") or [0])[0], machine.get("cpus") or 1
    if load > 0.5 * cpus:
        said.append(
            "The machine was busy: load %.1f on %s when the run began." % (load, figures.plural(cpus, "CPU"))
        )
    if result["settings"].get("quick"):
        said.append("A quick run: less work and fewer rounds, good for a first look and not for a verdict.")
    said += _wide(summary) + _few(summary)
    return said + [str(note) for note in result.get("notes") or []]


def _wide(summary: Summary) -> List[str]:
    """Rows in which the time of some subject varies by more than a tenth."""
    wide = [
        (row.name, name)
        for row in summary.rows
        if row.compares("time")
        for name, cell in row.cells.items()
        if cell.ok and "time" in cell.samples and cell.samples["time"].spread > 0.10
    ]
    if not wide:
        return []
    rows = list(dict.fromkeys(row for row, _ in wide))
    return [
        "Times vary by more than 10 %% between quartiles in %s, in the rows %s."
        % (figures.plural(len(wide), "cell"), figures.listed(rows))
    ]


def _few(summary: Summary) -> List[str]:
    rounds = summary.result["settings"].get("rounds") or 0
    if rounds >= 4:
        return []
    how = "the ranges of both must not touch" if rounds > 1 else "nothing can be told apart"
    return ["%s: too few for a test at 5 %%, so %s." % (figures.plural(rounds, "round").capitalize(), how)]


def missing_lines(summary: Summary, measure: str = "time") -> List[str]:
    """Which rows a subject's geometric mean lacks."""
    return [
        "%s: without %s" % (name, figures.listed(summary.mean(name, measure).missing))
        for name in summary.subjects
        if summary.mean(name, measure).missing
    ]


def machine(result: Dict[str, Any]) -> List[Tuple[str, str]]:
    """The machine, a pair for each line."""
    about = result["machine"]
    memory = about.get("memory_kib")
    load = about.get("load") or []
    pairs = [
        ("CPU", about.get("cpu")),
        ("CPUs", about.get("cpus")),
        ("memory", figures.kib(memory) if memory else None),
        ("kernel", about.get("kernel")),
        ("libc", about.get("libc")),
        ("page size", _bytes(about.get("page_bytes"))),
        ("transparent huge pages", about.get("thp")),
        ("frequency governor", about.get("governor")),
        ("load at the start", ", ".join("%.2f" % part for part in load) or None),
    ]
    known = {"cpu", "cpus", "memory_kib", "kernel", "libc", "page_bytes", "thp", "governor", "load"}
    pairs += [(key.replace("_", " "), value) for key, value in about.items() if key not in known]
    return [(name, str(value)) for name, value in pairs if value is not None]


def _bytes(value: Optional[int]) -> Optional[str]:
    return None if value is None else figures.kib(value / 1024)


def origin(result: Dict[str, Any]) -> str:
    """When, where and of what, in one line."""
    about = result["machine"]
    commit = "%s%s" % (result.get("commit") or "unknown", " with changes" if result.get("dirty") else "")
    return "%s, %s, %s, Linux %s, commit %s" % (
        (result.get("started") or "?").replace("T", " ").replace("Z", " UTC"),
        about.get("cpu") or "unknown CPU",
        figures.plural(about.get("cpus") or 0, "CPU"),
        about.get("kernel") or "?",
        commit,
    )


def group_title(group: str) -> str:
    """How a group is called in a heading."""
    return {
        "workloads": "Workloads",
        "programs": "Real programs",
        "threads": "Scaling with threads",
        "heap": "Scaling with the heap",
        "cpus": "Scaling with CPUs",
        ALL: "All rows",
    }.get(group, group)


METHOD = (
    "Each round runs every subject once in every row; the order alternates from round to round, so that a "
    "drift of the "
    "machine meets all alike.",
    "A figure is the median of the rounds; its spread is the interquartile range as a part of the median.",
    "A ratio is to the best allocator of the row. The floor never frees: it is the physical limit, and "
    "never the best.",
    "A geometric mean is over the rows that the subject did without a failure, with their number beside it.",
    "~ marks a figure that cannot be told from the best: the Mann-Whitney test (exact) gives it 5 % or "
    "more, or, with two "
    "or three rounds, the ranges touch.",
    "Memory is the program's own at its peak (VmHWM) and when it ends (VmRSS), read from the kernel.",
)
