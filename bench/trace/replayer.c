/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * replayer.c - plays a plan on the malloc of this process, and says what it cost.
 *
 *     replayer [--touch=none|ends|all] [--notes=FILE] plan
 *
 * Its last line is a workload's (bench/README.md): "ops" are the calls played, "seconds" their time
 * without the preparation. In "extra": what was live in the trace at most, what was resident at
 * most beyond the baseline (this program with everything prepared), and their quotient, "waste".
 *
 * Exit status: 0; 1 when the plan cannot be read or memory runs out; 2 for a wrong call.
 */

#include "bench/trace/replay.h"
#include "bench/trace/ticks.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const touch_names[] = {"none", "ends", "all"};

struct options {
    enum replay_touch touch;
    const char *notes;
    const char *plan;
};

static const char *value_of(const char *argument, const char *name)
{
    size_t name_bytes = strlen(name);

    return strncmp(argument, name, name_bytes) == 0 ? argument + name_bytes : NULL;
}

static bool read_option(struct options *options, const char *argument)
{
    const char *value;

    if ((value = value_of(argument, "--touch=")) != NULL) {
        for (unsigned touch = REPLAY_TOUCH_NONE; touch <= REPLAY_TOUCH_ALL; touch++)
            if (strcmp(value, touch_names[touch]) == 0) {
                options->touch = (enum replay_touch)touch;
                return true;
            }
        return false;
    }
    if ((value = value_of(argument, "--notes=")) != NULL)
        options->notes = value;
    else if (argument[0] != '-' && options->plan == NULL)
        options->plan = argument;
    else
        return false;
    return true;
}

/* Into memory that is resident at once. NULL: errno says why, 0 that it is no plan. */
static const struct plan *read_plan(const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    struct plan *plan = NULL;
    size_t bytes = 0;

    if (file >= 0 && fstat(file, &status) == 0 && S_ISREG(status.st_mode)) {
        plan = rss_table(0, (size_t)status.st_size);
        for (ssize_t got;
             (got = read(file, (char *)plan + bytes, (size_t)status.st_size - bytes)) > 0;)
            bytes += (size_t)got;
        errno = 0;
        if (bytes < sizeof(*plan) || plan->magic != PLAN_MAGIC ||
            bytes != sizeof(*plan) + plan->thread_count * sizeof(struct plan_thread) +
                         plan->op_count * sizeof(struct plan_op))
            plan = NULL;
    }
    if (file >= 0)
        close(file);
    return plan;
}

/* The peak begins anew with what is resident now; false when the kernel does not let us. */
static bool forget_peak(void)
{
    int file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    bool is_done = file >= 0 && write(file, "5", 1) == 1;

    if (file >= 0)
        close(file);
    return is_done;
}

/* What the process has more than at the beginning. */
static uint64_t beyond(const char *label, uint64_t baseline_kib)
{
    uint64_t kib = rss_number("/proc/self/status", label);

    return kib > baseline_kib ? kib - baseline_kib : 0;
}

/* The kernel's counters lag by some 100 KiB for each CPU. */
static void play(struct replay *replay)
{
    const struct plan *plan = replay->plan;
    double peak_live_kib = (double)plan->peak_live_bytes / 1024;
    bool is_peak_own = forget_peak();
    uint64_t baseline_kib = beyond("VmRSS:", 0);
    uint64_t start_ns, played_ns, peak_kib, end_kib, end_blocks;

    if (replay->sampler != NULL)
        rss_sampler_begin(replay->sampler);
    start_ns = trace_monotonic_ns();
    replay_play(replay);
    played_ns = trace_monotonic_ns() - start_ns;
    peak_kib = beyond("VmHWM:", baseline_kib);
    end_kib = beyond("VmRSS:", baseline_kib);
    if (replay->sampler != NULL)
        rss_sampler_end(replay->sampler);
    end_blocks = replay_free_rest(replay);
    printf("{\"ops\": %" PRIu64 ", \"seconds\": %.6f, \"extra\": {\"threads\": %" PRIu32
           ", \"peak_live_kib\": %.0f, \"end_live_kib\": %.0f",
           plan->calls, (double)played_ns / 1e9, plan->thread_count, peak_live_kib,
           (double)plan->end_live_bytes / 1024);
    if (is_peak_own)
        printf(", \"peak_resident_kib\": %" PRIu64 ", \"waste\": %.4f", peak_kib,
               peak_live_kib > 0 ? (double)peak_kib / peak_live_kib : 0);
    printf(", \"end_resident_kib\": %" PRIu64 ", \"baseline_kib\": %" PRIu64 ", \"waits\": %" PRIu64
           ", \"skipped_calls\": %" PRIu64 ", \"end_blocks\": %" PRIu64 "}}\n",
           end_kib, baseline_kib, replay_waits(replay), plan->skipped_calls, end_blocks);
}

static int complain(const char *path, const char *what)
{
    fprintf(stderr, "replayer: %s: %s\n", path, what);
    return 1;
}

static int run(const struct options *options)
{
    struct rss_sampler noting, *sampler = options->notes != NULL ? &noting : NULL;
    const struct plan *plan = read_plan(options->plan);
    struct replay replay;

    if (plan == NULL)
        return complain(options->plan, errno != 0 ? strerror(errno) : "is not a plan");
    if (plan->calls == 0)
        return complain(options->plan, "has no calls that could be played");
    if (sampler != NULL && !rss_sampler_open(sampler, options->notes, plan))
        return complain(options->notes, strerror(errno));
    replay_prepare(&replay, plan, options->touch, sampler);
    play(&replay);
    if (sampler != NULL && !rss_sampler_close(sampler))
        return complain(options->notes, "could not be written");
    return 0;
}

int main(int argument_count, char **arguments)
{
    struct options options = {.touch = REPLAY_TOUCH_ENDS};

    for (int idx = 1; idx < argument_count; idx++)
        if (!read_option(&options, arguments[idx])) {
            fprintf(stderr, "replayer: unknown option: %s\n", arguments[idx]);
            return 2;
        }
    if (options.plan == NULL) {
        fputs("usage: replayer [--touch=none|ends|all] [--notes=FILE] plan\n", stderr);
        return 2;
    }
    return run(&options);
}
