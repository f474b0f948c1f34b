# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""How measure is called, what the program is given, how it ends, and every number against a program of known cost."""

import ctypes
import json
import os
import platform
import signal
import struct
import subprocess
import sys
import time
from typing import Any, Dict, Sequence

from bench.harness import fixture

MEASURE = fixture.part("bench/measure/measure")
STATIC = "/sbin/ldconfig"  # no library can be preloaded into it
LIBRARY = "/lib/%s-linux-gnu/libanl.so.1" % platform.machine()  # a part of libc that nothing else needs
PRELOAD = ("--preload", LIBRARY)
PYTHON_KIB = 24 * 1024  # more than the interpreter has beside what is touched

# What the programs of the tests are made of: touched memory is no huge page, a fault for each.
SUBJECT = """
import atexit, ctypes, mmap, os, signal, sys, threading, time
def touch(mebibytes):
    made = mmap.mmap(-1, mebibytes << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    made.madvise(mmap.MADV_NOHUGEPAGE)
    for place in range(0, len(made), mmap.PAGESIZE):
        made[place] = 1
    return made
def child(work):
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    return pid
def thread(work):
    threading.Thread(target=work).start()
def again(program):
    return [sys.executable, "-c", sys.orig_argv[2].split("#end\\n")[0] + "#end\\n" + program]
atexit.register(lambda: (sys.stdout.flush(), os._exit(0)))  # nothing is freed first
#end
"""

# A program, options, and what is reported: of peak and final the MiB that were touched.
CASES = (
    ("a = touch(64)", (), {"peak_kib": 64, "final_kib": 64, "memory_by": "status"}),
    ("touch(64).close(); a = touch(8)", (), {"peak_kib": 64, "final_kib": 8, "memory_by": "status"}),
    # The largest of several processes counts; a copy of the parent's 8 MiB is among its own, but for a spawned one.
    ("a = touch(8); os.wait4(child(lambda: touch(48) and os._exit(0)), 0)", (), {"peak_kib": 56, "processes": 2}),
    ("a = touch(8); os.waitpid(os.posix_spawn(sys.executable, again('a = touch(48)'), os.environ), 0)", (),
     {"peak_kib": 48, "final_kib": 48, "processes": 2}),
    # An exec begins anew, but its past is in the peak.
    ("a = touch(80); os.execv(sys.executable, again('a = touch(8)'))", (),
     {"peak_kib": 80, "final_kib": 8, "memory_by": "rusage", "processes": 1}),
    # Threads are no processes; what another one than the first ends has told its peak.
    ("for _ in range(200): thread(int)\na = touch(16); os._exit(2)", (), {"processes": 1, "exit": 2, "final_kib": 16}),
    ("a = touch(40); thread(lambda: os._exit(4)); time.sleep(60)", PRELOAD,
     {"exit": 4, "peak_kib": 40, "memory_by": "status", "preloaded": True}),
    ("thread(lambda: os.execv(sys.executable, again('a = touch(64); os._exit(6)'))); time.sleep(60)", ("--seconds", "20"),
     {"exit": 6, "timed_out": False, "peak_kib": 64, "final_kib": 64}),
    # The first thread ends long before the others, which allocate and start another one; the last of all tells.
    ("def rest(): global a, b; a = touch(48); thread(lambda: (touch(16).close(), time.sleep(0.2), os._exit(0)))\n"
     "thread(lambda: (time.sleep(0.2), rest())); ctypes.CDLL(None).pthread_exit(None)", PRELOAD,
     {"exit": 0, "peak_kib": 64, "final_kib": 48, "processes": 1, "preloaded": True}),
    # The status is exact, and after a signal the memory is still read.
    *[("os._exit(%d)" % status, (), {"exit": status, "signal": 0, "timed_out": False}) for status in (0, 1, 125, 255)],
    *[("a = touch(32); os.kill(os.getpid(), %d)" % number, (),
       {"signal": number, "exit": 128 + number, "peak_kib": 32, "final_kib": 32})
      for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL, signal.SIGTERM, signal.SIGTRAP)],
    # Signals are the program's own, and it stays stopped until it is continued.
    ("for one in 10, 5: signal.signal(one, lambda *_: print('got', one)); os.kill(os.getpid(), one)", (),
     {"out": "got 10\ngot 5\n"}),
    ("me = os.getpid(); began = time.time(); child(lambda: (time.sleep(0.1), os.kill(me, 18)))\n"
     "os.kill(me, 19); os._exit(3 if time.time() - began >= 0.08 else 9)", ("--seconds", "20"), {"exit": 3}),
    ("print(os.environ['LD_PRELOAD'])", PRELOAD, {"preloaded": True, "out": os.path.realpath(LIBRARY) + "\n"}),
)

