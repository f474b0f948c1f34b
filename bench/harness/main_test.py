# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The command as a user calls it: wrong words, missing and broken allocators, Ctrl-C; the report of it."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from typing import Any, Dict, List

from bench.harness import places, result

PLACES = places.find()
CRASH, FAIL, SLOW = (str(PLACES.runfiles / ("bench/bump/libfake_%s.so" % fault))
                     for fault in ("crash", "fail", "slow"))
GLIBC = ("--peers", "glibc")
ONE_ROW = ("--quick", "--groups", "workloads", "--filter", "^tree$", "--rounds", "1", "--stacks", "none")


class MainCase(unittest.TestCase):

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.environment = {**os.environ, "BUILD_WORKING_DIRECTORY": folder.name}
        self.environment.pop("BUILD_WORKSPACE_DIRECTORY", None)

    def command(self, *arguments: str) -> List[str]:
        return [sys.executable, "-m", "bench.harness.main", *arguments]

    def call(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(self.command(*arguments), env={**self.environment, **environment},
                              capture_output=True, text=True, check=False)

    def result(self) -> Dict[str, Any]:
        made = json.loads((self.folder / "bench-report/result.json").read_text(encoding="utf-8"))
        self.assertEqual(result.validate(made), [])
        return made

    def assert_report_is_there(self) -> None:
        for name in ("report.html", "report.txt", "lines.txt"):
            self.assertTrue((self.folder / "bench-report" / name).stat().st_size, name)


class WrongCallTest(MainCase):

    def complaint(self, *arguments: str) -> str:
        done = self.call(*arguments)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertFalse((self.folder / "bench-report").exists())
        return done.stderr

    def test_each_wrong_word_is_one_line_with_what_exists_and_status_2(self) -> None:
        for arguments, said in (
                (["--fast"], "no such option: --fast; there are: .*--quick"),
                (["--groups", "all"], "--groups: no such group: all; there are: .*cpus"),
                (["--stacks", "stone"], "--stacks: no such name: stone; there are: cairn, (cairn-lock, )?reference"),
                (["--peers", "nalloc"], "--peers: no such name: nalloc; there are: glibc.*floor"),
                (["--filter", "chrun"], "--filter 'chrun': nothing to run; there are: .*churn"),
                (["--peer", "mine=gone.so"], "--peer mine: no such file: .*/gone.so")):
            self.assertRegex(self.complaint(*arguments), "^bench: " + said)

    def test_a_directory_that_cannot_be_written_is_told_before_anything_runs(self) -> None:
        (self.folder / "file").touch()
        said = self.complaint(*ONE_ROW, *GLIBC, "--out", "file")
        self.assertRegex(said, "^bench: cannot write to .*/file: ")
        self.assertIn("cannot write", self.complaint(*ONE_ROW, *GLIBC, "--json", "file/x", "--out", "here"))

    def test_install_without_a_workspace_says_how_it_works(self) -> None:
        self.assertIn("bazel run", self.complaint("--install", "--list"))

    def test_outside_of_bazel_it_says_how_it_is_started(self) -> None:
        done = self.call(*ONE_ROW, CAIRN_RUNFILES=str(self.folder))
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr,
                         r"^bench: no such program: .*measure: start this with `bazel run //bench:all`\n$")


class ListTest(MainCase):

    def test_the_list_names_rows_subjects_and_what_is_missing(self) -> None:
        said = self.call("--list").stdout
        for word in ("cairn", "reference", "glibc", "floor", "churn-4", "churn-threads ", "components: all",
                     "jemalloc", "mimalloc", "tcmalloc", "tbbmalloc", "scudo", "snmalloc", "rpmalloc",
                     "hoard"):
            self.assertIn(word, said)

    def test_the_list_runs_and_writes_nothing(self) -> None:
        self.assertEqual(self.call("--list").returncode, 0)
        self.assertEqual(os.listdir(self.folder), [])

    def test_install_calls_the_installer_of_the_workspace(self) -> None:
        installer = self.folder / "tools/install"
        installer.parent.mkdir()
        installer.write_text("#!/bin/sh\necho \"$@\" >'%s/called'\n" % self.folder, encoding="utf-8")
        installer.chmod(0o755)
        self.call("--install", "--list", BUILD_WORKSPACE_DIRECTORY=str(self.folder))
        self.assertEqual((self.folder / "called").read_text(encoding="utf-8"), "peers report\n")


