/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * rseq_selftest.c - run before an object uses rseq mode: that the sequences work here, and that the
 * kernel aborts them.
 *
 *     cpu_id of the area is what getcpu(2) says           else lock mode
 *     stop stops this thread's own entry; then
 *     pop finds nothing and push no room                  else lock mode
 *     a pushed block comes back, the shard is as before    else lock mode
 *     where kernels have a known bug: the kernel checks
 *     the field after this thread has lost its CPU        else lock mode
 *
 * All of it happens in the object's own state, before it is shared. The thread may be moved to
 * another CPU in the middle of any line; hence the tries.
 *
 * The known bug. Linux 6.19 to 7.0.13 on arm64 aborts a sequence only after a migration,
 * not after a pre-emption on the same CPU: the sequence then commits over the work of other
 * threads. A pre-emption at a chosen place cannot be forced at start-up, because that takes a
 * second thread. But the thread can sleep with an armed descriptor. A kernel that clears the field
 * during that sleep checks it on every return to user space, and is safe. One that does not clear
 * it may be safe or not: since 6.19 kernels may skip the check after a system call, and the note by
 * which they decide is what arm64 forgot. On x86-64 no kernel is known to be broken, so nothing is
 * tried; on aarch64 such a kernel must be 7.0.14 or later.
 *
 * Cost. Three sequences, two system calls at the least, and on aarch64 a sleep:
 * docs/decisions/0014.
 *
 * Source: Linux kernel/rseq.c of 5.10 to 6.18, include/linux/rseq_entry.h since 6.19; "arm64/entry:
 *         Fix arm64-specific rseq brokenness", Linux 7.1 and 7.0.14.
 */

#include "cpu_internal.h"
#include "shard.h"

#include <cairn/base/syscall.h>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>

/* How often something is tried that a migration can spoil. */
enum { TRIES = 16 };

/* How many probes there are, how many that find the field not cleared decide, and how long the
   first one sleeps: a shorter sleep is over, on a slow timer, before the thread has lost its CPU,
   and then the next is twice as long. */
enum { PROBES = 8, NOT_CLEARED_PROBES = 3, SLEEP_NANOSECONDS = 30000 };

/* The first Linux since 6.19 whose arm64 aborts every pre-empted sequence, whether or not a sleep
   disarms. */
static const unsigned fixed_in[] = {7, 0, 14};

static bool cpu_id_is_right(const struct cairn_percpu *percpu)
{
    for (int tries = 0; tries < TRIES; tries++) {
        int shown = cpu_rseq_load_id(percpu->view.area);
        unsigned cpu = 0;

        if (cairn_syscall3(SYS_getcpu, &cpu, NULL, NULL) != 0)
            return true; /* it cannot be asked */
        if (shown >= 0 && (unsigned)shown == cpu)
            return true;
    }
    return false;
}

/* The entry of `id`, which this thread had a moment ago, shows its shard as before when this
   returns. */
static bool stop_stops(struct cairn_percpu *percpu, unsigned id, void *block)
{
    struct cairn_percpu_shard *shard = percpu->view.entries[id].shard;
    bool is_stopped = cairn_rseq_stop(&percpu->view, id, cairn_shard_stopped) &&
                      cairn_load_relaxed(&percpu->view.entries[id].shard) == cairn_shard_stopped &&
                      cairn_rseq_pop(&percpu->view, percpu->view.entries, 0) == NULL &&
                      !cairn_rseq_push(&percpu->view, percpu->view.entries, 0, block);

    cairn_store_release(&percpu->view.entries[id].shard, shard);
    return is_stopped;
}

/* An array of class 0 with room for one. It is as before when this returns. */
static bool block_comes_back(struct cairn_percpu *percpu, unsigned id, void *block)
{
    struct cairn_percpu_shard *shard = shard_at(percpu, id);
    uint32_t empty = header_of(percpu->classes[0].slots_offset, 1);
    bool comes;

    CAIRN_ASSERT(shard_array_header(shard, 0) == 0);
    cairn_store_relaxed(&shard->array_headers[0], empty);
    comes = cairn_rseq_push(&percpu->view, percpu->view.entries, 0, block) &&
            shard_array_header(shard, 0) != empty &&
            cairn_rseq_pop(&percpu->view, percpu->view.entries, 0) == block &&
            shard_array_header(shard, 0) == empty;
    cairn_store_relaxed(&shard->array_headers[0], 0u);
    *shard_slots(percpu, shard, 0) = NULL;
    return comes;
}

static bool sequences_work(struct cairn_percpu *percpu)
{
    for (int tries = 0; tries < TRIES; tries++) {
        int id = cairn_rseq_id(percpu);

        if (id >= 0 && (unsigned)id < percpu->shard_count &&
            stop_stops(percpu, (unsigned)id, percpu) &&
            block_comes_back(percpu, (unsigned)id, percpu))
            return true;
    }
    return false;
}

