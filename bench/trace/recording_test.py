# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""bench:record as a user calls it: what it refuses, what it writes, what it says in the end."""

import os
import pathlib
import shutil
import subprocess
import unittest
from typing import Tuple

from bench.trace import fixture, record

CC = shutil.which("cc") or shutil.which("gcc")


class WrongCallTest(fixture.CommandCase):

    def complaint(self, *arguments: str, **environment: str) -> Tuple[int, str]:
        done = self.record(*arguments, **environment)
        self.assertEqual(done.stdout, "")
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        return done.returncode, done.stderr

    def test_each_wrong_call_is_one_line_and_status_125(self) -> None:
        (self.folder / "letter").write_text("dear reader", encoding="utf-8")
        (self.folder / "letter.7").write_text("dear reader", encoding="utf-8")
        for arguments, said in (
                ([], r"which program\? \(see --help\)"),
                (["-o", "t"], r"which program\? \(see --help\)"),
                (["--", ], r"which program\? \(see --help\)"),
                (["-o"], r"-o: expected one argument \(see --help\)"),
                (["--fast", "/bin/true"], r"unrecognized arguments: --fast.* \(see --help\)"),
                (["-o", "letter", "/bin/true"],
                 r"-o .*/letter: is there and is no trace, so it is not overwritten"),
                (["-o", ".", "/bin/true"], r"-o .*: is a directory"),
                (["-o", "gone/t", "/bin/true"], r"-o .*/gone/t: no such directory: .*/gone")):
            self.assertEqual(self.complaint(*arguments)[0], 125, arguments)
            self.assertRegex(self.complaint(*arguments)[1], "^record: " + said + "\n$")
        self.assertEqual(sorted(os.listdir(self.folder)), ["letter", "letter.7"])

    def test_a_program_that_cannot_run_has_the_status_of_a_shell(self) -> None:
        (self.folder / "data").write_text("no program", encoding="utf-8")
        self.assertEqual(self.complaint("no-such-program"), (127, "record: no-such-program: not found\n"))
        self.assertEqual(self.complaint("./data"), (126, "record: ./data: Permission denied\n"))
        (self.folder / "data").chmod(0o755)
        self.assertEqual(self.complaint("./data"), (126, "record: ./data: Exec format error\n"))

    @unittest.skipUnless(CC, "no C compiler")
    def test_a_static_program_is_said_to_record_nothing(self) -> None:
        (self.folder / "m.c").write_text("int main(void) { return 126; }\n", encoding="utf-8")
        built = subprocess.run([CC, "-static", "-o", self.folder / "static", self.folder / "m.c"],
                               capture_output=True, check=False)
        if built.returncode != 0:
            self.skipTest("no static libc")
        status, said = self.complaint("./static")
        self.assertEqual(status, 125)
        self.assertEqual(said, "record: ./static: nothing was recorded (its exit status is 126): "
                               "is it static or set-user-id?\n")

    def test_a_recorder_that_cannot_be_preloaded_is_told_before_the_program_runs(self) -> None:
        def complaint(runfiles: pathlib.Path) -> str:
            return self.complaint("touch", "here", CAIRN_RUNFILES=str(runfiles),
                                  PYTHONPATH=str(fixture.RUNFILES))[1]

        self.assertRegex(complaint(self.folder), "^record: the recorder is missing: ")
        spaced = self.folder / "a b/bench/trace"
        spaced.mkdir(parents=True)
        (spaced / "librecord.so").touch()
        self.assertRegex(complaint(self.folder / "a b"), "its path has a space or a colon: ")
        self.assertFalse((self.folder / "here").exists())

    def test_help_is_no_error(self) -> None:
        done = self.record("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("[-o FILE] [--] program", done.stdout)


class ProgramTest(fixture.CommandCase):

    def test_options_after_the_program_are_its_own_and_so_is_the_status(self) -> None:
        done = self.record("-o", "t", "sh", "-c", "echo $0 $1; exit 3", "-o", "--help")
        self.assertEqual((done.returncode, done.stdout), (3, "-o --help\n"))
        self.assertTrue((self.folder / "t").stat().st_size)

    def test_without_o_the_trace_is_called_trace_and_lies_where_the_user_stands(self) -> None:
        self.assertEqual(self.record("--", "pwd").stdout, "%s\n" % self.folder.resolve())
        self.assertEqual(os.listdir(self.folder), ["trace"])

    def test_a_signal_that_ends_the_program_is_its_status_and_the_trace_is_there(self) -> None:
        done = self.record("-o", "t", "sh", "-c", "kill -SEGV $$")
        self.assertEqual(done.returncode, 128 + 11)
        self.assertRegex(done.stderr, r"record: \S+/t: \d+ events?, 1 thread, at most .* live: sh -c kill")

    def test_every_process_has_a_line_and_a_file(self) -> None:
        done = self.record("-o", "t", "sh", "-c", "ls / >&2; ls /; true")
        lines = [line for line in done.stderr.splitlines() if line.startswith("record: ")]
        self.assertEqual(len(lines), 3, done.stderr)
        self.assertRegex(lines[0], r"/t: [\d,]+ events.*: sh -c")
        for line in lines[1:]:
            self.assertRegex(line, r"/t\.\d+: [\d,]+ events.*: ls /$")
        self.assertEqual(len(os.listdir(self.folder)), 3)

    def test_a_new_recording_removes_the_one_before_and_no_other_trace(self) -> None:
        self.record("-o", "t", "sh", "-c", "ls /; true")
        other = self.folder / "t.1"  # a trace by this name, of another process
        shutil.copy(self.folder / "t", other)
        (self.folder / "t.22").touch()
        self.record("-o", "t", "ls")
        self.assertEqual(sorted(os.listdir(self.folder)), ["t", "t.1", "t.22"])
        self.assertEqual(self.info("t")["command"], ["ls"])

    def test_an_empty_file_is_taken_for_the_trace(self) -> None:
        (self.folder / "t").touch()
        self.assertEqual(self.record("-o", "t", "ls").returncode, 0)
        self.assertEqual(os.listdir(self.folder), ["t"])

    def test_no_library_comes_into_the_program_that_it_does_not_have(self) -> None:
        self.assertNotIn("libstdc++", self.record("cat", "/proc/self/maps").stdout)

    def test_the_program_does_not_see_what_the_launcher_set(self) -> None:
        said = self.record("env", PYTHONPATH=os.environ["PYTHONPATH"], LD_PRELOAD="").stdout
        self.assertIn("LD_PRELOAD=%s/librecord.so\n" % fixture.PARTS.absolute(), said)
        for name in record.OURS + ("PYTHONPATH",):
            self.assertNotRegex(said, "(?m)^%s=" % name)


class EnvironmentTest(unittest.TestCase):

    def test_the_recorder_stands_before_another_preloaded_malloc(self) -> None:
        library = fixture.PARTS.absolute() / "librecord.so"
        made = record.environment_for(library, pathlib.Path("/t"), {"LD_PRELOAD": "/lib/other.so", "A": "b"})
        self.assertEqual(made, {"LD_PRELOAD": "%s:/lib/other.so" % library, "CAIRN_RECORD": "/t", "A": "b"})

    def test_lost_events_are_shouted_and_a_long_command_is_cut(self) -> None:
        about = {"events": 12345, "threads": 2, "peak_live_bytes": 2048, "lost_events": 1,
                 "command": ["x" * 50, "two\nlines"]}
        self.assertEqual(record.line_about("t", about),
                         "record: t: 12,345 events, 2 threads, at most 2.00 KiB live, 1 event LOST: "
                         "%s two lines" % ("x" * 50))
        self.assertTrue(record.line_about("t", {**about, "command": ["y" * 61]}).endswith("y" * 57 + "..."))
        self.assertEqual(record.line_about("t", None), "record: t: cannot be read")


if __name__ == "__main__":
    unittest.main()