class ReportTest(MainCase):

    def test_a_small_session_leaves_a_valid_result_and_a_report(self) -> None:
        done = self.call("--quick", "--groups", "workloads,cpus,handovers",
                         "--filter", "^tree$|cpus|handovers", "--peers", "glibc,floor", "--rounds", "1", "--set", "CAIRN_CONF=shards:1")
        self.assertEqual(done.returncode, 0, done.stderr)
        made = self.result()
        self.assert_report_is_there()
        self.assertTrue(made["complete"])
        self.assertTrue(made["handovers"])
        self.assertEqual({subject["name"] for subject in made["subjects"]} - {"cairn-lock"},
                         {"cairn", "reference", "glibc", "floor"})
        self.assertEqual(len(made["runs"]), len(made["rows"]) * len(made["subjects"]))
        self.assertTrue(all(run["ok"] for run in made["runs"]))
        of_cairn = next(run for run in made["runs"] if run["subject"] == "cairn")
        self.assertIn("CAIRN_CONF=shards:1", of_cairn["command"])
        self.assertIn("tree", done.stdout)

    def test_json_on_stdout_is_alone_there(self) -> None:
        done = self.call(*ONE_ROW, *GLIBC, "--json", "-")
        self.assertEqual(result.validate(json.loads(done.stdout)), [])
        self.assertIn("tree", done.stderr)

    def test_json_in_a_file_is_the_result_once_more(self) -> None:
        self.call(*ONE_ROW, *GLIBC, "--json", "copy.json")
        self.assertEqual(json.loads((self.folder / "copy.json").read_text(encoding="utf-8")), self.result())

    def test_the_command_in_the_result_is_the_users(self) -> None:
        self.call(*ONE_ROW, *GLIBC)
        self.assertEqual(self.result()["command"], ["bazel", "run", "//bench:all", "--", *ONE_ROW, *GLIBC])

    def test_a_preloaded_malloc_of_the_caller_measures_nothing(self) -> None:
        done = self.call(*ONE_ROW, *GLIBC, LD_PRELOAD=CRASH, FAKE_CRASH_AT="1000000", MALLOC_ARENA_MAX="1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("taken out of the environment: MALLOC_ARENA_MAX", self.result()["notes"])


class BrokenSubjectTest(MainCase):

    def test_a_known_peer_that_is_not_here_is_a_note_and_the_rest_is_measured(self) -> None:
        done = self.call(*ONE_ROW, "--peers", "glibc,hoard")
        if "hoard: not found" not in done.stderr:
            self.skipTest("hoard is installed here")
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stderr.count("hoard: not found"), 1)
        self.assertEqual([run["subject"] for run in self.result()["runs"]], ["glibc"])

    def test_a_library_that_does_not_load_is_dropped_with_a_line_and_a_note(self) -> None:
        (self.folder / "broken.so").write_bytes(b"no library")
        done = self.call(*ONE_ROW, *GLIBC, "--peer", "broken=broken.so")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("bench: broken: dropped: ", done.stderr)
        made = self.result()
        self.assertTrue([note for note in made["notes"] if "cannot be preloaded" in note])
        self.assertEqual([subject["name"] for subject in made["subjects"]], ["glibc"])

    def test_a_peer_that_crashes_at_once_is_dropped(self) -> None:
        done = self.call(*ONE_ROW, "--peers", "none", "--peer", "bad=" + CRASH, FAKE_CRASH_AT="9")
        self.assertEqual(done.returncode, 1)
        self.assertIn("crashed: SIGSEGV", done.stderr)
        self.assertIn("nothing left to measure", done.stderr)

    def test_a_peer_that_crashes_later_has_an_error_in_the_report_of_the_rest(self) -> None:
        done = self.call(*ONE_ROW, *GLIBC, "--peer", "bad=" + CRASH, FAKE_CRASH_AT="50000")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("tree on bad: crashed: SIGSEGV", done.stderr)
        self.assert_report_is_there()
        errors = {run["subject"]: run["error"] for run in self.result()["runs"]}
        self.assertEqual(errors, {"glibc": None, "bad": "crashed: SIGSEGV"})
        self.assertIn("SIGSEGV", (self.folder / "bench-report/report.txt").read_text(encoding="utf-8"))

    def test_a_peer_without_memory_has_an_error_too(self) -> None:
        self.call(*ONE_ROW, *GLIBC, "--peer", "bad=" + FAIL, FAKE_FAIL_AFTER="50000")
        errors = {run["subject"]: run["error"] for run in self.result()["runs"]}
        self.assertEqual(errors, {"glibc": None, "bad": "out of memory"})

    def test_a_peer_that_hangs_is_ended_and_not_waited_for_again(self) -> None:
        self.call(*ONE_ROW, *GLIBC, "--rounds", "3", "--peer", "bad=" + SLOW, "--seconds", "15",
                  FAKE_COST_NS="200000")
        errors = [run["error"] for run in self.result()["runs"] if run["subject"] == "bad"]
        self.assertEqual(errors, ["timed out after 15 s"])
        good = [run for run in self.result()["runs"] if run["subject"] != "bad"]
        self.assertEqual([run["error"] for run in good], [None] * 3)


class InterruptTest(MainCase):

    def test_ctrl_c_leaves_a_valid_report_of_what_there_is(self) -> None:
        process = subprocess.Popen(
            self.command(*ONE_ROW, *GLIBC, "--rounds", "1000"), env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while not (self.folder / "bench-report/result.json").exists():  # written after the first round
            self.assertIsNone(process.poll())
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
        self.assertEqual(process.returncode, 130, said)
        self.assertEqual(said.count("bench: interrupted: "), 1)
        made = self.result()
        self.assertEqual((made["complete"], made["interrupted"]), (False, True))
        self.assertGreaterEqual(len(made["runs"]), 1)
        self.assertLess(len(made["runs"]), 1000)
        self.assert_report_is_there()


if __name__ == "__main__":
    unittest.main()
