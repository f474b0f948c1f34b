/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * rseq_proof.c - before an object goes to rseq mode: that the sequences work here, and that the
 * kernel takes part.
 *
 *     cpu_id of the area is what getcpu(2) says           else lock mode
 *     stop closes this thread's own lane; behind it,
 *     pop finds nothing and push no room                  else lock mode
 *     a pushed word comes back, the shard is as before    else lock mode
 *     where that was broken: the kernel looks at the
 *     field after this thread has lost its CPU            else lock mode
 *
 * All of it happens in the object's own state, before it is shared. The thread may be moved to
 * another CPU in the middle of any line; hence the tries.
 *
 * The look at the field. Linux 6.19 to 7.0.13 on arm64 aborts a sequence only after a migration,
 * not after a pre-emption on the same CPU: the sequence then commits over the work of other
 * threads. A pre-emption at a chosen place cannot be forced at start-up, because that takes a
 * second thread. But the thread can sleep with an armed descriptor. A kernel that clears the field
 * during that sleep checks it on every return to user space, and is safe. One that does not clear
 * it may be safe or not: since 6.19 kernels may skip the check after a system call, and the note by
 * which they decide is what arm64 forgot. On x86-64 no kernel is known to be broken, so nothing is
 * tried; on aarch64 such a kernel is trusted from 7.0.14 on.
 *
 * Cost. Three sequences, two system calls at the least, and on aarch64 a nap: docs/decisions/0014.
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

/* How many naps there are, how many without a look convince, and how long the first is: shorter
   ones are over, on a slow timer, before the thread has lost its CPU, and then the next is twice as
   long. */
enum { NAPS = 8, BLIND_NAPS = 3, NAP_NANOSECONDS = 30000 };

/* The first Linux since 6.19 whose arm64 aborts every pre-empted sequence, whether or not a sleep
   disarms. */
static const unsigned mended[] = {7, 0, 14};

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

/* The lane of `id`, which this thread had a moment ago, shows its shard as before when this
   returns. */
static bool stop_closes(struct cairn_percpu *percpu, unsigned id, void *word)
{
    struct cairn_percpu_shard *shard = percpu->view.lanes[id].shard;
    bool closes = cairn_rseq_stop(&percpu->view, id, cairn_shard_nothing) &&
                  cairn_load_relaxed(&percpu->view.lanes[id].shard) == cairn_shard_nothing &&
                  cairn_rseq_pop(&percpu->view, 0) == NULL &&
                  !cairn_rseq_push(&percpu->view, 0, word);

    cairn_store_release(&percpu->view.lanes[id].shard, shard);
    return closes;
}

/* An array of class 0 with room for one. It is as before when this returns. */
static bool word_comes_back(struct cairn_percpu *percpu, unsigned id, void *word)
{
    struct cairn_percpu_shard *shard = shard_at(percpu, id);
    uint32_t empty = word_of(percpu->classes[0].slots_offset, 1);
    bool comes;

    CAIRN_ASSERT(shard_word(shard, 0) == 0);
    cairn_store_relaxed(&shard->words[0], empty);
    comes = cairn_rseq_push(&percpu->view, 0, word) && shard_word(shard, 0) != empty &&
            cairn_rseq_pop(&percpu->view, 0) == word && shard_word(shard, 0) == empty;
    cairn_store_relaxed(&shard->words[0], 0u);
    *shard_slots(percpu, shard, 0) = NULL;
    return comes;
}

static bool sequences_work(struct cairn_percpu *percpu)
{
    for (int tries = 0; tries < TRIES; tries++) {
        int id = cairn_rseq_id(percpu);

        if (id >= 0 && (unsigned)id < percpu->shard_count &&
            stop_closes(percpu, (unsigned)id, percpu) &&
            word_comes_back(percpu, (unsigned)id, percpu))
            return true;
    }
    return false;
}

/* Both ids of this thread: when either changes, every kernel looks. */
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

/* Not SEEN but UNKNOWN, too, when a signal or a migration may have been the reason to look, and not
   UNSEEN when the nap was over before it began. */
static enum cairn_rseq_sight nap(struct cairn_percpu *percpu, long nanoseconds)
{
    const struct timespec length = {0, nanoseconds};
    struct place before = place_of(percpu);
    long slept = sleeps();

    (void)!cairn_rseq_pop(&percpu->view, 0); /* arms, and finds nothing */
    if (!is_armed(percpu) || cairn_syscall2(SYS_nanosleep, &length, NULL) != 0 ||
        !same_place(before, place_of(percpu)))
        return CAIRN_RSEQ_UNKNOWN;
    if (!is_armed(percpu))
        return CAIRN_RSEQ_SEEN;
    return sleeps() > slept ? CAIRN_RSEQ_UNSEEN : CAIRN_RSEQ_UNKNOWN;
}

static enum cairn_rseq_sight nap_often(struct cairn_percpu *percpu)
{
    long nanoseconds = NAP_NANOSECONDS;
    int blind = 0;

    for (int naps = 0; naps < NAPS && blind < BLIND_NAPS; naps++) {
        enum cairn_rseq_sight sight = nap(percpu, nanoseconds);

        if (sight == CAIRN_RSEQ_SEEN)
            return sight;
        if (sight == CAIRN_RSEQ_UNSEEN)
            blind++;
        else
            nanoseconds *= 2;
    }
    return blind == BLIND_NAPS ? CAIRN_RSEQ_UNSEEN : CAIRN_RSEQ_UNKNOWN;
}

/* As short as can be: the slack of 50 us that timers have would be most of it. */
enum cairn_rseq_sight cairn_rseq_watch(struct cairn_percpu *percpu)
{
    long slack = cairn_syscall1(SYS_prctl, PR_GET_TIMERSLACK);
    enum cairn_rseq_sight sight;

    if (slack > 0)
        cairn_syscall2(SYS_prctl, PR_SET_TIMERSLACK, 1);
    sight = nap_often(percpu);
    if (slack > 0)
        cairn_syscall2(SYS_prctl, PR_SET_TIMERSLACK, slack);
    return sight;
}

static const char *read_number(const char *text, unsigned *number)
{
    *number = 0;
    for (; *text >= '0' && *text <= '9' && *number < 10000; text++)
        *number = *number * 10 + (unsigned)(*text - '0');
    return *text == '.' ? text + 1 : "";
}

bool cairn_rseq_is_mended(const char *release)
{
    for (unsigned at = 0; at < sizeof(mended) / sizeof(mended[0]); at++) {
        unsigned number;

        release = read_number(release, &number);
        if (number != mended[at])
            return number > mended[at];
    }
    return true;
}

static bool kernel_is_mended(void)
{
    struct utsname name;

    return cairn_syscall1(SYS_uname, &name) == 0 && cairn_rseq_is_mended(name.release);
}

bool cairn_rseq_prove(struct cairn_percpu *percpu, bool is_doubted)
{
    const char *flaw = NULL;

    if (!cpu_id_is_right(percpu))
        flaw = "the CPU id of sequences is not what getcpu says";
    else if (!sequences_work(percpu))
        flaw = "the sequences do not work here";
    else if (is_doubted && cairn_rseq_watch(percpu) == CAIRN_RSEQ_UNSEEN && !kernel_is_mended())
        flaw = "the kernel does not look at sequences";
    if (flaw != NULL)
        cairn_rseq_refuse(percpu, flaw);
    return flaw == NULL;
}
