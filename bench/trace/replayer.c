/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * replayer.c - plays a plan on the malloc of this process, each recorded thread as a thread, and
 * says what it cost: as a workload (bench/README.md), whose "ops" are the calls played.
 *
 * The first thread of the trace is this program's own, so that a malloc that treats the main thread
 * apart does so here. All memory of the replay is mapped and touched before; while it plays,
 * nothing but the trace's own calls and pthread_create allocates.
 *
 * Order between threads is by the turn of a slot: an acquire of what the thread before has
 * released. A thread that must wait spins a little, then yields, then sleeps: there may be more
 * threads than CPUs. A thread that is done puts itself on a list; the thread that starts the next
 * one joins it, so that the stacks of dead threads do not pile up.
 *
 * With notes=, each call leaves what it did in a table, with the resident memory each so many calls
 * and when the most bytes are live, and the table is written to a file in the end: samples.py makes
 * the pictures of it. Such a run's time is not to be compared.
 */

#include "bench/trace/plan.h"
#include "bench/workloads/workload.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <sched.h>
#include <semaphore.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SPINS = 200, YIELDS = 200, SLEEP_NS = 50000, SAMPLES = 160 };

enum { TOUCH_NONE, TOUCH_ENDS, TOUCH_ALL };

static const char *const touch_words[] = {"none", "ends", "all", NULL};

static const char *plan, *notes; /* paths */
static uint64_t touch;

/* Where an object lives while it does. */
struct slot {
    void *block;
    uint64_t size_bytes;
    uint32_t turn; /* operations on it that are done */
    uint32_t unused;
};

struct player {
    pthread_t handle;
    struct player *next_finished;
    uint32_t number;
};

struct note {         /* samples.py reads it */
    uint64_t address; /* 0: the block is freed */
    uint64_t size_bytes;
    uint64_t usable_bytes;
    uint64_t resident_kib; /* beyond the baseline, and 1 more; 0: it was not looked at */
    uint32_t slot;
    uint32_t unused;
};

static const struct plan *planned;
static struct slot *slots;
static struct player *players;
static struct player *finished;
static sem_t ended;    /* once for each thread that was started and is done */
static uint64_t waits; /* how often an operation was not yet allowed */

static struct note *noted; /* NULL: no notes are made */
static uint64_t noted_count, live_bytes, baseline_kib;
static uint64_t peak_bytes; /* at which a sample is due; UINT64_MAX once it was taken */

/* ---- notes --------------------------------------------------------------------------------- */

/* By the page tables: exact, and as slow as the process is large. By the kernel's counter where
   there is no such file. */
static uint64_t resident_kib(void)
{
    uint64_t kib = number_in("/proc/self/smaps_rollup", "\nRss:");

    return kib != 0 ? kib : number_in("/proc/self/status", "VmRSS:");
}

static void sample(struct note *note)
{
    uint64_t kib = resident_kib();

    note->resident_kib = 1 + (kib > baseline_kib ? kib - baseline_kib : 0);
}

/* Once: the samples between would miss a short peak. */
static bool is_peak(uint64_t now_bytes)
{
    return now_bytes >= __atomic_load_n(&peak_bytes, __ATOMIC_RELAXED) &&
           __atomic_exchange_n(&peak_bytes, UINT64_MAX, __ATOMIC_RELAXED) != UINT64_MAX;
}

/* After an allocation; before a free, with a block of NULL. */
static void take_note(uint32_t slot, void *block, uint64_t size_bytes)
{
    uint64_t change_bytes = size_bytes - slots[slot].size_bytes;
    uint64_t now_bytes = __atomic_add_fetch(&live_bytes, change_bytes, __ATOMIC_RELAXED);
    uint64_t idx = __atomic_fetch_add(&noted_count, 1, __ATOMIC_RELAXED);
    struct note *note = &noted[idx];

    slots[slot].size_bytes = size_bytes;
    note->address = (uintptr_t)block;
    note->size_bytes = size_bytes;
    note->usable_bytes = block == NULL ? 0 : malloc_usable_size(block);
    note->slot = slot;
    if ((idx + 1) % (planned->calls / SAMPLES + 1) == 0 || is_peak(now_bytes))
        sample(note);
}

static void write_notes(int file)
{
    const char *at = (const char *)noted;
    const char *end = (const char *)(noted + noted_count);

    for (ssize_t written = 1; at < end && written > 0; at += written)
        written = write(file, at, (size_t)(end - at));
    if (close(file) != 0 || at != end)
        fail("%s: %s", notes, strerror(errno));
}

/* ---- threads ------------------------------------------------------------------------------- */

static __attribute__((noinline, cold)) void wait_for(const uint32_t *word, uint32_t value)
{
    const struct timespec nap = {.tv_nsec = SLEEP_NS};

    __atomic_fetch_add(&waits, 1, __ATOMIC_RELAXED);
    for (unsigned round = 0; __atomic_load_n(word, __ATOMIC_ACQUIRE) != value; round++) {
        if (round < SPINS)
            continue;
        if (round < SPINS + YIELDS)
            sched_yield();
        else
            nanosleep(&nap, NULL);
    }
}

static void play_thread(struct player *player);

