/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * objects.h - which object lives at which address, and the numbers of objects.
 *
 * An object is a block from its allocation to its free; a realloc changes it. Its number is used again
 * only by the thread that freed it: so a number never orders two threads that did not order themselves.
 */
#ifndef CAIRN_BENCH_TRACE_OBJECTS_H
#define CAIRN_BENCH_TRACE_OBJECTS_H

#include "bench/trace/region.h"

#include <stdint.h>

#define OBJECT_NONE UINT32_MAX

struct object {
    uint64_t address;
    uint64_t size_bytes;
    uint64_t born_ticks;
    uint32_t born_thread;
    uint32_t next_unused; /* of those the same thread freed */
};

struct objects {
    struct region table;  /* of uint32_t: number + 1, or 0; open addressing */
    struct region all;    /* of struct object, by number */
    struct region unused; /* of uint32_t, by thread: the last number that it freed, + 1 */
    uint64_t slots;       /* a power of two */
    uint64_t live;
    uint32_t count; /* numbers ever given */
};

/* The object at the address, or OBJECT_NONE. */
uint32_t objects_find(const struct objects *objects, uint64_t address);

struct object *objects_at(const struct objects *objects, uint32_t number);

/* A number for a new object of the thread; it has no address yet. */
uint32_t objects_new(struct objects *objects, uint32_t thread);

/* Gives the object its address, at which none lives. */
void objects_place(struct objects *objects, uint32_t number, uint64_t address);

/* Takes the object from its address; it keeps its number. */
void objects_lift(struct objects *objects, uint32_t number);

/* Ends an object that has no address; the thread may use its number again. */
void objects_end(struct objects *objects, uint32_t number, uint32_t thread);

void objects_release(struct objects *objects);

#endif
