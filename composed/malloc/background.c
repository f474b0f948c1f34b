/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * background.c - a thread that gives memory back while the program does not call its malloc.
 *
 *     a slow path leaves something to give back -> wake -> a tick each PERIOD_MS -> nothing left
 *
 * The option `background` asks for it. The first slow allocation makes it that finds some MiB in
 * use, or something to give back, and in the child of a fork again such an allocation. A free only
 * wakes it, for glibc frees memory under locks that pthread_create() takes. It takes no signal, and
 * has the scheduling of a common thread. At exit it is ended and joined.
 *
 * Cost. A tick is some microseconds, ten times a second while free memory is resident that may go;
 * asleep it costs nothing.
 */

#include "composed/malloc/frontend.h"

#include <cairn/base/lock.h>
#include <cairn/base/syscall.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

enum { PERIOD_MS = 100, STACK_BYTES = 256 * 1024, CHANGE_TRIES = 1000 };

/* What the thread is to do; it sleeps on this word. */
enum { REST, WORK, END };

bool cairn_background_is_asleep; /* and wanted: the next call that leaves something wakes it */

static bool is_wanted;
static uint32_t task;
static bool is_made;      /* under is_changing */
static unsigned attempts; /* to make it; under is_changing */
static bool is_changing;
static pthread_t thread;
static long process; /* whose it is: a child without fork handlers has it not */

static void sleep_on(uint32_t *word, uint32_t value, unsigned milliseconds)
{
    const struct timespec timeout = {0, (long)milliseconds * 1000000};

    (void)cairn_futex_wait(word, value, milliseconds == 0 ? NULL : &timeout);
}

static void work(void)
{
    bool may_decay = true;

    while (may_decay) {
        sleep_on(&task, WORK, PERIOD_MS);
        if (cairn_load_acquire(&task) != WORK)
            break;
        may_decay = cairn_frontend_tick();
    }
}

static void rest(void)
{
    uint32_t expected = WORK;

    if (cairn_cas_acquire(&task, &expected, (uint32_t)REST))
        cairn_store_release(&cairn_background_is_asleep, cairn_load_relaxed(&is_wanted));
    while (cairn_load_acquire(&task) == REST)
        sleep_on(&task, REST, 0);
}

static void *serve(void *unused)
{
    while (cairn_load_acquire(&task) != END) {
        work();
        rest();
    }
    return unused;
}

/* As a common thread, whatever the caller is. stack_bytes 0: as many as others have. */
static int create(size_t stack_bytes)
{
    const struct sched_param common = {0};
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);

    if (error != 0)
        return error;
    if (stack_bytes != 0)
        (void)pthread_attr_setstacksize(&attributes, stack_bytes);
    (void)pthread_attr_setschedpolicy(&attributes, SCHED_OTHER);
    (void)pthread_attr_setschedparam(&attributes, &common);
    (void)pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
    error = pthread_create(&thread, &attributes, serve, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

/* Without signals, which are the program's. Tried less and less often where it cannot be. */
static void make(void)
{
    sigset_t all;
    sigset_t before;

    attempts++;
    if ((attempts & (attempts - 1)) != 0)
        return;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    /* The first stack may be too small for the program's static thread-local storage. */
    is_made = create(STACK_BYTES) == 0 || create(0) == 0;
    process = cairn_syscall1(SYS_getpid, 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static bool begin_change(void)
{
    return !__atomic_exchange_n(&is_changing, true, __ATOMIC_ACQUIRE);
}

static void end_change(void)
{
    cairn_store_release(&is_changing, false);
}

static void wake(bool has_work, bool may_make)
{
    if (!cairn_load_acquire(&cairn_background_is_asleep) || (is_made && !has_work))
        return;
    if (!is_made && may_make)
        make();
    if (!is_made)
        return;
    cairn_store_relaxed(&cairn_background_is_asleep, false);
    cairn_store_release(&task, (uint32_t)WORK);
    cairn_futex_wake(&task, 1);
}

CAIRN_COLD void cairn_background_wake(bool has_work, bool may_make)
{
    int saved_errno = errno;

    if (!begin_change())
        return; /* a later call comes here again */
    wake(has_work, may_make);
    end_change();
    errno = saved_errno;
}

/* pthread_join() may be cancelled. */
static void join(void)
{
    int state;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    pthread_join(thread, NULL);
    pthread_setcancelstate(state, &state);
}

static void end(void)
{
    cairn_store_release(&task, (uint32_t)END);
    cairn_futex_wake(&task, 1);
    if (is_made && process == cairn_syscall1(SYS_getpid, 0))
        join();
    is_made = false;
    cairn_store_relaxed(&task, (uint32_t)REST);
    cairn_store_release(&cairn_background_is_asleep, false);
}

/* Another thread that makes or ends it is waited for: a second at most. */
CAIRN_COLD void cairn_background_want(bool shall_be)
{
    static uint32_t nothing;
    unsigned tries = 0;

    if (!shall_be && !cairn_load_relaxed(&is_wanted))
        return;
    while (!begin_change() && ++tries < CHANGE_TRIES)
        sleep_on(&nothing, 0, 1);
    if (tries == CHANGE_TRIES)
        return;
    cairn_store_relaxed(&is_wanted, shall_be);
    attempts = 0;
    if (!shall_be)
        end();
    else if (!is_made)
        cairn_store_release(&cairn_background_is_asleep, true);
    end_change();
}

CAIRN_COLD void cairn_background_forget(void)
{
    is_made = false;
    is_changing = false;
    attempts = 0;
    task = REST;
    is_wanted = cairn_frontend_option(CAIRN_CONF_BACKGROUND) != 0;
    cairn_background_is_asleep = is_wanted;
}

static __attribute__((destructor)) void end_at_exit(void)
{
    cairn_background_want(false);
}