static void *thread_main(void *argument)
{
    struct player *player = argument;

    play_thread(player);
    player->next_finished = __atomic_load_n(&finished, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&finished, &player->next_finished, player, true,
                                        __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        continue;
    sem_post(&ended);
    return NULL;
}

static void join_finished(void)
{
    struct player *player = __atomic_exchange_n(&finished, NULL, __ATOMIC_ACQUIRE);

    while (player != NULL) {
        struct player *next = player->next_finished;

        pthread_join(player->handle, NULL);
        player = next;
    }
}

/* ---- calls --------------------------------------------------------------------------------- */

static void *alloc_aligned(unsigned align_log2, uint64_t size_bytes)
{
    size_t align_bytes = (size_t)1 << align_log2;
    void *block;

    if (align_bytes < sizeof(void *))
        align_bytes = sizeof(void *);
    return posix_memalign(&block, align_bytes, size_bytes) == 0 ? block : NULL;
}

static void *alloc(const struct plan_op *op, void *old)
{
    uint64_t size_bytes = plan_size_of(op);
    void *block;

    switch (plan_code_of(op)) {
    case PLAN_CALLOC:
        block = calloc(1, size_bytes);
        break;
    case PLAN_ALIGNED:
        block = alloc_aligned(op->packed >> 8 & 0xff, size_bytes);
        break;
    case PLAN_RESIZE: /* to 0 would free: in a trace it is only where the malloc did not */
        block = realloc(old, size_bytes == 0 ? 1 : size_bytes);
        break;
    default:
        block = malloc(size_bytes);
    }
    if (block == NULL && size_bytes != 0)
        fail("out of memory: a block of %" PRIu64 " bytes", size_bytes);
    if (touch == TOUCH_ALL && size_bytes != 0)
        memset(block, 1, size_bytes);
    if (touch != TOUCH_NONE && size_bytes != 0)
        touch_block(block, size_bytes);
    return block;
}

static inline void call(const struct plan_op *op)
{
    struct slot *slot = &slots[op->slot];

    if (__builtin_expect(__atomic_load_n(&slot->turn, __ATOMIC_ACQUIRE) != op->turn, 0))
        wait_for(&slot->turn, op->turn);
    if (plan_code_of(op) == PLAN_FREE) {
        if (noted != NULL)
            take_note(op->slot, NULL, 0);
        free(slot->block);
        slot->block = NULL;
    } else {
        slot->block = alloc(op, slot->block);
        if (noted != NULL)
            take_note(op->slot, slot->block, plan_size_of(op));
    }
    /* release: the thread whose turn is next finds the block */
    __atomic_store_n(&slot->turn, op->turn + 1, __ATOMIC_RELEASE);
}

static void play_thread(struct player *player)
{
    const struct plan_thread *own = &plan_threads(planned)[player->number];
    const struct plan_op *op =
        (const struct plan_op *)(plan_threads(planned) + planned->thread_count) + own->first_op;

    for (const struct plan_op *end = op + own->op_count; op < end; op++) {
        if (plan_code_of(op) <= PLAN_FREE) {
            call(op);
        } else {
            join_finished();
            start_thread(&players[op->slot].handle, thread_main, &players[op->slot]);
        }
    }
}

/* ---- the whole ----------------------------------------------------------------------------- */

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

static void prepare(void)
{
    planned = read_plan();
    peak_bytes = planned->peak_live_bytes;
    sem_init(&ended, 0, 0);
    slots = new_resident_table(planned->slot_count, sizeof(*slots));
    players = new_resident_table(planned->thread_count, sizeof(*players));
    for (uint32_t number = 0; number < planned->thread_count; number++)
        players[number].number = number;
    if (notes != NULL)
        noted = new_resident_table(planned->calls, sizeof(*noted));
}

static void play(void)
{
    clock_start();
    play_thread(&players[planned->first_thread]);
    for (uint32_t number = 0; number < planned->thread_count; number++)
        if (number != planned->first_thread && plan_threads(planned)[number].op_count != 0)
            while (sem_wait(&ended) != 0)
                continue;
    join_finished();
    clock_stop();
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
static uint64_t beyond(const char *label, uint64_t before_kib)
{
    uint64_t kib = number_in("/proc/self/status", label);

    return kib > before_kib ? kib - before_kib : 0;
}

/* What the trace does not free is freed, too. */
static void tell(void)
{
    uint64_t end_blocks = 0;

    for (uint32_t slot = 0; slot < planned->slot_count; slot++) {
        end_blocks += slots[slot].block != NULL;
        free(slots[slot].block);
    }
    extra("threads", planned->thread_count);
    extra("peak_live_kib", (planned->peak_live_bytes + 512) / 1024);
    extra("end_live_kib", (planned->end_live_bytes + 512) / 1024);
    extra("end_blocks", end_blocks);
    extra("waits", waits);
    extra("skipped_calls", planned->skipped_calls);
}

int main(int argument_count, char **arguments)
{
    uint64_t before_kib;
    bool is_peak_own;
    int file = -1;

    begin(argument_count, arguments,
          "a plan of the calls of a recorded program, made again; notes= is a file for what each "
          "did (ops: calls)",
          PARAMETERS(TEXT(plan), TEXT(notes), WORD(touch, TOUCH_ENDS, touch_words)));
    if (plan == NULL)
        fail("which plan? plan=FILE");
    if (notes != NULL && (file = open(notes, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) < 0)
        fail("%s: %s", notes, strerror(errno));
    prepare();
    is_peak_own = forget_peak();
    before_kib = beyond("VmRSS:", 0);
    baseline_kib = resident_kib();
    play();
    if (is_peak_own)
        extra("peak_resident_kib", beyond("VmHWM:", before_kib));
    extra("end_resident_kib", beyond("VmRSS:", before_kib));
    extra("baseline_kib", before_kib);
    if (notes != NULL) {
        sample(&noted[noted_count - 1]);
        write_notes(file);
    }
    tell();
    return report(planned->calls);
}
