# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""What is told of the machine and the commit."""

import pathlib
import subprocess
import tempfile
import unittest

from bench.harness import machine


class MachineTest(unittest.TestCase):

    def test_this_machine_has_what_every_machine_has(self) -> None:
        about = machine.describe()
        self.assertTrue(about["cpu"])
        self.assertGreater(about["cpus"], 0)
        self.assertGreater(about["memory_kib"], 1 << 16)
        self.assertEqual(len(about["load"]), 3)
        self.assertIn("glibc", about["libc"])

    def test_the_model_of_the_cpu_is_read_where_the_kernel_tells_one(self) -> None:
        text = "processor\t: 0\nmodel name\t: Some  CPU @ 2 GHz\n\nmodel name\t: Another\n"
        self.assertEqual(machine.cpu_of(text), "Some CPU @ 2 GHz")
        self.assertEqual(machine.cpu_of("processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n"),
                         "implementer 0x41 part 0xd0c")
        self.assertTrue(machine.cpu_of(""))

    def test_the_setting_in_brackets_is_the_one_in_force(self) -> None:
        self.assertEqual(machine.chosen("always [madvise] never"), "madvise")
        self.assertIsNone(machine.chosen(None))

    def test_memory_is_the_total(self) -> None:
        self.assertEqual(machine.memory_kib_of("MemTotal:       123 kB\nMemFree: 7 kB\n"), 123)

    def test_a_governor_that_saves_power_is_noted(self) -> None:
        self.assertEqual(machine.notes_on({"governor": None}), [])
        self.assertEqual(machine.notes_on({"governor": "performance"}), [])
        self.assertIn("powersave", machine.notes_on({"governor": "powersave"})[0])


class CommitTest(unittest.TestCase):

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def git(self, *arguments: str) -> None:
        author = ("-c", "user.name=x", "-c", "user.email=x@x")
        subprocess.run(["git", "-C", str(self.folder), *author, *arguments], check=True, capture_output=True)

    def test_without_a_workspace_or_a_repository_there_is_no_commit(self) -> None:
        self.assertEqual(machine.commit_of(None), (None, None))
        self.assertEqual(machine.commit_of(self.folder), (None, None))

    def test_a_changed_file_makes_the_commit_dirty(self) -> None:
        try:
            self.git("init")
        except FileNotFoundError:
            self.skipTest("git is not installed")
        self.git("commit", "--allow-empty", "-m", "x")
        commit, is_dirty = machine.commit_of(self.folder)
        self.assertRegex(commit or "", "^[0-9a-f]{7,}$")
        self.assertFalse(is_dirty)
        (self.folder / "new").touch()
        self.assertEqual(machine.commit_of(self.folder), (commit, True))


if __name__ == "__main__":
    unittest.main()
