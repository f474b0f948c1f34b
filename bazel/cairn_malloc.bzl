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

Legacy macros, for Bazel 4 knows no others; every argument but `name` is given by name, and every target is called after
`name`. Both look at their arguments first: what is wrong is said in the caller's words.
"""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library", "cc_test")
load(":defs.bzl", "CAIRN_COPTS", "NOT_UNDER_SANITIZERS")
load(":script.bzl", "script_binary")

_STACK = "//composed/stack:"

# Tests of a limit that the kernel sets: a malloc that asks the kernel for nothing does not meet it.
_NEED_KERNEL = "AddressSpaceLimit.*"

_DEFAULT_LAYERS = {
    "caches": "caches_percpu",
    "classes": "classes_default",
    "pages": "pages_kernel",
    "runs": "runs_buddy",
}

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

def _canonical(label):
    """One spelling of a label of the caller's: "b", ":b", "//a:b" and "//a/b" have the same."""
    if "//" not in label:
        return "//%s:%s" % (native.package_name(), _name_of(label))
    return label if ":" in label else "%s:%s" % (label, _name_of(label))

# ---- what the caller may have got wrong: each check stops with `call`, which is "cairn_malloc(name = NAME)", and a reason ----

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NAME_CHARACTERS = _LETTERS + "0123456789_.+/-"

def _call_of(function, name):
    if type(name) != "string":
        fail("%s(name = ...): name is of type %s, not string" % (function, type(name)))
    return "%s(name = %s)" % (function, name)

def _check_type(call, argument, value, wanted):
    """`wanted`: what type() says; a tuple passes for a list. None is "not given"."""
    found = "list" if type(value) == "tuple" else type(value)
    if value != None and found != wanted:
        fail("%s: %s is of type %s, not %s" % (call, argument, found, wanted))

def _check_strings(call, argument, values):
    """A list of strings that are not empty."""
    _check_type(call, argument, values, "list")
    for value in values or []:
        if type(value) != "string" or not value:
            fail("%s: %s has %s, which is not a string with something in it" % (call, argument, repr(value)))

def _check_characters(call, argument, value, allowed):
    """A string of these characters, at least one."""
    _check_type(call, argument, value, "string")
    if value == "":
        fail("%s: %s is empty" % (call, argument))
    for character in (value or "").elems():
        if character not in allowed:
            fail("%s: %s has %s; allowed are letters, digits and %s" %
                 (call, argument, repr(character), allowed[len(_LETTERS) + 10:]))

def _check_label(call, argument, label):
    """A label as a string; None is "not given"."""
    _check_type(call, argument, label, "string")
    if label == "":
        fail("%s: %s is empty; without it, there is a default" % (call, argument))

def _check_adapter(call, label):
    """The last part of its label is a part of a name in C."""
    name = _name_of(label)
    if not name or [character for character in name.elems() if character not in _LETTERS + "0123456789_"]:
        fail("%s: the adapter '%s' defines cairn_adapter_%s, which is no name in C; rename the library" %
             (call, label, name))

def _check_adapters(call, adapters):
    """Each once on an edge: its object there would become its own source."""
    _check_type(call, "adapters", adapters, "dict")
    of_name = {}
    for edge, labels in adapters.items():
        if edge not in _EDGES:
            fail("%s: adapters has no edge %s; there are %s" % (call, repr(edge), ", ".join(sorted(_EDGES))))
        _check_strings(call, "adapters[\"%s\"]" % edge, labels)
        for label in labels or []:
            _check_adapter(call, label)
            if [other for other in labels if _canonical(other) == _canonical(label)] != [label]:
                fail("%s: adapters[\"%s\"] has '%s' twice" % (call, edge, label))
            other = of_name.setdefault(_name_of(label), label)
            if _canonical(other) != _canonical(label):
                fail("%s: adapters '%s' and '%s' define the same name" % (call, other, label))

def _check_layers(call, given, layers, adapters):
    """Each label once, defaults among them: else Bazel speaks of `deps` of a target that the caller never wrote."""
    seen = {_canonical(label): "adapters" for labels in adapters.values() for label in labels}
    for argument, label in layers.items():
        this = argument if argument in given else "the default of " + argument
        if _canonical(label) in seen:
            fail("%s: %s and %s are both '%s'" % (call, seen[_canonical(label)], this, label))
        seen[_canonical(label)] = this
    for argument, label in given.items():
        # As a shared library of its own, it would be loaded after the first call of malloc.
        rule = native.existing_rule(_name_of(label)) if label.startswith(":") else None
        if rule and rule["kind"] == "cc_library" and rule.get("srcs") and not rule.get("linkstatic"):
            fail("%s: the layer %s needs linkstatic = True" % (call, label))

