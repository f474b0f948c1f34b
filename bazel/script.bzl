"""Python programs of the harness, run by the system's interpreter. Bazel's own rules for them are not used: the newest
Bazel no longer has them built in, and the oldest cannot fetch them offline."""

# Debian's interpreter first: its packages (matplotlib, scipy) are not seen by another one on the PATH.
_LAUNCHER = """#!/bin/sh
self=$(readlink -f "$0")
runfiles=${{RUNFILES_DIR:-${{TEST_SRCDIR:-$self.runfiles}}}}
[ -d "$runfiles/{workspace}" ] || runfiles=$0.runfiles
python=${{CAIRN_PYTHON:-/usr/bin/python3}}
command -v "$python" >/dev/null || python=python3
command -v "$python" >/dev/null || {{ echo "{name}: python3 is missing: apt-get install python3" >&2; exit 1; }}
export PYTHONPATH="$runfiles/{workspace}" PYTHONDONTWRITEBYTECODE=1 CAIRN_RUNFILES="$runfiles/{workspace}"
exec "$python" -m {module} {peers} "$@"
"""

def _root_of(ctx):
    """The repository of the sources, which is not that of the target where a macro of cairn's made it elsewhere."""
    path = ctx.files.srcs[0].short_path if ctx.files.srcs else ""
    return path.split("/")[1] if path.startswith("../") else ctx.workspace_name

def _script_impl(ctx):
    launcher = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.write(launcher, is_executable = True, content = _LAUNCHER.format(
        module = ctx.attr.module,
        name = ctx.label.name,
        peers = " ".join([
            "--peer \"%s=$runfiles/%s/%s\"" % (name, ctx.workspace_name, target.files.to_list()[0].short_path)
            for target, name in ctx.attr.peers.items()
        ]),
        workspace = _root_of(ctx),
    ))
    runfiles = ctx.runfiles(files = ctx.files.srcs + ctx.files.data + ctx.files.peers)
    for target in ctx.attr.data:
        runfiles = runfiles.merge(target[DefaultInfo].default_runfiles)
    return [DefaultInfo(executable = launcher, runfiles = runfiles)]

_ATTRIBUTES = {
    "data": attr.label_list(allow_files = True, doc = "Programs, libraries and files that it opens below $CAIRN_RUNFILES."),
    "module": attr.string(mandatory = True, doc = "What python3 -m gets, from the root of the repository of srcs."),
    "peers": attr.label_keyed_string_dict(allow_files = True, doc = "Libraries that it gets as --peer NAME=PATH."),
    "srcs": attr.label_list(allow_files = [".py"], doc = "Every Python file that the program imports."),
}

script_binary = rule(implementation = _script_impl, attrs = _ATTRIBUTES, executable = True)

script_test = rule(implementation = _script_impl, attrs = _ATTRIBUTES, test = True)
