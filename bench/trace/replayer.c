/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * replayer.c - plays a recorded trace on the malloc of this process, and says what it cost.
 *
 *     replayer [--touch=none|ends|all] [--paced] [--report=FILE] trace
 *     replayer --about
 *
 * Its last line is a workload's (bench/README.md): "ops" are the calls played, "seconds" their time
 * without the preparation. In "extra": what was live in the trace at most, what was resident at most
 * beyond the baseline (this program with everything prepared), and their quotient, "waste".
 *
 * Exit status: 0; 1 when the trace cannot be read or memory runs out; 2 for a wrong call.
 */

#include "bench/trace/crew.h"
#include "bench/trace/observer.h"
#include "bench/trace/plan.h"
#include "bench/trace/reader.h"
#include "bench/trace/resident.h"
#include "bench/trace/ticks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { EXIT_FAILED = 1, EXIT_WRONG_CALL = 2 };

static const char *const touch_names[] = {
    [CREW_TOUCH_NONE] = "none",
    [CREW_TOUCH_ENDS] = "ends",
    [CREW_TOUCH_ALL] = "all",
};

struct options {
    enum crew_touch touch;
    bool is_paced;
    const char *report;
    const char *trace;
};

/* Large, and needed once: not on the stack. */
static struct observer watcher;

static int usage(FILE *stream, int status)
{
    fputs("usage: replayer [--touch=none|ends|all] [--paced] [--report=FILE] trace\n", stream);
    return status;
}

static bool read_touch(struct options *options, const char *name)
{
    for (unsigned touch = CREW_TOUCH_NONE; touch <= CREW_TOUCH_ALL; touch++)
        if (strcmp(name, touch_names[touch]) == 0) {
            options->touch = (enum crew_touch)touch;
            return true;
        }
    return false;
}

static const char *value_of(const char *argument, const char *name)
{
    size_t name_bytes = strlen(name);

    return strncmp(argument, name, name_bytes) == 0 ? argument + name_bytes : NULL;
}

static bool read_option(struct options *options, const char *argument)
{
    const char *value;

    if ((value = value_of(argument, "--touch=")) != NULL)
        return read_touch(options, value);
    if ((value = value_of(argument, "--report=")) != NULL)
        options->report = value;
    else if (strcmp(argument, "--paced") == 0)
        options->is_paced = true;
    else if (argument[0] != '-' && options->trace == NULL)
        options->trace = argument;
    else
        return false;
    return true;
}

/* The plan, and no more: neither the file nor the reader stays in memory. */
static bool make_plan(struct plan *plan, const struct options *options)
{
    struct trace_file file;

    if (!trace_open(&file, options->trace)) {
        fprintf(stderr, "replayer: %s\n", file.message);
        return false;
    }
    plan_make(plan, &file, options->is_paced);
    trace_close(&file);
    if (plan->calls != 0)
        return true;
    fprintf(stderr, "replayer: %s: has no calls that could be played\n", options->trace);
    plan_release(plan);
    return false;
}

struct measured {
    double seconds;
    uint64_t baseline_kib;
    uint64_t peak_kib;
    uint64_t end_kib;
    bool is_peak_own; /* the peak is that of the play alone */
};

static uint64_t beyond(uint64_t kib, uint64_t baseline_kib)
{
    return kib > baseline_kib ? kib - baseline_kib : 0;
}

static void play(struct crew *crew, const struct options *options, struct measured *measured)
{
    struct observer *observer = crew->observer;
    uint64_t start_ns;

    measured->is_peak_own = resident_forget_peak();
    measured->baseline_kib = resident_now_kib();
    if (observer != NULL)
        observer_begin(observer, crew->plan, options->trace, touch_names[options->touch],
                       resident_exact_kib());
    start_ns = trace_monotonic_ns();
    crew_play(crew);
    measured->seconds = (double)(trace_monotonic_ns() - start_ns) / 1e9;
    measured->peak_kib = resident_peak_kib();
    measured->end_kib = resident_now_kib();
    if (observer != NULL)
        observer_sample(observer);
    crew_free_rest(crew);
}

static void print_result(const struct plan *plan, const struct crew *crew,
                         const struct measured *measured)
{
    uint64_t peak_kib = beyond(measured->peak_kib, measured->baseline_kib);
    double peak_live_kib = (double)plan->peak_live_bytes / 1024;

    printf("{\"ops\": %" PRIu64 ", \"seconds\": %.6f, \"extra\": {\"threads\": %" PRIu32
           ", \"peak_live_kib\": %.0f, \"end_live_kib\": %.0f",
           plan->calls, measured->seconds, plan->thread_count, peak_live_kib,
           (double)plan->end_live_bytes / 1024);
    if (measured->is_peak_own)
        printf(", \"peak_resident_kib\": %" PRIu64 ", \"waste\": %.4f", peak_kib,
               peak_live_kib > 0 ? (double)peak_kib / peak_live_kib : 0);
    printf(", \"end_resident_kib\": %" PRIu64 ", \"baseline_kib\": %" PRIu64 ", \"waits\": %" PRIu64
           ", \"skipped_calls\": %" PRIu64 "}}\n",
           beyond(measured->end_kib, measured->baseline_kib), measured->baseline_kib,
           crew_waits(crew), plan->skipped_calls);
}

static int replay(const struct options *options)
{
    struct observer *observer = options->report != NULL ? &watcher : NULL;
    struct measured measured;
    struct crew crew;
    struct plan plan;
    bool is_reported = true;

    if (!make_plan(&plan, options))
        return EXIT_FAILED;
    if (observer != NULL && !observer_open(observer, options->report, &plan)) {
        fprintf(stderr, "replayer: %s: %s\n", options->report, strerror(errno));
        return EXIT_FAILED;
    }
    crew_prepare(&crew, &plan, options->touch, observer);
    play(&crew, options, &measured);
    if (observer != NULL)
        is_reported = observer_close(observer);
    if (!is_reported)
        fprintf(stderr, "replayer: %s: could not be written: %s\n", options->report,
                strerror(errno));
    print_result(&plan, &crew, &measured);
    crew_release(&crew);
    plan_release(&plan);
    return is_reported ? 0 : EXIT_FAILED;
}

int main(int argument_count, char **arguments)
{
    struct options options = {.touch = CREW_TOUCH_ENDS};

    for (int idx = 1; idx < argument_count; idx++) {
        if (strcmp(arguments[idx], "--help") == 0)
            return usage(stdout, 0);
        if (strcmp(arguments[idx], "--about") == 0) {
            puts("the allocations of a recorded program, in its threads and its order");
            return 0;
        }
        if (!read_option(&options, arguments[idx])) {
            fprintf(stderr, "replayer: unknown option: %s\n", arguments[idx]);
            return EXIT_WRONG_CALL;
        }
    }
    if (options.trace == NULL)
        return usage(stderr, EXIT_WRONG_CALL);
    return replay(&options);
}
