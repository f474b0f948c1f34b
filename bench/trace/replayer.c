/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * replayer.c - plays a plan on the malloc of this process, and says what it cost: as a workload
 * (bench/README.md), whose "ops" are the calls played, and "seconds" their time without the
 * preparation.
 *
 * In "extra": what was live in the trace at most, and what was resident at most beyond the baseline
 * (this program with everything prepared).
 */

#include "bench/trace/replay.h"
#include "bench/workloads/workload.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const touch_words[] = {"none", "ends", "all", NULL};

static const char *plan, *notes; /* paths */
static uint64_t touch;

/* Into memory that is resident at once. */
static const struct plan *read_plan(void)
{
    int file = open(plan, O_RDONLY | O_CLOEXEC);
    struct stat status;
    struct plan *head;
    size_t bytes = 0;

    if (file < 0 || fstat(file, &status) != 0)
        fail("%s: %s", plan, strerror(errno));
    head = new_resident_table((size_t)status.st_size, 1);
    for (ssize_t got; (got = read(file, (char *)head + bytes, (size_t)status.st_size - bytes)) > 0;)
        bytes += (size_t)got;
    close(file);
    if (bytes < sizeof(*head) || head->magic != PLAN_MAGIC ||
        bytes != sizeof(*head) + head->thread_count * sizeof(struct plan_thread) +
                     head->op_count * sizeof(struct plan_op))
        fail("%s: is not a plan", plan);
    if (head->calls == 0)
        fail("%s: has no calls that could be played", plan);
    return head;
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

/* What the process has more than at the beginning. The kernel's counters lag by some 100 KiB for
   each CPU. */
static uint64_t beyond(const char *label, uint64_t baseline_kib)
{
    uint64_t kib = number_in("/proc/self/status", label);

    return kib > baseline_kib ? kib - baseline_kib : 0;
}

static void play(struct replay *replay)
{
    const struct plan *played = replay->plan;
    bool is_peak_own = forget_peak();
    uint64_t baseline_kib = beyond("VmRSS:", 0);

    if (replay->sampler != NULL)
        rss_sampler_begin(replay->sampler);
    clock_start();
    replay_play(replay);
    clock_stop();
    if (is_peak_own)
        extra("peak_resident_kib", beyond("VmHWM:", baseline_kib));
    extra("end_resident_kib", beyond("VmRSS:", baseline_kib));
    if (replay->sampler != NULL)
        rss_sampler_end(replay->sampler);
    extra("baseline_kib", baseline_kib);
    extra("threads", played->thread_count);
    extra("peak_live_kib", (played->peak_live_bytes + 512) / 1024);
    extra("end_live_kib", (played->end_live_bytes + 512) / 1024);
    extra("end_blocks", replay_free_rest(replay));
    extra("waits", replay_waits(replay));
    extra("skipped_calls", played->skipped_calls);
}

int main(int argument_count, char **arguments)
{
    struct rss_sampler sampler;
    struct replay replay;

    begin(argument_count, arguments,
          "a plan of the calls of a recorded program, made again; notes= is a file for what each "
          "did (ops: calls)",
          PARAMETERS(TEXT(plan), TEXT(notes), WORD(touch, REPLAY_TOUCH_ENDS, touch_words)));
    if (plan == NULL)
        fail("which plan? plan=FILE");
    replay_prepare(&replay, read_plan(), (enum replay_touch)touch, notes == NULL ? NULL : &sampler);
    if (notes != NULL)
        rss_sampler_open(&sampler, notes, replay.plan);
    play(&replay);
    if (notes != NULL)
        rss_sampler_close(&sampler);
    return report(replay.plan->calls);
}
