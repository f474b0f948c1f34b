# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""bench:replay as a user calls it: what it refuses, real programs on several mallocs, subjects that crash."""

import contextlib
import io
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import time
import unittest
from typing import Any, Dict
from unittest import mock

from bench.harness import compare, result
from bench.harness.runner import Outcome
from bench.harness.subjects import Subject
from bench.trace import fixture, record, rounds
from bench.trace.rounds import Playing

CRASH = str(fixture.RUNFILES / "bench/floor/libfake_crash.so")
FAIL = str(fixture.RUNFILES / "bench/floor/libfake_fail.so")
ON_GLIBC = ("--stacks", "none", "--peers", "glibc", "--rounds", "1")
ON_TWO = ("--stacks", "cairn", "--peers", "glibc", "--rounds", "2")
PYTHON = "/usr/bin/python3"
SQL = """create table t(a integer primary key, b text);
with recursive c(x) as (select 1 union all select x + 1 from c where x < 3000)
insert into t select x, x * x from c;
select count(*) from t where b like '%9%';"""


def header(version: int = 1) -> bytes:
    """The beginning of a trace, with a wrong checksum."""
    return struct.pack("<8sI", record.MAGIC, version).ljust(4096, b"\0")


class WrongCallTest(fixture.CommandCase):

    def complaint(self, *arguments: str, **environment: str) -> str:
        done = self.replay(*arguments, **environment)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        return done.stderr

    def test_each_wrong_word_is_one_line_and_status_2(self) -> None:
        trace = self.recorded("ls", "/")
        for arguments, said in (
                ([], "the following arguments are required: TRACE"),
                ([trace, "--fast"], "unrecognized arguments: --fast"),
                ([trace, "--rounds", "0"], "--rounds: not a number from 1 to 1000: '0'"),
                ([trace, "--rounds", "\u0663"], "--rounds: not a number from 1 to 1000: '\u0663'"),
                ([trace, "--seconds", "-1"], "--seconds: not a number of seconds above 0: '-1'"),
                ([trace, "--seconds", "0.0"], "--seconds: not a number of seconds above 0: '0.0'"),
                ([trace, "--touch", "some"], "--touch: invalid choice: 'some' .*none.*ends.*all"),
                ([trace, "--peer", "mine"], "--peer: not name=path: 'mine'"),
                ([trace, "--peer", "a b=c"], "--peer: not name=path: 'a b=c'"),
                ([trace, "--peer", "mine=gone.so"], "--peer mine: no such file: .*/gone.so"),
                ([trace, "--peer", "glibc=" + CRASH], "--peer: the name is taken: glibc"),
                ([trace, "--stacks", "stone"], "--stacks: no such name: stone; there are: cairn, "),
                ([trace, "--peers", "nalloc"], "--peers: no such name: nalloc; there are: glibc.*floor")):
            self.assertRegex(self.complaint(*arguments), "^replay: " + said)
        self.assertEqual(os.listdir(self.folder), [trace])

    def test_what_is_no_trace_is_told_before_anything_is_made(self) -> None:
        for name, content in (("empty", b""), ("letter", b"dear reader"), ("torn", header()[:100]),
                              ("newer", header(2)), ("damaged", header())):
            (self.folder / name).write_bytes(content)
        for name, said in (("gone", "No such file or directory"), (".", "is not a trace .no regular file"),
                           ("empty", "is not a trace .no regular file, or an empty one"),
                           ("letter", "is not a trace .its first bytes are not 'cairntrc'"),
                           ("torn", "is cut off within its header"),
                           ("newer", "is of version 2, and this program reads version 1"),
                           ("damaged", "is damaged: the checksum of its header is wrong")):
            for arguments in ([name], [name, "--info"]):
                self.assertRegex(self.complaint(*arguments), "^replay: .*: " + said)
        self.assertFalse((self.folder / "replay-report").exists())

    def test_a_trace_without_calls_is_told_to_be_one(self) -> None:
        self.record("-o", "t", "true")
        self.assertEqual(self.info("t")["events"], 0)
        self.assertRegex(self.complaint("t", *ON_GLIBC), "^replay: .*/t: has no calls that could be replayed")

    def test_a_directory_that_cannot_be_written_is_told_before_the_runs(self) -> None:
        trace = self.recorded("ls", "/")
        (self.folder / "file").touch()
        for option in (["--out", "file"], ["--json", "file/x", "--out", "here"]):
            said = self.complaint(trace, *ON_GLIBC, *option)
            self.assertRegex(said, "^replay: cannot write to .*/file: ")

    def test_outside_of_bazel_it_says_how_it_is_started(self) -> None:
        done = self.replay("t", CAIRN_RUNFILES=str(self.folder))
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr,
                         r"^replay: no such program: .*measure: start this with `bazel run //bench:replay`")

    def test_help_is_no_error(self) -> None:
        done = self.replay("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("Exit status: 0", done.stdout)


class PartsTest(fixture.CommandCase):
    """The C programs behind it, called with wrong words."""

    def test_each_complains_in_a_line(self) -> None:
        (self.folder / "letter").write_text("dear reader", encoding="utf-8")
        for part, arguments, status, said in (
                ("info", [], 2, "usage: info"), ("info", ["--fast", "t"], 2, "info: unknown option: --fast"),
                ("info", ["letter"], 1, "info: letter: is not a trace"),
                ("replayer", [], 2, "usage: replayer"),
                ("replayer", ["--touch=some", "t"], 2, "replayer: unknown option: --touch=some"),
                ("replayer", ["letter"], 1, "replayer: letter: is not a trace"),
                ("replayer", ["--report=gone/r", self.recorded("ls", "/")], 1,
                 "replayer: gone/r: No such file or directory")):
            done = subprocess.run([str(fixture.PARTS.absolute() / part), *arguments], cwd=self.folder,
                                  capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stdout), (status, ""), part)
            self.assertEqual(len(done.stderr.splitlines()), 1)
            self.assertTrue(done.stderr.startswith(said), done.stderr)


