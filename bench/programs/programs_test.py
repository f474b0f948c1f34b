# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Every program of the catalogue that is installed does its work on libc's malloc, with the output that is known."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import unittest
from typing import Any, Dict, List

INPUTS = pathlib.Path(os.environ["CAIRN_RUNFILES"]) / "bench/programs"
LIMIT_S = 60
NAMES = ["redis", "sqlite3", "python3", "python3-malloc", "gcc", "git", "lua", "z3", "ghostscript", "perl"]
WORDS = re.compile(r"\{(\w*)\}")

# The whole output of the full command, and of the quick one.
PYTHON = ("orders 32000, customers 500, items 2000, text 2828578, check c13f6dae\n",
          "orders 8000, customers 500, items 2000, text 706415, check a689e41f\n")
OUTPUTS = {
    "python3": PYTHON,
    "python3-malloc": PYTHON,
    "perl": ("lines 28000, words 3615, pairs 196150, most an, written 2067828, check 162479140\n",
             "lines 7000, words 3614, pairs 60121, most lo, written 518799, check 40859533\n"),
    "lua": ("keys 6961, text 339172, check 644850207\n", "keys 7416, text 353426, check 26359206\n"),
    "z3": ("unsat\nunsat\nunsat\n", "unsat\nunsat\n"),
    "git": ("commits 600, changed lines 19920\nblamed 28\n897558bc69a9d3c783e6dc5c0a4ad74aed5991e1\n",
            "commits 150, changed lines 9120\nblamed 8\n4bc90df4195960b2ee8388868889a3a7b2c843d1\n"),
    "ghostscript": ("pages 160, check 80200, 320\n", "pages 40, check 80200, 6450\n"),
    "gcc": ("", ""),
    "sqlite3": (
        "133334|6666468243|100016|a99970\n"
        "town 89|104|69615722|62\ntown 23|104|69491642|62\ntown 93|104|69401567|62\n"
        "4258765\n1|949995000\n2|883285000\n3|813305000\n",
        "33334|1666668243|10058|a9965 (changed)\n"
        "town 89|26|17666044|61\ntown 85|26|17657172|60\ntown 94|26|17653459|60\n"
        "1042177\n1|233141250\n2|222686250\n3|200998750\n"),
}


def catalogue() -> Dict[str, Dict[str, Any]]:
    """The programs by their names."""
    listed = json.loads((INPUTS / "catalogue.json").read_text(encoding="utf-8"))
    return {program["name"]: program for program in listed}


def commands(program: Dict[str, Any]) -> List[List[str]]:
    """Every command line of a program."""
    server = program["server"] or {}
    found = [program["command"], program["quick_command"], *(server.get(name) for name in server)]
    return [command for command in found if command is not None]


def filled(command: List[str], scratch: str) -> List[str]:
    """The command with the paths of this run."""
    return [word.replace("{inputs}", str(INPUTS)).replace("{scratch}", scratch) for word in command]


def run(command: List[str]) -> "subprocess.CompletedProcess[str]":
    """Runs a command to its end."""
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S, check=False)


def program_of(command: List[str]) -> str:
    """What a command measures in the end: env only sets variables."""
    return next(word for word in command if not word.endswith("/env") and "=" not in word)


class Catalogue(unittest.TestCase):
    """What the harness relies on."""

    def test_it_has_the_programs_and_each_is_described(self) -> None:
        self.assertEqual(list(catalogue()), NAMES)
        for program in catalogue().values():
            self.assertEqual(set(program) - {"brings_malloc"},
                             {"name", "about", "needs", "package", "command", "quick_command", "server"})
            self.assertTrue(program["about"] and program["package"])
            self.assertEqual(program["command"] is None, program["server"] is not None)
            self.assertEqual(program["command"] is None, program["quick_command"] is None)

    def test_a_server_has_every_part(self) -> None:
        self.assertEqual(set(catalogue()["redis"]["server"]), {"command", "ready", "load", "quick_load", "stop"})

    def test_paths_are_inputs_that_exist_or_scratch(self) -> None:
        for program in catalogue().values():
            for command in commands(program):
                for word in command:
                    self.assertLessEqual(set(WORDS.findall(word)), {"inputs", "scratch"}, word)
                    if "{inputs}" in word:
                        path = word[word.index("{inputs}"):].replace("{inputs}", str(INPUTS))
                        self.assertTrue(os.path.isfile(path), path)

    def test_what_is_measured_is_a_binary_and_no_shim(self) -> None:
        for program in catalogue().values():
            for command in commands(program):
                path = program_of(command)
                self.assertTrue(os.path.isabs(path), path)
                if os.path.exists(path):
                    self.assertEqual(pathlib.Path(path).read_bytes()[:4], b"\x7fELF", path)


