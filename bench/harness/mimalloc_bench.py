# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The line format of mimalloc-bench, for those who have tools that read it.

    <test> <allocator> <elapsed m:ss.cc> <peak KiB> <user s> <system s> <major faults> <minor faults>

That is GNU time's "%E %M %U %S %F %R" behind two names, one line for each run, in the order in which they
ran within a benchmark. A run that failed has no line, for the format has no word for it. Elapsed is of the
whole program, as GNU time has it.
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


def line(run: Dict[str, Any]) -> str:
    """One run; blanks separate fields, so names have none."""
    names = [re.sub(r"\s+", "_", run[key].strip()) or "_" for key in ("row", "subject")]
    wall = run.get("wall_s")
    of = {key: run.get(key) or 0 for key in ("peak_kib", "user_s", "system_s", "major_faults", "minor_faults")}
    return "%s %s %s %d %.2f %.2f %d %d" % (*names, elapsed(run["seconds"] if wall is None else wall),
                                            *of.values())


def lines(result: Dict[str, Any]) -> List[str]:
    return [line(run) for run in result["runs"] if run["ok"]]
