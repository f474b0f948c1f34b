# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Figures, text, page and pictures of a replay whose runs are known; the page as bench/harness/report_test sees its."""

import pathlib
import re
import unittest
import xml.etree.ElementTree
from typing import Any, Dict
from unittest import mock

from bench.harness import fixture, page, plots, result
from bench.trace import findings, pages, pictures
from bench.trace.findings import SizeClass

INFO = {**dict.fromkeys((name for name, _, _ in findings.TRACE_NOTES), 0), "command": ["prog", "<x>"],
        "calls": {"malloc": 1000000, "free": 234567}, "started_unix": 0.0, "seconds": 2.0, "peak_seconds": 1.0,
        "process": 7, "threads": 1, "events": 1234567, "event_bytes": 4938268, "total_bytes": 5 << 20,
        "peak_live_bytes": 1 << 20, "peak_live_blocks": 9, "end_live_bytes": 500, "end_live_blocks": 2, "frees": 234567,
        "cross_frees": 0, "failed": 0, "torn_blocks": 3, "blocks_by_bits_of_size": [0, 0, 0, 0, 0, 5, 15] + [0] * 58,
        "bytes_by_bits_of_size": [0, 0, 0, 0, 0, 100, 900] + [0] * 58, "blocks_by_lifetime": [10] + [0] * 8 + [10]}


def report(factor: int = 2, granules: int = 3) -> Dict[str, Any]:
    """A sampler's: the live bytes grow to the end, `factor` times as much is resident."""
    samples = [{"seconds": part / 4e4, "calls": 25 * part, "live_kib": 256 * part, "resident_kib": 256 * part * factor,
                "space": [number for granule in range(granules) for number in (7 * granule, 16 * part)]}
               for part in range(1, 5)]
    return {"calls": 100, "peak_live_kib": 1024, "baseline_kib": 900, "granule_bytes": 65536, "samples": samples,
            "classes": [[0, 1, 10, 10, 10 * 24], [14, 15, 1, 15, 16], [15, 16, 2, 32, 32 * factor],
                        [18, 20, 5, 100, 120], [4096, 4608, 1, 4100, 4608]]}


def replayed() -> Dict[str, Any]:
    """Three allocators that play, and one that crashes: cairn is twice as fast as glibc."""
    runs = []
    for name, times, peak_kib in (("cairn", (0.2, 0.1, 0.3), 1024), ("glibc", (0.4,) * 3, 2048),
                                  ("floor", (0.01,) * 3, 9999)):
        for number, time in enumerate(times):
            extra = {"peak_resident_kib": peak_kib, "peak_live_kib": 1024, "end_resident_kib": 10}
            runs.append({**fixture.run("replay of t", name, number, time, 5000), "extra": extra})
    runs.append(fixture.failed(fixture.run("replay of t", "bad", 0, 1.0, 1), "crashed: SIGSEGV"))
    kinds = {"cairn": "stack", "glibc": "libc", "bad": "peer", "floor": "floor"}
    return {**fixture.result(only=()), "command": ["bazel", "run", "//bench:replay", "--", "t"],
            "settings": {"rounds": 3, "quick": False, "filter": None, "touch": "ends"},
            "subjects": [fixture.allocator(*pair) for pair in kinds.items()],
            "rows": [{**fixture.row("replay of t"), "pinned": False}], "runs": runs, "notes": ["a <note>"],
            "replay": {"trace": "t", "planner": ["t", "plan"], "info": dict(INFO),
                       "reports": {"cairn": report(1), "glibc": report(), "floor": report(granules=40)}}}


