# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Options: what is understood, and the line that a wrong one gets."""

import pathlib
import tempfile
import unittest

from bench.harness import options

CALLER = pathlib.Path("/caller")


def parse(*arguments: str) -> options.Options:
    return options.parse(arguments, CALLER)


class OptionsTest(unittest.TestCase):

    def complaint(self, *arguments: str) -> str:
        with self.assertRaises(options.UsageError) as caught:
            parse(*arguments)
        self.assertNotIn("\n", str(caught.exception))
        return str(caught.exception)

    def test_nothing_said_means_everything_in_full(self) -> None:
        chosen = parse()
        self.assertFalse(chosen.quick)
        self.assertEqual(chosen.groups, options.GROUPS)
        self.assertIsNone(chosen.stacks)
        self.assertIsNone(chosen.rounds)

    def test_paths_are_taken_from_where_the_caller_stands(self) -> None:
        chosen = parse("--out", "here", "--json", "a.json")
        self.assertEqual(chosen.out, CALLER / "here")
        self.assertEqual(chosen.json, "/caller/a.json")
        self.assertEqual(parse().out, CALLER / "bench-report")
        self.assertEqual(parse("--out", "/there").out, pathlib.Path("/there"))

    def test_a_dash_is_stdout_and_no_file(self) -> None:
        self.assertEqual(parse("--json", "-").json, "-")

    def test_lists_are_split_at_commas_and_none_is_the_empty_one(self) -> None:
        chosen = parse("--stacks", "cairn,reference", "--peers", "none")
        self.assertEqual(chosen.stacks, ("cairn", "reference"))
        self.assertEqual(chosen.peers, ())

    def test_an_empty_name_in_a_list_is_an_error(self) -> None:
        self.assertIn("empty name", self.complaint("--stacks", "cairn,,reference"))

    def test_an_unknown_option_is_named_with_those_that_exist(self) -> None:
        said = self.complaint("--quik")
        self.assertIn("--quik", said)
        self.assertIn("--quick", said)
        self.assertIn("--filter", said)

    def test_an_option_is_not_guessed_from_its_beginning(self) -> None:
        self.assertIn("--round;", self.complaint("--round=3"))

    def test_a_word_that_is_no_option_is_named(self) -> None:
        self.assertIn("'churn'", self.complaint("churn"))

    def test_an_unknown_group_is_named_with_those_that_exist(self) -> None:
        said = self.complaint("--groups", "workloads,cpu")
        self.assertIn("no such group: cpu;", said)
        self.assertIn("cpus", said)

    def test_a_broken_regular_expression_says_where(self) -> None:
        self.assertIn("'a(': ", self.complaint("--filter", "a("))

    def test_rounds_are_a_number_above_zero(self) -> None:
        for wrong in ("0", "-1", "x", "1.5", "1001"):
            self.assertIn("'%s'" % wrong, self.complaint("--rounds=" + wrong))
        self.assertEqual(parse("--rounds", "7").rounds, 7)

    def test_a_time_limit_is_above_zero(self) -> None:
        for wrong in ("0", "-1", "x", "nan", "inf"):
            self.assertIn("'%s'" % wrong, self.complaint("--seconds=" + wrong))
        self.assertEqual(parse("--seconds", "0.5").seconds, 0.5)

    def test_settings_may_be_empty_but_have_a_name(self) -> None:
        self.assertEqual(parse("--set", "A=", "--set", "B=c=d").environment, {"A": "", "B": "c=d"})
        self.assertIn("'=x'", self.complaint("--set", "=x"))
        self.assertIn("'x'", self.complaint("--set", "x"))

    def test_an_added_peer_is_a_name_and_a_file(self) -> None:
        with tempfile.NamedTemporaryFile() as library:
            mine = ("--peer", "mine=" + library.name)
            self.assertEqual(parse(*mine).added, (("mine", pathlib.Path(library.name)),))
            self.assertIn("twice", self.complaint(*mine, *mine))
            self.assertIn("'a b'", self.complaint("--peer", "a b=" + library.name))

    def test_an_added_peer_without_its_file_is_an_error(self) -> None:
        self.assertEqual(self.complaint("--peer", "mine=lib.so"), "--peer mine: no such file: /caller/lib.so")
        self.assertIn("not name=value", self.complaint("--peer", "mine"))


if __name__ == "__main__":
    unittest.main()
