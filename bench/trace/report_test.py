# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Figures, text, page and pictures of a replay whose runs are known; the page once in a browser."""

import html.parser
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree
from typing import List, Tuple
from unittest import mock

from bench.harness import result
from bench.trace import findings, fixture, pages, pictures
from bench.trace.findings import SizeClass

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync")
NO_MATPLOTLIB = "matplotlib is not installed"


class FindingsTest(unittest.TestCase):

    def setUp(self) -> None:
        self.made = fixture.result()

    def test_a_row_has_the_medians_of_its_runs_and_a_failed_one_why(self) -> None:
        self.assertEqual(result.validate(self.made), [])
        rows = {row[0].said: [cell.said for cell in row[1:]] for row in findings.times(self.made)}
        self.assertEqual(rows["cairn"], ["200 ms", "50 %", "1.00", "1.00 MiB", "1.00", "10.0 KiB"])
        self.assertEqual(rows["bad"], ["crashed: SIGSEGV"])
        self.made["runs"][1].update(ok=False, error="crashed: SIGBUS", seconds=None)
        self.assertEqual(findings.samples_of(self.made, "cairn"), ("crashed: SIGBUS", {}))
        self.made["runs"] = self.made["runs"][:1]
        self.assertEqual(findings.samples_of(self.made, "glibc"), ("was not run", {}))

    def test_the_floor_is_never_the_best_and_has_no_waste_unless_it_is_alone(self) -> None:
        self.assertEqual(findings.best_time(self.made), 0.2)
        self.assertEqual(list(findings.wasting(self.made)), ["cairn", "glibc"])
        self.made["replay"]["reports"] = {"floor": fixture.report()}
        self.assertEqual(list(findings.wasting(self.made)), ["floor"])

    def test_short_replays_and_threads_that_ran_ahead_are_doubted(self) -> None:
        self.assertEqual(findings.doubts(self.made), [])
        sample = self.made["replay"]["reports"]["glibc"]["samples"][1]
        sample["live_kib"] = 1536
        self.assertEqual(findings.doubts(self.made), [])
        sample["live_kib"] = 1537
        for run in self.made["runs"][:3]:
            run["seconds"] /= 100
        short, ahead = findings.doubts(self.made)
        self.assertEqual(short, "the trace is played in 2.00 ms: too short for times that tell")
        self.assertRegex(ahead, r"up to 1.50 MiB were live in the replay, 1.00 MiB in the program; .* --paced")
        self.assertEqual(findings.doubts({**self.made, "runs": []}), [])

    def test_each_class_has_its_own_bounds_and_merged_they_are_powers_of_two(self) -> None:
        found = findings.size_classes({"a": fixture.report(factor=1), "b": fixture.report()}, merged=False)
        self.assertEqual([(entry.from_bytes, entry.to_bytes) for entry in found],
                         [(0, 1), (14, 15), (15, 16), (18, 20), (4096, 4608)])
        self.assertEqual(found[2], SizeClass(15, 16, 2, 32, {"a": 1.0, "b": 2.0}))
        found = findings.size_classes({"a": fixture.report()}, merged=True)
        self.assertEqual([(entry.from_bytes, entry.to_bytes, entry.blocks) for entry in found],
                         [(0, 1, 10), (8, 16, 3), (16, 32, 5), (4096, 8192, 1)])
        self.assertAlmostEqual(found[1].usable["a"], (16 + 64) / 47)
        empty = {"a": {"classes": [[0, 1, 5, 0, 120]]}}  # blocks of no bytes have no ratio
        self.assertEqual(findings.size_classes(empty, merged=False), [SizeClass(0, 1, 5, 0, {})])
        self.assertEqual(findings.total_class(empty), {})

    def test_sizes_are_short(self) -> None:
        for value, said in ((1, "1 B"), (1000, "1000 B"), (1024, "1 KiB"), (1280, "1.25 KiB"),
                            (3 << 20, "3 MiB"), (5 << 40, "5120 GiB")):
            self.assertEqual(findings.size_of(value), said)

    def test_the_text_has_all_that_matters(self) -> None:
        said = findings.text(self.made)
        for line in (r"t: 1,234,567 events, 1 thread, at most 1.00 MiB live; 3 rounds", r"  prog <x>",
                     r"cairn +200 ms +50 % +1.00 +1.00 MiB +1.00 +10.0 KiB",
                     r"glibc +400 ms +0.0 % +2.00 +2.00 MiB +2.00 +10.0 KiB", r"bad: crashed: SIGSEGV",
                     r"size to +blocks +cairn +glibc", r"16 B +3 +1.02 +1.70", r"all +1.18 +1.19",
                     r"note: a <note>"):
            self.assertRegex(said, "(?m)^%s$" % line)
        self.made["replay"]["reports"] = {}
        self.assertNotIn("usable bytes", findings.text(self.made))
        self.made["replay"]["info"]["command"] = ["a" * 99, "b\nc"]
        self.assertIn("  " + "a" * 97 + "...\n", findings.text(self.made))

    def test_the_trace_is_described(self) -> None:
        said = findings.about(fixture.info())
        for line in (r"program    prog <x>", r"recorded   2.000 s, threads: 1, events: 1234567 of 4.00 bytes each",
                     r"live       at most 1.00 MiB, blocks: 9, after 1.000 s", r"in the end 500 B, blocks: 2",
                     r"note       torn blocks: 3 \(.*\)", r"from +32 B +15 +900 B +#{22}",
                     r"never freed +10 +#{15}"):
            self.assertRegex(said, "(?m)^%s$" % line)


