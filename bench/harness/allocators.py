# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
"""The allocators under test: which there are, where they lie, which version they have.

    stacks of cairn   below the runfiles
    glibc             what a program gets without a preloaded library
    floor             a bump allocator that never frees
    peers             what lies where Debian's packages put libraries, and --peer

Whether one of them works at all is asked elsewhere (runner.py): a library can be there and not load.
"""

import dataclasses
import glob
import os
import pathlib
import platform
import re
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from bench.harness import machine
from bench.harness.options import UsageError

STACK, PEER, LIBC, FLOOR = "stack", "peer", "libc", "floor"


@dataclasses.dataclass(frozen=True)
class Allocator:
    """One allocator, and how a program gets it."""

    name: str
    kind: str
    library: Optional[pathlib.Path] = None
    version: Optional[str] = None
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def as_json(self) -> Dict[str, Any]:
        return {"name": self.name, "kind": self.kind, "library": str(self.library) if self.library else None,
                "version": self.version, "environment": dict(self.environment)}


class Peer(NamedTuple):
    name: str
    sonames: Tuple[str, ...]
    package: Optional[str] = None
    patterns: Tuple[str, ...] = ()
    beside: Optional[str] = None  # a library that it needs in the same directory


PEERS = (
    Peer("jemalloc", ("libjemalloc.so.2",), "libjemalloc2"),
    Peer("mimalloc", ("libmimalloc.so.3", "libmimalloc.so.2", "libmimalloc.so.2.0"), "libmimalloc2.0"),
    Peer("tcmalloc", ("libtcmalloc_minimal.so.4", "libtcmalloc.so.4"), "libtcmalloc-minimal4"),
    Peer("tbbmalloc", ("libtbbmalloc_proxy.so.2",), "libtbbmalloc2", beside="libtbbmalloc.so.2"),
    Peer("scudo", (), "libclang-rt-14-dev", patterns=(
        "/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.scudo_standalone-{machine}.so",)),
    Peer("snmalloc", ("libsnmallocshim.so",)),
    Peer("rpmalloc", ("librpmalloc.so", "librpmallocwrap.so")),
    Peer("hoard", ("libhoard.so",)),
)

_STACKS = {"cairn": "composed/malloc/libcairn.so", "reference": "composed/reference/libcairn_reference.so"}
DIRECTORIES = ("/usr/local/lib", "/usr/lib/{machine}-linux-gnu", "/usr/lib64", "/usr/lib", "/opt/*/lib")


# --- where libraries lie ---

def _matches(pattern: str) -> List[pathlib.Path]:
    """The newest first."""
    found = glob.glob(pattern.format(machine=platform.machine()))
    return [pathlib.Path(path) for path in
            sorted(found, key=lambda path: [-int(number) for number in re.findall(r"\d+", path)])]


def library_of(soname: str, directories: Sequence[str] = DIRECTORIES) -> Optional[pathlib.Path]:
    return next((path for folder in directories for path in _matches(os.path.join(folder, soname))), None)


def locate(peer: Peer, directories: Sequence[str] = DIRECTORIES) -> Optional[pathlib.Path]:
    paths = [library_of(soname, directories) for soname in peer.sonames]
    paths += [path for pattern in peer.patterns for path in _matches(pattern)]
    return next((path for path in paths
                 if path and (peer.beside is None or path.with_name(peer.beside).is_file())), None)


# --- versions ---

def _packages_of(libraries: Sequence[pathlib.Path]) -> Dict[str, str]:
    """File -> Debian's package. The database may know a file with or without /usr."""
    paths = [str(library.resolve()) for library in libraries]
    paths += [path[len("/usr"):] if path.startswith("/usr/") else "/usr" + path for path in paths]
    said = machine.ask("dpkg-query", "-S", *paths).stdout if paths else ""
    return {os.path.realpath(path): package
            for package, path in re.findall(r"^(\S+?)(?:, .*)?: (/.*)$", said, re.MULTILINE)}


def _version_in_name(library: pathlib.Path) -> Optional[str]:
    numbers = re.search(r"\.so\.([\d.]+)$|[-_]([\d.]+)\.so$", library.resolve().name)
    return numbers.group(1) or numbers.group(2) if numbers else None


