"""What cairn needs from outside, for builds by WORKSPACE. MODULE.bazel says the same for newer Bazel.

Each repository is taken from the machine where Debian's package is installed, otherwise downloaded.
CAIRN_DEPS=system or CAIRN_DEPS=fetch insists on one of the two; the default is auto."""

load("@bazel_tools//tools/build_defs/repo:utils.bzl", "maybe")

# Files that would hide the BUILD files which we write.
_BUILD_FILES = ["BUILD", "BUILD.bazel", "WORKSPACE", "WORKSPACE.bazel", "MODULE.bazel"]

def _repository_impl(rctx):
    mode = rctx.os.environ.get("CAIRN_DEPS", "auto")
    if mode not in ("auto", "system", "fetch"):
        fail("CAIRN_DEPS is '%s'; it may be auto, system or fetch" % mode)
    present = rctx.path(rctx.attr.system_path).exists
    if mode == "system" and not present:
        fail("CAIRN_DEPS=system, but %s is absent: apt-get install %s" % (rctx.attr.system_path, rctx.attr.package))
    if mode == "fetch" or not present:
        rctx.download_and_extract(
            url = rctx.attr.url,
            sha256 = rctx.attr.sha256,
            stripPrefix = rctx.attr.strip_prefix,
        )
        return
    if rctx.attr.link_tree:
        for child in rctx.path(rctx.attr.system_path).readdir():
            if child.basename not in _BUILD_FILES:
                rctx.symlink(child, child.basename)
    rctx.file("WORKSPACE", "workspace(name = \"%s\")\n" % rctx.name)
    rctx.file("BUILD.bazel", rctx.read(rctx.attr.build_file))

# A package of the system under a BUILD file of ours, or a pinned archive.
_repository = repository_rule(
    implementation = _repository_impl,
    attrs = {
        "build_file": attr.label(allow_single_file = True),
        "link_tree": attr.bool(),
        "package": attr.string(),
        "sha256": attr.string(),
        "strip_prefix": attr.string(),
        "system_path": attr.string(),
        "url": attr.string(),
    },
    environ = ["CAIRN_DEPS"],
)

def _files_impl(rctx):
    rctx.file("WORKSPACE", "workspace(name = \"%s\")\n" % rctx.name)
    for path in rctx.attr.empty:
        rctx.file(path, "")
    for path, label in zip(rctx.attr.paths, rctx.attr.labels):
        rctx.file(path, rctx.read(label))

# A repository made of files of ours alone.
_files = repository_rule(
    implementation = _files_impl,
    attrs = {
        "empty": attr.string_list(),
        "labels": attr.label_list(allow_files = True),
        "paths": attr.string_list(),
    },
)

def _stand_in(name, files, empty = []):
    maybe(
        _files,
        name = name,
        paths = files.keys(),
        labels = [Label("//bazel/system:" + source) for source in files.values()],
        empty = empty,
    )

def cairn_dependencies():
    """What depending on cairn needs: the names that Bazel's own C rules load."""
    if native.bazel_version != "":
        maybe(
            _repository,
            name = "rules_cc",
            system_path = "/nonexistent",
            url = "https://github.com/bazelbuild/rules_cc/releases/download/0.0.9/rules_cc-0.0.9.tar.gz",
            sha256 = "2037875b9a4456dce4a79d112a8ae885bbc4aad968e6587dca6e64f3a0900cdf",
            strip_prefix = "rules_cc-0.0.9",
        )
        return

    # Debian's Bazel does not tell a version. It carries no rules and cannot load the released ones,
    # so it gets its built-in rules under their names.
    _stand_in("rules_cc", {"cc/defs.bzl": "rules_cc.bzl"}, empty = ["BUILD.bazel", "cc/BUILD.bazel"])
    _stand_in("rules_java", {"java/defs.bzl": "rules_java.bzl"}, empty = ["BUILD.bazel", "java/BUILD.bazel"])
    _stand_in("remote_coverage_tools", {
        "BUILD.bazel": "coverage.BUILD",
        "merge.py": "merge.py",
        "merge.sh": "merge.sh",
    })

def cairn_test_dependencies():
    """What the tests need that cairn_malloc() makes."""
    maybe(
        _repository,
        name = "com_google_googletest",
        package = "googletest",
        system_path = "/usr/src/googletest",
        link_tree = True,
        build_file = Label("//bazel/system:googletest.BUILD"),
        url = "https://github.com/google/googletest/archive/refs/tags/v1.14.0.tar.gz",
        sha256 = "8ad598c73ad796e0d8280b082cebd82a630d73e73cd3c70057938a6501bba5d7",
        strip_prefix = "googletest-1.14.0",
    )

def cairn_dev_dependencies():
    """What testing and measuring cairn itself needs besides."""
    cairn_test_dependencies()
    maybe(
        _repository,
        name = "com_github_google_benchmark",
        package = "libbenchmark-dev",
        system_path = "/usr/include/benchmark",
        build_file = Label("//bazel/system:benchmark.BUILD"),
        url = "https://github.com/google/benchmark/archive/refs/tags/v1.8.3.tar.gz",
        sha256 = "6bc180a57d23d4d9515519f92b0c83d61b05b5bab188961f36ac7b06b0d9e9ce",
        strip_prefix = "benchmark-1.8.3",
    )