# ---- the targets ----

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
        lines.append("    case %s:" % _EDGES[edge])
        for label in labels:
            adapter = "cairn_adapter_" + _name_of(label)
            lines.append("        below = cairn_stack_adapted({0}(edge, below), \"{0}\");".format(adapter))
        lines.append("        return below;")
    lines += ["    default:", "        return below;", "    }", "}"]
    native.genrule(
        name = name,
        outs = [name + ".c"],
        cmd = "cat >$@ <<'END'\n" + "\n".join(lines) + "\nEND",
    )

def _tests(name, library, is_capped, tags, visibility):
    tags = list(tags or []) + NOT_UNDER_SANITIZERS
    env = {"CAIRN_TEST_SMALL_HEAP": "1"} if is_capped else {}
    cc_test(
        name = name + "_conformance_test",
        size = "medium",
        args = ["--gtest_filter=-" + _NEED_KERNEL] if is_capped else [],
        env = env,
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
        env = dict(
            env,
            CAIRN_TEST_LIBRARY = "$(rootpath %s)" % library,
            CAIRN_TEST_STACK = name,
        ),
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
        *,
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
      is_capped: the heap ends at 64 MiB or more, by its pages layer: tests hold a tenth of what they hold elsewhere, and those of
        a limit by the kernel are left out
      tests: whether to make NAME_conformance_test, NAME_misuse_test, NAME_laws_test; they need GoogleTest:
        cairn_test_dependencies() in the WORKSPACE
      tags: of the tests
      visibility: of all
    """
    call = _call_of("cairn_malloc", name)
    given = {"caches": caches, "classes": classes, "pages": pages, "runs": runs}
    for argument, label in given.items():
        _check_label(call, argument, label)
    for argument, value in {"is_capped": is_capped, "tests": tests}.items():
        _check_type(call, argument, value, "bool")
    _check_characters(call, "name", name, _NAME_CHARACTERS)
    _check_characters(call, "library", library, _NAME_CHARACTERS)
    _check_characters(call, "stack_name", stack_name, _NAME_CHARACTERS + " ")
    _check_strings(call, "tags", tags)
    _check_strings(call, "visibility", visibility)
    _check_adapters(call, adapters or {})

    adapters = {edge: labels or [] for edge, labels in (adapters or {}).items()}
    library = library or name + ".so"
    given = {argument: label for argument, label in given.items() if label}
    layers = {
        argument: given.get(argument, _cairn(_STACK + default))
        for argument, default in _DEFAULT_LAYERS.items()
    }
    _check_layers(call, given, layers, adapters)
    _config_source(name + "_config", stack_name or name, adapters)
    libraries = layers.values() + depset([label for labels in adapters.values() for label in labels]).to_list()

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
        deps = libraries + [
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

def cairn_size_classes(name, *, table = None, trace = None, count = None, visibility = None):
    """A classes layer: from a list of sizes, or from the sizes that a program was recorded to ask for.

    Args:
      name: of the layer
      table: a text file of block sizes, ascending: multiples of 16 (above 1024 of 128), all powers of two from 16 to 32768
      trace: a recording by //bench:record; the table is the one that wastes least for it
      count: with a trace, how many classes there may be; default 73
      visibility: of the layer
    """
    call = _call_of("cairn_size_classes", name)
    _check_label(call, "table", table)
    _check_label(call, "trace", trace)
    _check_type(call, "count", count, "int")
    _check_strings(call, "visibility", visibility)
    _check_characters(call, "name", name, _NAME_CHARACTERS)
    if (table == None) == (trace == None):
        fail("%s: a table or a trace, one of them" % call)
    if count != None and trace == None:
        fail("%s: count is of a trace; a table has as many classes as it says" % call)
    if table:
        _class_table(name, [table], "--sizes $(location %s)" % table, visibility)
        return
    native.genrule(
        name = name + "_histogram",
        srcs = [trace],
        outs = [name + ".histogram"],
        cmd = "$(location {0}) --histogram $(location {1}) >$@".format(_cairn("//bench/trace:info"), trace),
        tools = [_cairn("//bench/trace:info")],
    )
    histogram = ":%s_histogram" % name
    _class_table(name, [histogram], "--histogram $(location %s) --count %d" % (histogram, 73 if count == None else count), visibility)

def default_size_classes(name, visibility = None):
    """The classes layer that a malloc has unless it names another.

    Args:
      name: of the layer
      visibility: of the layer
    """
    _class_table(name, [], "", visibility)

def _class_table(name, files, arguments, visibility):
    generator = _cairn("//components/sizeclass:generate_classes")
    native.genrule(
        name = name + "_table",
        srcs = files,
        outs = [name + "_table.c"],
        cmd = "$(location %s) --name cairn_stack_classes %s >$@" % (generator, arguments),
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
