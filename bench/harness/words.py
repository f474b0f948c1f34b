# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The old name of messages.py, for bench/trace."""

from bench.harness.messages import origin, unfinished

__all__ = ["origin", "unfinished"]
