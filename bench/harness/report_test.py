# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The report as a reader meets it: as a page with pictures; in the terminal; in Markdown."""

import contextlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import unittest
import xml.etree.ElementTree
from unittest import mock

from bench.harness import figures, fixture, markdown, page, plots, report, stats, svg, text

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = ("--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-background-networking "
         "--disable-component-update --disable-sync --no-first-run --dump-dom")
HOSTILE = '<script>document.title="owned"</script>"\'&$x_{{$'
SOME = ("churn", "bursts", "phases", "redis", "random/threads=1", "random/threads=2")
FEW, FAILED = fixture.result(only=SOME), fixture.with_failures(fixture.result())


def hostile(made):
    """The result, in which every name that comes from outside tries to be markup."""
    words = json.dumps(made)
    for name in ("jemalloc", "churn"):
        words = words.replace(json.dumps(name), json.dumps(HOSTILE + name))
    made = json.loads(words)
    return {**made, "notes": made["notes"] + [HOSTILE], "machine": {**made["machine"], "cpu": HOSTILE}}


@unittest.skipIf(page.MISSING, "jinja2 is not installed")
class FilesTest(fixture.FolderCase):
    """What can be said of the files without a browser."""

    def page(self, made):
        return pathlib.Path(report.write_all(made, str(self.folder))[0]).read_text(encoding="utf-8")

    def test_elements_are_closed_names_are_unique_and_links_stay_inside(self):
        for made in (FAILED, hostile(FEW)):
            elements = list(xml.etree.ElementTree.fromstring(self.page(made)).iter())
            names = [one.get("id") for one in elements if one.get("id")]
            self.assertEqual(len(names), len(set(names)))
            links = [value for one in elements for key, value in one.items() if key.split("}")[-1] in ("href", "src")]
            self.assertLessEqual({link for link in links if link != "data:,"}, {"#" + name for name in names})

    def test_failures_say_why_and_a_name_from_outside_is_text(self):
        made = self.page(hostile(fixture.with_failures(fixture.result(only=("redis", "grow")))))
        for part in ("timed out after 60 s", "exit status 3 (1 of 5 runs)", "&lt;script&gt;document.title="):
            self.assertIn(part, made)
        self.assertNotIn("<script>document.title", made)

    def test_what_is_missing_is_told_and_the_rest_is_written(self):
        with mock.patch.object(plots, "MISSING", "matplotlib is missing"):
            made = self.page(FEW)
            self.assertEqual(page.shortcomings(), ["matplotlib is missing"])
        self.assertIn("matplotlib is missing", made)
        self.assertNotIn("<svg", made)
        self.assertEqual(os.listdir(self.folder / "svg"), [])
        with mock.patch.object(page, "MISSING", "jinja2 is missing"):
            self.assertTrue(report.write_all(FEW, str(self.folder))[-1].endswith("report.txt"))

    def test_results_with_little_in_them_are_reports_too(self):
        little = {key: FEW[key][:1] for key in ("subjects", "rows", "runs")}
        for made in ({**FEW, "runs": []}, {**FEW, "runs": [], "rows": [], "subjects": []},
                     {**FEW, **little, "components": {}}, fixture.result(only=("phases",)), fixture.partial(FAILED)):
            self.assertIn("<title>", self.page(made))
            self.assertTrue(markdown.report(made))

    def test_the_program_names_what_it_wrote_and_what_it_cannot_read(self):
        source = str(self.folder / "a.json")
        pathlib.Path(source).write_text(json.dumps(FEW), encoding="utf-8")
        out, error = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            for arguments, status in (([source], 0), (["--markdown", source], 0),
                                      (["none.json"], 2), ([source, "-o", source], 1), ([], 2)):
                self.assertEqual(report.main(arguments), status)
        for part in (str(self.folder / "a.report/report.html"), "# How cairn compares"):
            self.assertIn(part, out.getvalue())
        self.assertRegex(error.getvalue(), "none.json: cannot be read: No such file[^\n]*\n.*a.json[^\n]*\n.*required")


