# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""What machine, kernel, libc and commit a result was measured on. What cannot be told is null."""

import os
import pathlib
import platform
import re
import subprocess
from typing import Any, Dict, List, NamedTuple, Optional

UNKNOWN = "unknown"


def ask(*command: str, **more: Any) -> "subprocess.CompletedProcess[str]":
    """What a program says; one that is not there, or hangs, fails, and its stderr tells why."""
    try:
        return subprocess.run(command, **{"stdin": subprocess.DEVNULL, "capture_output": True, "text": True,
                                          "errors": "replace", "check": False, "timeout": 20, **more})
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


def _text(path: str) -> str:
    try:
        return pathlib.Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def cpu_of(cpuinfo: str) -> str:
    """The model in the words of /proc/cpuinfo; arm64 has numbers only."""
    fields = dict(re.findall(r"^([^\t:]+?)\s*:\s*(.*)$", cpuinfo, re.MULTILINE)[::-1])
    if fields.get("model name"):
        return re.sub(r"\s+", " ", fields["model name"]).strip()
    if "CPU part" in fields:
        return "implementer %s part %s" % (fields.get("CPU implementer", "?"), fields["CPU part"])
    return platform.machine() or UNKNOWN


def chosen(text: str) -> Optional[str]:
    """The word in brackets of "always [madvise] never"."""
    found = re.search(r"\[(\w+)\]", text)
    return found.group(1) if found else None


def allowed_cpus() -> List[int]:
    """The CPUs that this process may use, in order."""
    return sorted(os.sched_getaffinity(0))


def libc() -> str:
    """Such as "glibc 2.36"."""
    return " ".join(platform.libc_ver()).strip() or UNKNOWN


def describe() -> Dict[str, Any]:
    """The result's "machine"."""
    return {
        "cpu": cpu_of(_text("/proc/cpuinfo")), "cpus": len(allowed_cpus()),
        "memory_kib": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024, "kernel": platform.release(), "libc": libc(),
        "thp": chosen(_text("/sys/kernel/mm/transparent_hugepage/enabled")),
        "page_bytes": os.sysconf("SC_PAGE_SIZE"),
        "governor": _text("/sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor" % allowed_cpus()[-1]).strip()
                    or None,
        "load": [round(load, 2) for load in os.getloadavg()],
    }


class Commit(NamedTuple):
    """What was measured, as far as git knows."""

    name: Optional[str]
    is_dirty: Optional[bool]  # files differ from it


def commit_of(workspace: Optional[pathlib.Path]) -> Commit:
    git = ("git", "-C", str(workspace))
    head = ask(*git, "rev-parse", "--short", "HEAD")
    if workspace is None or head.returncode != 0:
        return Commit(None, None)
    changed = ask(*git, "status", "--porcelain")
    return Commit(head.stdout.strip(), None if changed.returncode else bool(changed.stdout.strip()))


def notes_on(machine: Dict[str, Any]) -> List[str]:
    """What about the machine makes its times doubtful; its load the report tells."""
    if machine["governor"] in (None, "performance"):
        return []
    return ["CPU frequency governor '%s': times vary with it" % machine["governor"]]
