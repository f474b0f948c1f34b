// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// What the programs that read a trace share: their exit status is 0; 1 when the file is no trace; 2
// for a wrong call.
#ifndef CAIRN_BENCH_TRACE_PRINTER_H
#define CAIRN_BENCH_TRACE_PRINTER_H

#include <errno.h>

#include <cstdio>

#include "bench/trace/reader.h"

inline int Usage(const char *arguments)
{
    std::fprintf(stderr, "usage: %s %s\n", program_invocation_short_name, arguments);
    return 2;
}

// Calls `visit(reader, event)` for each event until it returns false, then `finish(reader)`; the
// exit status.
template <typename Visit, typename Finish>
int ReadTrace(const char *path, Visit visit, Finish finish)
{
    trace_reader reader;
    trace_event event;

    if (!trace_open(&reader, path)) {
        std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, reader.message);
        return 1;
    }
    while (trace_next(&reader, &event) && visit(reader, event))
        continue;
    int status = finish(reader);
    trace_close(&reader);
    return status;
}

#endif
