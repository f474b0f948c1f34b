# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The report as a reader meets it: in a browser without a network, its tables sorted, its pictures seen."""

import contextlib
import html.parser
import io
import json
import os
import pathlib
import re
import shutil
import tempfile
import unittest
import xml.etree.ElementTree
from unittest import mock

from bench.harness import fixture, page, plots, report, stats, svg

try:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait
except ImportError:
    webdriver = None

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1280,1000",
)
HOSTILE = '<script>document.title="owned"</script>"\'&$x_{$'
SOME = ("churn", "bursts", "phases", "redis", "random/threads=1", "random/threads=2")
VOID = {"meta", "link", "br", "hr", "img", "input"}


def hostile(made):
    """The result, in which every name that comes from outside tries to be markup."""
    text = json.dumps(made)
    for name in ("jemalloc", "churn"):
        text = text.replace(json.dumps(name), json.dumps(HOSTILE + name))
    made = json.loads(text)
    made["notes"] = made["notes"] + [HOSTILE]
    made["machine"]["cpu"] = HOSTILE
    return made


class Nesting(html.parser.HTMLParser):
    """What a validator would say first: an element that is not closed, or a name that two elements have."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.names, self.twice, self.faults, self.links = [], set(), [], [], []
        self.feed(text)
        self.close()
        self.faults += self.open

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        name = given.get("id")
        if name in self.names:
            self.twice.append(name)
        self.names.update([name] if name else [])
        self.links += [value for key, value in attributes if key in ("href", "src", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append("/" + tag)


class FilesTest(unittest.TestCase):
    """What can be said of the files without a browser."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def page(self, made, **more):
        return pathlib.Path(report.write_all(made, self.folder, **more)[0]).read_text(encoding="utf-8")

    def test_it_writes_the_page_the_pictures_the_text_and_the_lines(self):
        paths = [
            os.path.relpath(path, self.folder)
            for path in report.write_all(fixture.result(only=SOME), self.folder)
        ]
        self.assertEqual(paths[0], "report.html")
        self.assertEqual(paths[-2:], ["report.txt", "lines.txt"])
        self.assertEqual(len(paths) > 3, plots.MISSING is None)
        self.assertTrue(all(os.path.getsize(os.path.join(self.folder, path)) for path in paths))

    def test_elements_are_closed_names_are_unique_and_links_stay_inside(self):
        for made in (fixture.with_failures(fixture.result()), hostile(fixture.result(only=SOME))):
            found = Nesting(self.page(made))
            self.assertEqual((found.faults, found.twice), ([], []))
            for link in found.links:
                self.assertTrue(link == "data:," or link[1:] in found.names, link)

    def test_every_failure_says_why(self):
        made = self.page(fixture.with_failures(fixture.result(only=("redis", "grow"))))
        self.assertIn("timed out after 60 s", made)
        self.assertIn("exit status 3 (1 of 5 runs)", made)

    def test_a_name_from_outside_is_text(self):
        made = self.page(hostile(fixture.result(only=SOME)))
        self.assertNotIn("<script>document.title", made)
        self.assertIn("&lt;script&gt;document.title=", made)

    def test_without_the_sorter_the_page_says_what_to_install(self):
        made = self.page(fixture.result(only=SOME), folder=pathlib.Path(self.folder))
        self.assertIn("apt-get install libjs-jquery-tablesorter", made)
        self.assertEqual(
            [note for note in report.shortcomings(pathlib.Path(self.folder)) if "tablesorter" in note],
            [page.NO_SORTER],
        )

    def test_without_matplotlib_there_are_no_plots_and_a_note(self):
        with mock.patch.object(plots, "MISSING", "matplotlib is missing, so there are no plots"):
            made = self.page(fixture.result(only=SOME))
        self.assertNotIn("<svg", made)
        self.assertIn("matplotlib is missing", made)
        self.assertEqual(os.listdir(os.path.join(self.folder, "svg")), [])

    def test_results_with_little_in_them_are_reports_too(self):
        whole = fixture.result(only=SOME)
        for made in (
            {**whole, "runs": []},
            {**whole, "runs": [], "rows": [], "subjects": []},
            {
                **whole,
                "subjects": whole["subjects"][:1],
                "rows": whole["rows"][:1],
                "runs": whole["runs"][:1],
                "components": {},
                "handovers": {},
            },
            fixture.result(only=("phases",)),
            fixture.partial(fixture.with_failures(whole)),
        ):
            self.assertEqual(Nesting(self.page(made)).faults, [])

    def test_the_program_names_what_it_wrote_and_what_it_cannot_read(self):
        source = os.path.join(self.folder, "a.json")
        pathlib.Path(source).write_text(json.dumps(fixture.result(only=("churn",))), encoding="utf-8")
        out, error = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            self.assertEqual(report.main([source]), 0)
            self.assertEqual(report.main([source, "--text"]), 0)
            self.assertEqual(report.main([os.path.join(self.folder, "none.json")]), 2)
            self.assertEqual(report.main([source, "-o", source]), 2)
        self.assertIn(os.path.join(self.folder, "a.report", "report.html"), out.getvalue())
        self.assertIn("none.json: cannot be read: No such file", error.getvalue())
        self.assertIn("a.json", error.getvalue().splitlines()[-1])


