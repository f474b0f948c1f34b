# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""bench:replay as a user calls it: what it refuses, real programs on several mallocs, allocators that crash."""

import contextlib
import io
import json
import os
import shutil
import unittest
from typing import Any, Dict
from unittest import mock

from bench.harness import compare, result
from bench.harness.allocators import Allocator
from bench.harness.runner import Outcome
from bench.trace import findings, fixture
from bench.trace.replay import Replay

FAKE = str(fixture.RUNFILES / "bench/bump/libfake.so")
ON_GLIBC = ("--stacks", "none", "--peers", "glibc", "--rounds", "1")
ON_TWO = ("--stacks", "cairn", "--peers", "glibc", "--rounds", "2")
SQL = """create table t(a integer primary key, b text);
with recursive c(x) as (select 1 union all select x + 1 from c where x < 3000)
insert into t select x, x * x from c;
select count(*) from t where b like '%9%';"""


class ReplayCase(fixture.CommandCase):

    def replay(self, *arguments: str, status: int = 0, **environment: str) -> fixture.Done:
        done = self.call("trace.replay", *arguments, **environment)
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    def result(self, out: str = "replay-report") -> Dict[str, Any]:
        made = json.loads((self.folder / out / "replay.json").read_text(encoding="utf-8"))
        self.assertEqual(result.validate(made), [])
        return made

    def page(self) -> str:
        return (self.folder / "replay-report/replay.html").read_text(encoding="utf-8")


class WrongCallTest(ReplayCase):

    def expect_refusal(self, arguments: Any, said: str) -> None:
        done = self.replay(*arguments, status=2)
        self.assertEqual((done.stdout, len(done.stderr.splitlines())), ("", 1), done.stderr)
        self.assertRegex(done.stderr, "^replay: " + said)

    def test_each_wrong_word_is_one_line_and_told_before_anything_is_made(self) -> None:
        trace = self.recorded("ls", "/")
        (self.folder / "letter").write_bytes(b"dear reader")
        self.call("trace.record", "-o", "none", "true")
        names = sorted(os.listdir(self.folder))
        for arguments, said in (
                ([], "the following arguments are required: TRACE"),
                ([trace, "--rounds", "0"], "--rounds: not a number from 1 to 1000: '0'"),
                ([trace, "--touch", "some"], "--touch: invalid choice: 'some' .*none.*ends.*all"),
                ([trace, "--peers", "nalloc"], "--peers: no such name: nalloc; there are: glibc.*floor"),
                (["gone"], ".*: No such file or directory"),
                (["letter", "--info"], ".*: is not a trace .its first bytes are not 'cairntrc'"),
                (["none", *ON_GLIBC], ".*/none: has no calls that could be replayed"),
                ([trace, *ON_GLIBC, "--out", "letter"], "cannot write to .*/letter: ")):
            self.expect_refusal(arguments, said)
        self.assertEqual(sorted(os.listdir(self.folder)), names)

    def test_outside_of_bazel_it_says_how_it_is_started_and_help_is_no_error(self) -> None:
        done = self.replay("t", status=2, CAIRN_RUNFILES=str(self.folder))
        self.assertRegex(done.stderr, "^replay: no such program: .*measure: start this with `bazel run`")
        self.assertIn("Exit status: 0", self.replay("--help").stdout)

    def test_each_part_complains_in_a_line(self) -> None:
        (self.folder / "letter").write_text("dear reader " * 20, encoding="utf-8")
        self.printed("planner", self.recorded("ls", "/"), "plan")
        for words, status, said in (
                ("info", 2, "usage: info"), ("info --fast t", 2, "usage: info"),
                ("info letter", 1, "info: letter: is not a trace"),
                ("info --histogram", 2, "usage: info"), ("info --histogram letter", 1, "info: letter: is not a trace"),
                ("planner t", 2, "usage: planner"), ("planner letter p", 1, "planner: letter: is not"),
                ("planner t.trace gone/p", 1, "planner: gone/p: cannot be written"),
                ("replayer", 1, "replayer: which plan?"),
                ("replayer touch=some", 1, "replayer: unknown word: touch=some: none | ends | all"),
                ("replayer plan=gone", 1, "replayer: gone: No such file"),
                ("replayer plan=letter", 1, "replayer: letter: is not a plan"),
                ("replayer plan=plan notes=gone/r", 1, "replayer: gone/r: No such file or directory")):
            done = self.part(*words.split())
            self.assertEqual((done.returncode, done.stdout, len(done.stderr.splitlines())), (status, "", 1), words)
            self.assertTrue(done.stderr.startswith(said), done.stderr)


