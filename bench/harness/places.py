# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The old name of paths.py, for bench/trace."""

from bench.harness.paths import Paths as Places
from bench.harness.paths import find

__all__ = ["Places", "find"]
