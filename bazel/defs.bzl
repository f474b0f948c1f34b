"""Compiler flags of cairn's targets. They stand in each target, not in .bazelrc, so that they also hold inside another
project's build. C and C++ never share a target."""

_WARNINGS = [
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Wundef",
    "-Wpointer-arith",
    "-Wwrite-strings",
    "-Wimplicit-fallthrough",
    "-Wvla",
]

# Optimised but with assertions: Bazel gives -O0 to a plain build, at which an allocator says nothing about itself.
# `-c opt` adds NDEBUG (and -O2) by itself, but keeps frame pointers, which a path of twenty instructions feels.
# `-c dbg` is left alone.
_OPTIMISE = select({
    str(Label("//bazel:fastbuild")): ["-O2"],
    str(Label("//bazel:opt")): ["-fomit-frame-pointer"],
    "//conditions:default": [],
})

CAIRN_COPTS = [
    "-std=gnu11",
    "-D_GNU_SOURCE",
    "-fvisibility=hidden",
    "-ffunction-sections",
    "-fdata-sections",
] + _WARNINGS + [
    "-Wshadow",
    "-Wconversion",
    "-Wsign-conversion",
    "-Wcast-qual",
    "-Wstrict-prototypes",
    "-Wmissing-prototypes",
] + _OPTIMISE

# No -Wshadow: there it minds a function with the name of a struct.
CAIRN_CXX_COPTS = [
    "-std=gnu++17",
    "-D_GNU_SOURCE",
] + _WARNINGS + _OPTIMISE

# Tags of a test of cairn's malloc: a sanitizer brings its own, and would be what is tested.
NOT_UNDER_SANITIZERS = [
    "noasan",
    "notsan",
]
