"""Tests that run on each stack: the test is compiled once, and told which library it is to preload into the programs that it runs."""

load("@rules_cc//cc:defs.bzl", "cc_library", "cc_test")
load("//bazel:defs.bzl", "CAIRN_CXX_COPTS", "NOT_UNDER_SANITIZERS")

# The library to preload, and the target to link, of each stack.
STACKS = {
    "cairn": "//composed/malloc:libcairn.so",
    "reference": "//composed/reference:libcairn_reference.so",
}

LINKED_STACKS = {
    "cairn": "//composed/malloc",
    "reference": "//composed/reference",
}

def tests_of_stacks(name, deps = []):
    """The tests of NAME_test.cc, as the library NAME_tests.

    Args:
      name: of the file, without its end
      deps: beside tests/support:stack and GoogleTest
    """
    cc_library(
        name = name + "_tests",
        testonly = True,
        srcs = [name + "_test.cc"],
        copts = CAIRN_CXX_COPTS,
        visibility = ["//visibility:public"],
        deps = deps + [
            "//tests/support:stack",
            "@com_google_googletest//:gtest_main",
        ],
        alwayslink = True,
    )

def test_on_stacks(name, tests, data = [], env = {}, tags = NOT_UNDER_SANITIZERS, **kwargs):
    """One cc_test for each stack. %s stands for the stack in the name, and in each item of data and value of env.

    Args:
      name: of the tests
      tests: a library of them
      data: what they need beside the stack's library
      env: beside CAIRN_TEST_LIBRARY
      tags: of cc_test
      **kwargs: of cc_test
    """
    for stack, library in STACKS.items():
        cc_test(
            name = name.replace("%s", stack),
            data = [library] + [file.replace("%s", stack) for file in data],
            env = dict(
                [(key, value.replace("%s", stack)) for key, value in env.items()],
                CAIRN_TEST_LIBRARY = "$(rootpath %s)" % library,
            ),
            linkstatic = True,
            tags = tags,
            deps = [tests],
            **kwargs
        )