/* Both ids of this thread: when either changes, every kernel checks. */
struct place {
    int cpu_id;
    int mm_cid;
};

static struct place place_of(const struct cairn_percpu *percpu)
{
    struct place place = {cpu_rseq_load(percpu->view.area + RSEQ_CPU_ID),
                          cpu_rseq_load(percpu->view.area + RSEQ_MM_CID)};

    return place;
}

static bool same_place(struct place a, struct place b)
{
    return a.cpu_id == b.cpu_id && a.mm_cid == b.mm_cid;
}

static bool is_armed(const struct cairn_percpu *percpu)
{
    return *(const volatile uint64_t *)(const void *)(cairn_rseq_at(percpu->view.area) + RSEQ_CS) !=
           0;
}

/* How often this thread went to sleep so far; -1: unknown. */
static long sleeps(void)
{
    struct rusage usage;

    return cairn_syscall2(SYS_getrusage, RUSAGE_THREAD, &usage) == 0 ? usage.ru_nvcsw : -1;
}

/* One probe. UNCLEAR also when a signal or a migration may have cleared the field, and when the
   sleep was over before the thread lost its CPU. */
static enum cairn_rseq_observed probe_once(struct cairn_percpu *percpu, long nanoseconds)
{
    const struct timespec length = {0, nanoseconds};
    struct place before = place_of(percpu);
    long slept = sleeps();

    (void)!cairn_rseq_pop(&percpu->view, percpu->view.entries, 0); /* arms, and finds nothing */
    if (!is_armed(percpu) || cairn_syscall2(SYS_nanosleep, &length, NULL) != 0 ||
        !same_place(before, place_of(percpu)))
        return CAIRN_RSEQ_UNCLEAR;
    if (!is_armed(percpu))
        return CAIRN_RSEQ_CLEARED;
    return sleeps() > slept ? CAIRN_RSEQ_NOT_CLEARED : CAIRN_RSEQ_UNCLEAR;
}

static enum cairn_rseq_observed probe_often(struct cairn_percpu *percpu)
{
    long nanoseconds = SLEEP_NANOSECONDS;
    int not_cleared = 0;

    for (int probes = 0; probes < PROBES && not_cleared < NOT_CLEARED_PROBES; probes++) {
        enum cairn_rseq_observed observed = probe_once(percpu, nanoseconds);

        if (observed == CAIRN_RSEQ_CLEARED)
            return observed;
        if (observed == CAIRN_RSEQ_NOT_CLEARED)
            not_cleared++;
        else
            nanoseconds *= 2;
    }
    return not_cleared == NOT_CLEARED_PROBES ? CAIRN_RSEQ_NOT_CLEARED : CAIRN_RSEQ_UNCLEAR;
}

/* As short as can be: the slack of 50 us that timers have would be most of it. */
enum cairn_rseq_observed cairn_rseq_probe(struct cairn_percpu *percpu)
{
    long slack = cairn_syscall1(SYS_prctl, PR_GET_TIMERSLACK);
    enum cairn_rseq_observed observed;

    if (slack > 0)
        cairn_syscall2(SYS_prctl, PR_SET_TIMERSLACK, 1);
    observed = probe_often(percpu);
    if (slack > 0)
        cairn_syscall2(SYS_prctl, PR_SET_TIMERSLACK, slack);
    return observed;
}

static const char *read_number(const char *text, unsigned *number)
{
    *number = 0;
    for (; *text >= '0' && *text <= '9' && *number < 10000; text++)
        *number = *number * 10 + (unsigned)(*text - '0');
    return *text == '.' ? text + 1 : "";
}

bool cairn_rseq_is_fixed(const char *release)
{
    for (unsigned at = 0; at < sizeof(fixed_in) / sizeof(fixed_in[0]); at++) {
        unsigned number;

        release = read_number(release, &number);
        if (number != fixed_in[at])
            return number > fixed_in[at];
    }
    return true;
}

static bool kernel_is_fixed(void)
{
    struct utsname name;

    return cairn_syscall1(SYS_uname, &name) == 0 && cairn_rseq_is_fixed(name.release);
}

bool cairn_rseq_selftest(struct cairn_percpu *percpu, bool has_known_bug)
{
    const char *flaw = NULL;

    if (!cpu_id_is_right(percpu))
        flaw = "the CPU id of sequences is not what getcpu says";
    else if (!sequences_work(percpu))
        flaw = "the sequences do not work here";
    else if (has_known_bug && cairn_rseq_probe(percpu) == CAIRN_RSEQ_NOT_CLEARED &&
             !kernel_is_fixed())
        flaw = "the kernel does not abort sequences";
    if (flaw != NULL)
        cairn_rseq_refuse(percpu, flaw);
    return flaw == NULL;
}
