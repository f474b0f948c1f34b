# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Plans, the threads that play them, and what is noted of it, on traces made by hand. Under a thread sanitizer this
proves, too, that a block is handed over from thread to thread: an operation that did not wait for its turn would be a
race on the slot."""

import json
import random
import unittest
from typing import Any, Dict, List

from bench.trace import fixture, samples
from bench.trace.fixture import FUNCTIONS, Call, free, malloc, realloc, trace

STEP = 5000  # further apart than the reader's patience


class ReplayerCase(fixture.CommandCase):
    def played(self, calls: List[List[Call]], *options: str) -> Dict[str, Any]:
        """What the replayer tells of these calls: "ops" among the rest."""
        self.write(trace(*calls))
        self.printed("planner", "t", "plan")
        told = json.loads(self.printed("replayer", *options, "plan=plan"))
        return {"ops": told["ops"], **told["extra"]}

    def expect(self, told: Dict[str, Any], **fields: int) -> None:
        self.assertEqual({name: told[name] for name in fields}, fields)


class ThreadsTest(ReplayerCase):
    def test_they_are_started_when_their_time_comes(self) -> None:
        calls = []  # each thread frees what the one before left, and leaves something itself
        for i in range(600):
            calls.append(malloc(i + 1, 2 * i * STEP, 0x10000 + 64 * i, 100))
            if i > 0:
                calls.append(free(i + 1, (2 * i + 1) * STEP, 0x10000 + 64 * (i - 1)))
        self.expect(self.played(calls), ops=1199, threads=600, end_blocks=1)

    def test_they_do_not_wait_for_one_with_which_they_share_nothing(self) -> None:
        calls = [malloc(2 - (i % 1024 == 0), i * STEP, 0x10000 + 64 * i, 100)
                 for i in range(50 << 10)]
        self.expect(self.played(calls), waits=0)

    def test_they_play_any_trace_to_its_end(self) -> None:
        for seed in (random.randrange(1 << 32) for _ in range(8)):
            with self.subTest(seed=seed):
                dice, calls, live = random.Random(seed), [], []
                for i in range(10000):
                    thread, address, at = dice.randint(1, 9), 0x10000 + 64 * i, i * STEP
                    if len(live) < 300 or dice.random() < 0.5:
                        live.append(address)
                        calls.append(malloc(thread, at, address, dice.randrange(3000)))
                        continue
                    old = live.pop(dice.randrange(len(live)))
                    if dice.random() < 0.25:
                        calls.append(realloc(thread, at, 10, old, address, dice.randint(1, 3000)))
                        live.append(address)
                    else:
                        calls.append(free(thread, at, old))
                self.expect(self.played(calls), ops=10000, skipped_calls=0, end_blocks=len(live))


class PlanTest(ReplayerCase):
    def test_it_leaves_out_what_cannot_be_played_and_knows_the_most_live_bytes(self) -> None:
        calls = [free(1, 0, 0x7000), malloc(1, STEP, 0x1000, 100 << 10), malloc(2, 2 * STEP, 0x2000, 50 << 10),
                 realloc(1, 3 * STEP, 10, 0x1000, 0, 1 << 60), free(2, 4 * STEP, 0x1000),
                 realloc(1, 5 * STEP, 10, 0x2000, 0x3000, 70 << 10)]
        self.expect(self.played(calls), ops=4, skipped_calls=2, peak_live_kib=150, end_live_kib=70, end_blocks=1)

    @unittest.skipIf(samples.MISSING, "numpy is not installed")
    def test_every_kind_of_allocation_is_made_with_its_size_and_alignment(self) -> None:
        calls = []
        for number, function in enumerate(FUNCTIONS[:FUNCTIONS.index("free")]):
            align_log2 = 12 if function in ("posix_memalign", "aligned_alloc", "memalign") else 0
            calls.append([Call(1, number * STEP, function, 0x100000 * (number + 1), 5000, align_log2)])
        self.expect(self.played(calls, "touch=all", "notes=notes"), ops=9, end_blocks=9)
        notes = samples.numpy.fromfile(self.folder / "notes", samples.NOTE)
        self.assertEqual(notes["size"].tolist(), 8 * [5000] + [8192])
        self.assertEqual((notes["address"][4:] % 4096).tolist(), [0] * 5)


@unittest.skipIf(samples.MISSING, "numpy is not installed")
class NotesTest(ReplayerCase):
    def report(self, calls: List[List[Call]]) -> Dict[str, Any]:
        self.played(calls, "notes=notes")
        self.write(trace(*calls))
        return samples.read(self.folder / "notes", self.info("t")["peak_live_bytes"])

    def test_every_size_is_in_the_class_whose_bounds_it_lies_in(self) -> None:
        sizes = list(range(5000)) + [(1 << log2) + more for log2 in range(13, 24) for more in (-1, 0, 1)]
        classes = self.report([malloc(1, i * STEP, 0x1000000 * (i + 1), size) for i, size in enumerate(sizes)])["classes"]
        for least, most, blocks, asked, usable in classes:
            own = [size for size in sizes if least < size <= most or size == least == 0]
            self.assertEqual((blocks, asked), (len(own), sum(own)), (least, most))
            self.assertGreaterEqual(usable, asked)
            self.assertTrue(most == least + 1 or most <= least * 9 / 8, (least, most))
        self.assertEqual(sum(blocks for _, _, blocks, _, _ in classes), len(sizes))

    def test_the_peak_between_two_samples_is_seen_and_in_the_end_what_is_live_and_where(self) -> None:
        calls = [malloc(1, i * STEP, 0x1000000 + 0x10000 * i, 1024) for i in range(3200)]
        calls += [malloc(1, 3201 * STEP, 0x10, 1 << 20), free(1, 3202 * STEP, 0x10)]
        calls += [malloc(1, (3202 + i) * STEP, 0x10 * i, 1024) for i in range(1, 40)]
        report = self.report(calls)
        seen = {sample["calls"]: sample["live_kib"] for sample in report["samples"]}
        self.assertEqual((seen[3201], seen[3241]), (4224, 3239))
        self.assertIn([960, 1024, 3239, 3239 << 10], [entry[:4] for entry in report["classes"]])
        self.assertEqual(report["granule_bytes"], 65536)
        kib = report["samples"][-1]["space"][1::2]
        self.assertTrue(3239 <= sum(kib) <= 3239 + len(kib) and max(kib) <= 64)  # each is rounded up to a KiB