# Arguments, the line that a wrong call gets, and its status.
WRONG = (
    ("--preload no.so true", "--preload: no.so: No such file or directory", 125),
    ("--seconds 0 true", "--seconds: not a positive number: 0", 125),
    ("--seconds nan true", "--seconds: not a positive number: nan", 125),
    ("--report no/such/folder true", "--report: no/such/folder: No such file or directory", 125),
    ("--fast true", "unrecognized option '--fast'", 125), ("--report", "option '--report' requires an argument", 125),
    ("no-such-program", "no-such-program: No such file or directory", 127),
    ("./no/such", "./no/such: No such file or directory", 127), ("/dev/null", "/dev/null: Permission denied", 126),
)


def forbid_ptrace() -> None:
    """In the child: a filter after which ptrace is not permitted."""
    number = {"x86_64": 101, "aarch64": 117}[platform.machine()]
    filters = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in filters))
    program = ctypes.create_string_buffer(struct.pack("HP", len(filters), ctypes.addressof(code)))
    libc = ctypes.CDLL(None)
    if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, program) != 0:
        os._exit(126)


def is_gone(pid: str) -> bool:
    """Whether a process that is killed ends."""
    for _ in range(500):
        if not os.path.exists("/proc/%d" % int(pid)):
            return True
        time.sleep(0.01)
    return False