class RealProgramTest(ReplayCase):

    def replayed(self, trace: str, *more: str) -> Dict[str, Any]:
        """The result, in which every allocator plays every call that the trace has and that returned memory."""
        self.replay(trace, *ON_TWO, *more)
        made = self.result()
        self.assertEqual([run["error"] for run in made["runs"]], [None] * len(made["runs"]))
        info = made["replay"]["info"]
        self.assertEqual({run["ops"] for run in made["runs"]},
                         {info["events"] - info["unknown_frees"] - info["failed"]})
        self.assertEqual(sorted(run["subject"] for run in made["runs"]), ["cairn"] * 2 + ["glibc"] * 2)
        for run in made["runs"]:
            self.assertAlmostEqual(run["extra"]["peak_live_kib"], info["peak_live_bytes"] / 1024, delta=1)
            self.assertAlmostEqual(run["extra"]["end_live_kib"], info["end_live_bytes"] / 1024, delta=1)
        self.assertEqual(set(made["replay"]["reports"]), {"cairn", "glibc"})
        return made

    @unittest.skipUnless(shutil.which("sqlite3"), "sqlite3 is not installed")
    def test_sqlite_and_the_peak_is_among_the_samples(self) -> None:
        made = self.replayed(self.recorded("sqlite3", ":memory:", SQL))
        self.assertGreater(made["replay"]["info"]["events"], 6000)
        for report in made["replay"]["reports"].values():
            self.assertEqual(max(sample["live_kib"] for sample in report["samples"]),
                             made["replay"]["info"]["peak_live_bytes"] // 1024)

    def test_blocks_that_change_hands_between_threads(self) -> None:
        trace = self.recorded(fixture.HANDOFF, "ops=20000")
        info = self.info(trace)
        self.assertGreater(info["cross_frees"], 10000)
        self.assertLess(info["event_bytes"], 6 * info["events"])
        self.assertEqual((info["inferred_frees"], info["lost_events"]), (0, 0))
        for more in ((), ("--touch", "all")):
            made = self.replayed(trace, *more)
            self.assertEqual({run["extra"]["threads"] for run in made["runs"]}, {info["threads"]})
        self.assertIn("touch=all", made["rows"][0]["command"])

    def test_a_touched_block_is_resident_and_an_untouched_one_is_not(self) -> None:
        trace = self.recorded(str(fixture.RUNFILES / "bench/workloads/big"), "ops=2")
        for touch, least, most in (("none", 0, 0.1), ("all", 0.9, 9)):
            waste = min(findings.waste_of(run["extra"]) for run in self.replayed(trace, "--touch", touch)["runs"])
            self.assertTrue(least <= waste < most, (touch, waste))

    def test_a_trace_that_is_cut_off_is_used_as_far_as_it_goes(self) -> None:
        trace = self.recorded(fixture.HANDOFF, "ops=60000")
        whole = self.info(trace)
        os.truncate(self.folder / trace, (self.folder / trace).stat().st_size // 2 + 100)
        cut = self.info(trace)
        self.assertEqual(cut["torn_blocks"], 1)
        self.assertTrue(0 < cut["events"] < whole["events"])
        self.assertRegex(self.replay(trace, "--info").stdout, r"\nnote +torn blocks: 1 \(")
        self.assertIn("note: torn blocks: 1 (they end after the file does; the rest is used)\n", self.replay(trace, *ON_GLIBC).stdout)


class ReportTest(ReplayCase):

    def test_compare_reads_two_results_and_json_is_the_result_once_more(self) -> None:
        trace = self.recorded("ls", "/")
        self.assertRegex(self.replay(trace, "--info").stdout,
                         r"(?s)^program    ls /\nprocess    \d+, started .*\nrecorded .*threads: 1, ")
        self.replay(trace, *ON_GLIBC, "--out", "a", "--json", "new/copy.json")
        self.assertEqual(json.loads((self.folder / "new/copy.json").read_text(encoding="utf-8")), self.result("a"))
        done = self.replay(trace, *ON_GLIBC, "--json", "-", LD_PRELOAD="", MALLOC_ARENA_MAX="1")
        self.assertEqual(json.loads(done.stdout), self.result())
        self.assertRegex(done.stderr, r"(?m)^glibc +\d")
        self.assertEqual(self.result()["command"][-len(ON_GLIBC) - 3:], [trace, *ON_GLIBC, "--json", "-"])
        self.assertIn("MALLOC_ARENA_MAX", " ".join(self.result()["notes"]))
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            status = compare.main([str(self.folder / out / "replay.json") for out in ("a", "replay-report")]
                                  + ["--subject", "glibc", "--all"])
        self.assertEqual(status, 0)
        self.assertIn("replay of t.trace", said.getvalue())


class BrokenAllocatorTest(ReplayCase):

    def setUp(self) -> None:
        super().setUp()
        self.trace = self.recorded(fixture.HANDOFF, "ops=60000")

    def test_those_that_crash_have_no_memory_or_do_not_work_have_a_line_in_a_report_of_the_rest(self) -> None:
        (self.folder / "broken.so").write_bytes(b"no library")
        self.replay(self.trace, *ON_GLIBC, "--peer", "bad=" + FAKE, "--out", "poor", FAKE="fail=50000")
        self.assertEqual({run["subject"]: run["error"] for run in self.result("poor")["runs"]},
                         {"glibc": None, "bad": "out of memory"})
        done = self.replay(self.trace, *ON_GLIBC, "--peer", "bad=" + FAKE, "--peer", "broken=broken.so",
                           FAKE="crash=50000")
        self.assertRegex(done.stdout, r"(?m)^bad: crashed: SIGSEGV$")
        self.assertRegex(done.stdout, r"(?m)^glibc +\d")
        self.assertRegex(done.stderr, "broken: dropped: .*broken.so: cannot be preloaded")
        made = self.result()
        self.assertEqual({run["subject"]: run["error"] for run in made["runs"]},
                         {"glibc": None, "bad": "crashed: SIGSEGV"})
        self.assertEqual(list(made["replay"]["reports"]), ["glibc"])
        self.assertRegex(" ".join(made["notes"]), "broken: dropped")
        self.assertNotIn("bad: has no picture", " ".join(made["notes"]))
        self.assertIn("SIGSEGV", self.page())

    def test_one_that_fails_only_while_it_is_sampled_has_a_note_and_no_picture(self) -> None:
        replay = Replay.__new__(Replay)
        about = {"info": {"peak_live_bytes": 1}, "reports": {}}
        replay.chosen, replay.made = mock.Mock(touch="ends"), {"runs": [], "notes": [], "replay": about}
        replay.where = replay.plan = replay.runner = mock.MagicMock()
        replay.runner.measure.return_value = Outcome([], error="timed out after 2 s")
        replay.sample([Allocator("slow", "peer")])
        self.assertEqual(replay.made["notes"], ["slow: has no picture: timed out after 2 s"])
        self.assertEqual(about["reports"], {})

    def test_nobody_left_and_a_run_that_takes_too_long_are_status_1(self) -> None:
        (self.folder / "broken.so").touch()
        done = self.replay(self.trace, "--stacks", "none", "--peers", "none", "--peer", "broken=broken.so", status=1)
        self.assertIn("nobody is left to replay it", done.stderr)
        self.assertFalse((self.folder / "replay-report").exists())
        self.replay(self.trace, *ON_GLIBC, "--seconds", "0.01", status=1)

    def test_ctrl_c_leaves_a_valid_report_of_what_there_is(self) -> None:
        arguments = [self.trace, *ON_GLIBC[:-1], "1000"]
        self.interrupted("trace.replay", *arguments, report="replay-report/replay.json")
        made = self.result()
        self.assertTrue(made["interrupted"] and made["runs"])
        self.assertRegex(" ".join(made["notes"]), r"interrupted after \d+ of 1000 runs")
        self.assertIn("Partial result", self.page())
