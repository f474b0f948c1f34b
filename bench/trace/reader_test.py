# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The reader, by the programs that print a trace. Without the end of a file, with bytes changed, of other
machines: a line, and never a crash."""

import random

from bench.trace import fixture
from bench.trace.fixture import PAGE, free, malloc, realloc, trace

# 100 blocks that go from thread to thread, each realloc'ed on the way.
THREE_THREADS = [call for i in range(100) for call in (
    malloc(1, 100000 * i, 0x1000 + 64 * i, 10 + i),
    realloc(2, 100000 * i + 20000, 5000, 0x1000 + 64 * i, 0x100000 + 64 * i, 20 + i),
    free(3, 100000 * i + 50000, 0x100000 + 64 * i))]

# Calls; the events that they become (thread, function, object, size); and what is counted: unknown frees, unknown
# reallocs, inferred frees.
ORDERED = (
    # An object is followed through the threads.
    ([malloc(1, 0, 0x10, 8), realloc(2, 9000, 1, 0x10, 0x20, 9), free(3, 20000, 0x20)],
     "1 malloc 0 8, 2 realloc 0 9, 3 free 0 9", (0, 0, 0)),
    # An address freed by one thread and given to another is two objects; to its own, it may be one.
    ([malloc(1, 0, 0x10, 8), free(1, 1000, 0x10), malloc(2, 1001, 0x10, 9)],
     "1 malloc 0 8, 1 free 0 8, 2 malloc 1 9", (0, 0, 0)),
    ([malloc(1, 0, 0x10, 8), free(1, 1000, 0x10), malloc(1, 1001, 0x20, 9)],
     "1 malloc 0 8, 1 free 0 8, 1 malloc 0 9", (0, 0, 0)),
    # A call that overtook another by a hair is put in order: a malloc, and a free.
    ([malloc(1, 0, 0x10, 8), free(1, 1000, 0x10), malloc(2, 990, 0x10, 9)],
     "1 malloc 0 8, 1 free 0 8, 2 malloc 1 9", (0, 0, 0)),
    ([free(3, 4990, 0x20), malloc(1, 5000, 0x20, 9)], "1 malloc 0 9, 3 free 0 9", (0, 0, 0)),
    # A realloc's old address is free for others while it runs, and for its own thread.
    ([malloc(1, 0, 0x10, 8), realloc(1, 10000, 50000, 0x10, 0x30, 100), malloc(2, 30000, 0x10, 9)],
     "1 malloc 0 8, 2 malloc 1 9, 1 realloc 0 100", (0, 0, 0)),
    ([malloc(1, 0, 0x10, 8), realloc(1, 10, 0, 0x10, 0, 0)[:1], malloc(1, 20, 0x20, 7),
      realloc(1, 10, 20, 0x10, 0x30, 9)[1:]],
     "1 malloc 0 8, 1 malloc 1 7, 1 realloc 0 9", (0, 0, 0)),
    # One that failed leaves the block, and one to zero frees it.
    ([malloc(1, 0, 0x10, 8), realloc(1, 10000, 10, 0x10, 0, 1000), realloc(1, 20000, 10, 0x10, 0, 0),
      malloc(1, 30000, 0x10, 9)],
     "1 malloc 0 8, 1 realloc - 1000 failed, 1 realloc 0 8, 1 malloc 0 9", (0, 0, 0)),
    # What was allocated before the recording is counted.
    ([free(1, 0, 0x10), realloc(1, 10000, 10, 0x20, 0x30, 50), free(1, 20000, 0x30)],
     "1 free - 0, 1 realloc 0 50, 1 free 0 50", (1, 1, 0)),
    # A free that was lost is inferred when the address comes again.
    ([malloc(1, 0, 0x10, 8), malloc(1, 90000, 0x10, 9)],
     "1 malloc 0 8, 1 free 0 8 inferred, 1 malloc 0 9", (0, 0, 1)),
)


class ReaderTest(fixture.CommandCase):
    def events(self) -> list:
        lines = [line.partition(" ") for line in self.printed("info", "--events", "t").splitlines()]
        times = [float(time) for time, _, _ in lines]
        self.assertEqual(times, sorted(times))
        return [event for _, _, event in lines]

    def test_calls_become_events_in_order_about_objects(self) -> None:
        for calls, events, counted in ORDERED:
            with self.subTest(events):
                self.write(trace(*calls, is_closed=True))
                self.assertEqual(", ".join(self.events()), events)
                info = self.info("t")
                self.assertEqual(tuple(info[name] for name in (
                    "unknown_frees", "unknown_resizes", "inferred_frees")), counted)

    def test_the_summary_adds_up(self) -> None:
        self.write(trace(*THREE_THREADS, is_closed=True))
        info = self.info("t")
        expected = {"command": ["made", "for a \"test\""], "threads": 3, "events": 300, 
                    "calls": {"malloc": 100, "realloc": 100, "free": 100}, "total_bytes": 12900,
                    "peak_live_bytes": 119, "peak_live_blocks": 1, "end_live_bytes": 0, "end_live_blocks": 0,
                    "frees": 100, "cross_frees": 100, "open_blocks": 0,
                    "blocks_by_lifetime": [0, 0, 0, 100] + 6 * [0]}  # 50 us: under 100 us
        self.assertEqual({name: info[name] for name in expected}, expected)

    def test_events_and_sizes_are_a_line_each(self) -> None:
        self.write(trace(malloc(1, 0, 0x10, 40000), malloc(1, 9000, 0x20, 8), malloc(2, 19000, 0x30, 8),
                         free(2, 30000, 0x20), realloc(1, 40000, 0, 0x30, 0x30, 16), free(1, 50000, 0x10),
                         malloc(1, 60000, 0x10, 8)))
        said = self.printed("info", "--events", "t")
        self.assertEqual(said[:52], "0.000000000 1 malloc 0 40000\n0.000009000 1 malloc 1 ")
        # The most bytes live when both blocks of 8 do.
        self.assertEqual(self.printed("info", "--histogram", "t"),
                         "# size_bytes allocations live_at_peak\n8 3 2\n16 1 0\n40000 1 1\n")

    # --- files that are not as they should be ---

    def test_foreign_files_are_refused_in_one_line(self) -> None:
        good = trace(*THREE_THREADS)
        for content, said in (
                (b"", "is not a trace (no regular file, or an empty one)"),
                (b"cai", "is not a trace (its first bytes are not 'cairntrc')"),
                (b"x" * 9000, "is not a trace (its first bytes are not 'cairntrc')"),
                (good[:100], "is cut off within its header"),
                (good[:8] + b"\1" + good[9:], "is of version 1, and this program reads version 2"),
                (good[:20] + b"\1" + good[21:], "is damaged: the checksum of its header is wrong")):
            self.write(content)
            done = self.part("info", "t")
            self.assertEqual((done.returncode, done.stdout, done.stderr), (1, "", "info: t: %s\n" % said))
        self.assertEqual(self.part("info", "none").stderr, "info: none: No such file or directory\n")
        self.assertEqual(self.part("info", ".").returncode, 1)

    def test_a_torn_file_gives_what_is_before_the_tear(self) -> None:
        good, last = trace(*THREE_THREADS), 301
        for length in range(len(good), PAGE + 800, -800):
            self.write(good[:length])
            info = self.info("t")
            self.assertLessEqual(info["events"], last)
            self.assertLessEqual(info["torn_blocks"], 1)
            last = info["events"]
        self.write(good[:PAGE + 64 + 8])
        self.assertEqual((self.info("t")["torn_blocks"], self.events()), (1, ["1 malloc 0 10"]))
        self.write(good[:PAGE])
        self.assertEqual(self.events(), [])

    def test_a_block_with_a_wrong_checksum_is_left_out_and_pages_that_hold_none_are_skipped(self) -> None:
        good = trace(*THREE_THREADS, is_closed=True, in_a_block=10)
        bent = bytearray(good[:PAGE] + bytes(2 * PAGE) + good[PAGE:])
        bent[3 * PAGE + 64 + 5] ^= 4
        self.write(bent)
        info = self.info("t")
        self.assertEqual((info["damaged_blocks"], info["skipped_pages"], info["events"]), (1, 2, 290))
        self.assertEqual(info["unknown_resizes"], 10)

    def test_no_changed_bytes_make_it_crash_or_hang(self) -> None:
        """Open blocks have no checksum, so that the bytes reach the merge."""
        good, chance = trace(*THREE_THREADS), random.Random()
        for _ in range(200):
            seed = chance.randrange(1 << 32)
            with self.subTest(seed=seed):
                dice, bent = random.Random(seed), bytearray(good)
                for _ in range(dice.randint(1, 8)):
                    place = dice.randrange(PAGE, len(bent))
                    if dice.random() < 0.5:  # the header of a block, and its first calls
                        place = place // PAGE * PAGE + dice.randrange(140)
                    bent[place] = dice.randrange(256)
                self.write(bent)
                self.assertLessEqual(self.info("t")["events"], 5000)
