# For the scripts here: which files are cairn's, and how they are compiled. Source it with the root as the current folder.
# shellcheck shell=bash

# Files under version control or about to be, by git's patterns.
files() {
    git ls-files --cached --others --exclude-standard -- "$@" | while IFS= read -r path; do
        [ ! -f "$path" ] || printf '%s\n' "$path"
    done | sort -u
}

# Those of the library itself: no tests, no benchmarks, no headers of theirs, which are C++.
library_files() {
    files "$@" | grep -E '^(components|composed)/' | grep -vE '_(test|fuzz|bench|laws)\.' |
        xargs -r grep -LE '^#include <[a-z_]+>'
}

# The flags of a target, from where the targets have them.
flags() { # CAIRN_COPTS or CAIRN_CXX_COPTS
    python3 - "$1" <<'END'
import sys

names = {"select": lambda _: [], "Label": str, "load": lambda *_, **__: None, "native": None}
names.update({"cc_library": None, "cc_binary": None, "cc_test": None})
with open("bazel/defs.bzl") as source:
    exec(source.read(), names)
print("\n".join(names[sys.argv[1]]))
END
}

# Where headers are looked for: as Bazel's strip_include_prefix has it, and from the root.
include_flags() {
    printf -- '-I%s\n' . components/*/include composed/*/include composed/stack/caches_percpu | grep -v '\*'
}

# Runs one command for each line of input, two at a time; {} is the line. Fails if one fails.
for_each() {
    xargs -r -P "$(nproc)" -I{} "$@"
}

skip() {
    echo "$*"
    exit 77
}

# Runs all tests with these flags of Bazel, and names what failed.
test_with() {
    local work status
    work=$(mktemp -d)
    bazel test --noshow_progress --keep_going --test_output=summary --test_summary=none \
        --build_event_json_file="$work/events" "$@" //... >"$work/log" 2>&1
    status=$?
    grep -E '(error|ERROR|undefined reference)' "$work/log" | head -n 20
    tools/summary "$status" "$work/events" | grep '^FAIL'
    rm -rf "$work"
    return "$status"
}
