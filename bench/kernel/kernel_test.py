# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The prices of the kernel: that each is measured, and what the report makes of them."""

import json
import unittest

from bench.harness import fixture, plots
from bench.kernel import report


class PricesTest(fixture.FolderCase):
    def test_each_price_is_measured_for_each_size_and_number_of_threads(self) -> None:
        done = self.call("kernel.report", "-o", "told", "--largest-mib", "1")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        entries = [json.loads(line) for line in (self.folder / "told/prices.json").read_text().splitlines()]
        prices = report.grouped(entries)
        for name in ("mmap", "munmap, resident", "first touch", "dontneed", "mremap elsewhere", "copy"):
            for threads in (1, 2):
                self.assertEqual(set(prices[name, threads]), {64, 256, 1024}, name)
        self.assertEqual(set(prices["brk up", 1]), {64, 256, 1024})
        self.assertNotIn(("brk up", 2), prices)
        self.assertTrue(all(entry["ns"] > 0 and entry["times"] >= 5 for entry in entries))
        self.assertEqual(done.stdout, (self.folder / "told/kernel.md").read_text())
        self.assertEqual((self.folder / "told/kernel.svg").exists(), not plots.MISSING)

    def test_a_wrong_option_is_one_line(self) -> None:
        done = self.call("kernel.report", "--largest-mib", "much")
        self.assertEqual(done.returncode, 2)
        self.assertEqual(len(done.stderr.splitlines()), 1)


class ReportTest(unittest.TestCase):
    PRICES = report.grouped([{"price": name, "kib": kib, "threads": 1, "ns": ns}
                             for name, kib, ns in (("mmap", 64, 2000), ("first touch", 64, 32000), ("first touch", 1024, 512000))])

    def test_a_price_that_grows_with_the_length_is_told_by_the_page(self) -> None:
        lines = report.text(self.PRICES, "here").splitlines()
        self.assertIn("| first touch | page | 1 | 2000 | 2000 |", lines)

    def test_a_price_of_a_call_is_told_as_it_is(self) -> None:
        self.assertIn("| mmap | call | 1 | 2000 |  |", report.text(self.PRICES, "here").splitlines())

    def test_the_head_names_the_sizes(self) -> None:
        self.assertIn("| price | of a | threads | 64 KiB | 1 MiB |", report.text(self.PRICES, "here").splitlines())
