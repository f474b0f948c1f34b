# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The line format of the common allocator benchmark suites, for those who have tools that read it.

    <test> <allocator> <elapsed m:ss.cc> <peak KiB> <user s> <system s> <major faults> <minor faults>

That is GNU time's "%E %M %U %S %F %R" behind two names, one line for each run, in the order in which they
ran within a row. A run that failed has no line, for the format has no word for it. Elapsed is of the whole
program, as GNU time has it.
"""

import re
from typing import Any, Dict, List


def elapsed(seconds: float) -> str:
    """As GNU time's %E: 0:00.41, and from an hour on 1:02:03."""
    hundredths = round(seconds * 100)
    if hundredths >= 360000:
        whole = round(seconds)
        return "%d:%02d:%02d" % (whole // 3600, whole // 60 % 60, whole % 60)
    return "%d:%02d.%02d" % (hundredths // 6000, hundredths // 100 % 60, hundredths % 100)


def word(name: str) -> str:
    """A name without the blanks that separate fields."""
    return re.sub(r"\s+", "_", name.strip()) or "_"


def line(run: Dict[str, Any]) -> str:
    """One run."""
    wall = run.get("wall_s")
    return " ".join(
        (
            word(run["row"]),
            word(run["subject"]),
            elapsed(wall if wall is not None else run["seconds"]),
            "%d" % (run.get("peak_kib") or 0),
            "%.2f" % (run.get("user_s") or 0),
            "%.2f" % (run.get("system_s") or 0),
            "%d" % (run.get("major_faults") or 0),
            "%d" % (run.get("minor_faults") or 0),
        )
    )


def lines(result: Dict[str, Any]) -> List[str]:
    """Every good run of a result."""
    return [line(run) for run in result["runs"] if run["ok"]]