class InfoTest(fixture.CommandCase):

    def test_it_is_printed_for_people_and_for_programs(self) -> None:
        trace = self.recorded("ls", "/")
        said = self.replay(trace, "--info").stdout
        self.assertRegex(said, r"(?s)^program    ls / \nprocess    \d+, started .*\nrecorded .*threads: 1, ")
        self.assertRegex(said, r"\nlifetime [^$]*\nnever freed .*\n$")
        self.assertEqual(self.info(trace)["command"], ["ls", "/"])
        self.assertEqual(os.listdir(self.folder), [trace])

    def test_a_trace_that_is_cut_off_is_used_as_far_as_it_goes(self) -> None:
        trace = self.recorded(fixture.HANDOFF, "ops=60000")
        whole = self.info(trace)
        os.truncate(self.folder / trace, (self.folder / trace).stat().st_size // 2 + 100)
        cut = self.info(trace)
        self.assertEqual(cut["torn_blocks"], 1)
        self.assertTrue(0 < cut["events"] < whole["events"])
        self.assertRegex(self.replay(trace, "--info").stdout, r"\nnote +torn blocks: 1 \(")
        done = self.replay(trace, *ON_GLIBC)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("note: the trace is cut off, its torn blocks: 1\n", done.stdout)


class RealProgramTest(fixture.CommandCase):

    def replayed(self, trace: str, *options: str) -> Dict[str, Any]:
        done = self.replay(trace, *ON_TWO, *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        made = self.result()
        self.assertEqual(result.validate(made), [])
        self.assertEqual([run["error"] for run in made["runs"]], [None] * len(made["runs"]))
        return made

    def assert_each_plays_all(self, made: Dict[str, Any]) -> None:
        """Every call that the trace has and that returned memory, on each subject."""
        info = made["replay"]["info"]
        playable = info["events"] - info["unknown_frees"] - info["failed"]
        self.assertEqual({run["ops"] for run in made["runs"]}, {playable})
        subjects = {run["subject"] for run in made["runs"]}
        self.assertLessEqual({"cairn", "glibc"}, subjects)
        self.assertEqual(len(made["runs"]), 2 * len(subjects))
        for run in made["runs"]:
            self.assertAlmostEqual(run["extra"]["peak_live_kib"], info["peak_live_bytes"] / 1024, delta=1)
            self.assertAlmostEqual(run["extra"]["end_live_kib"], info["end_live_bytes"] / 1024, delta=1)
        self.assertEqual(set(made["replay"]["reports"]), subjects)

    @unittest.skipUnless(os.access(PYTHON, os.X_OK), "python3 is not installed")
    def test_python(self) -> None:
        trace = self.recorded(PYTHON, "-c", "x = [{i: str(i) * 200} for i in range(3000)]")
        self.assert_each_plays_all(self.replayed(trace))
        self.assertGreater(self.info(trace)["events"], 6000)

    @unittest.skipUnless(shutil.which("sqlite3"), "sqlite3 is not installed")
    def test_sqlite_and_the_peak_is_among_the_samples(self) -> None:
        made = self.replayed(self.recorded("sqlite3", ":memory:", SQL))
        self.assert_each_plays_all(made)
        peak_kib = made["replay"]["info"]["peak_live_bytes"] // 1024
        for report in made["replay"]["reports"].values():
            self.assertEqual(max(sample["live_kib"] for sample in report["samples"]), peak_kib)

    def test_blocks_that_change_hands_between_threads(self) -> None:
        trace = self.recorded(fixture.HANDOFF, "ops=20000")
        info = self.info(trace)
        self.assertGreaterEqual(info["threads"], 2)
        self.assertGreater(info["cross_frees"], 10000)
        self.assertEqual((info["inferred_frees"], info["lost_events"]), (0, 0))
        made = self.replayed(trace)
        self.assert_each_plays_all(made)
        self.assertEqual({run["extra"]["threads"] for run in made["runs"]}, {info["threads"]})
        self.assert_each_plays_all(self.replayed(trace, "--paced", "--touch", "all"))
        self.assertIn("--paced", self.result()["rows"][0]["command"])

    def test_a_touched_block_is_resident_and_an_untouched_one_is_not(self) -> None:
        trace = self.recorded(str(fixture.RUNFILES / "bench/workloads/big"), "ops=2")
        peaks = {}
        for touch in ("none", "all"):
            made = self.replayed(trace, "--touch", touch)
            peaks[touch] = min(run["extra"]["waste"] for run in made["runs"])
        self.assertLess(peaks["none"], 0.1)
        self.assertGreater(peaks["all"], 0.9)


class ReportTest(fixture.CommandCase):

    def test_compare_reads_two_results(self) -> None:
        trace = self.recorded("ls", "/")
        for out in ("a", "b"):
            self.assertEqual(self.replay(trace, *ON_GLIBC, "--out", out).returncode, 0)
        files = [str(self.folder / out / "replay.json") for out in ("a", "b")]
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            status = compare.main([*files, "--subject", "glibc", "--all"])
        self.assertEqual(status, 0)
        self.assertIn("replay of t.trace", said.getvalue())

    def test_json_on_stdout_is_alone_there(self) -> None:
        done = self.replay(self.recorded("ls", "/"), *ON_GLIBC, "--json", "-")
        self.assertEqual(result.validate(json.loads(done.stdout)), [])
        self.assertIn("glibc", done.stderr)

    def test_json_in_a_file_is_the_result_once_more(self) -> None:
        self.replay(self.recorded("ls", "/"), *ON_GLIBC, "--json", "new/copy.json")
        copy = json.loads((self.folder / "new/copy.json").read_text(encoding="utf-8"))
        self.assertEqual(copy, self.result())

    def test_the_command_is_the_users_and_what_steers_a_malloc_is_taken_away(self) -> None:
        trace = self.recorded("ls", "/")
        done = self.replay(trace, *ON_GLIBC, LD_PRELOAD="", MALLOC_ARENA_MAX="1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.result()["command"], ["bazel", "run", "//bench:replay", "--", trace, *ON_GLIBC])
        self.assertIn("MALLOC_ARENA_MAX", " ".join(self.result()["notes"]))


class WatchTest(unittest.TestCase):

    def test_one_that_fails_only_while_it_is_watched_has_a_note_and_no_picture(self) -> None:
        runner = mock.Mock(scratch=pathlib.Path("/nowhere"))
        runner.measure.return_value = Outcome([], error="timed out after 2 s")
        made = {"runs": [], "notes": [], "replay": {"reports": {}}}
        playing = Playing(pathlib.Path("/replayer"), pathlib.Path("/t"))
        rounds.watch(playing, [Subject("slow", "peer")], runner, made)
        self.assertEqual(made, {"runs": [], "notes": ["slow: has no picture: timed out after 2 s"],
                                "replay": {"reports": {}}})


class BrokenSubjectTest(fixture.CommandCase):

    def setUp(self) -> None:
        super().setUp()
        self.trace = self.recorded(fixture.HANDOFF, "ops=60000")

    def errors(self) -> Dict[str, Any]:
        return {run["subject"]: run["error"] for run in self.result()["runs"]}

    def test_one_that_crashes_has_a_line_in_a_report_of_the_rest(self) -> None:
        done = self.replay(self.trace, *ON_GLIBC, "--peer", "bad=" + CRASH, FAKE_CRASH_AT="50000")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("bad: crashed: SIGSEGV", done.stderr)
        self.assertRegex(done.stdout, r"(?m)^bad: crashed: SIGSEGV$")
        self.assertRegex(done.stdout, r"(?m)^glibc +\d")
        self.assertEqual(self.errors(), {"glibc": None, "bad": "crashed: SIGSEGV"})
        self.assertEqual(result.validate(self.result()), [])
        self.assertEqual(list(self.result()["replay"]["reports"]), ["glibc"])
        self.assertNotIn("bad: has no picture", " ".join(self.result()["notes"]))
        self.assertIn("SIGSEGV", (self.folder / "replay-report/replay.html").read_text(encoding="utf-8"))

    def test_one_without_memory_is_said_to_be(self) -> None:
        self.replay(self.trace, *ON_GLIBC, "--peer", "bad=" + FAIL, FAKE_FAIL_AFTER="50000")
        self.assertEqual(self.errors(), {"glibc": None, "bad": "out of memory"})

    def test_one_that_does_not_work_at_all_is_dropped_with_a_note(self) -> None:
        (self.folder / "broken.so").write_bytes(b"no library")
        done = self.replay(self.trace, *ON_GLIBC, "--peer", "broken=broken.so")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, "broken: dropped: .*broken.so: cannot be preloaded")
        self.assertEqual(self.errors(), {"glibc": None})
        self.assertRegex(" ".join(self.result()["notes"]), "broken: dropped")

    def test_a_library_without_a_malloc_is_not_taken_for_one(self) -> None:
        library = next(iter(pathlib.Path("/lib").glob("*/libm.so.6")), None)
        if library is None:
            self.skipTest("no libm.so.6")
        done = self.replay(self.trace, *ON_GLIBC, "--peer", "maths=%s" % library)
        self.assertRegex(done.stderr, "maths: dropped: .* has no malloc")

    def test_nobody_left_is_status_1(self) -> None:
        (self.folder / "broken.so").write_bytes(b"no library")
        done = self.replay(self.trace, "--stacks", "none", "--peers", "none", "--peer", "broken=broken.so")
        self.assertEqual(done.returncode, 1)
        self.assertIn("nobody is left to replay it", done.stderr)
        self.assertFalse((self.folder / "replay-report").exists())

    def test_a_run_that_takes_too_long_is_ended(self) -> None:
        done = self.replay(self.trace, *ON_GLIBC, "--seconds", "0.01")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("glibc", done.stdout + done.stderr)

    def test_ctrl_c_leaves_a_valid_report_of_what_there_is(self) -> None:
        arguments = [self.trace, "--stacks", "none", "--peers", "glibc", "--rounds", "1000"]
        process = subprocess.Popen([sys.executable, "-m", "bench.trace.replay", *arguments], text=True,
                                   env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while not (self.folder / "replay-report/replay.json").exists():  # written after the first round
            self.assertIsNone(process.poll())
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
        self.assertEqual(process.returncode, 130, said)
        made = self.result()
        self.assertEqual(result.validate(made), [])
        self.assertTrue(made["interrupted"] and made["runs"])
        self.assertRegex(" ".join(made["notes"]), r"interrupted after \d+ of 1000 runs")
        page = (self.folder / "replay-report/replay.html").read_text(encoding="utf-8")
        self.assertIn("Partial result", page)


if __name__ == "__main__":
    unittest.main()
