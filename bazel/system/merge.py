"""Merges gcov's JSON files and lcov traces into one lcov trace, as Bazel asks of its coverage tools."""

import collections
import gzip
import json
import os
import sys


def inputs(options):
    for folder, _, names in os.walk(options.get("coverage_dir", "")):
        yield from (os.path.join(folder, name) for name in names)
    if "reports_file" in options:
        with open(options["reports_file"]) as reports:
            yield from (line.strip() for line in reports)


def add_gcov(path, hits):
    with gzip.open(path) as stream:
        for source in json.load(stream)["files"]:
            for line in source["lines"]:
                hits[source["file"]][line["line_number"]] += line["count"]


def add_lcov(path, hits):
    source = None
    with open(path, errors="replace") as stream:
        for line in stream:
            if line.startswith("SF:"):
                source = line[3:].strip()
            elif line.startswith("DA:") and source:
                number, count = line[3:].split(",")[:2]
                hits[source][int(number)] += int(count)


def main():
    options = dict(a[2:].split("=", 1) for a in sys.argv[1:] if a.startswith("--") and "=" in a)
    hits = collections.defaultdict(lambda: collections.defaultdict(int))
    for path in inputs(options):
        if path.endswith(".gcov.json.gz"):
            add_gcov(path, hits)
        elif path.endswith(".dat") and os.path.exists(path):
            add_lcov(path, hits)

    wanted = None
    manifest = options.get("source_file_manifest")
    if manifest and os.path.exists(manifest):
        with open(manifest) as stream:
            wanted = {line.strip() for line in stream}

    with open(options["output_file"], "w") as out:
        for source in sorted(hits):
            if wanted is not None and source not in wanted:
                continue
            lines = hits[source]
            out.write("SF:%s\n" % source)
            for number in sorted(lines):
                out.write("DA:%d,%d\n" % (number, lines[number]))
            covered = sum(1 for count in lines.values() if count)
            out.write("LH:%d\nLF:%d\nend_of_record\n" % (covered, len(lines)))


main()