@unittest.skipIf(plots.MISSING, "matplotlib is not installed")
class PlotsTest(unittest.TestCase):
    def test_there_is_a_plot_for_each_thing_to_show_and_the_same_result_gives_the_same_bytes(self):
        self.assertEqual(*(plots.draw(stats.summarise(FEW)) for _ in range(2)))
        self.assertEqual(" ".join(plot.name for plot in plots.draw(stats.summarise(fixture.result()))),
                         "time-memory workloads_time-ratio workloads_memory-ratio programs_time-ratio "
                         "programs_memory-ratio threads_random threads_pipeline heap_random cpus_random "
                         "resident_phases")

    def test_a_picture_is_sound_by_itself_and_has_a_title_and_its_text(self):
        space = {"s": "http://www.w3.org/2000/svg"}
        for plot in plots.draw(stats.summarise(hostile(FEW))):
            root = xml.etree.ElementTree.fromstring(plot.alone)
            self.assertTrue(root.find("s:title", space).text and root.find("s:desc", space).text)
            self.assertTrue(root.findall(".//s:text", space))
            self.assertNotIn(svg.INK, plot.alone)

    def test_allocators_keep_their_look(self):
        looks = svg.looks({name: kind for name, kind, *_ in fixture.ALLOCATORS})
        self.assertEqual(len({(look.colour, look.marker) for look in looks.values()}), len(looks))
        self.assertEqual(looks["cairn"], svg.looks({"cairn": "stack"})["cairn"])


@unittest.skipIf(not BROWSER or page.MISSING, "chromium or jinja2 is not installed")
class BrowserTest(fixture.FolderCase):
    def test_a_hostile_name_stays_a_name(self):
        path = pathlib.Path(report.write_all(hostile(FEW), str(self.folder))[0])
        done = subprocess.run([BROWSER, *QUIET.split(), "--user-data-dir=%s/profile" % self.folder, path.as_uri()],
                              env={**os.environ, "HOME": str(self.folder)}, capture_output=True, text=True, check=False)
        title = re.search("<title>(.*?)</title>", done.stdout)
        self.assertNotEqual(title and title.group(1), "owned", done.stderr)


class TextTest(unittest.TestCase):
    def test_figures_keep_three_digits(self):
        for write, values, said in (
                (figures.seconds, (2.2e-9, 0.0000123, 0.41, 0.99951, 12.34, 1234),
                 "2.20 ns|12.3 us|410 ms|1.00 s|12.3 s|1234 s"),
                (figures.kib, (0, 12, 12345, 1023.9, 3 << 20), "0 KiB|12.0 KiB|12.1 MiB|1.00 MiB|3.00 GiB"),
                (figures.change, (1.041, 0.5, 1), "+4.1 %|-50 %|+0.0 %"),
                (figures.listed, ([], ["a"], ["a", "b", "c"], "abcdefgh"), "none|a|a, b and c|a, b, c, d, e and 3 more")):
            self.assertEqual("|".join(map(write, values)), said)

    def test_the_text_fits_the_width_is_ascii_and_has_every_name(self):
        for width in (20, 80, 100, 133, 200):
            for line in text.report(FAILED, width).splitlines():
                self.assertTrue(line.isascii() and len(line) <= max(width, 80), line)
        narrow = text.report(FAILED, 80)
        for name in [row["name"] for row in FAILED["rows"]] + [name for name, *_ in fixture.ALLOCATORS]:
            self.assertIn(name, narrow)

    def test_the_best_has_a_star_a_failure_says_so_and_phases_are_shown(self):
        table = text.report(FAILED, 200)
        line = next(line for line in table.splitlines() if line.startswith("bursts"))
        self.assertEqual((line.count("1.00*"), line.count("failed")), (1, 1))
        self.assertIn("scudo failed in bursts: crashed: SIGSEGV", table)
        self.assertRegex(table, r"allocator +grown +thinned +thinned idle +freed")
        for made, said in ((fixture.partial(FAILED), "Partial result: the run was interrupted"),
                           ({**FAILED, "runs": []}, "No benchmark has a time to compare yet.")):
            self.assertIn(said, text.report(made, 200))

    def test_in_markdown_what_looks_bad_comes_first_and_tables_are_regular(self):
        made = markdown.report(FAILED)
        self.assertLess(made.index("## What looks bad"), made.index("## Geometric means"))
        self.assertRegex(made, r"reference: time 1\.\d+ times that of")
        width = None
        for line in made.splitlines():
            cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else None
            self.assertTrue(None in (width, cells) or cells == width, line)
            width = cells
        self.assertEqual(markdown.plain("a|b\n*c* <script>"), "a\\|b \\*c\\* \\<script\\>")
