# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""One run: its cost, and what becomes of programs that misbehave, on mallocs with a known cost or fault."""

import json
import os
import pathlib
import tempfile
import threading
import unittest
from typing import Any, Dict, List, Optional

from bench.harness import environment, places, proof, result, runner, subjects
from bench.harness.catalogue import Row, Server
from bench.harness.plan import Step
from bench.harness.runner import Interrupted, Outcome, Runner
from bench.harness.subjects import Subject

PLACES = places.find()
LIBC = Subject("glibc", "libc")
OPS = 20000
CHURN = Row("churn", "workloads", ("churn", "ops=%d" % OPS, "live=64k"))


def fake(name: str, **settings: Any) -> Subject:
    library = PLACES.runfiles / ("bench/bump/libfake_%s.so" % name)
    return Subject(name, "peer", library, None, {key: str(value) for key, value in settings.items()})


class RunnerCase(unittest.TestCase):

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.runner = self.of(limit_s=60.0)

    def of(self, limit_s: float, cpus: Optional[List[int]] = None) -> Runner:
        made = sorted(os.sched_getaffinity(0)) if cpus is None else cpus
        return Runner(PLACES, self.folder, environment.clean(os.environ)[0], limit_s, made)

    def record(self, row: Row, subject: Subject) -> Dict[str, Any]:
        step = Step(row, subject, 0, 0)
        return runner.record(step, self.runner.run(step))


class KnownCostTest(RunnerCase):

    def test_a_malloc_that_spends_time_is_measured_slower_by_at_least_a_third_of_it(self) -> None:
        cost_ns = 20000
        slow = self.record(CHURN, fake("slow", FAKE_COST_NS=cost_ns))
        self.assertIsNone(slow["error"])
        self.assertGreater(slow["seconds"], OPS * cost_ns * 1e-9 / 3)
        self.assertGreater(slow["user_s"] + slow["system_s"], OPS * cost_ns * 1e-9 / 3)
        self.assertGreaterEqual(slow["wall_s"], slow["seconds"])

    def test_more_cost_is_more_time(self) -> None:
        seconds = [self.record(CHURN, fake("slow", FAKE_COST_NS=cost))["seconds"]
                   for cost in (2000, 20000, 100000)]
        self.assertEqual(seconds, sorted(seconds))

    def test_memory_that_a_malloc_wastes_is_in_the_peak(self) -> None:
        waste_kib = 40 * 1024
        lean = self.record(CHURN, fake("slow", FAKE_COST_NS=0))
        fat = self.record(CHURN, fake("slow", FAKE_COST_NS=0, FAKE_WASTE_KIB=waste_kib))
        self.assertGreaterEqual(fat["peak_kib"] - lean["peak_kib"], waste_kib * 0.9)
        self.assertLess(fat["peak_kib"] - lean["peak_kib"], waste_kib * 1.5)
        self.assertGreater(fat["minor_faults"], lean["minor_faults"])

    def test_the_work_is_what_the_row_says_and_the_same_for_all(self) -> None:
        for subject in (LIBC, fake("slow", FAKE_COST_NS=0)):
            self.assertEqual(self.record(CHURN, subject)["ops"], OPS)


class RecordTest(RunnerCase):

    def valid(self, row: Row, run: Dict[str, Any]) -> None:
        made = {"schema": result.SCHEMA, "started": "now", "finished": "now", "complete": True,
                "interrupted": False, "command": [], "commit": None, "dirty": None,
                "settings": {"rounds": 1, "quick": True, "filter": None},
                "machine": {"cpu": "x", "cpus": 1, "memory_kib": 1, "kernel": "x", "libc": "x", "thp": None,
                            "page_bytes": 4096, "governor": None, "load": []},
                "subjects": [{**LIBC.as_json(), "name": run["subject"]}],
                "rows": [row.as_json()], "runs": [run], "components": {}, "handovers": {}, "notes": []}
        self.assertEqual(result.validate(made), [])

    def test_a_good_run_and_a_failed_one_are_valid_in_a_result(self) -> None:
        self.valid(CHURN, self.record(CHURN, LIBC))
        failed = self.record(CHURN, fake("crash", FAKE_CRASH_AT=10))
        self.assertIsNone(failed["seconds"])
        self.assertIsNone(failed["peak_kib"])
        self.valid(CHURN, failed)

    def test_the_command_can_be_repeated_by_hand(self) -> None:
        run = self.record(CHURN, fake("slow", FAKE_COST_NS=0))
        for part in ("--preload", "FAKE_COST_NS=0", "ops=%d" % OPS):
            self.assertIn(part, run["command"])
        self.assertTrue(os.access(run["command"][0], os.X_OK))
        self.assertNotIn("--report", run["command"])

    def test_numbers_that_a_workload_adds_are_kept(self) -> None:
        row = Row("phases", "workloads", ("phases", "live=1m", "idle_ms=0"))
        self.assertIn("grown_kib", self.record(row, LIBC)["extra"])


