# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""Which allocators there are, and what is said of those that are missing."""

import os
import pathlib
import shutil
import unittest
from typing import Tuple

from bench.harness import allocators, fixture
from bench.harness.allocators import Allocator, Found, Peer
from bench.harness.options import UsageError

RUNFILES = pathlib.Path(os.environ["CAIRN_RUNFILES"])
MINE = pathlib.Path("/mine.so")

FOUND = Found((Allocator("cairn", "stack"), Allocator("reference", "stack"), Allocator("glibc", "libc"),
               Allocator("jemalloc", "peer"), Allocator("floor", "floor")),
              {"mimalloc": "not found", "hoard": "not found"})


class LibrariesTest(fixture.FolderCase):
    def library(self, name: str) -> pathlib.Path:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).touch()
        return self.folder / name

    def test_a_peer_is_found_in_a_directory_or_by_a_pattern_the_newest_first(self) -> None:
        old, new, newest = map(self.library, ("libm.so.2", "libm.so.3", "llvm-16/s.so"))
        for version in (9, 14):
            self.library("llvm-%d/s.so" % version)
        for peer, found in (
                (Peer("m", ("libm.so.3", "libm.so.2")), new), (Peer("m", ("libm.so.4", "libm.so.2")), old),
                (Peer("m", ("gone.so",)), None), (Peer("s", (), patterns=(str(self.folder / "llvm-*/s.so"),)), newest),
                (Peer("m", ("libm.so.2",), beside="gone.so"), None),
                (Peer("m", ("libm.so.2",), beside="libm.so.3"), old)):
            self.assertEqual(allocators.locate(peer, (str(self.folder),)), found, peer)

    def test_a_version_is_that_of_the_package_or_stands_in_the_name_of_the_file(self) -> None:
        (self.folder / "link.so").symlink_to(self.library("libm.so.3.4"))
        libraries = [*map(self.library, ("libm.so.2.1", "libm-1.2.so", "libm.so")), self.folder / "link.so"]
        self.assertEqual(list(allocators.versions_of(libraries).values()), ["2.1", "1.2", None, "3.4"])
        libc = allocators.library_of("libc.so.6")
        if libc and shutil.which("dpkg-query"):
            self.assertRegex(allocators.versions_of([libc])[libc] or "", r"^\d+\.\d+.*-")


class FindTest(unittest.TestCase):
    def find(self, *added: Tuple[str, pathlib.Path]) -> Found:
        return allocators.find(RUNFILES, "abc1234", {"CAIRN_CONF": "shards:2"}, added)

    def test_stacks_come_first_then_libc_and_peers_and_the_floor_last(self) -> None:
        found = self.find(("mine", MINE))
        order = ["cairn", "reference", "glibc", "mine", "floor"]
        self.assertEqual([one.name for one in found.allocators if one.name in order], order)
        cairn = found.allocators[0]
        self.assertRegex(cairn.version or "", r"^abc1234, \w+ mode$")
        self.assertEqual(cairn.environment, {"CAIRN_CONF": "shards:2"})

    def test_the_lock_mode_is_an_allocator_of_its_own_where_it_is_not_the_default(self) -> None:
        first, second, *_ = self.find().allocators
        if "lock mode" not in (first.version or ""):
            self.assertEqual((second.name, second.environment), ("cairn-lock", {"CAIRN_CONF": "shards:2,percpu:lock"}))
        self.assertEqual(allocators.with_conf({}, "percpu:lock"), {"CAIRN_CONF": "percpu:lock"})

    def test_an_added_peer_takes_the_place_of_one_of_the_machine_but_of_nothing_else(self) -> None:
        found = self.find(("jemalloc", MINE))
        self.assertEqual([one.library for one in found.allocators if one.name == "jemalloc"], [MINE])
        self.assertNotIn("jemalloc", found.missing)
        for name in ("cairn", "cairn-lock", "glibc", "floor"):
            with self.assertRaisesRegex(UsageError, "the name is taken: " + name):
                self.find((name, MINE))

class ChooseTest(unittest.TestCase):
    def test_stacks_and_peers_are_chosen_apart_from_each_other(self) -> None:
        for stacks, peers, added, names in (
                (None, None, (), "cairn reference glibc jemalloc floor"), ((), (), (), ""),
                (("reference",), None, (), "reference glibc jemalloc floor"),
                (None, ("glibc",), (), "cairn reference glibc"), ((), ("mimalloc", "glibc"), (), "glibc"),
                ((), (), [("jemalloc", MINE)], "jemalloc")):
            chosen = allocators.choose(FOUND, stacks, peers, added)
            self.assertEqual(" ".join(one.name for one in chosen), names)

    def test_an_unknown_name_is_an_error_that_lists_the_known_ones(self) -> None:
        for stacks, peers, said in (
                (("clasic",), None, "--stacks: no such name: clasic; there are: cairn, reference, none"),
                (None, ("cairn",), "--peers: no such name: cairn; there are: glibc, jemalloc, floor, none")):
            with self.assertRaisesRegex(UsageError, "^%s$" % said):
                allocators.choose(FOUND, stacks, peers)

    def test_a_missing_peer_is_noted_if_a_package_brings_it_or_it_was_asked_for(self) -> None:
        for peers, noted in ((None, ["mimalloc"]), (("mimalloc", "glibc"), ["mimalloc"]), (("hoard",), ["hoard"])):
            self.assertEqual(allocators.notes_on_missing(FOUND, peers), [name + ": not found" for name in noted])