@unittest.skipIf(plots.MISSING, "matplotlib is not installed")
class PlotsTest(unittest.TestCase):
    def test_the_same_result_gives_the_same_bytes(self):
        first, second = (plots.draw(stats.summarise(fixture.result(only=SOME))) for _ in range(2))
        self.assertEqual(first, second)

    def test_there_is_a_plot_for_each_thing_to_show(self):
        names = [plot.name for plot in plots.draw(stats.summarise(fixture.result()))]
        self.assertEqual(
            names,
            [
                "time-memory",
                "workloads_time-ratio",
                "workloads_memory-ratio",
                "programs_time-ratio",
                "programs_memory-ratio",
                "threads_random",
                "threads_pipeline",
                "heap_random",
                "cpus_random",
                "resident_phases",
                "handovers",
            ],
        )

    def test_a_picture_is_sound_by_itself_and_has_a_title_and_its_text(self):
        for plot in plots.draw(stats.summarise(hostile(fixture.result(only=SOME)))):
            root = xml.etree.ElementTree.fromstring(plot.alone)
            space = {"s": "http://www.w3.org/2000/svg"}
            self.assertTrue(root.find("s:title", space).text)
            self.assertTrue(root.find("s:desc", space).text)
            self.assertTrue(root.findall(".//s:text", space))
            self.assertNotIn(svg.INK, plot.alone)

    def test_names_that_lose_letters_stay_apart(self):
        self.assertNotEqual(plots.name_of("a/b"), plots.name_of("a:b"))
        self.assertEqual(plots.name_of("threads", "random"), "threads_random")

    def test_every_colour_can_be_seen_on_both_pages(self):
        style = (page.PARTS / "page.css").read_text(encoding="utf-8")
        backends = re.findall(r"--page: (#\w+)", style)[:2]
        self.assertEqual(len(backends), 2)
        for colour, _ in svg.STACKS + svg.PEERS + svg.LIBC:
            for backend in backends:
                self.assertGreaterEqual(contrast(colour, backend), 3, (colour, backend))

    def test_subjects_look_different_and_keep_their_look(self):
        looks = svg.looks({name: kind for name, kind, *_ in fixture.SUBJECTS})
        self.assertEqual(len({(look.colour, look.marker) for look in looks.values()}), len(looks))
        self.assertEqual(looks["cairn"], svg.looks({"cairn": "stack"})["cairn"])


