"""A malloc as a declaration: which layers, and what lies between them.

    load("@cairn//bazel:cairn_malloc.bzl", "cairn_malloc", "cairn_size_classes")

    cairn_malloc(
        name = "mymalloc",
        pages = "@cairn//composed/stack:pages_buffer",
        classes = ":myclasses",
    )

    cairn_size_classes(
        name = "myclasses",
        trace = "app.trace",
    )

A layer is a library that defines a name of <cairn/stack.h>, or supplies <cairn/stack/caches.h>; that header says what is
required of each. It depends on @cairn//composed/stack, and has linkstatic = True. cairn's own stacks are declared in the
same way: composed/malloc/BUILD, composed/reference/BUILD.

Legacy macros, for Bazel 4 knows no others; every argument is given by name, and every target is called after `name`.
"""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library", "cc_test")
load(":defs.bzl", "CAIRN_COPTS", "NOT_UNDER_SANITIZERS")
load(":script.bzl", "script_binary")

_STACK = "//composed/stack:"

# Tests of what no malloc with a cap of its own can do: blocks of 256 MiB and more, and another limit by the kernel.
_NEED_MEMORY = [
    "AddressSpaceLimit.*",
    "Malloc.ServesTheSizesAroundEveryPowerOfTwo",
    "Realloc.GrowsAndShrinksAVectorToManyMegabytes",
]

_EDGES = {
    "blocks": "CAIRN_EDGE_BLOCKS",
    "pages": "CAIRN_EDGE_PAGES",
    "slabs": "CAIRN_EDGE_SLABS",
}

def _cairn(label):
    """A label of cairn, from wherever the macro is called."""
    return str(Label(label))

def _name_of(label):
    """The last part of a label: "@x//a/b" and ":b" are b."""
    return label.split(":")[-1] if ":" in label else label.split("/")[-1]

def _declaration_of(adapter):
    return "struct cairn_source cairn_adapter_%s(enum cairn_stack_edge, struct cairn_source);" % adapter

def _config_source(name, stack_name, adapters):
    """The C file that names the stack, and chains the adapters of each edge: the first is the lowest."""
    names = depset([_name_of(label) for labels in adapters.values() for label in labels]).to_list()
    lines = ["#include <cairn/stack.h>"] + [_declaration_of(adapter) for adapter in names] + [
        "const char cairn_stack_name[] = \"%s\";" % stack_name,
        "struct cairn_source cairn_stack_adapt(enum cairn_stack_edge edge, struct cairn_source below)",
        "{",
        "    switch (edge) {",
    ]
    for edge, labels in adapters.items():
        chain = "below"
        for label in labels:
            chain = "cairn_adapter_%s(edge, %s)" % (_name_of(label), chain)
        lines += ["    case %s:" % _EDGES[edge], "        return %s;" % chain]
    lines += ["    default:", "        return below;", "    }", "}"]
    native.genrule(
        name = name,
        outs = [name + ".c"],
        cmd = "cat >$@ <<'END'\n" + "\n".join(lines).replace("$", "$$") + "\nEND",
    )

def _check_adapters(name, adapters):
    for edge in adapters:
        if edge not in _EDGES:
            fail("cairn_malloc(%s): adapters has no edge '%s'; there are %s" %
                 (name, edge, ", ".join(sorted(_EDGES))))
        if type(adapters[edge]) != "list":
            fail("cairn_malloc(%s): adapters of the edge '%s' are a list of labels, not a %s" %
                 (name, edge, type(adapters[edge])))

def _check_layers(name, layers, adapters):
    """Each label once: else Bazel speaks of `deps` of a target that the caller never wrote."""
    seen = {label: "adapters" for labels in adapters.values() for label in labels}
    for argument, label in layers.items():
        if type(label) != "string":
            continue
        if label in seen:
            fail("cairn_malloc(%s): %s and %s are both '%s'" % (name, seen[label], argument, label))
        seen[label] = argument

        # As a shared library of its own, it would be loaded after the first call of malloc.
        rule = native.existing_rule(_name_of(label)) if label.startswith(":") else None
        if rule and rule["kind"] == "cc_library" and rule.get("srcs") and not rule.get("linkstatic"):
            fail("cairn_malloc(%s): the layer %s needs linkstatic = True" % (name, label))

def _tests(name, library, is_capped, tags, visibility):
    tags = tags + NOT_UNDER_SANITIZERS
    cc_test(
        name = name + "_conformance_test",
        size = "medium",
        args = ["--gtest_filter=-" + ":".join(_NEED_MEMORY)] if is_capped else [],
        linkstatic = True,
        malloc = ":" + name,
        tags = tags,
        visibility = visibility,
        deps = [_cairn("//tests/conformance:suite")],
    )
    cc_test(
        name = name + "_misuse_test",
        size = "medium",
        data = [
            library,
            _cairn("//tests/misuse"),
        ],
        env = {
            "CAIRN_TEST_LIBRARY": "$(rootpath %s)" % library,
            "CAIRN_TEST_STACK": name,
        },
        linkstatic = True,
        tags = tags + ["noubsan"],
        visibility = visibility,
        deps = [_cairn("//tests/misuse:misuse_tests")],
    )
    cc_test(
        name = name + "_laws_test",
        size = "medium",
        srcs = [_cairn("//tests/laws:layers.c")],
        copts = CAIRN_COPTS,
        linkopts = ["-pthread"],
        linkstatic = True,
        tags = tags,
        visibility = visibility,
        deps = [
            ":" + name + "_layers",
            _cairn("//tests/laws"),
            _cairn("//tests/laws:layers"),
        ],
    )

