/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * frontend.c - what is the same for every stack: start, fork, the gate, exhaustion, zeroed and
 * aligned blocks, changing a block's size.
 *
 *     request -> enter the gate -> heap -> a block?                     -> settle -> leave
 *                   |                       no: give everything back, once more
 *                   closed: wait a little; still closed: past
 *
 * Settling gives memory back to the kernel that lay idle. It happens here, at the end of each call
 * that passed the gate, because no lock of any layer is held here. At the end of an epoch of the
 * backend the layers above it give what they did not need in it first.
 *
 * Fork. The prepare handler closes the gate, which waits for the threads inside and takes no lock.
 * What glibc locks after that (its list of files, for one) may be held by threads that want memory:
 * they get past blocks. The handlers of parent and child open the gate. A fork within a fork
 * handler closes and opens it again, one level deeper.
 *
 * Stop. When a layer finds a misuse, it holds locks perhaps, and the handler of SIGABRT may
 * allocate, fork or exit. So the gate is shut for good first: all threads go past the heap from
 * then on.
 */

#include "composed/malloc/frontend.h"

#include <cairn/base/align.h>
#include <cairn/base/check.h>
#include <cairn/base/gate.h>
#include <cairn/base/lock.h>
#include <cairn/base/syscall.h>
#include <cairn/base/text.h>
#include <cairn/classes.h>

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "composed/backend/backend.h"
#include "composed/libc/sanitizer.h"

/* How long a thread waits at a gate that is closed before it goes past. A fork takes about as long;
   and a thread that holds what the forker waits for makes so many microseconds of progress per
   call. After some waits at the same close no thread waits: the forker waits for one of us. */
enum { PAST_WAIT_US = 100, WAITS_MAX = 20, PASSES_PER_LOOK = 16 };

/* No block is larger than all addresses: a request beyond is a mistake, and empties no cache. */
#define ADDRESSES_BYTES ((size_t)1 << CAIRN_PAGEMAP_ADDRESS_BITS)

static struct cairn_gate gate;
static unsigned waits; /* since it was closed last */
static struct cairn_lock start_lock = CAIRN_LOCK_INIT(CAIRN_RANK_STACK);

/* ---- fork and stop --------------------------------------------------------------------------- */

/* In a torn gate this may be a handler that interrupted a thread inside, which holds locks of any
   rank. */
CAIRN_COLD void cairn_frontend_before_fork(void)
{
    if (!cairn_gate_close(&gate))
        return;
    if (cairn_load_relaxed(&waits) != 0)
        cairn_store_relaxed(&waits, 0u);
    if (!cairn_heap_close())
        cairn_gate_tear(&gate);
    if (gate.is_torn)
        cairn_lock_expect_threads();
}

/* Blocks that other threads freed meanwhile. */
static void free_kept(void)
{
    int ticket = cairn_gate_enter(&gate);

    if (ticket == CAIRN_GATE_CLOSED)
        return;
    cairn_past_free_kept();
    cairn_gate_leave(&gate, ticket);
}

/* In a torn gate what is kept waits for the thread inside. */
CAIRN_COLD void cairn_frontend_after_fork(void)
{
    bool was_torn = gate.is_torn;

    if (cairn_gate_depth(&gate) == 1)
        cairn_heap_reopen();
    cairn_gate_open(&gate);
    if (cairn_past_has_kept() && !was_torn)
        free_kept();
}

CAIRN_COLD void cairn_frontend_after_fork_in_child(void)
{
    cairn_past_forget();
    cairn_background_forget();
    cairn_gate_forget_others(&gate);
    if (cairn_gate_depth(&gate) > 0)
        cairn_heap_repair();
    cairn_frontend_after_fork();
}

static void shut(void)
{
    cairn_lock_break_all();
    cairn_gate_shut(&gate);
}

/* ---- start ----------------------------------------------------------------------------------- */

/* The end of this module's .bss, where the state of the stack lies. */
extern char _end[] __attribute__((visibility("hidden")));

/* Makes the page behind .bss inaccessible, so that user memory is never mapped there. Where
   something else begins at once, that is a library, or the data segment, whose first page is a
   guard. An old kernel takes the address for a hint. */
