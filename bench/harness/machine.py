# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""What machine, kernel, libc and commit a result was measured on (what cannot be told is null), and the environment of
what is measured."""

import os
import pathlib
import platform
import re
import subprocess
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

UNKNOWN = "unknown"
# What steers an allocator behind our back.
_STEERS = re.compile("LD_PRELOAD|CAIRN_CONF|GLIBC_TUNABLES|SCUDO_OPTIONS|(MI|TC|TBB_|)MALLOC_")
# What our own launcher sets: a program that is python3 itself would read it.
_OURS = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "CAIRN_RUNFILES", "RUNFILES_DIR", "RUNFILES_MANIFEST_FILE")


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


def clean(environ: Mapping[str, str]) -> Tuple[Dict[str, str], List[str]]:
    """The environment for programs, and the names of the user's variables that it lacks."""
    removed = sorted(name for name in environ if _STEERS.match(name))
    kept = {name: value for name, value in environ.items() if name not in removed and name not in _OURS}
    return {**kept, "LC_ALL": "C"}, removed


def notes_on(machine: Dict[str, Any], removed: Sequence[str]) -> List[str]:
    """What makes the times doubtful; the machine's load the report tells."""
    notes = []
    if machine["governor"] not in (None, "performance"):
        notes.append("CPU frequency governor '%s': times vary with it" % machine["governor"])
    if removed:
        notes.append("taken out of the environment: " + ", ".join(removed))
    return notes
