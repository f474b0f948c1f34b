# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The components' benchmarks and the simulation, with small programs in their place."""

import dataclasses
import os
import pathlib
import re
import tempfile
import unittest

from bench.harness import places, suites
from bench.harness.places import Places
from bench.harness.runner import Runner

NAMES = ("buddy/pair", "buddy/pair/large", "percpu/pair/lock/threads:2")

# As Google Benchmark does it: lists names, or writes the chosen ones into the file.
COMPONENTS = """#!/bin/sh
for word; do
    case $word in
    --benchmark_list_tests=true) printf '%s\\n' {names}; exit ;;
    --benchmark_out=*) out=${word#*=} ;;
    --benchmark_filter=*) filter=${word#*=} ;;
    esac
done
printf '{"benchmarks": [' >"$out"
separator=
for name in {names}; do
    printf '%s' "$name" | grep -qE "${filter:-.}" || continue
    printf '%s{"name": "%s", "real_time": 1}' "$separator" "$name" >>"$out"
    separator=,
done
printf ']}' >>"$out"
""".replace("{names}", " ".join(NAMES))


@dataclasses.dataclass(frozen=True)
class Elsewhere(Places):
    """Places in which a test puts its own programs."""

    components = property(lambda self: self.runfiles / "components")  # type: ignore
    handovers = property(lambda self: self.runfiles / "handovers")  # type: ignore


class SuitesTest(unittest.TestCase):

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        elsewhere = Elsewhere(self.folder, None, self.folder)
        self.runner = Runner(elsewhere, self.folder, dict(os.environ), 60.0, [0])

    def program(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")
        (self.folder / name).chmod(0o755)

    def names(self, chosen) -> list:
        return [made["name"] for made in suites.components(self.runner, chosen, True)["benchmarks"]]

    def test_benchmarks_are_listed(self) -> None:
        self.program("components", COMPONENTS)
        self.assertEqual(suites.benchmark_names(self.runner), list(NAMES))

    def test_without_the_program_there_are_none(self) -> None:
        self.assertEqual(suites.benchmark_names(self.runner), [])

    def test_all_or_just_the_chosen_ones_are_run(self) -> None:
        self.program("components", COMPONENTS)
        self.assertEqual(self.names(None), list(NAMES))
        self.assertEqual(self.names(["buddy/pair"]), ["buddy/pair"])
        self.assertEqual(self.names(NAMES[1:]), list(NAMES[1:]))

    def test_a_suite_that_fails_says_how(self) -> None:
        self.program("handovers", "#!/bin/sh\necho 'handovers: no' >&2\nexit 3\n")
        with self.assertRaisesRegex(suites.SuiteError, "^handovers: exit status 3: handovers: no$"):
            suites.handovers(self.runner, True)

    def test_a_suite_that_says_nonsense_is_an_error(self) -> None:
        for said in ("nonsense", "[1]", ""):
            self.program("handovers", "#!/bin/sh\necho '%s'\n" % said)
            with self.assertRaisesRegex(suites.SuiteError, "^handovers: not "):
                suites.handovers(self.runner, True)

    def test_quick_is_passed_on(self) -> None:
        self.program("handovers", "#!/bin/sh\necho \"{\\\"said\\\": \\\"$*\\\"}\"\n")
        self.assertEqual(suites.handovers(self.runner, True), {"said": "--quick"})
        self.assertEqual(suites.handovers(self.runner, False), {"said": ""})

    def test_the_real_simulation_is_understood(self) -> None:
        runner = Runner(places.find(), self.folder, dict(os.environ), 60.0, [0])
        self.assertTrue(suites.handovers(runner, True)["rows"])

    def test_the_real_benchmarks_can_be_named_in_a_filter(self) -> None:
        runner = Runner(places.find(), self.folder, dict(os.environ), 60.0, [0])
        names = [name for name in suites.benchmark_names(runner) if re.match("buddy/pair|sizeclass/of", name)]
        self.assertTrue(names)
        made = suites.components(runner, names, True)["benchmarks"]
        self.assertEqual({entry.get("run_name", entry["name"]) for entry in made}, set(names))


if __name__ == "__main__":
    unittest.main()