static void guard_bss(void)
{
    const struct cairn_backend *backend = cairn_heap_backend();
    const struct cairn_os *os = &backend->pages.config.os;
    uintptr_t page_bytes = backend->page_bytes;
    uintptr_t end = cairn_align_up((uintptr_t)_end, page_bytes);
    uintptr_t got;

    if ((uintptr_t)os->ops->sbrk(os->self, 0) - end < page_bytes)
        return;
    got = (uintptr_t)cairn_syscall6(SYS_mmap, (long)end, (long)page_bytes, PROT_NONE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (got != end && got < (uintptr_t)1 << CAIRN_PAGEMAP_ADDRESS_BITS)
        cairn_syscall2(SYS_munmap, got, page_bytes);
}

CAIRN_COLD void cairn_frontend_say_once(bool *is_said, const char *before, const char *name,
                                        const char *after)
{
    struct cairn_text text;

    if (__atomic_exchange_n(is_said, true, __ATOMIC_RELAXED))
        return;
    cairn_text_init(&text, cairn_text_to_stderr, NULL);
    cairn_text_add(&text, before);
    cairn_text_add(&text, name);
    cairn_text_add(&text, after);
    cairn_text_flush(&text);
}

CAIRN_COLD bool cairn_frontend_start(bool *is_ready,
                                     int (*build)(const struct cairn_conf_values *conf))
{
    struct cairn_conf_values conf = {{0}};
    bool is_first = false;

    if (cairn_sanitizer_is_present())
        return false;
    cairn_conf_load(&conf); /* before the lock, for it calls the C library */
    cairn_lock_take(&start_lock);
    if (!*is_ready) {
        is_first = build(&conf) == 0;
        cairn_options_keep(&conf);
        cairn_panic_hook = shut;
        cairn_store_release(is_ready,
                            is_first); /* pairs with the acquire at the head of every call */
    }
    cairn_lock_release(&start_lock);
    /* After the release, for these call the C library; pthread_atfork() may allocate. */
    if (is_first) {
        guard_bss();
        cairn_background_want(conf.value[CAIRN_CONF_BACKGROUND] != 0);
        pthread_atfork(cairn_frontend_before_fork, cairn_frontend_after_fork,
                       cairn_frontend_after_fork_in_child);
    }
    return cairn_load_acquire(is_ready);
}

/* ---- the gate -------------------------------------------------------------------------------- */

/* A thread that found the gate closed waits a little, and tries once more. */
static CAIRN_COLD int enter_late(void)
{
    bool is_patient = cairn_load_relaxed(&waits) < WAITS_MAX;

    if (is_patient)
        cairn_store_relaxed(&waits, cairn_load_relaxed(&waits) + 1);
    if (!cairn_gate_wait(&gate, is_patient ? PAST_WAIT_US : 0))
        return CAIRN_GATE_CLOSED;
    return cairn_gate_enter(&gate);
}

CAIRN_HOT_INLINE int enter(void)
{
    int ticket = cairn_gate_enter(&gate);

    return CAIRN_LIKELY(ticket != CAIRN_GATE_CLOSED) ? ticket : enter_late();
}

/* How often threads with this ticket left: a look at the clock each time would be felt. Threads of
   one counter of the gate may lose a count. */
static struct {
    uint32_t count;
    char apart[124];
} CAIRN_CACHE_ALIGNED passes[CAIRN_GATE_COUNTERS + 1];

CAIRN_HOT_INLINE bool is_time_to_look(int ticket)
{
    uint32_t *count = &passes[ticket >= 0 ? ticket : CAIRN_GATE_COUNTERS].count;

    cairn_store_relaxed(count, cairn_load_relaxed(count) + 1);
    return cairn_load_relaxed(count) % PASSES_PER_LOOK == 0;
}

static void settle(void)
{
    struct cairn_backend *backend = cairn_heap_backend();

    if (CAIRN_UNLIKELY(cairn_backend_takes_pressure(backend)))
        cairn_heap_trim(false);
    if (CAIRN_UNLIKELY(cairn_backend_ends_epoch(backend, &backend->epoch_due_ms)))
        cairn_heap_age();
    cairn_backend_settle(backend);
}

/* The background thread has something to do, or is not there yet though the program is no small
   one: it can only be made by an allocation. */
static CAIRN_COLD void wake_background(bool is_alloc)
{
    const struct cairn_backend *backend = cairn_heap_backend();
    bool has_work = cairn_backend_may_decay(backend);

    if (has_work || (is_alloc && cairn_backend_is_large(backend)))
        cairn_background_wake(has_work, is_alloc);
}

CAIRN_HOT_INLINE void leave(int ticket, bool is_alloc)
{
    if (CAIRN_UNLIKELY(cairn_past_has_kept()))
        cairn_past_free_kept();
    if (CAIRN_UNLIKELY(is_time_to_look(ticket) || cairn_backend_is_unsettled(cairn_heap_backend())))
        settle();
    cairn_gate_leave(&gate, ticket);
    if (CAIRN_UNLIKELY(cairn_background_may_be_woken()))
        wake_background(is_alloc);
}

/* ---- blocks ---------------------------------------------------------------------------------- */

/* A pages layer that never had room for one chunk is too small for any program. */
static CAIRN_COLD void explain(const struct cairn_request *request)
{
    const struct cairn_backend *backend = cairn_heap_backend();
    static bool is_explained;

    if (!cairn_load_relaxed(&backend->has_had_chunk) &&
        request->size_bytes <= CAIRN_CLASS_BYTES_MAX)
        cairn_frontend_say_once(&is_explained, "cairn: the pages layer (",
                                backend->pages.config.os.ops->name,
                                ") has no room for a first block\n");
}

/* NULL comes last: what caches and slabs hold, and all that is free, goes back first. */
static void *alloc_inside(struct cairn_request *request)
{
    void *block = cairn_heap_alloc(request);

    if (CAIRN_LIKELY(block != NULL) || request->size_bytes > ADDRESSES_BYTES)
        return block;
    cairn_heap_trim(true);
    block = cairn_heap_alloc(request);
    if (block == NULL)
        explain(request);
    return block;
}

static CAIRN_COLD void *alloc_past(struct cairn_request *request)
{
    request->is_zeroed = true;
    return cairn_backend_alloc_past(cairn_heap_backend(), request->size_bytes,
                                    request->align_bytes);
}

void *cairn_frontend_alloc_request(struct cairn_request *request)
{
    void *block;
    int ticket = enter();

    if (CAIRN_UNLIKELY(ticket == CAIRN_GATE_CLOSED))
        return alloc_past(request);
    block = alloc_inside(request);
    leave(ticket, true);
    return block;
}

static void *alloc(struct cairn_request *request)
{
    void *block = NULL;

    if (CAIRN_UNLIKELY(!cairn_heap_start()))
        return NULL;
    request->class_idx = cairn_heap_class_of(request->size_bytes, request->align_bytes);
    if (request->class_idx != CAIRN_NO_CLASS)
        block = cairn_heap_try_alloc(request->class_idx);
    return block != NULL ? block : cairn_frontend_alloc_request(request);
}

void *cairn_frontend_alloc(size_t size_bytes)
{
    struct cairn_request request = {.size_bytes = size_bytes, .align_bytes = 1};

    return alloc(&request);
}

void *cairn_frontend_alloc_aligned(size_t size_bytes, size_t align_bytes)
{
    struct cairn_request request = {.size_bytes = size_bytes, .align_bytes = align_bytes};

    return alloc(&request);
}

void *cairn_frontend_alloc_zeroed(size_t size_bytes)
{
    struct cairn_request request = {
        .size_bytes = size_bytes, .align_bytes = 1, .wants_zeroed = true};
    void *block = alloc(&request);

    if (CAIRN_LIKELY(block != NULL) && !request.is_zeroed)
        memset(block, 0, cairn_heap_usable_bytes(block, "calloc"));
    return block;
}

/* A past block goes back at once; any other when the heap is open. */
static CAIRN_COLD void free_past(void *block, const char *where)
{
    if (cairn_backend_free_past(cairn_heap_backend(), block))
        return;
    CAIRN_CHECK(cairn_heap_is_block(block), "pointer is not a block in use", block, where);
    cairn_past_keep(block);
    if (!cairn_gate_is_closed(&gate))
        free_kept();
}

/* The ticket to free a block inside; without one, it went past the heap. */
static int enter_to_free(void *block, const char *where)
{
    int ticket = enter();

    if (CAIRN_UNLIKELY(ticket == CAIRN_GATE_CLOSED))
        free_past(block, where);
    return ticket;
}

void cairn_frontend_free_class(void *block, unsigned class_idx, const char *where)
{
    int ticket = enter_to_free(block, where);

    if (CAIRN_UNLIKELY(ticket == CAIRN_GATE_CLOSED))
        return;
    cairn_heap_free_class(block, class_idx, where);
    leave(ticket, false);
}

void cairn_frontend_free_slow(void *block, const char *where)
{
    int ticket;

    /* Without a heap every pointer is foreign: the map says so. */
    CAIRN_CHECK(cairn_heap_start(), "pointer is not from this heap", block, where);
    ticket = enter_to_free(block, where);
    if (CAIRN_UNLIKELY(ticket == CAIRN_GATE_CLOSED))
        return;
    cairn_heap_free(block, where);
    leave(ticket, false);
}

void cairn_frontend_free(void *block, const char *where)
{
    if (CAIRN_UNLIKELY(!cairn_heap_try_free(block, where)))
        cairn_frontend_free_slow(block, where);
}

/* ---- changing a block's size ----------------------------------------------------------------- */

/* In place, or by moving pages: for blocks above the size classes. One that would shrink to less
   than half of a block that a size class holds is moved there. */
static void *resize_pages(void *block, size_t old_bytes, size_t new_bytes)
{
    void *resized;
    int ticket;

    if (old_bytes <= CAIRN_CLASS_BYTES_MAX ||
        (new_bytes <= CAIRN_CLASS_BYTES_MAX && new_bytes < old_bytes / 2))
        return NULL;
    ticket = enter();
    if (CAIRN_UNLIKELY(ticket == CAIRN_GATE_CLOSED))
        return NULL;
    resized = cairn_backend_resize(cairn_heap_backend(), block, new_bytes);
    leave(ticket, false);
    return resized;
}

static void *move(void *block, size_t old_bytes, size_t new_bytes, const char *where)
{
    void *moved = cairn_frontend_alloc(new_bytes);

    if (moved == NULL) /* the block as it is will do for less */
        return new_bytes <= old_bytes ? block : NULL;
    memcpy(moved, block, cairn_min(old_bytes, new_bytes));
    cairn_frontend_free(block, where);
    return moved;
}

void *cairn_frontend_resize(void *block, size_t size_bytes, const char *where)
{
    size_t old_bytes = cairn_heap_usable_bytes(block, where);
    void *resized = resize_pages(block, old_bytes, size_bytes);

    if (resized != NULL)
        return resized;
    return cairn_frontend_stays(old_bytes, size_bytes) ? block
                                                       : move(block, old_bytes, size_bytes, where);
}

/* ---- the heap as a whole --------------------------------------------------------------------- */

bool cairn_frontend_tick(void)
{
    static uint64_t idle_due_ms; /* when idle CPUs are looked at */
    struct cairn_backend *backend = cairn_heap_backend();
    bool may_decay;
    int ticket;

    if (!cairn_heap_is_ready())
        return false;
    ticket = enter();
    if (ticket == CAIRN_GATE_CLOSED)
        return true;
    if (cairn_backend_ends_epoch(backend, &idle_due_ms))
        cairn_heap_flush_idle();
    settle();
    may_decay = cairn_backend_may_decay(backend);
    cairn_gate_leave(&gate, ticket);
    return may_decay;
}

bool cairn_frontend_set(const char *text)
{
    bool is_set;
    int ticket;

    if (!cairn_heap_start())
        return false;
    ticket = enter();
    if (ticket == CAIRN_GATE_CLOSED)
        return false;
    is_set = cairn_options_set(text);
    cairn_gate_leave(&gate, ticket);
    if (is_set)
        cairn_background_want(cairn_frontend_option(CAIRN_CONF_BACKGROUND) != 0);
    if (is_set && cairn_background_may_be_woken())
        wake_background(true);
    return is_set;
}

size_t cairn_frontend_trim(bool may_fence)
{
    size_t released_bytes;
    int ticket;

    if (!cairn_heap_start())
        return 0;
    ticket = enter();
    if (ticket == CAIRN_GATE_CLOSED)
        return 0;
    released_bytes = cairn_heap_trim(may_fence);
    cairn_gate_leave(&gate, ticket);
    return released_bytes;
}

void cairn_frontend_stats(struct cairn_malloc_stats *stats)
{
    int ticket = CAIRN_GATE_CLOSED;

    memset(stats, 0, sizeof(*stats));
    stats->stack = stats->mode = stats->reason = stats->cpu = stats->pages = "unknown";
    if (cairn_heap_start())
        ticket = enter();
    if (ticket == CAIRN_GATE_CLOSED)
        return;
    cairn_heap_stats(stats);
    cairn_gate_leave(&gate, ticket);
}

void cairn_frontend_check(void)
{
    int ticket;

    if (!cairn_heap_start())
        return;
    ticket = enter();
    if (ticket == CAIRN_GATE_CLOSED)
        return;
    cairn_heap_check();
    cairn_gate_leave(&gate, ticket);
}
