/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * background.c - a thread that gives memory back while the program does not call its malloc.
 *
 *     a slow path leaves something to give back -> wake -> tick, each PERIOD_MS -> nothing left -> sleep
 *
 * The option `background` asks for it. The first call that leaves something to give back makes it,
 * and in the child of a fork again such a call. It takes no signal. At exit it is ended and joined.
 *
 * Cost. A tick is some microseconds, ten times a second; asleep it costs nothing. The thread sleeps
 * when nothing that is free is resident, and after STEADY_TICKS: the next slow path wakes it.
 */

#include "composed/malloc/frontend.h"

#include <cairn/base/lock.h>
#include <cairn/base/syscall.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

enum { PERIOD_MS = 100, STEADY_TICKS = 50, STACK_BYTES = 256 * 1024 };

/* What the thread is to do; it sleeps on this word. */
enum { REST, WORK, END };

bool cairn_background_is_asleep; /* and wanted: the next call that leaves something wakes it */

static uint32_t task;
static bool is_made; /* under is_changing */
static bool is_changing;
static pthread_t thread;

static void sleep_on_task(uint32_t value, const struct timespec *timeout)
{
    (void)cairn_futex_wait(&task, value, timeout);
}

static void work(void)
{
    static const struct timespec period = {PERIOD_MS / 1000, PERIOD_MS % 1000 * 1000000L};
    bool is_dirty = true;

    for (unsigned ticks = 0; is_dirty && ticks < STEADY_TICKS; ticks++) {
        sleep_on_task(WORK, &period);
        if (cairn_load_acquire(&task) != WORK)
            break;
        is_dirty = cairn_frontend_tick();
    }
}

static void rest(void)
{
    uint32_t expected = WORK;

    if (cairn_cas_acquire(&task, &expected, (uint32_t)REST))
        cairn_store_release(&cairn_background_is_asleep, true);
    while (cairn_load_acquire(&task) == REST)
        sleep_on_task(REST, NULL);
}

static void *serve(void *unused)
{
    while (cairn_load_acquire(&task) != END) {
        work();
        rest();
    }
    return unused;
}

/* Without signals, which are the program's. False when there can be none now. */
static bool make(void)
{
    pthread_attr_t attributes;
    sigset_t all;
    sigset_t before;
    int error;

    if (pthread_attr_init(&attributes) != 0)
        return false;
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread, &attributes, serve, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error == 0;
}

/* One thread at a time makes or ends it; others do without. */
static bool begin_change(void)
{
    return !__atomic_exchange_n(&is_changing, true, __ATOMIC_ACQUIRE);
}

static void end_change(void)
{
    cairn_store_release(&is_changing, false);
}

static void wake(void)
{
    if (!cairn_load_acquire(&cairn_background_is_asleep))
        return;
    cairn_store_relaxed(&cairn_background_is_asleep, false);
    cairn_store_release(&task, (uint32_t)WORK);
    cairn_futex_wake(&task, 1);
    if (!is_made)
        is_made = make();
}

CAIRN_COLD void cairn_background_wake(void)
{
    int saved_errno = errno;

    if (!begin_change())
        return;
    wake();
    end_change();
    errno = saved_errno;
}

static void end(void)
{
    cairn_store_relaxed(&cairn_background_is_asleep, false);
    cairn_store_release(&task, (uint32_t)END);
    cairn_futex_wake(&task, 1);
    if (is_made)
        pthread_join(thread, NULL);
    is_made = false;
}

CAIRN_COLD void cairn_background_want(bool is_wanted)
{
    if (!begin_change())
        return;
    if (!is_wanted)
        end();
    else if (!is_made)
        cairn_store_release(&cairn_background_is_asleep, true);
    end_change();
}

CAIRN_COLD void cairn_background_forget(void)
{
    bool was_wanted = is_made || cairn_background_is_asleep;

    is_made = false;
    is_changing = false;
    task = REST;
    cairn_background_is_asleep = was_wanted;
}

static __attribute__((destructor)) void end_at_exit(void)
{
    if (is_made)
        cairn_background_want(false);
}