class Programs(unittest.TestCase):
    """Runs what is installed."""

    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory(prefix="cairn", dir="/tmp")  # short: it has the name of a socket
        self.addCleanup(scratch.cleanup)
        self.scratch = scratch.name

    def installed(self, name: str) -> Dict[str, Any]:
        program = catalogue()[name]
        if shutil.which(program["needs"]) is None:
            self.skipTest("%s is not installed: apt-get install %s" % (program["needs"], program["package"]))
        return program

    def run_installed(self, name: str, part: str) -> str:
        """The output of a command that must not complain."""
        ended = run(filled(self.installed(name)[part], self.scratch))
        self.assertEqual((ended.returncode, ended.stderr), (0, ""), name)
        return ended.stdout

    def expect_outputs(self, name: str) -> None:
        for part, output in zip(("command", "quick_command"), OUTPUTS[name]):
            self.assertEqual(self.run_installed(name, part), output)
        again = self.run_installed(name, "quick_command")
        self.assertEqual(again, OUTPUTS[name][1], "the second time, with what the first one left in the scratch directory")

    def test_python3(self) -> None:
        self.expect_outputs("python3")

    def test_python3_with_malloc_for_everything(self) -> None:
        self.expect_outputs("python3-malloc")

    def test_perl(self) -> None:
        self.expect_outputs("perl")

    def test_lua(self) -> None:
        self.expect_outputs("lua")

    def test_sqlite3(self) -> None:
        self.expect_outputs("sqlite3")

    def test_z3(self) -> None:
        self.expect_outputs("z3")

    def test_git(self) -> None:
        self.expect_outputs("git")

    def test_ghostscript_writes_a_pdf(self) -> None:
        self.expect_outputs("ghostscript")
        written = (pathlib.Path(self.scratch) / "pages.pdf").read_bytes()
        self.assertEqual(written[:5], b"%PDF-")
        self.assertGreater(len(written), 100000)

    def test_gcc_compiles_a_third_of_the_copies_in_the_quick_run(self) -> None:
        for part, last, beyond in (("command", b"report_39", b"report_40"), ("quick_command", b"report_32", b"report_33")):
            self.assertEqual(self.run_installed("gcc", part), "")
            written = (pathlib.Path(self.scratch) / "parse.o").read_bytes()
            self.assertEqual((written[:4], last in written, beyond in written), (b"\x7fELF", True, False))


class Server(unittest.TestCase):
    """A server is started, loaded and stopped as the harness does it."""

    def setUp(self) -> None:
        self.program = catalogue()["redis"]
        if shutil.which(self.program["needs"]) is None:
            self.skipTest("redis-server is not installed: apt-get install " + self.program["package"])
        scratch = tempfile.TemporaryDirectory(prefix="cairn", dir="/tmp")  # short: it has the name of a socket
        self.addCleanup(scratch.cleanup)
        self.parts = {name: filled(command, scratch.name) for name, command in self.program["server"].items()}
        self.socket = scratch.name + "/s"

    def start(self) -> "subprocess.Popen[bytes]":
        """The server once it is ready."""
        server = subprocess.Popen(self.parts["command"], stdin=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        deadline = time.monotonic() + LIMIT_S
        while run(self.parts["ready"]).returncode != 0:
            self.assertIsNone(server.poll(), "the server ended")
            self.assertLess(time.monotonic(), deadline, "the server does not answer")
            time.sleep(0.02)
        return server

    def test_redis_is_ready_takes_the_load_and_stops(self) -> None:
        for load in ("load", "quick_load"):
            server = self.start()
            ended = run(self.parts[load])
            self.assertEqual((ended.returncode, ended.stderr), (0, ""), ended.stdout)
            keys = run(["/usr/bin/redis-cli", "-s", self.socket, "dbsize"]).stdout
            self.assertGreater(int(keys), 1000)
            self.assertEqual(run(self.parts["stop"]).returncode, 0)
            self.assertEqual(server.wait(LIMIT_S), 0)


if __name__ == "__main__":
    unittest.main()
