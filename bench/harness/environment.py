# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The environment of what is measured: the user's, without what steers an allocator behind our back."""

import re
from typing import Dict, List, Mapping, Tuple

_STEERS = re.compile("LD_PRELOAD|CAIRN_CONF|GLIBC_TUNABLES|SCUDO_OPTIONS|(MI|TC|TBB_|)MALLOC_")
# What our own launcher sets: a program that is python3 itself would read it.
_OURS = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "CAIRN_RUNFILES", "RUNFILES_DIR", "RUNFILES_MANIFEST_FILE")


def clean(environ: Mapping[str, str]) -> Tuple[Dict[str, str], List[str]]:
    """The environment for programs, and the names of the user's variables that it lacks."""
    removed = sorted(name for name in environ if _STEERS.match(name))
    kept = {name: value for name, value in environ.items() if name not in removed and name not in _OURS}
    return {**kept, "LC_ALL": "C"}, removed