def versions_of(libraries: Sequence[pathlib.Path]) -> Dict[pathlib.Path, Optional[str]]:
    """The package's version; else the one in the file's name; else null. Asked at once, for it is slow."""
    packages = _packages_of(libraries)
    said = machine.ask("dpkg-query", "-W", "-f", "${binary:Package} ${Version}\n", *packages.values()).stdout
    versions = dict(line.split(" ", 1) for line in said.splitlines()) if packages else {}
    made = {}
    for library in libraries:
        package = packages.get(str(library.resolve()), "")
        version = versions.get(package) or versions.get(package.split(":")[0])
        made[library] = version or _version_in_name(library)
    return made


# --- what there is ---

class Found(NamedTuple):
    """The allocators of this machine, in the order of the report, and a line for each peer that it lacks."""

    allocators: Tuple[Allocator, ...]
    missing: Mapping[str, str]

    def named(self, *kinds: str) -> List[str]:
        return [one.name for one in self.allocators if one.kind in kinds]


def _mode_of(library: pathlib.Path) -> Optional[str]:
    """How a stack guards its caches by default: from the statistics that it prints at exit."""
    said = machine.ask("/bin/true", env={"LD_PRELOAD": str(library), "CAIRN_CONF": "stats:1"}).stderr
    found = re.search(r"^\s*mode\s+(\w+)", said, re.MULTILINE)
    return found.group(1) if found else None


def with_conf(environment: Mapping[str, str], option: str) -> Dict[str, str]:
    given = environment.get("CAIRN_CONF")
    return {**environment, "CAIRN_CONF": given + "," + option if given else option}


def _stacks(runfiles: pathlib.Path, commit: str, environment: Mapping[str, str]) -> List[Allocator]:
    found = []
    for name, path in _STACKS.items():
        library = runfiles / path
        if not library.is_file():
            continue
        mode = _mode_of(library)
        version = "%s, %s mode" % (commit, mode) if mode else commit
        found.append(Allocator(name, STACK, library, version, dict(environment)))
        if name == "cairn" and mode not in (None, "lock"):
            found.append(Allocator("cairn-lock", STACK, library, "%s, lock mode" % commit,
                                   with_conf(environment, "percpu:lock")))
    return found


def find(runfiles: pathlib.Path, commit: Optional[str], environment: Mapping[str, str],
         added: Sequence[Tuple[str, pathlib.Path]]) -> Found:
    """All allocators of this machine. --peer wins over what the machine has under the same name."""
    commit = commit or machine.UNKNOWN
    stacks = _stacks(runfiles, commit, environment)
    for name, _ in added:
        if name in {one.name for one in stacks} | {"glibc", "floor", "cairn-lock"}:
            raise UsageError("--peer: the name is taken: %s" % name)
    libraries_of, missing = dict(added), {}
    for peer in PEERS:
        library = libraries_of.get(peer.name) or locate(peer)
        if library is None:
            missing[peer.name] = "not found on this machine (%s)" % (
                "apt-get install %s" % peer.package if peer.package else
                "Debian has no package; --peer %s=PATH" % peer.name)
        else:
            libraries_of[peer.name] = library
    versions = versions_of(list(libraries_of.values()))
    peers = [Allocator(name, PEER, library, versions[library]) for name, library in libraries_of.items()]
    floor = runfiles / "bench/bump/libcairn_bump.so"
    floors = [Allocator("floor", FLOOR, floor, commit)] if floor.is_file() else []
    libc = Allocator("glibc", LIBC, None, machine.libc().replace("glibc ", ""))
    return Found((*stacks, libc, *peers, *floors), missing)


def choose(found: Found, stacks: Optional[Sequence[str]], peers: Optional[Sequence[str]],
           added: Sequence[Tuple[str, pathlib.Path]] = ()) -> List[Allocator]:
    """Those that the user asked for. One that --peer adds need not be named again in --peers."""
    kept = {name for name, _ in added}
    for option, wanted, there in (("--stacks", stacks, found.named(STACK)),
                                  ("--peers", peers, found.named(LIBC, PEER, FLOOR))):
        for name in wanted or ():
            if name not in there and not (option == "--peers" and name in found.missing):
                raise UsageError("%s: no such name: %s; there are: %s, none"
                                 % (option, name, ", ".join(there) or "no others"))
        kept |= set(there if wanted is None else wanted)
    return [one for one in found.allocators if one.name in kept]


def notes_on_missing(found: Found, peers: Optional[Sequence[str]]) -> List[str]:
    """A line for each peer that was asked for by name, or could have been had, and is not here."""
    wanted = [peer.name for peer in PEERS if peer.package] if peers is None else peers
    return ["%s: %s" % (name, found.missing[name]) for name in wanted if name in found.missing]