class FaultTest(RunnerCase):

    def error(self, row: Row, subject: Subject) -> str:
        return self.record(row, subject)["error"]

    def test_a_crash_is_named_by_its_signal(self) -> None:
        self.assertEqual(self.error(CHURN, fake("crash", FAKE_CRASH_AT=100)), "crashed: SIGSEGV")

    def test_a_malloc_without_memory_is_out_of_memory(self) -> None:
        self.assertEqual(self.error(CHURN, fake("fail", FAKE_FAIL_AFTER=100)), "out of memory")

    def test_a_program_that_takes_too_long_is_ended(self) -> None:
        self.runner = self.of(limit_s=0.2)
        outcome = self.runner.run(Step(CHURN, fake("slow", FAKE_COST_NS=100000000), 0, 0))
        self.assertEqual(outcome.error, "timed out after 0.2 s")
        self.assertTrue(outcome.timed_out)

    def test_a_workload_that_complains_is_quoted(self) -> None:
        row = Row("churn", "workloads", ("churn", "nonsense=1"))
        self.assertRegex(self.error(row, LIBC), "^exit status 1: churn: unknown parameter: nonsense")

    def test_a_program_that_does_not_exist_is_named(self) -> None:
        row = Row("nothing", "programs", ("/no/such/program",))
        self.assertEqual(self.error(row, LIBC), "measure: /no/such/program: No such file or directory")

    def test_a_workload_without_a_result_line_is_an_error(self) -> None:
        row = Row("churn", "workloads", ("churn", "--about"))
        self.assertEqual(self.error(row, LIBC), "no result line on stdout")

    def test_a_library_that_does_not_load_is_an_error_and_not_libc_measured_twice(self) -> None:
        (self.folder / "broken.so").write_bytes(b"not a library")
        broken = Subject("broken", "peer", self.folder / "broken.so")
        self.assertEqual(self.error(CHURN, broken), "the library was not loaded")

    def test_an_error_is_one_line_however_much_was_said(self) -> None:
        said = Outcome([]).failed("a\n" + "b" * 1000).error or ""
        self.assertNotIn("\n", said)
        self.assertLessEqual(len(said), runner.ERROR_CHARACTERS_MOST)


class ResultLineTest(unittest.TestCase):

    def test_the_last_line_counts(self) -> None:
        self.assertEqual(runner.result_line(["x", '{"ops": 1, "seconds": 2}']),
                         {"ops": 1, "seconds": 2, "extra": {}})

    def test_anything_else_is_no_result(self) -> None:
        for wrong in ([], ["x"], ["[1]"], ["3"], ['{"ops": 1}'], ['{"seconds": "1"}'], ['{"seconds": true}'],
                      ['{"seconds": 0}'], ['{"seconds": 1}', "x"]):
            self.assertEqual(runner.result_line(wrong), {}, wrong)

    def test_of_the_extra_only_numbers_are_kept(self) -> None:
        told = runner.result_line(['{"seconds": 1, "extra": {"a_kib": 3, "b": "x", "c": true}}'])
        self.assertEqual(told["extra"], {"a_kib": 3})

    def test_a_time_that_is_no_number_is_no_result(self) -> None:
        self.assertEqual(runner.result_line(['{"seconds": NaN}']), {})
        self.assertEqual(runner.result_line(['{"seconds": Infinity}']), {})


class PlaceTest(RunnerCase):

    def test_a_pinned_row_gets_the_last_cpu_and_a_scaled_one_as_many_as_it_says(self) -> None:
        of_four = self.of(60.0, [0, 1, 2, 5])
        self.assertEqual(of_four.cpus_of(Row("a", "workloads", ("a",), pinned=True)), [5])
        self.assertEqual(of_four.cpus_of(Row("a", "cpus", ("a",), cpus=2)), [2, 5])
        self.assertEqual(of_four.cpus_of(Row("a", "cpus", ("a",), cpus=4)), [])
        self.assertEqual(of_four.cpus_of(Row("a", "workloads", ("a",))), [])

    def test_the_program_really_runs_on_that_cpu_alone(self) -> None:
        last = self.runner.cpus[-1]
        self.runner.measure(LIBC, ["grep", "Cpus_allowed_list", "/proc/self/status"], [last])
        self.assertRegex((self.folder / "program.out").read_text(), r"\s%d$" % last)

    def test_ctrl_c_on_the_terminal_does_not_reach_the_program(self) -> None:
        self.runner.measure(LIBC, ["cut", "-d", " ", "-f", "6", "/proc/self/stat"])
        self.assertNotEqual((self.folder / "program.out").read_text().strip(), str(os.getsid(0)))

    def test_what_steers_a_malloc_does_not_reach_the_program(self) -> None:
        steering = ["CAIRN_CONF", "GLIBC_TUNABLES", "LD_PRELOAD", "MALLOC_ARENA_MAX", "MIMALLOC_VERBOSE",
                    "SCUDO_OPTIONS", "TBB_MALLOC_USE_HUGE_PAGES", "TCMALLOC_SAMPLE_PARAMETER"]
        kept, removed = environment.clean({**dict.fromkeys(steering, "1"), "PYTHONPATH": "c", "HOME": "/"})
        self.assertEqual(kept, {"HOME": "/", "LC_ALL": "C"})
        self.assertEqual(removed, steering)

    def test_the_kernel_would_end_the_program_before_the_harness(self) -> None:
        self.runner.measure(LIBC, ["cat", "/proc/self/oom_score_adj"])
        self.assertEqual((self.folder / "program.out").read_text().strip(), "1000")


