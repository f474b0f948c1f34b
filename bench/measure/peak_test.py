# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Where the bytes are said to be, of a program that holds 10,000 blocks of 4 KiB until it exits."""

import json
import unittest
from typing import Dict

from bench.harness import fixture

HOLD = "bench/measure/hold"
BLOCKS_KIB = 40000
PLACES = ("blocks", "cached", "slabs_free", "runs_free", "pages_free", "rest")


def peak(*mallocs: str) -> Dict[str, int]:
    """Under these libraries, the tool behind them."""
    libraries = [fixture.part(path) for path in (*mallocs, "bench/measure/libpeak.so")]
    done = fixture.ran(HOLD, LD_PRELOAD=" ".join(libraries))
    places: Dict[str, int] = json.loads(done.stderr.splitlines()[-1])
    return places


class PeakTest(unittest.TestCase):
    def test_every_resident_byte_is_somewhere(self) -> None:
        for mallocs in ((), ("composed/malloc/libcairn.so",)):
            places = peak(*mallocs)
            self.assertEqual(sum(places[name] for name in PLACES), places["resident"], mallocs)

    def test_what_the_program_holds_is_in_blocks(self) -> None:
        for mallocs in ((), ("composed/malloc/libcairn.so",)):
            places = peak(*mallocs)
            self.assertGreaterEqual(places["blocks"], BLOCKS_KIB, mallocs)
            self.assertLess(places["blocks"], BLOCKS_KIB * 11 // 10, mallocs)
            self.assertGreater(places["resident"], BLOCKS_KIB, mallocs)
