# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""bench:compare on results whose differences are known, and on files that cannot be compared."""

import contextlib
import functools
import io
import json

from bench.harness import compare, fixture

SOME = ("churn", "random", "dying", "grow", "redis", "lua")
BEFORE = fixture.result(seed=1, only=SOME)
few = functools.partial(fixture.result, only=SOME)


class CompareTest(fixture.FolderCase):
    def compare(self, before, after, *options):
        out, error = io.StringIO(), io.StringIO()
        for name, made in (("a", before), ("b", after)):
            (self.folder / (name + ".json")).write_text(json.dumps(made), encoding="utf-8")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            status = compare.main([str(self.folder / "a.json"), str(self.folder / "b.json"), *options])
        return status, out.getvalue(), error.getvalue()

    def test_a_change_is_found_and_nothing_else(self):
        for changes, status, line, verdict in (
                ({"factors": {"churn/cairn": 1.15}}, 1, r"slower +churn +cairn +time .* \+1\d %",
                 "slower: 1 benchmark, faster: 0, no significant difference: 14"),
                ({"factors": {"lua/reference": 0.85}}, 0, "faster +lua +reference +time",
                 "slower: 0 benchmarks, faster: 1, no significant difference: 14"),
                ({"seed": 1}, 0, "cairn, geometric mean over 6 benchmarks: time [+]0.0 %",
                 "slower: 0 benchmarks, faster: 0, no significant difference: 15")):
            found = self.compare(BEFORE, few(**{"seed": 2, **changes}))
            self.assertEqual((found[0], found[1].splitlines()[-1]), (status, verdict))
            self.assertRegex(found[1], "(?m)^" + line)

    def test_memory_is_larger_and_components_are_compared_too(self):
        after = {**few(seed=2), "components": fixture.components(seed=2, factor=1.3)}
        for run in after["runs"]:
            run["peak_kib"] *= 2 if (run["row"], run["subject"]) == ("grow", "cairn") else 1
        status, out, _ = self.compare(BEFORE, after)
        self.assertEqual(status, 1)
        self.assertRegex(out, r"(?m)^larger +grow +cairn +peak .* \+\d+ %")
        self.assertRegex(out, r"(?m)^slower +percpu/pop_push +components +time +2\.\d+ ns")
        self.assertIn("larger: 1", out)

    def test_below_the_threshold_a_difference_is_not_shown_and_all_shows_every_pair(self):
        results = few(noise=0.002), few(seed=2, noise=0.002, factors={"churn/cairn": 1.05})
        for options, status in (((), 1), (("--threshold", "10%"), 0), (("--threshold", "0.1"), 0)):
            self.assertEqual(self.compare(*results, *options)[0], status)
        # Six benchmarks of two stacks with three measures, three components with two.
        self.assertEqual(self.compare(BEFORE, few(seed=2), "--all")[1].count("same?"), 6 * 2 * 3 + 3 * 2)

    def test_what_worked_before_and_fails_now_is_told(self):
        made = fixture.result(only=("bursts",))
        status, out, _ = self.compare(made, fixture.with_failures(made), "--allocator", "scudo")
        self.assertEqual(status, 1)
        self.assertIn("failed: bursts, scudo: crashed: SIGSEGV", out)
        self.assertIn("failed: 1", out.splitlines()[-1])

    def test_a_machine_that_moved_is_recognised_by_its_peers_and_taken_out(self):
        before, after = few(noise=0.005), few(seed=2, noise=0.005, factors=dict.fromkeys(SOME, 1.1))
        status, _, error = self.compare(before, after)
        self.assertEqual(status, 1)
        self.assertRegex(error, r"the peers \(glibc, .*\), which did not change, moved by \+10 %")
        self.assertIn("12 differences below moved no more than that; --normalise", error)
        status, out, _ = self.compare(before, {**after, "components": {}}, "--normalise")
        self.assertEqual(status, 0)
        self.assertIn("divided by the peers' own change: time +10 %", out)

    def test_results_that_were_not_made_alike_are_warned_of(self):
        after = {**few(repetitions=3, factors={"churn/cairn": 9}), "complete": False}
        after["machine"]["libc"], after["settings"]["quick"] = "glibc 2.40", True
        after["rows"] = after["rows"] + [fixture.row("new")]
        status, out, error = self.compare(few(repetitions=3), after)
        self.assertEqual(status, 0)
        self.assertIn("no significant difference", out)
        for warning in ("machine: libc differs: glibc 2.36 before, glibc 2.40 after",
                        "settings: quick differs: false before, true after", "the result after is partial",
                        "6 benchmarks with fewer than 4 repetitions on each side", "only in the result after: new"):
            self.assertIn(warning, error)

    def test_bad_input_is_one_line_and_status_two(self):
        for before, after, options, complaint in (
                ({"schema": "other"}, BEFORE, (), "compare: .*a.json: not a result of cairn's bench"),
                (BEFORE, BEFORE, ("--allocator", "hoard"), "no allocator hoard in both files, which have cairn, "),
                (BEFORE, {**fixture.result(only=("z3",)), "components": {}}, (), "nothing to compare"),
                (BEFORE, BEFORE, ("--threshold", "much"), "not a part like 3% or 0.03: 'much'")):
            status, out, error = self.compare(before, after, *options)
            self.assertEqual((status, out, error.count("\n")), (2, "", 1))
            self.assertRegex(error, complaint)
