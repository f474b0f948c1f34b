"""A program built once more with other flags, and with it everything that it is linked to: cairn's own files, too."""

_FLAGS = ["//command_line_option:copt", "//command_line_option:linkopt"]

def _add_flags(settings, attr):
    return {flag: settings[flag] + attr.flags for flag in _FLAGS}

_with_flags = transition(
    implementation = _add_flags,
    inputs = _FLAGS,
    outputs = _FLAGS,
)

def _variant(ctx):
    program = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(
        output = program,
        target_file = ctx.executable.program,
        is_executable = True,
    )
    return DefaultInfo(executable = program, files = depset([program]))

variant_binary = rule(
    implementation = _variant,
    attrs = {
        "flags": attr.string_list(doc = "for the compiler and the linker"),
        "program": attr.label(
            cfg = _with_flags,
            executable = True,
        ),
        "_allowlist_function_transition": attr.label(
            default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
        ),
    },
    executable = True,
)
