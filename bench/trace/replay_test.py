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
from bench.trace import fixture, record
from bench.trace.replay import Replay

CRASH = str(fixture.RUNFILES / "bench/bump/libfake_crash.so")
FAIL = str(fixture.RUNFILES / "bench/bump/libfake_fail.so")
ON_GLIBC = ("--stacks", "none", "--peers", "glibc", "--rounds", "1")
ON_TWO = ("--stacks", "cairn", "--peers", "glibc", "--rounds", "2")
PYTHON = "/usr/bin/python3"
SQL = """create table t(a integer primary key, b text);
with recursive c(x) as (select 1 union all select x + 1 from c where x < 3000)
insert into t select x, x * x from c;
select count(*) from t where b like '%9%';"""
WITHOUT_MATPLOTLIB = """
import sys
class Hook:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "matplotlib":
            raise ImportError("hidden")
sys.meta_path.insert(0, Hook())
from bench.trace import replay
sys.exit(replay.main(sys.argv[1:]))
"""


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
        for name, content in (("letter", b"dear reader"), ("newer", header(2)), ("damaged", header())):
            (self.folder / name).write_bytes(content)
        for name, said in (("gone", "No such file or directory"), (".", "is not a trace .no regular file"),
                           ("letter", "is not a trace .its first bytes are not 'cairntrc'"),
                           ("newer", "is of version 2, and this program reads version 1"),
                           ("damaged", "is damaged: the checksum of its header is wrong")):
            for arguments in ([name], [name, "--info"]):
                self.assertRegex(self.complaint(*arguments), "^replay: .*: " + said)
        self.record("-o", "t", "true")
        self.assertRegex(self.complaint("t", *ON_GLIBC), "^replay: .*/t: has no calls that could be replayed")
        self.assertFalse((self.folder / "replay-report").exists())

    def test_a_directory_that_cannot_be_written_is_told_before_the_runs(self) -> None:
        trace = self.recorded("ls", "/")
        (self.folder / "file").touch()
        for option in (["--out", "file"], ["--json", "file/x", "--out", "here"]):
            self.assertRegex(self.complaint(trace, *ON_GLIBC, *option), "^replay: cannot write to .*/file: ")

    def test_outside_of_bazel_it_says_how_it_is_started_and_help_is_no_error(self) -> None:
        done = self.replay("t", CAIRN_RUNFILES=str(self.folder))
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^replay: no such program: .*measure: start this with `bazel run //bench:replay`")
        done = self.replay("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("Exit status: 0", done.stdout)

    def test_each_part_complains_in_a_line(self) -> None:
        (self.folder / "letter").write_text("dear reader " * 20, encoding="utf-8")
        plan = [str(fixture.PARTS.absolute() / "planner"), self.recorded("ls", "/"), "plan"]
        subprocess.run(plan, cwd=self.folder, check=True)
        for part, arguments, status, said in (
                ("info", [], 2, "usage: info"), ("info", ["--fast", "t"], 2, "usage: info"),
                ("info", ["letter"], 1, "info: letter: is not a trace"),
                ("histogram", [], 2, "usage: histogram"),
                ("histogram", ["letter"], 1, "histogram: letter: is not a trace"),
                ("planner", ["t"], 2, "usage: planner"), ("planner", ["letter", "p"], 1, "planner: letter: is not"),
                ("planner", ["t.trace", "gone/p"], 1, "planner: gone/p: cannot be written"),
                ("replayer", [], 2, "usage: replayer"),
                ("replayer", ["--touch=some", "t"], 2, "replayer: unknown option: --touch=some"),
                ("replayer", ["gone"], 1, "replayer: gone: No such file"),
                ("replayer", ["letter"], 1, "replayer: letter: is not a plan"),
                ("replayer", ["--report=gone/r", "plan"], 1, "replayer: gone/r: No such file or directory")):
            done = subprocess.run([str(fixture.PARTS.absolute() / part), *arguments], cwd=self.folder,
                                  capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stdout), (status, ""), part)
            self.assertEqual(len(done.stderr.splitlines()), 1)
            self.assertTrue(done.stderr.startswith(said), done.stderr)