class FindingsTest(unittest.TestCase):

    def setUp(self) -> None:
        self.made = replayed()

    def test_a_row_has_the_medians_of_its_runs_and_a_failed_one_why(self) -> None:
        self.assertEqual(result.validate(self.made), [])
        rows = {row[0].text: [cell.text for cell in row[1:]] for row in findings.times(self.made).body}
        self.assertEqual(rows["cairn"], ["200 ms", "50 %", "1.00", "1.00 MiB", "1.00", "10.0 KiB"])
        self.assertEqual(rows["bad"][0], "crashed: SIGSEGV")
        self.assertEqual(list(findings.wasting(self.made)), ["cairn", "glibc"])
        self.made["replay"]["reports"] = {"floor": report()}
        self.assertEqual(list(findings.wasting(self.made)), ["floor"])

    def test_short_replays_and_threads_that_ran_ahead_are_doubted(self) -> None:
        sample = self.made["replay"]["reports"]["glibc"]["samples"][1]
        sample["live_kib"] = 1536
        self.assertEqual(findings.doubts(self.made), [])
        sample["live_kib"] = 1537
        for run in self.made["runs"][:3]:
            run["seconds"] /= 100
        short, ahead = findings.doubts(self.made)
        self.assertEqual(short, "the trace is played in 2.00 ms: too short for times that tell")
        self.assertRegex(ahead, "up to 1.50 MiB were live in the replay, 1.00 MiB in the program; .* not to")
        self.assertEqual(findings.doubts({**self.made, "runs": []}), [])

    def test_each_class_has_its_own_bounds_and_merged_they_are_powers_of_two(self) -> None:
        found = findings.size_classes({"a": report(1), "b": report()}, merged=False)
        self.assertEqual([entry[:2] for entry in found], [(0, 1), (14, 15), (15, 16), (18, 20), (4096, 4608)])
        self.assertEqual(found[2], SizeClass(15, 16, 2, 32, {"a": 1.0, "b": 2.0}))
        found = findings.size_classes({"a": report()}, merged=True)
        self.assertEqual([entry[:3] for entry in found], [(0, 1, 10), (8, 16, 3), (16, 32, 5), (4096, 8192, 1)])
        self.assertAlmostEqual(found[1].usable["a"], (16 + 64) / 47)
        empty = {"a": {"classes": [[0, 1, 5, 0, 120]]}}  # blocks of no bytes have no ratio
        self.assertEqual(findings.size_classes(empty, merged=False), [SizeClass(0, 1, 5, 0, {})])
        self.assertEqual(findings.total_class(empty), {})
        self.assertEqual(" ".join(map(findings.size_of, (1, 1000, 1024, 1280, 3 << 20, 5 << 40))),
                         "1 B 1000 B 1 KiB 1.25 KiB 3 MiB 5120 GiB")

    def test_the_text_and_what_is_said_of_the_trace_have_all_that_matters(self) -> None:
        said = findings.spoken(self.made) + findings.about(INFO)
        for line in (r"t: 1,234,567 events, 1 thread, at most 1.00 MiB live; 3 rounds", r"  prog <x>",
                     r"cairn +200 ms +50 % +1.00\* +1.00 MiB +1.00 +10.0 KiB",
                     r"glibc +400 ms +0.0 % +2.00 +2.00 MiB +2.00 +10.0 KiB", r"bad: crashed: SIGSEGV",
                     r" *size +blocks +asked for +cairn +glibc", r" *16 B +3 +47 B +1.02 +1.70", r" *all +1.18 +1.19",
                     r"note: a <note>", r"program    prog <x>",
                     r"recorded   2.000 s, threads: 1, events: 1234567 of 4.00 bytes each",
                     r"live       at most 1.00 MiB, blocks: 9, after 1.000 s", r"in the end 500 B, blocks: 2",
                     r"note       torn blocks: 3 \(.*\)", r"from +32 B +15 +900 B +#{22}", r"never freed +10 +#{15}"):
            self.assertRegex(said, "(?m)^%s$" % line)
        self.made["replay"].update(reports={}, info={**INFO, "command": ["a" * 99, "b\nc"]})
        self.assertNotIn("usable bytes", findings.spoken(self.made))
        self.assertIn("  " + "a" * 97 + "...\n", findings.spoken(self.made))

    def test_a_row_of_the_picture_is_some_granules_and_a_column_a_sample(self) -> None:
        seen = report()
        self.assertEqual(pictures.granules_of(seen), [0, 7, 14])
        self.assertEqual(pictures.fill_of(seen, 1), [[0.25, 0.5, 0.75, 1.0]] * 3)
        seen["samples"][0]["space"] = [14, 32]
        self.assertEqual(pictures.fill_of(seen, 2), [[0.0, 0.5, 0.75, 1.0], [0.5, 0.5, 0.75, 1.0]])
        seen["samples"][0]["space"] = [0, 65]  # never more than full
        self.assertEqual(pictures.fill_of(seen, 1)[0][0], 1.0)


