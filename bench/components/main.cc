// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// main.cc - Google Benchmark's own command line: --benchmark_filter, --benchmark_format=json,
// --benchmark_out ...

#include <benchmark/benchmark.h>

#include <cstdio>

int main(int argument_count, char **arguments)
{
#ifndef __OPTIMIZE__
    fprintf(stderr, "bench: built without optimisation: no figures. Use: bazel run //bench:all\n");
#endif
#ifndef NDEBUG
    fprintf(stderr, "bench: built with assertions; use: bazel run //bench:all\n");
#endif
    fprintf(stderr, "bench: a warning that the library was built as DEBUG speaks of the harness, "
                    "not of cairn\n");
    benchmark::Initialize(&argument_count, arguments);
    if (benchmark::ReportUnrecognizedArguments(argument_count, arguments))
        return 1;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
