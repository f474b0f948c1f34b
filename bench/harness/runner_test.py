# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""One run: its cost, and what becomes of programs that misbehave, on mallocs with a known cost or fault."""

import os
from typing import Any, Dict, List

from bench.harness import allocators, fixture, machine, paths, runner
from bench.harness.allocators import Allocator
from bench.harness.catalogue import Benchmark
from bench.harness.plan import Step
from bench.harness.runner import Runner

PATHS = paths.find()
LIBC = Allocator("glibc", "libc")
OPS = 20000
CHURN = Benchmark("churn", "workloads", ("churn", "ops=%d" % OPS, "live=64k"))


def fake(fault: str) -> Allocator:
    return Allocator(fault, "peer", PATHS.runfiles / "bench/bump/libfake.so", None, {"FAKE": fault})


class RunnerCase(fixture.FolderCase):
    def setUp(self) -> None:
        super().setUp()
        self.runner = self.of(60.0, sorted(os.sched_getaffinity(0)))

    def of(self, limit_s: float, cpus: List[int]) -> Runner:
        return Runner(PATHS, self.folder, machine.clean(os.environ)[0], limit_s, cpus)

    def record(self, allocator: Allocator, benchmark: Benchmark = CHURN) -> Dict[str, Any]:
        step = Step(benchmark, allocator, 0, 0)
        return runner.record(step, self.runner.run(step))

    def said(self, *program: str, cpus: Any = ()) -> str:
        self.runner.measure(LIBC, program, cpus)
        return (self.folder / "program.out").read_text(encoding="utf-8").strip()


class RecordTest(RunnerCase):
    def test_a_malloc_that_spends_time_is_measured_slower_the_more_it_spends(self) -> None:
        runs = {cost: self.record(fake("slow=%d" % cost)) for cost in (2000, 20000, 100000)}
        seconds = [run["seconds"] for run in runs.values()]
        self.assertEqual(seconds, sorted(seconds))
        for cost, run in runs.items():
            self.assertGreater(run["seconds"], OPS * cost * 1e-9 / 3)
            self.assertGreater(run["user_s"] + run["system_s"], OPS * cost * 1e-9 / 3)
            self.assertGreaterEqual(run["wall_s"], run["seconds"])
            self.assertEqual(run["ops"], OPS)

class FaultTest(RunnerCase):
    def test_what_goes_wrong_is_named(self) -> None:
        (self.folder / "broken.so").write_bytes(b"not a library")
        broken = Allocator("broken", "peer", self.folder / "broken.so")
        of = lambda *command, group="workloads": Benchmark(command[0], group, command)
        for allocator, benchmark, error in (
                (fake("crash=100"), CHURN, "crashed: SIGSEGV"),
                (fake("fail=100"), CHURN, "out of memory"),
                (broken, CHURN, "the library was not loaded"),
                (LIBC, of("churn", "nonsense=1"), "exit status 1: churn: unknown parameter: nonsense"),
                (LIBC, of("churn", "--about"), "no result line on stdout"),
                (LIBC, of("/no/program", group="programs"), "measure: /no/program: No such file or directory")):
            self.assertTrue((self.record(allocator, benchmark)["error"] or "").startswith(error), error)

    def test_the_last_line_is_the_result_if_it_has_a_time_and_of_the_extra_only_numbers_are_kept(self) -> None:
        line = '{"ops": 1, "seconds": 2, "extra": {"a_kib": 3, "b": "x", "c": true}}'
        self.assertEqual(runner.result_line(["x", line]), {"ops": 1, "seconds": 2, "extra": {"a_kib": 3}})
        for wrong in ([], ["x"], ["[1]"], ["3"], ['{"ops": 1}'], ['{"seconds": "1"}'], ['{"seconds": true}'],
                      ['{"seconds": 0}'], ['{"seconds": 1}', "x"], ['{"seconds": NaN}'], ['{"seconds": Infinity}']):
            self.assertEqual(runner.result_line(wrong), {}, wrong)


class PlaceTest(RunnerCase):
    def test_a_pinned_benchmark_gets_the_last_cpu_and_a_scaled_one_as_many_as_it_says(self) -> None:
        for more, cpus in (({"pinned": True}, [5]), ({"cpus": 2}, [2, 5]), ({"cpus": 4}, []), ({}, [])):
            self.assertEqual(self.of(60.0, [0, 1, 2, 5]).cpus_of(Benchmark("a", "cpus", ("a",), **more)), cpus)

    def test_the_program_runs_on_that_cpu_alone_apart_from_the_terminal_and_is_killed_before_the_harness(self) -> None:
        last = self.runner.cpus[-1]
        self.assertRegex(self.said("grep", "Cpus_allowed_list", "/proc/self/status", cpus=[last]), r"\s%d$" % last)
        self.assertNotEqual(self.said("cut", "-d", " ", "-f", "6", "/proc/self/stat"), str(os.getsid(0)))
        self.assertEqual(self.said("cat", "/proc/self/oom_score_adj"), "1000")

    def test_what_steers_a_malloc_does_not_reach_the_program(self) -> None:
        steering = ("CAIRN_CONF GLIBC_TUNABLES LD_PRELOAD MALLOC_ARENA_MAX MIMALLOC_VERBOSE SCUDO_OPTIONS "
                    "TBB_MALLOC_USE_HUGE_PAGES TCMALLOC_SAMPLE_PARAMETER").split()
        cleaned = machine.clean({**dict.fromkeys(steering, "1"), "PYTHONPATH": "c", "HOME": "/"})
        self.assertEqual(cleaned, ({"HOME": "/", "LC_ALL": "C"}, steering))

class ProofTest(RunnerCase):
    def test_what_works_goes_on_and_of_the_others_it_is_told_why_they_do_not(self) -> None:
        (self.folder / "broken.so").write_bytes(b"\x7fELF, or so it says")
        good = [LIBC, Allocator("cairn", "stack", PATHS.runfiles / "composed/malloc/libcairn.so"),
                fake("slow=0")]
        bad = ((Allocator("broken", "peer", self.folder / "broken.so"), r"cannot be preloaded \(.+\)"),
               (fake("crash=5"), "crashed: SIGSEGV"), (fake("fail=5"), "out of memory"),
               (Allocator("m", "peer", allocators.library_of("libm.so.6")), "has no malloc: .*"))
        proven, notes = runner.prove(self.runner, [*good, *(allocator for allocator, _ in bad)])
        self.assertEqual(proven, good)
        self.assertEqual(len(notes), len(bad))
        for note, (allocator, why) in zip(notes, bad):
            self.assertRegex(note, "^%s: dropped: %s: %s$" % (allocator.name, allocator.library, why))