class StopTest(RunnerCase):

    def test_a_stop_ends_the_program_and_lets_no_other_begin(self) -> None:
        started = self.folder / "pid"
        program = ["sh", "-c", "echo $$ >new; mv new '%s'; sleep 1000" % started]

        def stop_when_started() -> None:
            while not started.exists():
                pass
            self.runner.stop()

        stopper = threading.Thread(target=stop_when_started, daemon=True)
        stopper.start()
        with self.assertRaises(Interrupted):
            self.runner.measure(LIBC, program)
        stopper.join()
        self.assertFalse(pathlib.Path("/proc", started.read_text().strip()).exists())
        with self.assertRaises(Interrupted):
            self.runner.measure(LIBC, ["true"])


class ProofTest(RunnerCase):

    def fault(self, subject: Subject) -> Optional[str]:
        return proof.fault(self.runner, subject)

    def test_what_works_has_no_fault(self) -> None:
        stack = Subject("cairn", "stack", PLACES.runfiles / "composed/malloc/libcairn.so")
        for subject in (LIBC, stack, fake("slow", FAKE_COST_NS=0)):
            self.assertIsNone(self.fault(subject), subject.name)

    def test_a_file_that_is_no_library_is_told_as_the_loader_tells_it(self) -> None:
        (self.folder / "broken.so").write_bytes(b"\x7fELF, or so it says")
        self.assertRegex(self.fault(Subject("broken", "peer", self.folder / "broken.so")) or "",
                         r"^cannot be preloaded \(.+\)$")

    def test_a_malloc_that_crashes_or_fails_at_once_is_found(self) -> None:
        self.assertEqual(self.fault(fake("crash", FAKE_CRASH_AT=5)), "crashed: SIGSEGV")
        self.assertEqual(self.fault(fake("fail", FAKE_FAIL_AFTER=5)), "out of memory")

    def test_a_library_without_malloc_is_not_taken_for_one(self) -> None:
        mathematics = Subject("m", "peer", subjects.system_libraries()["libm.so.6"])
        self.assertRegex(self.fault(mathematics) or "", "^has no malloc")

    def test_those_that_work_go_on_and_the_others_get_a_line(self) -> None:
        crash = fake("crash", FAKE_CRASH_AT=5)
        proven, notes = proof.prove(self.runner, [LIBC, crash])
        self.assertEqual(proven, [LIBC])
        self.assertEqual(notes, ["crash: dropped: %s: crashed: SIGSEGV" % crash.library])


class BringsMallocTest(unittest.TestCase):

    def test_libc_is_put_before_a_malloc_that_the_program_is_linked_with(self) -> None:
        put = runner.put_before(LIBC)
        self.assertEqual(put.name, "glibc")
        self.assertRegex(str(put.library), r"/libc\.so\.6$")

    def test_other_subjects_are_before_it_anyway(self) -> None:
        peer = Subject("peer", "peer", pathlib.Path("/x/libpeer.so"))
        self.assertIs(runner.put_before(peer), peer)


class ServerTest(RunnerCase):

    def serve(self, load: str, ready: str = "test -e up",
              server: str = "touch up; while ! test -e end; do sleep 0.01; done") -> Outcome:
        shell = ("sh", "-c")
        served = Server((*shell, ready), (*shell, load), (*shell, "touch end"))
        return self.runner.measure(LIBC, [*shell, server], server=served)

    def test_the_load_is_what_is_timed(self) -> None:
        outcome = self.serve("sleep 0.2")
        self.assertIsNone(outcome.error)
        self.assertGreaterEqual(outcome.told["seconds"], 0.2)
        self.assertGreaterEqual(outcome.cost["wall_s"], outcome.told["seconds"])

    def test_a_load_that_tells_its_time_is_believed(self) -> None:
        outcome = self.serve("echo '%s'" % json.dumps({"seconds": 123.0, "ops": 7}))
        self.assertEqual((outcome.told["seconds"], outcome.told["ops"]), (123.0, 7))

    def test_a_load_that_fails_is_an_error(self) -> None:
        self.assertEqual(self.serve("echo no >&2; exit 3").error, "the load ended with exit status 3: no")

    def test_a_server_that_crashes_under_load_is_a_crash(self) -> None:
        outcome = self.serve("touch hit; sleep 0.1; exit 1",
                             server="touch up; while ! test -e hit; do :; done; kill -SEGV $$")
        self.assertEqual(outcome.error, "crashed: SIGSEGV")

    def test_a_server_that_ends_before_it_is_ready_is_an_error(self) -> None:
        self.assertEqual(self.serve("true", ready="false", server="exit 4").error, "exit status 4")


if __name__ == "__main__":
    unittest.main()
