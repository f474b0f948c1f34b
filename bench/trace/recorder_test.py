# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The recorder on a program whose calls are known: ways.c."""

import collections
import resource
import shutil
import signal
from typing import Any, Dict, List

from bench.harness import fixture as harness
from bench.trace import fixture

BEGIN, END, THREADS, CALLS = 123457, 123459, 8, 2000
HUGE = 1 << 63
EVERY = (
    "malloc 11, free 11, calloc 21, free 21, realloc 31, realloc 3100, reallocarray 4000, free 4000, "
    "posix_memalign 41 64, free 41, aligned_alloc 256 128, free 256, memalign 43 256, free 43, valloc 44, free 44, "
    "pvalloc 45, free 45, malloc {0} failed, calloc 18446744073709551615 failed, realloc {0} failed, "
    "posix_memalign {0} 64 failed, realloc 10").format(HUGE)

Threads = Dict[int, List[str]]


def small_files() -> None:
    """In the child: there is no room for more."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40960, 40960))


class RecorderTest(fixture.CommandCase):
    def run_way(self, way: str, *behind: str, **more: Any) -> fixture.Done:
        libraries = [str(fixture.PARTS / "librecord.so"), *behind]
        return harness.ran("bench/trace/ways", way, LD_PRELOAD=":".join(libraries),
                           CAIRN_RECORD=str(self.folder / "trace"), **more)

    def read(self, name: str = "trace") -> Threads:
        """Of each thread what lies between the marks, "malloc 11", ... : of frees the size of what was freed."""
        threads: Threads = {}
        inside: Dict[str, bool] = {}
        self.summary = self.info(name)
        for line in self.printed("info", "--events", name).splitlines():
            _, thread, function, _, size, *rest = line.split()
            if int(size) in (BEGIN, END):
                inside[thread] = int(size) == BEGIN
            elif inside.get(thread):
                threads.setdefault(int(thread), []).append(" ".join([function, size, *rest]))
        return threads

    def recorded(self, way: str, *behind: str, **more: Any) -> Threads:
        done = self.run_way(way, *behind, **more)
        self.assertEqual(done.returncode, 0, done)
        return self.read()

    def read_other(self) -> Threads:
        (other,) = (path.name for path in self.folder.iterdir() if path.name != "trace")
        return self.read(other)

    def test_every_function_is_written_down_as_it_was_called_and_marked_when_it_failed(self) -> None:
        self.assertEqual(", ".join(self.recorded("functions")[1]), EVERY)
        self.assertEqual(self.summary["command"], [str(fixture.PARTS / "ways"), "functions"])

    def test_a_free_is_written_down_before_it_is_done_and_a_realloc_after_it(self) -> None:
        """A free is stamped before the address can be another thread's, what allocates after it is this one's. Each
        free and each realloc allocates a block of 4242 bytes while it runs, in the library behind the recorder."""
        behind = str(fixture.RUNFILES.absolute() / "bench/bump/libfake.so")
        self.assertEqual(", ".join(self.recorded("frees", behind, FAKE="inner=1")[1]),
                         "malloc 60, free 60, malloc 4242, malloc 61, malloc 4242, realloc 62")

    def test_each_thread_has_its_own_calls_in_its_own_order(self) -> None:
        threads = self.recorded("threads")
        self.assertEqual(sorted(int(events[0].split()[1]) for events in threads.values()),
                         [1000 * number for number in range(1, THREADS + 1)])
        for events in threads.values():
            sizes = [int(events[0].split()[1]) + i % 10 for i in range(CALLS)]
            self.assertEqual(events, ["malloc %d" % size for size in sizes] + ["free %d" % size for size in sizes])
        for name in "lost_events inferred_frees unknown_frees unknown_resizes bad_blocks damaged_blocks".split():
            self.assertEqual(self.summary[name], 0, name)

    def test_what_the_destructors_of_a_thread_do_is_not_missed(self) -> None:
        self.assertEqual(self.recorded("late"), {2: ["free 66"] + 3 * ["malloc 77", "free 77"] + ["malloc 77"]})

    def test_a_process_that_exits_at_once_or_is_killed_leaves_the_calls_of_all_its_threads(self) -> None:
        self.assertEqual(self.run_way("exit").returncode, 3)
        self.assertEqual(self.read(), {1: ["malloc 99", "free 99"], 2: ["malloc 88", "free 88"]})
        self.assertEqual(self.run_way("crash").returncode, -signal.SIGKILL)
        self.assertEqual(self.read_other()[1], ["malloc 55", "free 55"])

    def test_the_child_of_a_fork_has_a_file_of_its_own(self) -> None:
        self.assertEqual(self.recorded("fork")[1], ["malloc 23", "free 23"])
        self.assertEqual(self.read_other()[1], ["malloc 22", "free 22", "free 0"])
        self.assertEqual(self.summary["unknown_frees"], 1)

    def test_a_call_from_a_signal_handler_is_recorded_or_counted_as_lost_and_disturbs_no_other(self) -> None:
        done = self.run_way("signals")
        seen = collections.Counter(self.read()[1])
        self.assertEqual((seen["malloc 500"], seen["free 500"]), (100 * CALLS, 100 * CALLS))
        self.assertEqual(seen["posix_memalign 8 4 failed"] + self.summary["lost_events"], int(done.stdout))
        for name in ("bad_blocks", "inferred_frees", "unknown_frees"):
            self.assertEqual(self.summary[name], 0, name)

    def test_a_full_disk_or_no_file_at_all_ends_the_recording_and_not_the_program(self) -> None:
        self.recorded("threads", preexec_fn=small_files)
        self.assertGreater(self.summary["lost_events"], 1000)
        self.assertGreater(self.summary["events"], 1000)
        self.assertLessEqual((self.folder / "trace").stat().st_size, 40960)
        shutil.rmtree(self.folder)
        self.assertEqual(self.run_way("threads").returncode, 0)
        self.folder.mkdir()
