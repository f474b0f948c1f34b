/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * atomic.h - the atomic operations that cairn uses, with their order in the name.
 *
 * Macros over the compiler's __atomic builtins, because those are the same in C and in C++ (C11's
 * _Atomic is not) and work on every width. `relaxed` orders nothing; `acquire` and `release` come
 * in pairs, and each use names its partner in a comment.
 */

#ifndef CAIRN_BASE_ATOMIC_H
#define CAIRN_BASE_ATOMIC_H

#define cairn_load_relaxed(place)            __atomic_load_n((place), __ATOMIC_RELAXED)
#define cairn_load_acquire(place)            __atomic_load_n((place), __ATOMIC_ACQUIRE)
#define cairn_store_relaxed(place, value)    __atomic_store_n((place), (value), __ATOMIC_RELAXED)
#define cairn_store_release(place, value)    __atomic_store_n((place), (value), __ATOMIC_RELEASE)
#define cairn_add_relaxed(place, value)      __atomic_fetch_add((place), (value), __ATOMIC_RELAXED)
#define cairn_sub_relaxed(place, value)      __atomic_fetch_sub((place), (value), __ATOMIC_RELAXED)
#define cairn_exchange_acquire(place, value) __atomic_exchange_n((place), (value), __ATOMIC_ACQUIRE)
#define cairn_exchange_release(place, value) __atomic_exchange_n((place), (value), __ATOMIC_RELEASE)

/* Strong compare-and-exchange: *expected is updated on failure. Ordered on success, relaxed on
   failure. */
#define cairn_cas_acquire(place, expected, desired)                                                \
    __atomic_compare_exchange_n((place), (expected), (desired), 0, __ATOMIC_ACQUIRE,               \
                                __ATOMIC_RELAXED)
#define cairn_cas_release(place, expected, desired)                                                \
    __atomic_compare_exchange_n((place), (expected), (desired), 0, __ATOMIC_RELEASE,               \
                                __ATOMIC_RELAXED)

#endif