class MeasureTest(fixture.FolderCase):
    def call(self, *arguments: str, **more: Any) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([MEASURE, *arguments], capture_output=True, text=True, check=False, timeout=60, **more)

    def measure(self, program: Sequence[str], options: Sequence[str] = (), **more: Any) -> Dict[str, Any]:
        """The report, with the output; measure itself must succeed."""
        done = self.call("--report", str(self.folder / "report"), *options, "--", *program, **more)
        self.assertEqual(done.returncode, 0, done)
        report = json.loads((self.folder / "report").read_text(encoding="utf-8"))
        return {**report, "out": done.stdout, "err": done.stderr}

    def subject(self, program: str, options: Sequence[str] = (), **more: Any) -> Dict[str, Any]:
        return self.measure([sys.executable, "-c", SUBJECT + program], options, **more)

    def expect(self, report: Dict[str, Any], fields: Dict[str, Any]) -> None:
        for name, value in fields.items():
            if name in ("peak_kib", "final_kib") and value is not None:
                self.assertTrue(value * 1024 <= report[name] <= value * 1024 + PYTHON_KIB, (name, value, report))
            else:
                self.assertEqual(report[name], value, (name, report))

    def test_what_a_program_of_known_cost_did_is_reported(self) -> None:
        for program, options, fields in CASES:
            with self.subTest(program):
                self.expect(self.subject(program, options), fields)

    def test_a_fat_parent_does_not_count_nor_does_measure_itself(self) -> None:
        fat = bytearray(b"1" * (200 << 20))
        self.expect(self.subject("a = touch(4)"), {"peak_kib": 4, "memory_by": "status"})
        self.assertTrue(0 < self.measure([STATIC, "-p"])["peak_kib"] < 4096)
        self.assertEqual(len(fat), 200 << 20)

    def test_what_lives_on_at_the_end_counts_and_is_killed(self) -> None:
        report = self.measure([
            "sh", "-c", '"$@" >/dev/null 2>&1 & sleep 1; echo $!', "sh", sys.executable, "-c",
            SUBJECT + "a = touch(40); time.sleep(60)"])
        self.expect(report, {"peak_kib": 40, "final_kib": 40})
        self.assertTrue(is_gone(report["out"]))

    def test_faults_and_times_are_its_own_and_its_childrens(self) -> None:
        little, much, sleepy = map(self.subject, (
            "touch(1)", "touch(65); os.waitpid(child(lambda: touch(64)), 0)", "time.sleep(0.3)"))
        page_kib = os.sysconf("SC_PAGESIZE") // 1024
        self.assertGreaterEqual(much["minor_faults"], 128 * 1024 // page_kib)
        self.assertLess(little["minor_faults"], 32 * 1024 // page_kib)
        self.assertGreater(much["user_s"] + much["system_s"], 0)
        self.assertTrue(sleepy["wall_s"] >= 0.3 and sleepy["user_s"] + sleepy["system_s"] < 0.2, sleepy)
        self.assertGreaterEqual(sleepy["voluntary_switches"], 1)

    def test_a_timeout_kills_the_whole_group_and_what_left_it(self) -> None:
        left = self.folder / "pid"
        for program in (["sh", "-c", "sleep 60 & echo $! >%s; exec sleep 60" % left], ["setsid", "--wait", "sleep", "60"]):
            report = self.measure(program, ["--seconds", "0.5"])
            self.expect(report, {"timed_out": True, "signal": 9})
            self.assertTrue(0.4 <= report["wall_s"] < 30, report)
        self.assertTrue(is_gone(left.read_text(encoding="ascii")))

    def test_a_stopped_or_killed_measure_takes_the_program_with_it(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
            report = self.folder / ("report-%d" % number)
            process = subprocess.Popen([MEASURE, "--report", str(report), "sh", "-c", "echo $$; exec sleep 60"],
                                       stdout=subprocess.PIPE, text=True)
            with process:
                pid = process.stdout.readline()
                process.send_signal(number)
                self.assertEqual(process.wait(30), -9 if number == signal.SIGKILL else 128 + number)
            self.assertTrue(is_gone(pid))
            self.assertEqual(report.read_text(encoding="ascii"), "")

    def test_a_caller_that_ignores_its_children_is_no_hindrance(self) -> None:
        ignore = lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        self.expect(self.subject("os._exit(os.waitpid(child(lambda: os._exit(4)), 0)[1] >> 8)", preexec_fn=ignore), {"exit": 4})

    def test_the_program_has_the_streams_of_the_caller_and_its_environment(self) -> None:
        report = self.measure(["sh", "-c", "cat; echo oops >&2"], input="hello\n")
        self.expect(report, {"out": "hello\n", "err": "oops\n"})
        environ = {**os.environ, "KEPT": "1", "LD_PRELOAD": LIBRARY}
        report = self.subject("print([os.environ.get(one) for one in ('KEPT', 'LD_PRELOAD')])", env=environ)
        self.expect(report, {"out": "['1', None]\n", "preloaded": None})
        self.expect(self.measure([STATIC, "-p"], PRELOAD), {"preloaded": False})

    def test_without_ptrace_the_peak_is_still_the_programs_and_a_timeout_kills_the_group(self) -> None:
        report = self.subject("touch(64).close(); os._exit(3)", PRELOAD, preexec_fn=forbid_ptrace)
        self.expect(report, {"peak_kib": 64, "memory_by": "rusage", "exit": 3, "processes": None, "preloaded": None,
                             "final_kib": None})
        self.assertGreater(report["wall_s"], 0)
        report = self.subject("child(lambda: time.sleep(60)); time.sleep(60)", ["--seconds", "0.3"], preexec_fn=forbid_ptrace)
        self.assertTrue(report["timed_out"] and report["wall_s"] < 30, report)

    def test_a_wrong_call_is_one_clear_line(self) -> None:
        (self.folder / "a b.so").touch()
        split = str(self.folder / "a b.so")
        calls = [(arguments.split(), line, status) for arguments, line, status in WRONG]
        calls.append((["--preload", split, "true"],
                      "--preload: %s: a path with a space or a colon cannot be preloaded" % split, 125))
        for arguments, line, status in calls:
            done = self.call(*arguments)
            self.assertEqual((done.stderr, done.stdout, done.returncode), ("measure: " + line + "\n", "", status))

    def test_without_a_program_it_says_how_it_is_called_and_options_end_with_the_program(self) -> None:
        for arguments in ([], ["--"], ["--seconds", "9"]):
            done = self.call(*arguments)
            self.assertEqual((done.returncode, done.stderr[:15]), (125, "usage: measure "))
        self.assertEqual(self.call("--help").returncode, 0)
        self.expect(self.measure(["sh", "-c", 'echo "$@"', "sh", "--report", "x"]), {"out": "--report x\n"})

    def test_without_a_file_the_report_is_the_last_line_on_stderr(self) -> None:
        done = self.call("sh", "-c", "echo first >&2")
        first, report = done.stderr.splitlines()
        self.assertEqual((first, report[:11], done.stdout), ("first", '{"wall_s": ', ""))