def contrast(first, second):
    """The contrast of two colours as WCAG defines it."""

    def light(colour):
        colour = colour[1:] if len(colour) == 7 else "".join(part * 2 for part in colour[1:])
        parts = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(first), light(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@unittest.skipIf(
    webdriver is None or not BROWSER or not DRIVER, "selenium, chromium or chromedriver is not installed"
)
class BrowserTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR"))
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        with mock.patch.dict(os.environ, {"HOME": cls.folder}):
            cls.browser = cls.start()
        cls.addClassCleanup(cls.browser.quit)
        cls.made = fixture.with_failures(fixture.result())
        cls.whole = report.write_all(cls.made, os.path.join(cls.folder, "whole"))[0]

    @classmethod
    def start(cls):
        options = webdriver.ChromeOptions()
        for option in QUIET + ("--user-data-dir=" + os.path.join(cls.folder, "profile"),):
            options.add_argument(option)
        options.binary_location = BROWSER
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        return webdriver.Chrome(service=Service(DRIVER), options=options)

    def open(self, name, made, **more):
        path = report.write_all(made, os.path.join(self.folder, name), **more)[0]
        for kind in ("browser", "performance"):
            self.browser.get_log(kind)
        self.browser.get(pathlib.Path(path).as_uri())
        return path

    def show_whole(self):
        """A result with a failure here and there; written once."""
        self.browser.get(pathlib.Path(self.whole).as_uri())

    def need_sorter(self):
        if page.sorter() is None:
            self.skipTest("jquery.tablesorter is not installed")

    @staticmethod
    def await_order(head, order):
        """The sorter lets the browser draw before it sorts."""
        WebDriverWait(head, 30).until(lambda one: one.get_attribute("aria-sort") == order)

    def requests(self):
        """The addresses that the page asked for."""
        said = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        return [
            event["params"]["request"]["url"]
            for event in said
            if event["method"] == "Network.requestWillBeSent"
        ]

    def script(self, code, *arguments):
        return self.browser.execute_script(code, *arguments)

    def column(self, table, index):
        """What the cells of a column are sorted by, as shown from top to bottom."""
        return self.script(
            "return [...arguments[0].tBodies[0].rows].map(r => r.cells[arguments[1]].dataset.sort)",
            table,
            index,
        )

    def test_the_browser_has_nothing_to_complain_of_and_nothing_to_fetch(self):
        path = self.open("quiet", self.made)
        self.assertEqual(self.browser.get_log("browser"), [])
        outside = [url for url in self.requests() if not url.startswith("data:")]
        self.assertEqual(outside, [pathlib.Path(path).as_uri()])

    def test_a_click_sorts_by_value_and_another_the_other_way(self):
        self.show_whole()
        self.need_sorter()
        self.script("document.querySelectorAll('details').forEach(d => d.open = true)")
        tables = self.browser.find_elements(By.CSS_SELECTOR, "table.long")
        self.assertTrue(tables)
        heads = tables[0].find_elements(By.CSS_SELECTOR, "thead th")
        index = [head.text.strip().split("\u00a0")[0] for head in heads].index("faults")
        heads[index].click()
        self.await_order(heads[index], "ascending")
        rising = self.column(tables[0], index)
        values = [float(text) for text in rising if text]
        self.assertEqual(values, sorted(values))
        self.assertNotEqual(
            [str(value) for value in values], sorted(map(str, values)), "as text they are in order too"
        )
        self.assertEqual(
            rising[len(values) :], [""] * (len(rising) - len(values)), "failed cells belong below"
        )
        self.assertTrue(rising[len(values) :])
        heads[index].click()
        self.await_order(heads[index], "descending")
        self.assertEqual([float(text) for text in self.column(tables[0], index) if text], values[::-1])

    def test_every_kind_of_table_sorts_by_every_column_of_figures(self):
        self.show_whole()
        self.need_sorter()
        self.browser.set_script_timeout(120)
        checked, wrong = self.browser.execute_async_script(
            """
            const done = arguments[arguments.length - 1];
            const kinds = new Map();
            document.querySelectorAll('table.sortable').forEach(t => kinds.set(t.tHead.textContent, t));
            const clicked = (table, head) => new Promise(ended => {
                jQuery(table).one('sortEnd', ended);
                jQuery(head).trigger('sort');
            });
            (async () => {
                const wrong = [];
                let checked = 0;
                for (const table of kinds.values()) {
                    for (const head of table.tHead.querySelectorAll('.sorter-digit')) {
                        await clicked(table, head);
                        const rows = [...table.tBodies[0].rows];
                        const cells = rows.map(row => row.cells[head.cellIndex].dataset.sort);
                        const values = cells.filter(s => s !== '').map(Number);
                        checked += 1;
                        if (values.some((v, k) => !(k === 0 || values[k - 1] <= v)))
                            wrong.push([table.caption.textContent, head.textContent, cells.slice(0, 9)]);
                    }
                }
                done([checked, wrong]);
            })();"""
        )
        self.assertEqual(wrong, [])
        self.assertGreater(checked, 40)

    def test_tables_sort_from_the_keyboard(self):
        self.show_whole()
        self.need_sorter()
        table = self.browser.find_element(By.CSS_SELECTOR, "table.sortable")
        head = table.find_elements(By.CSS_SELECTOR, "thead th")[3]
        self.script("arguments[0].focus()", head)
        self.assertTrue(self.script("return document.activeElement === arguments[0]", head))
        head.send_keys(Keys.ENTER)
        self.await_order(head, "ascending")
        values = [float(text) for text in self.column(table, 3)]
        self.assertEqual(values, sorted(values))

    @unittest.skipIf(plots.MISSING, "matplotlib is not installed")
    def test_every_plot_is_there_and_has_a_size(self):
        self.show_whole()
        drawn = plots.draw(stats.summarise(self.made))
        sizes = self.script(
            "return [...document.querySelectorAll('figure svg')].map(s => s.getBoundingClientRect())"
            ".map(b => [b.width, b.height])"
        )
        self.assertEqual(len(sizes), len(drawn))
        for plot, (width, height) in zip(drawn, sizes):
            self.assertTrue(width > 200 and height > 50, (plot.name, width, height))

    def test_a_wide_table_scrolls_and_the_page_does_not(self):
        self.browser.set_window_size(800, 900)
        self.addCleanup(self.browser.set_window_size, 1280, 1000)
        self.show_whole()
        self.script("document.querySelectorAll('details').forEach(d => d.open = true)")
        wide, window = self.script("return [document.documentElement.scrollWidth, innerWidth]")
        self.assertLessEqual(wide, window)

    def test_words_typed_above_a_long_table_leave_the_rows_that_have_them(self):
        self.show_whole()
        self.script("document.querySelectorAll('details').forEach(d => d.open = true)")
        table = self.browser.find_element(By.CSS_SELECTOR, "table.long")
        self.browser.find_element(By.CSS_SELECTOR, "input.filter").send_keys("churn cairn")
        shown = self.script(
            "return [...arguments[0].tBodies[0].rows].filter(r => r.offsetParent).map(r => r.textContent)",
            table,
        )
        self.assertEqual(len(shown), 1)
        self.assertTrue(shown[0].startswith("churncairn"))

    def test_a_partial_result_has_a_banner_and_a_whole_one_has_none(self):
        self.open("partial", fixture.partial(fixture.result(only=SOME)))
        banner = self.browser.find_element(By.CSS_SELECTOR, ".banner")
        self.assertTrue(banner.is_displayed())
        self.assertIn("interrupted after", banner.text)
        self.assertEqual(self.browser.get_log("browser"), [])
        self.show_whole()
        self.assertEqual(self.browser.find_elements(By.CSS_SELECTOR, ".banner"), [])

    def test_a_hostile_name_stays_a_name(self):
        self.open("hostile", hostile(fixture.result(only=SOME)))
        self.assertNotEqual(self.browser.title, "owned")
        self.assertEqual(self.browser.get_log("browser"), [])
        self.assertIn(HOSTILE, self.browser.find_element(By.TAG_NAME, "body").text)

    def test_without_the_sorter_nothing_breaks(self):
        self.open("plain", fixture.result(only=SOME), folder=pathlib.Path(self.folder))
        self.assertEqual(self.browser.get_log("browser"), [])
        self.assertTrue(self.browser.find_elements(By.CSS_SELECTOR, "table.sortable"))

    def test_a_link_to_a_row_leads_there(self):
        self.show_whole()
        self.browser.find_element(By.CSS_SELECTOR, "td a").click()
        name = self.script("return decodeURIComponent(location.hash.slice(1))")
        self.assertTrue(
            self.script(
                "const b = document.getElementById(arguments[0]).getBoundingClientRect();"
                "return b.top >= 0 && b.bottom <= innerHeight",
                name,
            )
        )


if __name__ == "__main__":
    unittest.main()