class FillTest(unittest.TestCase):

    def test_a_row_is_some_granules_and_a_column_a_sample(self) -> None:
        report = fixture.report(granules=3)
        self.assertEqual(pictures.granules_of(report), [0, 7, 14])
        self.assertEqual(pictures.fill_of(report, 1), [[0.25, 0.5, 0.75, 1.0]] * 3)
        report["samples"][0]["space"] = [14, 32]
        self.assertEqual(pictures.fill_of(report, 2), [[0.0, 0.5, 0.75, 1.0], [0.5, 0.5, 0.75, 1.0]])
        report["samples"][0]["space"] = [0, 65]  # never more than full
        self.assertEqual(pictures.fill_of(report, 1)[0][0], 1.0)


@unittest.skipIf(pictures.MISSING, NO_MATPLOTLIB)
class DrawTest(unittest.TestCase):

    def test_every_subject_is_in_each_picture_and_the_floor_is_cut_off(self) -> None:
        drawn = {plot.name: plot for plot in pictures.draw(fixture.result())}
        self.assertEqual(list(drawn), ["heap", "space", "classes"])
        for plot in drawn.values():
            xml.etree.ElementTree.fromstring(plot.alone)
            for name in ("cairn", "glibc"):
                self.assertRegex(plot.inline, r">%s[:<]" % name)
        self.assertNotIn(">floor", drawn["classes"].inline)
        self.assertIn(">floor: 2.50 MiB, cut off<", drawn["space"].inline)
        self.assertIn(">cairn: 192 KiB<", drawn["space"].inline)
        self.assertEqual(pictures.draw(fixture.result()), list(drawn.values()), "the same bytes each time")

    def test_what_little_there_is_is_drawn(self) -> None:
        made = fixture.result()
        nothing = {"seconds": 0.1, "calls": 1, "live_kib": 0, "resident_kib": 0, "space": []}
        empty = {**fixture.report(), "classes": [[0, 1, 9, 0, 216]], "samples": [nothing]}
        for reports, names in (({"floor": fixture.report(granules=40)}, ["heap", "space", "classes"]),
                               ({"glibc": empty}, ["heap", "space"]),
                               ({"glibc": {**empty, "samples": []}}, [])):
            made["replay"]["reports"] = reports
            drawn = pictures.draw(made)
            self.assertEqual([plot.name for plot in drawn], names)
            if "floor" in reports:
                self.assertIn(">floor: 2.50 MiB<", drawn[1].inline)


class Links(html.parser.HTMLParser):
    """Everything in a page that could be fetched, and whether its tags are closed."""

    VOID = ("meta", "link", "br", "img", "input")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: List[str] = []
        self.open: List[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: List[Tuple[str, str]]) -> None:
        self.links += [value for name, value in attrs if name in ("src", "href", "xlink:href", "action", "data")]
        self.open += [tag] * (tag not in self.VOID)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open and self.open.pop() == tag, tag


class PageTest(unittest.TestCase):

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def page(self) -> str:
        return pages.write(self.folder, fixture.result())[0].read_text(encoding="utf-8")

    def test_nothing_in_it_is_fetched_and_all_of_it_is_escaped(self) -> None:
        page = self.page()
        links = Links(page)
        self.assertEqual(links.open, [])
        self.assertEqual([link for link in links.links if not re.match("#|data:", link)], [])
        self.assertIn("default-src 'none'", page)
        self.assertNotIn("<x>", page)

    def test_it_has_everything(self) -> None:
        page = self.page()
        for said in ("prog &lt;x&gt;", "a &lt;note&gt;", "crashed: SIGSEGV", "cairn: replay of t", ">1 B</td>",
                     ">15 B</td>", ">19 B to 20 B</td>", ">above 4 KiB to 4.5 KiB</td>", "measure -- replayer t",
                     "planner t plan", "a CPU", "commit 3ff2ee4", "bazel run //bench:replay -- t"):
            self.assertIn(said, page)
        self.assertEqual(re.findall(r'<td class="best"[^>]*>([^<]*)', page), ["1.00"])
        named = re.findall(r'<li><a href="#(\w+)">', page)
        self.assertEqual(re.findall(r'<h2 id="(\w+)">', page), named)
        if not pictures.MISSING:
            self.assertEqual(named, ["times", "heap", "waste", "trace", "notes", "machine"])

    def test_a_picture_of_an_earlier_replay_is_removed(self) -> None:
        (self.folder / "svg").mkdir()
        (self.folder / "svg/old.svg").touch()
        self.page()
        names = sorted(path.name for path in (self.folder / "svg").iterdir())
        self.assertEqual(names, [] if pictures.MISSING else ["classes.svg", "heap.svg", "space.svg"])

    def test_without_matplotlib_it_says_what_to_install(self) -> None:
        with mock.patch.object(pictures, "MISSING", "no pictures: install"):
            self.assertIn("no pictures: install", self.page())
            self.assertNotIn("<figure>", self.page())

    @unittest.skipUnless(BROWSER, "chromium is not installed")
    def test_a_browser_shows_it_without_a_complaint(self) -> None:
        self.page()
        done = subprocess.run(
            [BROWSER, *QUIET, "--user-data-dir=%s" % (self.folder / "user"), "--enable-logging=stderr",
             "--virtual-time-budget=2000", "--dump-dom", "file://%s/replay.html" % self.folder],
            capture_output=True, text=True, check=False, timeout=60)
        self.assertIn("</html>", done.stdout)
        self.assertEqual([line for line in done.stderr.splitlines() if "CONSOLE" in line], [])
        if not [note for note in pages.shortcomings() if "tablesorter" in note]:
            self.assertIn("tablesorter-header", done.stdout)


if __name__ == "__main__":
    unittest.main()