@unittest.skipIf(plots.MISSING, "matplotlib is not installed")
class DrawTest(unittest.TestCase):

    def test_every_allocator_is_in_each_picture_and_the_floor_is_cut_off(self) -> None:
        drawn = {plot.name: plot for plot in pictures.draw(replayed())}
        self.assertEqual(list(drawn), ["heap", "space", "classes"])
        for plot in drawn.values():
            xml.etree.ElementTree.fromstring(plot.alone)
            for name in ("cairn", "glibc"):
                self.assertRegex(plot.inline, r">%s[:<]" % name)
        self.assertNotIn(">floor", drawn["classes"].inline)
        self.assertIn(">floor: 2.50 MiB, cut off<", drawn["space"].inline)
        self.assertIn(">cairn: 192 KiB<", drawn["space"].inline)

    def test_what_little_there_is_is_drawn(self) -> None:
        made = replayed()
        nothing = {"seconds": 0.1, "calls": 1, "live_kib": 0, "resident_kib": 0, "space": []}
        empty = {**report(), "classes": [[0, 1, 9, 0, 216]], "samples": [nothing]}
        for reports, names in (({"floor": report(granules=40)}, ["heap", "space", "classes"]),
                               ({"glibc": empty}, ["heap", "space"]), ({"glibc": {**empty, "samples": []}}, [])):
            made["replay"]["reports"] = reports
            self.assertEqual([plot.name for plot in pictures.draw(made)], names)


@unittest.skipIf(page.MISSING, "jinja2 is not installed")
class PageTest(fixture.FolderCase):
    def page(self) -> str:
        return pathlib.Path(pages.write(self.folder, replayed())[0]).read_text(encoding="utf-8")

    def test_it_has_everything_and_nothing_is_left_of_an_earlier_one(self) -> None:
        (self.folder / "svg").mkdir()
        (self.folder / "svg/old.svg").touch()
        made = self.page()
        for said in ("prog &lt;x&gt;", "a &lt;note&gt;", "crashed: SIGSEGV", "cairn: replay of t", ">1 B</td>",
                     ">15 B</td>", ">19 B to 20 B</td>", ">above 4 KiB to 4.5 KiB</td>",
                     "measure --preload glibc.so -- &#39;replay of t", "planner t plan", "Imagined CPU 3000", "commit 3ff2ee4", "bazel run //bench:replay -- t"):
            self.assertIn(said, made)
        self.assertEqual(re.findall(r'<td class="best"[^>]*>([^<]*)', made), ["1.00"])
        named = re.findall(r'<li><a href="#(\w+)">', made)
        self.assertEqual(named, "times heap waste trace notes machine".split() if not plots.MISSING else named)
        self.assertEqual(re.findall(r'<h2 id="(\w+)">', made), named)
        names = sorted(path.name for path in (self.folder / "svg").iterdir())
        self.assertEqual(names, [] if plots.MISSING else ["classes.svg", "heap.svg", "space.svg"])
        xml.etree.ElementTree.fromstring(made)

    def test_without_matplotlib_it_says_what_to_install(self) -> None:
        with mock.patch.object(plots, "MISSING", "no pictures: install"):
            made = self.page()
        self.assertIn("no pictures: install", made)
        self.assertNotIn("<figure>", made)
