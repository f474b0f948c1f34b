# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The old name of allocators.py, for bench/trace."""

from bench.harness.allocators import FLOOR, LIBC, PEER, STACK, Allocator as Subject, choose, find, notes_on_missing

__all__ = ["FLOOR", "LIBC", "PEER", "STACK", "Subject", "choose", "find", "notes_on_missing"]
