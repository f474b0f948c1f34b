# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""bench:record as a user calls it: what it refuses, what it writes, what it says in the end."""

import os
import pathlib
import shutil
import subprocess
import unittest
from typing import Any

from bench.trace import fixture, record

CC = shutil.which("cc") or shutil.which("gcc")


class RecordTest(fixture.CommandCase):

    def record(self, *arguments: str, **environment: str) -> fixture.Done:
        return self.call("trace.record", *arguments, **environment)

    def expect_refusal(self, arguments: Any, status: int, said: str, **environment: str) -> None:
        done = self.record(*arguments, **environment)
        self.assertEqual((done.returncode, done.stdout), (status, ""), arguments)
        self.assertRegex(done.stderr, "^record: " + said + "\n$")

    def test_each_wrong_call_is_one_line_and_the_status_of_a_shell(self) -> None:
        for name in ("letter", "letter.7", "data"):
            (self.folder / name).write_text("dear reader", encoding="utf-8")
        (self.folder / "data").chmod(0o755)
        for arguments, status, said in (
                (["-o", "t"], 125, r"which program\? \(see --help\)"),
                (["--"], 125, r"which program\? \(see --help\)"),
                (["-o"], 125, r"-o: expected one argument \(see --help\)"),
                (["--fast", "/bin/true"], 125, r"unrecognized arguments: --fast.* \(see --help\)"),
                (["-o", "letter", "/bin/true"], 125, "-o .*/letter: is there and is no trace.*"),
                (["-o", ".", "/bin/true"], 125, r"-o .*: is a directory"),
                (["-o", "gone/t", "/bin/true"], 125, r"-o .*/gone/t: no such directory: .*/gone"),
                (["no-such-program"], 127, "no-such-program: not found"),
                (["./letter"], 126, "./letter: Permission denied"),
                (["./data"], 126, "./data: Exec format error")):
            self.expect_refusal(arguments, status, said)
        self.assertEqual(sorted(os.listdir(self.folder)), ["data", "letter", "letter.7"])

    @unittest.skipUnless(CC, "no C compiler")
    def test_a_static_program_is_said_to_record_nothing(self) -> None:
        (self.folder / "m.c").write_text("int main(void) { return 126; }\n", encoding="utf-8")
        if subprocess.run([CC, "-static", "-o", self.folder / "static", self.folder / "m.c"],
                          capture_output=True, check=False).returncode != 0:
            self.skipTest("no static libc")
        self.expect_refusal(["./static"], 125, r"./static: nothing was recorded \(its exit status is 126\): .*")

    def test_a_recorder_that_cannot_be_preloaded_is_told_before_the_program_runs(self) -> None:
        spaced = self.folder / "a b/bench/trace"
        spaced.mkdir(parents=True)
        (spaced / "librecord.so").touch()
        for runfiles, said in ((self.folder, "the recorder is missing: .*"),
                               (self.folder / "a b", ".* its path has a space or a colon: .*")):
            self.expect_refusal(["touch", "here"], 125, said, CAIRN_RUNFILES=str(runfiles),
                                PYTHONPATH=str(fixture.RUNFILES))
        self.assertFalse((self.folder / "here").exists())

    def test_options_after_the_program_are_its_own_and_so_is_the_status(self) -> None:
        self.assertIn("[-o FILE] [--] program", self.record("--help").stdout)
        done = self.record("sh", "-c", "pwd; echo $0 $1; exit 3", "-o", "--help")
        self.assertEqual((done.returncode, done.stdout), (3, "%s\n-o --help\n" % self.folder.resolve()))
        self.assertEqual(os.listdir(self.folder), ["trace"])
        done = self.record("-o", "t", "sh", "-c", "kill -SEGV $$")
        self.assertEqual(done.returncode, 128 + 11)
        self.assertRegex(done.stderr, r"record: \S+/t: \d+ events?, 1 thread, at most .* live: sh -c kill")

    def test_every_process_has_a_file_and_a_new_recording_removes_those_and_no_other_trace(self) -> None:
        (self.folder / "t").touch()  # empty: taken for the trace
        done = self.record("-o", "t", "sh", "-c", "ls / >&2; ls /; true")
        lines = [line for line in done.stderr.splitlines() if line.startswith("record: ")]
        for line, said in zip(lines, (r"/t: [\d,]+ events.*: sh -c", *[r"/t\.\d+: [\d,]+ events.*: ls /$"] * 2)):
            self.assertRegex(line, said)
        self.assertEqual((len(lines), len(os.listdir(self.folder))), (3, 3))
        shutil.copy(self.folder / "t", self.folder / "t.1")  # a trace by this name, of another process
        (self.folder / "t.22").touch()
        self.assertEqual(self.record("-o", "t", "ls").returncode, 0)
        self.assertEqual(sorted(os.listdir(self.folder)), ["t", "t.1", "t.22"])
        self.assertEqual(self.info("t")["command"], ["ls"])

    def test_the_program_sees_nothing_of_the_launcher_and_no_library_but_the_recorder(self) -> None:
        said = self.record("env", PYTHONPATH=os.environ["PYTHONPATH"], LD_PRELOAD="").stdout
        library = fixture.PARTS / "librecord.so"
        self.assertIn("LD_PRELOAD=%s\n" % library, said)
        for name in record.OURS + ("PYTHONPATH",):
            self.assertNotRegex(said, "(?m)^%s=" % name)
        self.assertNotIn("libstdc++", self.record("cat", "/proc/self/maps").stdout)
        made = record.environment_for(library, pathlib.Path("/t"), {"LD_PRELOAD": "/lib/other.so", "A": "b"})
        self.assertEqual(made, {"LD_PRELOAD": "%s:/lib/other.so" % library, "CAIRN_RECORD": "/t", "A": "b"})

    def test_lost_events_are_shouted_and_a_long_command_is_cut(self) -> None:
        about = {"events": 12345, "threads": 2, "peak_live_bytes": 2048, "lost_events": 1,
                 "command": ["x" * 50, "two\nlines"]}
        self.assertEqual(record.line_about("t", about), "record: t: 12,345 events, 2 threads, at most 2.00 KiB live, "
                         "1 event LOST: %s two lines" % ("x" * 50))
        self.assertTrue(record.line_about("t", {**about, "command": ["y" * 61]}).endswith("y" * 57 + "..."))
        self.assertEqual(record.line_about("t", None), "record: t: cannot be read")