def cairn_malloc(
        name,
        pages = None,
        runs = None,
        classes = None,
        caches = None,
        adapters = {},
        stack_name = None,
        library = None,
        is_capped = False,
        tests = True,
        tags = [],
        visibility = None):
    """A malloc from layers: the targets NAME, NAME.so, the tests NAME_..._test, and NAME_bench.

    NAME_bench is //bench:all with NAME.so as a peer: `bazel run -c opt :NAME_bench -- --quick`. It needs
    Google Benchmark: cairn_dev_dependencies() in the WORKSPACE.

    Args:
      name: of the library to link: `malloc = ":name"`, or --custom_malloc
      pages: where memory comes from; default pages_kernel
      runs: granules out of chunks; default runs_buddy
      classes: the table of block sizes; default classes_default
      caches: what lies in front; default caches_percpu
      adapters: edge ("pages", "slabs", "blocks") -> adapters above it, the lowest first
      stack_name: what reports say; default name
      library: the file to preload, and its soname; default NAME.so
      is_capped: the pages layer has an end of its own: tests that need more memory, or a kernel that limits it, are left out
      tests: whether to make NAME_conformance_test, NAME_misuse_test, NAME_laws_test; they need GoogleTest:
        cairn_test_dependencies() in the WORKSPACE
      tags: of the tests
      visibility: of all
    """
    library = library or name + ".so"
    _check_adapters(name, adapters)
    _check_layers(name, {"caches": caches, "classes": classes, "pages": pages, "runs": runs}, adapters)
    _config_source(name + "_config", stack_name or name, adapters)
    layers = [
        pages or _cairn(_STACK + "pages_kernel"),
        runs or _cairn(_STACK + "runs_buddy"),
        classes or _cairn(_STACK + "classes_default"),
        caches or _cairn(_STACK + "caches_percpu"),
    ] + depset([label for labels in adapters.values() for label in labels]).to_list()

    # All layers, built by cairn_stack_init(); no name of the C library.
    cc_library(
        name = name + "_layers",
        srcs = [
            ":" + name + "_config",
            _cairn("//composed/malloc:stack.c"),
        ],
        copts = CAIRN_COPTS,
        linkstatic = True,
        visibility = visibility,
        deps = layers + [
            _cairn("//composed/malloc:frontend"),
            _cairn("//composed/malloc:stack"),
        ],
    )
    cc_library(
        name = name,
        srcs = [_cairn("//composed/malloc:malloc.c")],
        copts = CAIRN_COPTS + ["-fno-builtin"],
        linkstatic = True,
        visibility = visibility,
        deps = [
            ":" + name + "_layers",
            _cairn("//composed/malloc:fastpath"),
            _cairn("//composed/malloc:children"),
            _cairn("//composed/libc:override"),
        ],
        alwayslink = True,
    )
    exports = _cairn("//composed/libc:exports.lds")
    cc_binary(
        name = library,
        additional_linker_inputs = [exports],
        linkopts = [
            "-Wl,--version-script=$(location %s)" % exports,
            "-Wl,-soname," + library,
            "-Wl,--as-needed",
            "-Wl,-z,nodelete",
            "-Wl,-z,now",
            "-Wl,--gc-sections",
        ],
        linkshared = True,
        visibility = visibility,
        deps = [":" + name],
    )
    script_binary(
        name = name + "_bench",
        srcs = [_cairn("//bench/harness:sources")],
        data = [
            _cairn("//bench/harness:page_parts"),
            _cairn("//bench/harness:run_data"),
        ],
        module = "bench.harness.main",
        peers = {":" + library: name},
        tags = ["manual"],
        visibility = visibility,
    )
    if tests:
        _tests(name, ":" + library, is_capped, tags, visibility)

def cairn_size_classes(name, table = None, trace = None, count = 73, visibility = None):
    """A classes layer: from a list of sizes, from the sizes that a program was recorded to ask for, or the default rule.

    Args:
      name: of the layer
      table: a text file of block sizes, ascending: multiples of 16 (above 1024 of 128), all powers of two from 16 to 32768
      trace: a recording by //bench:record; the table is the one that wastes least for it
      count: with a trace, how many classes there may be
      visibility: of the layer
    """
    generator = _cairn("//components/sizeclass:generate_classes")
    arguments = "--name cairn_stack_classes"
    files = []
    if table and trace:
        fail("cairn_size_classes(%s): a table or a trace, not both" % name)
    if table:
        files = [table]
        arguments += " --sizes $(location %s)" % table
    if trace:
        native.genrule(
            name = name + "_histogram",
            srcs = [trace],
            outs = [name + ".histogram"],
            cmd = "$(location {0}) --histogram $(location {1}) >$@".format(_cairn("//bench/trace:info"), trace),
            tools = [_cairn("//bench/trace:info")],
        )
        files = [":" + name + "_histogram"]
        arguments += " --histogram $(location :%s_histogram) --count %d" % (name, count)
    native.genrule(
        name = name + "_table",
        srcs = files,
        outs = [name + "_table.c"],
        cmd = "$(location %s) %s >$@" % (generator, arguments),
        tools = [generator],
    )
    cc_library(
        name = name,
        srcs = [name + "_table.c"],
        copts = CAIRN_COPTS,
        linkstatic = True,
        visibility = visibility,
        deps = [_cairn(_STACK + "stack")],
    )
