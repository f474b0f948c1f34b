# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""What the tests of the trace tools share: the commands as a user calls them, and traces made by hand."""

import json
import struct
from typing import Any, Dict, Iterator, List, NamedTuple

from bench.harness import fixture
from bench.harness.fixture import RUNFILES, Done

PARTS = RUNFILES / "bench/trace"
HANDOFF = str(RUNFILES / "bench/workloads/handoff")


# --- traces, call by call: what format.h says ---

FUNCTIONS = ("malloc calloc realloc reallocarray posix_memalign aligned_alloc memalign valloc pvalloc "
             "free free_sized free_aligned_sized cfree release").split()
FREES = FUNCTIONS[FUNCTIONS.index("free"):]
START = 1000000  # ns at which the recording begins
PAGE, WORD = 4096, (1 << 64) - 1
HEADER, BLOCK = struct.Struct("<8sIIQQIII"), struct.Struct("<4IQ3I28x")


class Call(NamedTuple):
    """One call; `at` is relative to START, an address of 0 that of one that failed."""

    thread: int
    at: int
    function: str
    address: int
    size: int = 0
    align_log2: int = 0
    has_old: bool = False


def malloc(thread: int, at: int, address: int, size: int) -> List[Call]:
    """Each returns the records that one call makes."""
    return [Call(thread, at, "malloc", address, size)]


def free(thread: int, at: int, address: int) -> List[Call]:
    return [Call(thread, at, "free", address)]


def realloc(thread: int, at: int, took: int, old: int, new: int, size: int) -> List[Call]:
    return [Call(thread, at, "release", old),
            Call(thread, at + took, "realloc", new, size, has_old=True)]


def number(value: int) -> bytes:
    """trace_put_number()."""
    return bytes([value & 0x7f | 0x80]) + number(value >> 7) if value >= 0x80 else bytes([value])


def encoded(calls: List[Call]) -> bytes:
    """trace_encode() of the calls of a block."""
    made, before, place = b"", calls[0].at, 0
    for call in calls:
        code = 1 + FUNCTIONS.index(call.function)
        made += bytes([code | 0x20 * (call.address == 0) | 0x40 * call.has_old]) + number(call.at - before)
        before = call.at
        if "align" in call.function:
            made += bytes([call.align_log2])
        if call.function not in FREES:
            made += number(call.size)
        if call.address:
            difference = call.address // 8 - place
            made += number(2 * difference if difference >= 0 else -2 * difference - 1)
            place = call.address // 8
    return made


def checksum(content: bytes, start: int) -> int:
    """trace_checksum()."""
    lanes, whole = [start, 1, 2, 3], len(content) // 32 * 32
    for index, (word,) in enumerate(struct.iter_unpack("<Q", content[:whole])):
        mixed = (lanes[index % 4] ^ word) * 0x9e3779b97f4a7c15 & WORD
        lanes[index % 4] = mixed ^ mixed >> 29
    for byte in content[whole:]:
        lanes[0] = (lanes[0] ^ byte) * 0x100000001b3 & WORD
    word = lanes[0] ^ lanes[1] * 3 & WORD ^ lanes[2] * 5 & WORD ^ lanes[3] * 7 & WORD
    return (word ^ word >> 32) & 0xffffffff


def _blocks(calls: List[Call], is_closed: bool, in_a_block: int) -> Iterator[bytes]:
    """The blocks of the threads take turns in the file."""
    threads: Dict[int, List[Call]] = {}
    for call in calls:
        threads.setdefault(call.thread, []).append(call)
    for first in range(0, max(map(len, threads.values())), in_a_block):
        for thread, own in sorted(threads.items()):
            part = own[first:first + in_a_block]
            if part:
                content = encoded(part)
                capacity = -(-(BLOCK.size + len(content)) // PAGE) * PAGE
                head = BLOCK.pack(0x6b6c6274, capacity, thread, 0, START + part[0].at, len(content), is_closed,
                                  checksum(content, thread) if is_closed else 0)
                yield (head + content).ljust(capacity, b"\0")


def trace(*calls: List[Call], is_closed: bool = False, in_a_block: int = 100) -> bytes:
    """The file of these calls, in the order of each thread."""
    command = b"made\0for a \"test\"\0"
    head = HEADER.pack(b"cairntrc", 2, PAGE, START, 0, 4711, 0, len(command))
    head += struct.pack("<I", checksum(command, checksum(head, 0)))
    blocks = _blocks([one for call in calls for one in call], is_closed, in_a_block)
    return (head.ljust(128, b"\0") + command).ljust(PAGE, b"\0") + b"".join(blocks)


# --- commands ---

class CommandCase(fixture.FolderCase):
    def part(self, name: str, *arguments: str) -> Done:
        """A program beside the commands, in the user's directory."""
        return fixture.ran("bench/trace/" + name, *arguments, cwd=self.folder)

    def printed(self, name: str, *arguments: str) -> str:
        """What such a program says; it must succeed."""
        done = self.part(name, *arguments)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def write(self, content: bytes) -> None:
        (self.folder / "t").write_bytes(content)

    def recorded(self, *program: str) -> str:
        """The trace of a program, which must succeed."""
        done = self.call("trace.record", "-o", "t.trace", "--", *program)
        self.assertEqual(done.returncode, 0, done.stderr)
        return "t.trace"

    def info(self, name: str) -> Dict[str, Any]:
        return json.loads(self.printed("info", name))
