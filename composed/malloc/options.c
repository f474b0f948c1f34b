/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * options.c - the options of this process, and how some of them change while it runs.
 *
 *     text -> parsed over a copy -> may all that differs change? -> kept, if no other thread was quicker
 *                                                                   -> bounds of the backend
 */

#include "composed/malloc/frontend.h"

#include <cairn/base/lock.h>

#include "composed/backend/backend.h"

static struct cairn_conf_values options;
static struct cairn_lock lock = CAIRN_LOCK_INIT(CAIRN_RANK_STACK);

void cairn_options_keep(const struct cairn_conf_values *values)
{
    options = *values;
}

uint64_t cairn_frontend_option(enum cairn_conf_key key)
{
    return cairn_load_relaxed(&options.value[key]);
}

static void ignore(void *self, const char *text, size_t text_bytes)
{
    (void)self, (void)text, (void)text_bytes;
}

/* False, and nothing changed, when the text is wrong, or changes an option that may not change. */
static bool change(struct cairn_conf_values *values, const char *text)
{
    static const bool may_change[CAIRN_CONF_KEYS] = {
        [CAIRN_CONF_LIMIT_MIB] = true,  [CAIRN_CONF_SOFT_LIMIT_MIB] = true,
        [CAIRN_CONF_RETAIN_MIB] = true, [CAIRN_CONF_DECAY_MS] = true,
        [CAIRN_CONF_BACKGROUND] = true, [CAIRN_CONF_THP] = true,
    };
    struct cairn_conf_values wanted = *values;

    if (!cairn_conf_parse(&wanted, text, ignore, NULL))
        return false;
    for (unsigned key = 0; key < CAIRN_CONF_KEYS; key++)
        if (wanted.value[key] != values->value[key] && !may_change[key])
            return false;
    *values = wanted;
    return true;
}

static struct cairn_conf_values current_options(void)
{
    struct cairn_conf_values current;

    cairn_lock_take(&lock);
    current = options;
    cairn_lock_release(&lock);
    return current;
}

/* False when another thread changed them since they were `before`. */
static bool try_change_options(const struct cairn_conf_values *before,
                               const struct cairn_conf_values *wanted)
{
    struct cairn_backend_bounds bounds;
    bool is_same = true;

    cairn_lock_take(&lock);
    for (unsigned key = 0; key < CAIRN_CONF_KEYS; key++)
        is_same &= options.value[key] == before->value[key];
    if (is_same) {
        bounds = cairn_frontend_bounds(wanted);
        options = *wanted;
        cairn_backend_set_bounds(cairn_heap_backend(), &bounds);
    }
    cairn_lock_release(&lock);
    return is_same;
}

/* The text is read without the lock, for that calls the C library. */
bool cairn_options_set(const char *text)
{
    struct cairn_conf_values before, wanted;

    do {
        before = wanted = current_options();
        if (!change(&wanted, text))
            return false;
    } while (!try_change_options(&before, &wanted));
    return true;
}
