# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The command as a user calls it: wrong words, missing and broken allocators, Ctrl-C; the report of it."""

import json
import os
from typing import Any, Dict

from bench.harness import fixture, result

FAKE = fixture.part("bench/bump/libfake.so")
GLIBC = ("--peers", "glibc")
ONE = ("--quick", "--groups", "workloads", "--filter", "^tree$", "--rounds", "1", "--stacks", "none")


class MainCase(fixture.FolderCase):
    def bench(self, *arguments: str, **environment: str) -> fixture.Done:
        return self.call("harness.main", *arguments, **environment)

    def result(self) -> Dict[str, Any]:
        made = json.loads((self.folder / "bench-report/result.json").read_text(encoding="utf-8"))
        self.assertEqual(result.validate(made), [])
        for name in ("report.html", "report.txt"):
            self.assertTrue((self.folder / "bench-report" / name).stat().st_size, name)
        return made


class CallTest(MainCase):
    def test_each_wrong_word_is_one_line_with_what_exists_and_status_2(self) -> None:
        (self.folder / "file").touch()
        for arguments, said in (
                (["--stacks", "stone"], "--stacks: no such name: stone; there are: cairn, (cairn-lock, )?reference"),
                (["--filter", "chrun"], "--filter 'chrun': nothing to run; there are: .*churn"),
                ([*ONE, *GLIBC, "--out", "file"], "cannot write to .*/file: "),
                ([*ONE, *GLIBC, "--json", "file/x", "--out", "here"], "cannot write to .*/file: ")):
            done = self.bench(*arguments)
            self.assertEqual((done.returncode, done.stdout, len(done.stderr.splitlines())), (2, "", 1), done.stderr)
            self.assertRegex(done.stderr, "^bench: " + said)
        self.assertFalse((self.folder / "bench-report").exists())

    def test_the_list_names_what_there_is_and_what_is_missing_and_runs_nothing(self) -> None:
        done = self.bench("--list")
        for word in ("cairn reference glibc floor churn-4 churn-threads jemalloc mimalloc tcmalloc tbbmalloc scudo "
                     "snmalloc rpmalloc hoard").split() + ["components: all"]:
            self.assertIn(word, done.stdout)
        self.assertEqual((done.returncode, os.listdir(self.folder)), (0, []))


class ReportTest(MainCase):
    def test_a_small_session_leaves_a_valid_result_and_a_report(self) -> None:
        done = self.bench(*"--quick --groups workloads,cpus,components --filter ^tree$|cpus|pool/pair/bytes:64".split(),
                         *"--peers glibc,floor --rounds 1 --set CAIRN_CONF=shards:1 --json copy.json".split())
        self.assertEqual(done.returncode, 0, done.stderr)
        made = self.result()
        self.assertTrue(made["complete"] and made["components"] and all(run["ok"] for run in made["runs"]))
        self.assertEqual({one["name"] for one in made["subjects"]} - {"cairn-lock"},
                         {"cairn", "reference", "glibc", "floor"})
        self.assertEqual(len(made["runs"]), len(made["rows"]) * len(made["subjects"]))
        of_cairn = next(run for run in made["runs"] if run["subject"] == "cairn")
        self.assertIn("CAIRN_CONF=shards:1", of_cairn["command"])
        self.assertIn("tree", done.stdout)
        self.assertEqual(json.loads((self.folder / "copy.json").read_text(encoding="utf-8")), made)

    def test_json_on_stdout_is_alone_there_and_what_steers_a_malloc_is_taken_away(self) -> None:
        done = self.bench(*ONE, *GLIBC, "--json", "-", MALLOC_ARENA_MAX="1")
        made = json.loads(done.stdout)
        self.assertEqual((done.returncode, result.validate(made)), (0, []), done.stderr)
        self.assertIn("tree", done.stderr)
        self.assertEqual(made["command"], ["bazel", "run", "//bench:all", "--", *ONE, *GLIBC, "--json", "-"])
        self.assertIn("taken out of the environment: MALLOC_ARENA_MAX", made["notes"])


class BrokenTest(MainCase):
    def test_a_peer_that_fails_later_has_an_error_in_the_report_of_the_rest_and_is_not_waited_for_again(self) -> None:
        for fault, limit_s, error, runs in (("crash=50000", "60", "crashed: SIGSEGV", 2),
                                            ("slow=200000", "15", "timed out after 15 s", 1)):
            done = self.bench(*ONE, *GLIBC, "--rounds", "3", "--peer", "bad=" + FAKE, "--seconds", limit_s,
                             FAKE=fault)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stderr.count("tree on bad: " + error), 1)
            of = {name: [run["error"] for run in self.result()["runs"] if run["subject"] == name]
                  for name in ("glibc", "bad")}
            self.assertEqual(of, {"glibc": [None] * 3, "bad": [error] * runs})
            self.assertIn(error, (self.folder / "bench-report/report.txt").read_text(encoding="utf-8"))

    def test_ctrl_c_leaves_a_valid_report_of_what_there_is(self) -> None:
        said = self.interrupted("harness.main", *ONE, *GLIBC, "--rounds", "1000", report="bench-report/result.json")
        self.assertEqual(said.count("bench: interrupted: "), 1, said)
        made = self.result()
        self.assertEqual((made["complete"], made["interrupted"]), (False, True))
        self.assertTrue(1 <= len(made["runs"]) < 1000)
