# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""What the user says: what is understood, and the line that a wrong word gets. What is told of the machine."""

import pathlib
import shutil
import subprocess
import unittest

from bench.harness import fixture, machine, options

CALLER = pathlib.Path("/caller")


class OptionsTest(fixture.FolderCase):
    def test_what_is_said_is_understood_and_nothing_said_means_everything(self) -> None:
        library = self.folder / "mine.so"
        library.touch()
        for arguments, name, value in (
                ("", "quick", False), ("", "groups", options.GROUPS), ("", "stacks", None), ("", "rounds", None),
                ("", "out", CALLER / "bench-report"), ("--out here", "out", CALLER / "here"),
                ("--out /there", "out", pathlib.Path("/there")), ("--json a.json", "json", "/caller/a.json"),
                ("--json -", "json", "-"), ("--stacks cairn,reference", "stacks", ("cairn", "reference")),
                ("--peers none", "peers", ()), ("--rounds 7", "rounds", 7), ("--seconds 0.5", "seconds", 0.5),
                ("--set A= --set B=c=d", "set", [("A", ""), ("B", "c=d")]), ("--list", "list", True),
                ("--peer mine=%s" % library, "peer", [("mine", library)])):
            self.assertEqual(getattr(options.parse(arguments.split(), CALLER), name), value, arguments)

    def test_a_wrong_word_is_a_line_that_names_it(self) -> None:
        wrong = [(["--rounds=" + word], "'%s'" % word) for word in ("0", "-1", "x", "1.5", "1001")]
        wrong += [(["--seconds=" + word], "'%s'" % word) for word in ("0", "-1", "x", "nan", "inf")]
        library = "=" + __file__
        for arguments, said in wrong + [
                (["--quik"], "unrecognized arguments: --quik (see --help)"), (["--round=3"], "--round=3"),
                (["churn"], "churn"), (["--stacks", "cairn,,reference"], "empty name"),
                (["--groups", "workloads,cpu"], "--groups: no such group: cpu; there are: components, workloads"),
                (["--filter", "a("], "'a(': "), (["--set", "=x"], "'=x'"), (["--set", "x"], "'x'"),
                (["--peer", "a b" + library], "not name=path: 'a b"), (["--peer", "mine"], "not name=path: 'mine'"),
                (["--peer", "a" + library, "--peer", "a" + library], "--peer: twice the same name: a"),
                (["--peer", "mine=lib.so"], "--peer mine: no such file: /caller/lib.so")]:
            with self.assertRaises(options.UsageError) as caught:
                options.parse(arguments, CALLER)
            self.assertIn(said, str(caught.exception))
            self.assertNotIn("\n", str(caught.exception))


class MachineTest(fixture.FolderCase):
    def test_what_the_kernel_writes_is_read(self) -> None:
        text = "processor\t: 0\nmodel name\t: Some  CPU @ 2 GHz\n\nmodel name\t: Another\n"
        self.assertEqual(machine.cpu_of(text), "Some CPU @ 2 GHz")
        self.assertEqual(machine.cpu_of("processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n"),
                         "implementer 0x41 part 0xd0c")
        self.assertTrue(machine.cpu_of(""))
        self.assertEqual([machine.chosen(text) for text in ("always [madvise] never", "")], ["madvise", None])

    @unittest.skipUnless(shutil.which("git"), "git is not installed")
    def test_a_changed_file_makes_the_commit_dirty_and_without_a_repository_there_is_none(self) -> None:
        self.assertEqual([machine.commit_of(folder) for folder in (None, self.folder)], [(None, None)] * 2)
        for arguments in (["init"], ["commit", "--allow-empty", "-m", "x"]):
            subprocess.run(["git", "-C", str(self.folder), "-c", "user.name=x", "-c", "user.email=x@x", *arguments],
                           check=True, capture_output=True)
        commit, is_dirty = machine.commit_of(self.folder)
        self.assertRegex(commit or "", "^[0-9a-f]{7,}$")
        self.assertFalse(is_dirty)
        (self.folder / "new").touch()
        self.assertEqual(machine.commit_of(self.folder), (commit, True))
