# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""How figures are written in every report: three significant digits, and a unit that keeps them short."""

import textwrap
from typing import List, Optional, Sequence

NOTHING = "-"


def digits(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value >= 100 or value == 0:
        return "%.0f" % value
    return "%.2f" % value if value < 9.995 else "%.1f" % value


def scaled(value: float, step: float, units: Sequence[str]) -> str:
    """The value in the first of the units in which it stays below the step to the next."""
    for unit in units[:-1]:
        if abs(value) < 0.9995 * step:
            return "%s %s" % (digits(value), unit)
        value /= step
    return "%s %s" % (digits(value), units[-1])


def seconds(value: Optional[float]) -> str:
    if value is None:
        return NOTHING
    return "%s s" % digits(value) if value >= 0.9995 else scaled(value * 1e9, 1000, ("ns", "us", "ms"))


def kib(value: Optional[float]) -> str:
    return NOTHING if value is None else scaled(value, 1024, ("KiB", "MiB", "GiB"))


def count(value: Optional[float]) -> str:
    return NOTHING if value is None else format(round(value), ",d")


def ratio(value: Optional[float]) -> str:
    return NOTHING if value is None else digits(value)


def percent(value: Optional[float]) -> str:
    if value is None:
        return NOTHING
    return "%s %%" % ("%.1f" % (100 * value) if abs(value) < 0.0995 else "%.0f" % (100 * value))


def change(value: float) -> str:
    """A ratio as a change with its sign: 1.041 is +4.1 %."""
    return ("+" if value >= 1 else "") + percent(value - 1)


def plural(number: int, noun: str) -> str:
    return "%d %s%s" % (number, noun, "" if number == 1 else "s")


def listed(names: Sequence[str], most: int = 6) -> str:
    """a, b and c; of many names the first and how many more."""
    names = list(names)
    if len(names) > most:
        names = names[: most - 1] + ["%d more" % (len(names) - most + 1)]
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0] if names else "none"


WRITE = {"time": seconds, "cpu": seconds, "peak": kib, "final": kib, "faults": count}


def measured(measure: str, value: Optional[float]) -> str:
    return WRITE[measure](value)


def wrapped(text: str, width: int, indent: str = "") -> List[str]:
    """The text in lines of at most this width, each but the first indented."""
    return textwrap.wrap(text, width, subsequent_indent=indent, break_on_hyphens=False,
                         break_long_words=False)