class RealProgramTest(fixture.CommandCase):

    def replayed(self, trace: str, *options: str) -> Dict[str, Any]:
        """The result, in which every subject plays every call that the trace has and that returned memory."""
        done = self.replay(trace, *ON_TWO, *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        made = self.result()
        self.assertEqual(result.validate(made), [])
        self.assertEqual([run["error"] for run in made["runs"]], [None] * len(made["runs"]))
        info = made["replay"]["info"]
        self.assertEqual({run["ops"] for run in made["runs"]},
                         {info["events"] - info["unknown_frees"] - info["failed"]})
        subjects = {run["subject"] for run in made["runs"]}
        self.assertLessEqual({"cairn", "glibc"}, subjects)
        self.assertEqual(len(made["runs"]), 2 * len(subjects))
        for run in made["runs"]:
            self.assertAlmostEqual(run["extra"]["peak_live_kib"], info["peak_live_bytes"] / 1024, delta=1)
            self.assertAlmostEqual(run["extra"]["end_live_kib"], info["end_live_bytes"] / 1024, delta=1)
        self.assertEqual(set(made["replay"]["reports"]), subjects)
        return made

    @unittest.skipUnless(os.access(PYTHON, os.X_OK), "python3 is not installed")
    def test_python(self) -> None:
        trace = self.recorded(PYTHON, "-c", "x = [{i: str(i) * 200} for i in range(3000)]")
        self.assertGreater(self.replayed(trace)["replay"]["info"]["events"], 6000)

    @unittest.skipUnless(shutil.which("sqlite3"), "sqlite3 is not installed")
    def test_sqlite_and_the_peak_is_among_the_samples(self) -> None:
        made = self.replayed(self.recorded("sqlite3", ":memory:", SQL))
        peak_kib = made["replay"]["info"]["peak_live_bytes"] // 1024
        for report in made["replay"]["reports"].values():
            self.assertEqual(max(sample["live_kib"] for sample in report["samples"]), peak_kib)

    def test_blocks_that_change_hands_between_threads(self) -> None:
        trace = self.recorded(fixture.HANDOFF, "ops=20000")
        info = self.info(trace)
        self.assertGreaterEqual(info["threads"], 2)
        self.assertGreater(info["cross_frees"], 10000)
        self.assertEqual((info["inferred_frees"], info["lost_events"]), (0, 0))
        for options in ((), ("--paced", "--touch", "all")):
            made = self.replayed(trace, *options)
            self.assertEqual({run["extra"]["threads"] for run in made["runs"]}, {info["threads"]})
        self.assertIn("--paced", made["replay"]["planner"])
        self.assertIn("--touch=all", made["rows"][0]["command"])

    def test_a_touched_block_is_resident_and_an_untouched_one_is_not(self) -> None:
        trace = self.recorded(str(fixture.RUNFILES / "bench/workloads/big"), "ops=2")
        for touch, least, most in (("none", 0, 0.1), ("all", 0.9, 9)):
            waste = min(run["extra"]["waste"] for run in self.replayed(trace, "--touch", touch)["runs"])
            self.assertTrue(least <= waste < most, (touch, waste))

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


class ReportTest(fixture.CommandCase):

    def setUp(self) -> None:
        super().setUp()
        self.trace = self.recorded("ls", "/")

    def test_info_is_printed_for_people_and_for_programs(self) -> None:
        said = self.replay(self.trace, "--info").stdout
        self.assertRegex(said, r"(?s)^program    ls /\nprocess    \d+, started .*\nrecorded .*threads: 1, ")
        self.assertEqual(self.info(self.trace)["command"], ["ls", "/"])
        self.assertEqual(os.listdir(self.folder), [self.trace])

    def test_compare_reads_two_results(self) -> None:
        for out in ("a", "b"):
            self.assertEqual(self.replay(self.trace, *ON_GLIBC, "--out", out).returncode, 0)
        files = [str(self.folder / out / "replay.json") for out in ("a", "b")]
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            status = compare.main([*files, "--subject", "glibc", "--all"])
        self.assertEqual(status, 0)
        self.assertIn("replay of t.trace", said.getvalue())

    def test_json_is_the_result_once_more_and_alone_on_stdout(self) -> None:
        done = self.replay(self.trace, *ON_GLIBC, "--json", "-")
        self.assertEqual(result.validate(json.loads(done.stdout)), [])
        self.assertIn("glibc", done.stderr)
        self.replay(self.trace, *ON_GLIBC, "--json", "new/copy.json")
        self.assertEqual(json.loads((self.folder / "new/copy.json").read_text(encoding="utf-8")), self.result())

    def test_the_command_is_the_users_and_what_steers_a_malloc_is_taken_away(self) -> None:
        done = self.replay(self.trace, *ON_GLIBC, LD_PRELOAD="", MALLOC_ARENA_MAX="1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.result()["command"], ["bazel", "run", "//bench:replay", "--", self.trace, *ON_GLIBC])
        self.assertIn("MALLOC_ARENA_MAX", " ".join(self.result()["notes"]))

    def test_without_matplotlib_there_are_text_page_and_result_and_a_line_about_it(self) -> None:
        done = subprocess.run([sys.executable, "-c", WITHOUT_MATPLOTLIB, self.trace, *ON_GLIBC],
                              env=self.environment, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"(?m)^glibc +\d")
        self.assertIn("matplotlib is missing, so there are no pictures: apt-get install", done.stderr)
        self.assertEqual(result.validate(self.result()), [])
        self.assertIn("matplotlib is missing", (self.folder / "replay-report/replay.html").read_text(encoding="utf-8"))


class BrokenSubjectTest(fixture.CommandCase):

    def setUp(self) -> None:
        super().setUp()
        self.trace = self.recorded(fixture.HANDOFF, "ops=60000")
        (self.folder / "broken.so").write_bytes(b"no library")

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

    def test_one_that_fails_only_while_it_is_sampled_has_a_note_and_no_picture(self) -> None:
        replay = Replay.__new__(Replay)
        replay.options, replay.made = mock.Mock(touch="ends"), {"runs": [], "notes": [], "replay": {"reports": {}}}
        replay.where = replay.plan = replay.runner = mock.MagicMock()
        replay.runner.measure.return_value = Outcome([], error="timed out after 2 s")
        replay.sample([Subject("slow", "peer")])
        self.assertEqual(replay.made, {"runs": [], "notes": ["slow: has no picture: timed out after 2 s"],
                                       "replay": {"reports": {}}})

    def test_one_without_memory_is_said_to_be(self) -> None:
        self.replay(self.trace, *ON_GLIBC, "--peer", "bad=" + FAIL, FAKE_FAIL_AFTER="50000")
        self.assertEqual(self.errors(), {"glibc": None, "bad": "out of memory"})

    def test_one_that_does_not_work_at_all_is_dropped_with_a_note(self) -> None:
        done = self.replay(self.trace, *ON_GLIBC, "--peer", "broken=broken.so")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, "broken: dropped: .*broken.so: cannot be preloaded")
        self.assertEqual(self.errors(), {"glibc": None})
        self.assertRegex(" ".join(self.result()["notes"]), "broken: dropped")
        library = next(iter(pathlib.Path("/lib").glob("*/libm.so.6")), None)
        if library is not None:
            done = self.replay(self.trace, *ON_GLIBC, "--peer", "maths=%s" % library)
            self.assertRegex(done.stderr, "maths: dropped: .* has no malloc")

    def test_nobody_left_is_status_1(self) -> None:
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
        self.assertIn("Partial result", (self.folder / "replay-report/replay.html").read_text(encoding="utf-8"))


if __name__ == "__main__":
    unittest.main()
