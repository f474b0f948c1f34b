# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Page and pictures of a replay whose figures are known; the page once in a browser."""

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

from bench.trace import fixture, pages, pictures

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync")
FETCHED = ("src", "href", "xlink:href", "action", "data")
NO_MATPLOTLIB = "matplotlib is not installed"


class Links(html.parser.HTMLParser):
    """Everything in a page that could be fetched, and whether its tags are closed."""

    VOID = ("meta", "link", "br", "img", "input")

    def __init__(self) -> None:
        super().__init__()
        self.links: List[str] = []
        self.open: List[str] = []

    def handle_starttag(self, tag: str, attrs: List[Tuple[str, str]]) -> None:
        self.links += [value for name, value in attrs if name in FETCHED]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: List[Tuple[str, str]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, tag


class FillTest(unittest.TestCase):

    def test_a_row_is_a_granule_and_a_column_a_sample(self) -> None:
        rows = pictures.fill_of(fixture.report(granules=3), 1)
        self.assertEqual(rows, [[0.25, 0.5, 0.75, 1.0]] * 3)

    def test_granules_go_together_and_the_last_row_may_be_smaller(self) -> None:
        report = fixture.report(granules=3)
        report["samples"][0]["space"] = [14, 32]
        self.assertEqual(pictures.fill_of(report, 2), [[0.0, 0.5, 0.75, 1.0], [0.5, 0.5, 0.75, 1.0]])

    def test_what_never_lived_is_left_out(self) -> None:
        self.assertEqual(pictures.granules_of(fixture.report(granules=3)), [0, 7, 14])

    def test_a_granule_is_never_more_than_full(self) -> None:
        report = fixture.report(granules=1)
        report["samples"][0]["space"] = [0, 65]
        self.assertEqual(pictures.fill_of(report, 1)[0][0], 1.0)


@unittest.skipIf(pictures.MISSING, NO_MATPLOTLIB)
class DrawTest(unittest.TestCase):

    def test_every_subject_is_in_each_picture(self) -> None:
        drawn = {plot.name: plot for plot in pictures.draw(fixture.result())}
        self.assertEqual(list(drawn), ["heap", "space", "classes"])
        for plot in drawn.values():
            xml.etree.ElementTree.fromstring(plot.alone)
            for name in ("cairn", "glibc"):
                self.assertRegex(plot.inline, r">%s[:<]" % name)
        self.assertNotIn(">floor", drawn["classes"].inline)

    def test_the_floor_is_cut_off_where_the_others_end(self) -> None:
        space = pictures.draw(fixture.result())[1].inline
        self.assertIn(">floor: 2.50 MiB, cut off<", space)
        self.assertIn(">cairn: 192 KiB<", space)

    def test_alone_the_floor_is_drawn_whole(self) -> None:
        made = fixture.result()
        made["replay"]["reports"] = {"floor": fixture.report(granules=40)}
        self.assertIn(">floor: 2.50 MiB<", pictures.draw(made)[1].inline)

    def test_a_heap_of_nothing_is_a_picture_too(self) -> None:
        made = fixture.result()
        empty = {**fixture.report(), "classes": [[0, 1, 9, 0, 216]]}
        empty["samples"] = [{"seconds": 0.1, "calls": 1, "live_kib": 0, "resident_kib": 0, "space": []}]
        made["replay"]["reports"] = {"glibc": empty}
        self.assertEqual([plot.name for plot in pictures.draw(made)], ["heap", "space"])

    def test_there_is_none_without_samples(self) -> None:
        made = fixture.result()
        made["replay"]["reports"] = {"glibc": {**fixture.report(), "samples": []}}
        self.assertEqual(pictures.draw(made), [])

    def test_the_same_result_gives_the_same_bytes(self) -> None:
        self.assertEqual(pictures.draw(fixture.result()), pictures.draw(fixture.result()))


class PageTest(unittest.TestCase):

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def page(self) -> str:
        return pages.write(self.folder, fixture.result())[0].read_text(encoding="utf-8")

    def test_nothing_in_it_is_fetched(self) -> None:
        links = Links()
        links.feed(self.page())
        self.assertEqual(links.open, [])
        self.assertEqual([link for link in links.links if not re.match("#|data:", link)], [])
        self.assertIn("default-src 'none'", self.page())

    @unittest.skipIf(pictures.MISSING, NO_MATPLOTLIB)
    def test_every_section_that_the_contents_name_is_there(self) -> None:
        page = self.page()
        named = re.findall(r'<li><a href="#(\w+)">', page)
        self.assertEqual(named, ["times", "heap", "waste", "trace", "notes", "machine"])
        self.assertEqual(re.findall(r'<h2 id="(\w+)">', page), named)

    def test_what_comes_from_a_result_is_escaped(self) -> None:
        page = self.page()
        for said in ("prog &lt;x&gt;", "a &lt;note&gt;", "crashed: SIGSEGV", "cairn: replay of t"):
            self.assertIn(said, page)
        self.assertNotIn("<x>", page)

    def test_the_best_of_those_that_free_is_marked(self) -> None:
        self.assertEqual(re.findall(r'<td class="best"[^>]*>([^<]*)', self.page()), ["1.00"])

    def test_sizes_are_written_as_people_would(self) -> None:
        for said in ("1 B", "15 B", "19 B to 20 B", "above 4 KiB to 4.5 KiB"):
            self.assertIn(">%s</td>" % said, self.page())

    def test_exact_commands_versions_and_machine_are_in_it(self) -> None:
        for said in ("measure -- replayer t", "a CPU", "commit 3ff2ee4", "bazel run //bench:replay -- t"):
            self.assertIn(said, self.page())

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
