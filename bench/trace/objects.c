/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * objects.c - a hash table with linear probing. A removed entry's successors move up, so that there are
 * no tombstones however long the trace is.
 */

#include "bench/trace/objects.h"

#include <string.h>

enum { FIRST_SLOTS = 4096 };

static uint32_t *table_of(const struct objects *objects)
{
    return objects->table.memory;
}

struct object *objects_at(const struct objects *objects, uint32_t number)
{
    return (struct object *)objects->all.memory + number;
}

static uint64_t home_of(const struct objects *objects, uint64_t address)
{
    return (address >> 3) * 0x9e3779b97f4a7c15u >> 20 & (objects->slots - 1);
}

/* Where the address is, or the empty slot where it would be. */
static uint64_t slot_of(const struct objects *objects, uint64_t address)
{
    const uint32_t *table = table_of(objects);
    uint64_t slot = home_of(objects, address);

    while (table[slot] != 0 && objects_at(objects, table[slot] - 1)->address != address)
        slot = (slot + 1) & (objects->slots - 1);
    return slot;
}

uint32_t objects_find(const struct objects *objects, uint64_t address)
{
    uint32_t entry;

    if (objects->slots == 0)
        return OBJECT_NONE;
    entry = table_of(objects)[slot_of(objects, address)];
    return entry == 0 ? OBJECT_NONE : entry - 1;
}

static void grow(struct objects *objects)
{
    struct region old = objects->table;
    uint64_t old_slots = objects->slots;
    const uint32_t *entries = old.memory;

    objects->slots = old_slots == 0 ? FIRST_SLOTS : 2 * old_slots;
    memset(&objects->table, 0, sizeof(objects->table));
    region_reserve(&objects->table, objects->slots * sizeof(uint32_t));
    for (uint64_t idx = 0; idx < old_slots; idx++)
        if (entries[idx] != 0) {
            uint64_t address = objects_at(objects, entries[idx] - 1)->address;

            table_of(objects)[slot_of(objects, address)] = entries[idx];
        }
    region_release(&old);
}

static uint32_t *unused_of(struct objects *objects, uint32_t thread)
{
    region_reserve(&objects->unused, (thread + (size_t)1) * sizeof(uint32_t));
    return (uint32_t *)objects->unused.memory + thread;
}

uint32_t objects_new(struct objects *objects, uint32_t thread)
{
    uint32_t *unused = unused_of(objects, thread);
    uint32_t number = *unused - 1;

    if (*unused != 0) {
        *unused = objects_at(objects, number)->next_unused;
        return number;
    }
    number = objects->count++;
    region_reserve(&objects->all, objects->count * sizeof(struct object));
    return number;
}

void objects_place(struct objects *objects, uint32_t number, uint64_t address)
{
    if (2 * (objects->live + 1) > objects->slots)
        grow(objects);
    objects_at(objects, number)->address = address;
    table_of(objects)[slot_of(objects, address)] = number + 1;
    objects->live++;
}

/* Closes the gap: an entry moves into it unless its home lies after the gap. */
static void close_gap(struct objects *objects, uint64_t gap)
{
    uint32_t *table = table_of(objects);
    uint64_t mask = objects->slots - 1;

    for (uint64_t slot = (gap + 1) & mask; table[slot] != 0; slot = (slot + 1) & mask) {
        uint64_t home = home_of(objects, objects_at(objects, table[slot] - 1)->address);

        if (((slot - home) & mask) < ((slot - gap) & mask))
            continue;
        table[gap] = table[slot];
        gap = slot;
    }
    table[gap] = 0;
}

void objects_lift(struct objects *objects, uint32_t number)
{
    close_gap(objects, slot_of(objects, objects_at(objects, number)->address));
    objects->live--;
}

void objects_end(struct objects *objects, uint32_t number, uint32_t thread)
{
    uint32_t *unused = unused_of(objects, thread);

    objects_at(objects, number)->next_unused = *unused;
    *unused = number + 1;
}

void objects_release(struct objects *objects)
{
    region_release(&objects->table);
    region_release(&objects->all);
    region_release(&objects->unused);
    memset(objects, 0, sizeof(*objects));
}
