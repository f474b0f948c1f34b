# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The workloads as programs: what they print, what they refuse, that they do the work they tell of, and that they
notice a malloc that breaks its promise. What they allocate is counted by the recorder of bench/trace."""

import json
import re
import resource
from typing import Any, Dict

from bench.harness import fixture

LIMIT_BYTES = 48 << 20
FORM = re.compile(r'\{"ops": \d+, "seconds": \d+\.\d{9}(, "extra": \{"[a-z_0-9]+": \d+(, "[a-z_0-9]+": \d+)*\})?\}\n')
NO_NUMBERS = ("", "12x", "-1", "k", "1kk", "0x10", "1.5", "99999999999999999999", "18446744073709551615k")

# A run of some milliseconds, and one that needs more than LIMIT_BYTES.
EVERY = {
    "aligned": ("ops=2000 live=256k threads=2", "live=256m"),
    "batches": ("ops=4000", "blocks=1600 bytes=64k"),
    "big": ("ops=20 threads=2", ""),
    "bursts": ("ops=2500 blocks=1000 threads=2", "blocks=1m bytes=1024"),
    "bursts_across": ("ops=2501 blocks=400 threads=3", "blocks=100k bytes=1024"),
    "cache": ("ops=3000 keys=500 live=256k", "live=1g"),
    "churn": ("ops=2000 live=64k threads=3", "live=256m"),
    "cleared": ("ops=500 live=1m threads=2", "live=256m"),
    "cons": ("ops=6000 nursery=500", "ops=4m nursery=4m"),
    "growth": ("ops=1500 max=1m stepped=200k", "max=256m"),
    "handoff": ("ops=2001 pairs=3", "min=1m max=1m"),
    "manythreads": ("ops=100 threads=5 alive=2 blocks=10", "threads=1 blocks=100 min=1m max=1m"),
    "medium": ("ops=200 live=1m threads=2", "live=256m"),
    "mixed": ("ops=20000 threads=2", "threads=8"),
    "parser": ("ops=2500 tokens=1000", "tokens=4m ops=4m"),
    "phases": ("live=4m idle_ms=10", "live=256m"),
    "pingpong": ("ops=2000 threads=2", "bytes=64m"),
    "pipeline": ("ops=501 stages=3 max=200", "min=1m max=1m"),
    "sawtooth": ("ops=5000 live=64k threads=2", "live=256m"),
    "server": ("ops=4001 blocks=50 generations=7", "blocks=100k min=1000"),
    "sharing": ("ops=20000 writes=10", "bytes=16m"),
    "sized": ("ops=7000 objects=1000", "objects=2m"),
    "strings": ("ops=3000 documents=10 vocabulary=500", "documents=100k ops=16m"),
    "tree": ("ops=5000 depth=8 threads=2", "depth=24 ops=16m"),
    "workers": ("ops=2001 producers=3 consumers=2", "min=1m max=1m"),
}

REFUSED = (
    ("churn min=100 max=10", "min is above max: 100 and 10"),
    ("bursts order=alphabetic", r"unknown word: order=alphabetic: lifo \| fifo \| random"),
)

# What the recorder counts in a run: from, to.
ALLOCATED = (
    ("pingpong ops=1k", "malloc", 1024, 1024), ("pingpong ops=1000 threads=3 bytes=2k", "malloc", 1000, 1000),
    ("churn ops=3000 live=64k", "malloc", 3000, 3000), ("churn ops=100 live=64m threads=7", "malloc", 100, 100),
    # Most of a table in each generation but the first is freed by the successor.
    ("server ops=4000 blocks=50 generations=8", "cross_frees", 2 * 50 * 6, 2 * 50 * 8 + 20),
    ("server ops=5000 threads=64 generations=3", "malloc", 5000, 5000),
    ("server ops=5000 blocks=50 generations=8 sized=1", "free_sized", 5000, 5000),
    ("batches ops=9999", "free", 9999, 9999),
    ("handoff ops=5000 pairs=2 batch=7", "cross_frees", 5000, 5005),
    ("handoff ops=200k pairs=40", "cross_frees", 200 << 10, (200 << 10) + 80),
    ("bursts ops=1050 blocks=100 order=lifo", "malloc", 1050, 1050),
    ("bursts ops=1050 blocks=100 order=fifo", "cross_frees", 0, 0),
    ("bursts_across ops=1001 blocks=100 order=random", "cross_frees", 1001, 1005),
    ("bursts_across ops=1001 blocks=100 order=lifo", "cross_frees", 1001, 1005),
    ("manythreads ops=1 threads=300 alive=300 blocks=3", "malloc", 900, 900),
    ("growth ops=1500 max=1m stepped=200k", "realloc", 1500, 1500), ("cleared ops=700 live=1m", "calloc", 700, 701),
    ("aligned ops=4000 live=256k", "malloc", 1800, 2200), ("mixed ops=20000", "realloc", 900, 1100),
    ("parser ops=9000 tokens=3000", "realloc", 1001, 9000),
    ("sized ops=6000 objects=1000", "aligned_alloc", 1000, 2000),  # the scene of the lanes
    ("tree ops=7777 depth=6 threads=3", "malloc", 7777, 7777),
    # Each thread but the dealer frees its first blocks, that another one made.
    ("sharing ops=20000 writes=10 mode=passive", "cross_frees", 16, 18),
    ("sharing ops=20000 writes=10 mode=active", "cross_frees", 0, 2),
    ("sharing ops=20000 writes=10 mode=swapped", "cross_frees", 1, 267),
    ("workers ops=5000 producers=1 consumers=3", "cross_frees", 5000, 5005),
    ("workers ops=5001 producers=3 consumers=1 batch=7", "cross_frees", 5001, 5005),
    ("workers ops=20k producers=40 consumers=70 batch=1", "cross_frees", 20480, 20600),
    ("pipeline ops=500 stages=5", "realloc", 2500, 2500), ("pipeline ops=500 stages=5", "cross_frees", 500, 505),
    # So many keys that none comes twice, but for few; three blocks for a new one.
    ("cache ops=1000 keys=256m", "malloc", 2991, 3000),
)

# What a result tells: from, to.
TOLD = (
    ("manythreads ops=51 threads=5 alive=2 blocks=10", "ops", 100, 100),  # whole rounds
    ("cons ops=200k nursery=1000", "objects_most", 20000, 150000),  # and what survived
    ("cache ops=40k live=512k", "live_kib", 511, 512 + 65),  # and a value just put in
    ("cache ops=40k live=4m", "live_kib", 4095, 4096 + 65),
    ("sawtooth ops=200k live=1m threads=2", "live_kib", 1024, 1024 + 2 * 4 + 1),
    ("sawtooth ops=100000 live=1m keep=2", "kept", 50000, 50300),  # one in so many
    ("sawtooth ops=100000 live=1m keep=100", "kept", 1000, 1300),
    ("phases live=64k idle_ms=1000", "seconds", 0, 0.9),  # without the idling
)

# What a malloc does wrong, and what is said of it.
LIES = (
    ("realloc", "growth ops=100", "realloc lost byte 63 of 96"),  # at once
    ("page", "growth ops=100", r"realloc lost byte 4096 of \d+"),  # in the end
    ("calloc", "cleared ops=100 max=512", r"a block of \d+ bytes from calloc is not zero"),
    ("align", "aligned ops=100", r"block 0x[0-9a-f]+ is not aligned to \d+ bytes"),
    ("first", "workers ops=1000", "a job was overwritten"), ("last", "workers ops=1000", "a job was overwritten"),
    ("realloc", "pipeline ops=100", r"message \d+ lost byte 16 of \d+"),
    ("last", "cons ops=20000 nursery=1000", "an object was overwritten"),
    ("first", "cache ops=5000", r"(the value of )?key \d+ was overwritten"),
    ("last", "cache ops=5000", r"(the value of )?key \d+ was overwritten"),
    ("end", "sawtooth ops=1000", r"a block of \d+ bytes was overwritten"),
    ("first", "strings ops=5000 documents=5",
     r"(a word was lost: .*|a document was lost: .*|document \d+ was overwritten)"),
)


def limit() -> None:
    """In the child."""
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))


class WorkloadCase(fixture.FolderCase):
    def ran(self, words: str, **more: Any) -> fixture.Done:
        name, *arguments = words.split()
        return fixture.ran("bench/workloads/" + name, *arguments, **more)

    def result(self, words: str) -> Dict[str, float]:
        """The numbers of a result, "extra" among the others."""
        done = self.ran(words)
        self.assertEqual(done.returncode, 0, done)
        self.assertRegex(done.stdout, "^%s$" % FORM.pattern)
        told = json.loads(done.stdout)
        extra = told.pop("extra", {})
        return {**told, **extra}

    def recorded(self, words: str) -> Dict[str, float]:
        """What the recorder says of a run."""
        (self.folder / "t").unlink(missing_ok=True)
        done = self.ran(words, LD_PRELOAD=fixture.part("bench/trace/librecord.so"), CAIRN_RECORD=str(self.folder / "t"))
        self.assertEqual(done.returncode, 0, done)
        info = json.loads(fixture.ran("bench/trace/info", str(self.folder / "t")).stdout)
        return {**info, **info["calls"]}

    def expect_refusal(self, words: str, said: str, **more: Any) -> None:
        done = self.ran(words, **more)
        self.assertEqual((done.returncode, done.stdout or ""), (1, ""), done)
        self.assertRegex(done.stderr, "^%s: %s\n$" % (words.split()[0], said))


class EveryWorkloadTest(WorkloadCase):
    def test_it_says_what_it_is_and_what_its_parameters_are(self) -> None:
        for name in EVERY:
            self.assertRegex(self.ran(name + " --about").stdout, r"^[^\n]* \(ops: [^\n]*\n$")
            self.assertIn("  %s=" % ("live" if name == "phases" else "ops"), self.ran(name + " --help").stdout)

    def test_it_does_the_work_it_is_told_each_time_and_frees_what_it_allocated(self) -> None:
        for name, (tiny, _) in EVERY.items():
            with self.subTest(name):
                first, second, recorded = (look(name + " " + tiny) for look in (self.result, self.result, self.recorded))
                self.assertTrue(first["ops"] == second["ops"] > 0 and first["seconds"] > 0)
                for told in re.findall(r"ops=(\d+)", tiny):
                    self.assertEqual(first["ops"], int(told))
                self.assertGreater(recorded["frees"], 0)
                self.assertEqual(recorded["unknown_frees"] + recorded["inferred_frees"], 0)
                self.assertLessEqual(recorded["end_live_blocks"], 8)  # the C library's, one for a thread

    def test_it_refuses_what_is_no_parameter_and_no_number(self) -> None:
        for name in EVERY:
            number = "live" if name == "phases" else "ops"
            for word, said in (("colour=3", "unknown parameter: colour"), ("op=3", "unknown parameter: op"),
                               (number, "parameter without a value: " + number),
                               (number + "=0", "out of range: %s=0: .*" % number),
                               *((number + "=" + text, "bad number: %s=%s" % (number, text)) for text in NO_NUMBERS)):
                self.expect_refusal("%s %s" % (name, word), said)

    def test_it_ends_with_a_line_when_there_is_no_memory_and_when_its_result_cannot_be_written(self) -> None:
        for name, (tiny, exhausting) in EVERY.items():
            self.expect_refusal("%s %s" % (name, exhausting), "out of memory", preexec_fn=limit)
            with open("/dev/full", "w", encoding="ascii") as full:
                self.expect_refusal("%s %s" % (name, tiny), "the result cannot be written: No space left on device",
                                    capture_output=False, stdout=full, stderr=-1)


class OneTest(WorkloadCase):
    def test_what_does_not_fit_together_is_refused(self) -> None:
        for words, said in REFUSED:
            self.expect_refusal(words, said)

    def test_what_is_allocated_and_told_is_what_the_parameters_say(self) -> None:
        for look, rows in ((self.recorded, ALLOCATED), (self.result, TOLD)):
            for words, name, least, most in rows:
                with self.subTest(words):
                    self.assertTrue(least <= look(words).get(name, 0) <= most, look(words).get(name))
        with open(fixture.part("bench/workloads/sized"), "rb") as program:
            self.assertIn(b"_ZdlPvm", program.read(), "delete is told the size")

    def test_what_lives_is_resident(self) -> None:
        small, large = (fixture.peak_kib("bench/workloads/churn", "ops=400k", live) for live in ("live=16m", "live=64m"))
        self.assertTrue(36 << 10 < large - small < 72 << 10, large - small)

    def test_a_malloc_that_lies_is_noticed(self) -> None:
        for lie, words, said in LIES:
            self.expect_refusal(words, said, LD_PRELOAD=fixture.part("bench/bump/libfake.so"), FAKE=lie + "=1")

    def test_phases_tell_the_memory_after_each(self) -> None:
        for idle in ("calls", "pairs", "asleep"):
            result = self.result("phases live=32m idle_ms=200 idle=" + idle)
            for name, kib, inexact in (("grown", 32 << 10, 1), ("thinned", 3.2 * 1024, 330), ("freed", 0, 0)):
                self.assertAlmostEqual(result[name + "_live_kib"], kib, delta=inexact)
            told = ["%s%s_kib" % (name, at) for name, ats in (("grown", ("",)), ("thinned", ("", "_idle_100", "_idle_200")),
                                                               ("freed", ("", "_idle_100", "_idle_200"))) for at in ats]
            self.assertEqual(sorted(key for key in result if key.endswith("_kib") and "live" not in key), sorted(told))
            for name in told:
                self.assertGreaterEqual(result[name], max(result[name.split("_")[0] + "_live_kib"], 1))
