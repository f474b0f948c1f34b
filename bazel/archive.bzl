"""One static archive with all that a library needs, for builds without Bazel: `cc program.c libcairn_arena.a`."""

load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")

def _objects_of(library):
    """The position-independent objects where there are any: they serve every program."""
    return library.pic_objects or library.objects or []

# buildifier: disable=native-cc-info
def _archive_impl(ctx):
    toolchain = find_cpp_toolchain(ctx)
    inputs = ctx.attr.library[CcInfo].linking_context.linker_inputs.to_list()
    objects = depset([
        item
        for input in inputs
        for library in input.libraries
        for item in _objects_of(library)
    ]).to_list()
    archive = ctx.actions.declare_file(ctx.label.name)
    arguments = ctx.actions.args()
    arguments.add("qcsD", archive)
    arguments.add_all(objects)
    ctx.actions.run(
        arguments = [arguments],
        executable = toolchain.ar_executable,
        inputs = depset(objects, transitive = [toolchain.all_files]),
        mnemonic = "CairnArchive",
        outputs = [archive],
    )
    return [DefaultInfo(files = depset([archive]))]

# buildifier: disable=native-cc-info
cc_archive = rule(
    implementation = _archive_impl,
    attrs = {
        "library": attr.label(providers = [CcInfo]),
        "_cc_toolchain": attr.label(default = "@bazel_tools//tools/cpp:current_cc_toolchain"),
    },
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
)
