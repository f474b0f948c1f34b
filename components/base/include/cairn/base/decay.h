/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * decay.h - how much of a stock of free memory has lain idle for a while, without a list of times.
 *
 *     stock   ____      ____
 *                 \    /    \______        what was free at every moment of an epoch was not needed in it:
 *     idle    . . .\__/. . . . . . .       the lowest level of the stock
 *             |<-  epoch  ->|
 *
 * The owner of the stock notes its level whenever it grows. At the first note after the end of an
 * epoch the lowest level in it is told, and a new epoch begins. A stock that swings (a program that
 * frees and asks again) has a low level near 0 and loses nothing; one that is left alone is told as
 * a whole, one epoch later. Where not even a note came for the length of an epoch (a burst, then
 * silence), the lowest level since the last note is told, whatever the epoch saw before.
 *
 * An owner may keep some of what was idle for one epoch. What was idle for CAIRN_DECAY_OLD_EPOCHS
 * of them is old_bytes: the lowest of their levels.
 *
 * Cost: O(1), seven words. Threads: not safe. Source: the decay-based purging of jemalloc, reduced
 *       to its last steps.
 */

#ifndef CAIRN_BASE_DECAY_H
#define CAIRN_BASE_DECAY_H

#include <stddef.h>
#include <stdint.h>

#include <cairn/base/align.h>
#include <cairn/base/compiler.h>

CAIRN_BEGIN_DECLS

enum { CAIRN_DECAY_OLD_EPOCHS = 4 };

/* All zero: nothing was idle, and the first epoch is over at once. */
struct cairn_decay {
    uint64_t epoch_ms;  /* when this one began */
    size_t idle_bytes;  /* lowest level since */
    uint64_t noted_ms;  /* when the level was noted last */
    size_t quiet_bytes; /* lowest level since: never below idle_bytes */
    size_t low_bytes;   /* lowest level of the epochs of this round, ... */
    size_t old_bytes;   /* ... and of the last round, if it ended with the last note; else 0 */
    uint64_t round_ms;  /* when this round began */
};

/* The stock shrank. */
static inline void cairn_decay_shrunk(struct cairn_decay *decay, size_t level_bytes)
{
    if (level_bytes >= decay->quiet_bytes)
        return;
    decay->quiet_bytes = level_bytes;
    decay->idle_bytes = cairn_min(decay->idle_bytes, level_bytes);
}

/* An epoch ended, in which so much was idle. */
static inline void cairn_decay_end_epoch(struct cairn_decay *decay, uint64_t now_ms,
                                         uint64_t length_ms, size_t idle_bytes, size_t level_bytes)
{
    decay->epoch_ms = now_ms;
    decay->idle_bytes = level_bytes;
    decay->low_bytes = cairn_min(decay->low_bytes, idle_bytes);
    if (now_ms - decay->round_ms < CAIRN_DECAY_OLD_EPOCHS * length_ms)
        return;
    decay->old_bytes = decay->low_bytes;
    decay->low_bytes = level_bytes;
    decay->round_ms = now_ms;
}

/* The stock is at `level_bytes` at the time `now_ms`. Returns the bytes that were idle throughout
   an epoch of `length_ms`, if one ends here, else 0. */
static inline size_t cairn_decay_note(struct cairn_decay *decay, uint64_t now_ms,
                                      uint64_t length_ms, size_t level_bytes)
{
    uint64_t silence_ms = now_ms - decay->noted_ms;
    bool is_quiet = silence_ms >= length_ms;
    bool is_over = is_quiet || now_ms - decay->epoch_ms >= length_ms;
    size_t idle_bytes;

    cairn_decay_shrunk(decay, level_bytes);
    if (silence_ms >= CAIRN_DECAY_OLD_EPOCHS * length_ms)
        decay->low_bytes = decay->quiet_bytes;
    idle_bytes = is_quiet ? decay->quiet_bytes : decay->idle_bytes;
    decay->noted_ms = now_ms;
    decay->quiet_bytes = level_bytes;
    decay->old_bytes = 0;
    if (!is_over)
        return 0;
    cairn_decay_end_epoch(decay, now_ms, length_ms, idle_bytes, level_bytes);
    return idle_bytes;
}

CAIRN_END_DECLS

#endif
