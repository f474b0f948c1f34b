/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * cache.c - a cache of keys and values with a budget of bytes, which forgets what was not used
 * longest.
 *
 * Some keys are asked for often and most seldom. One that is missing gets an entry, a key and a
 * value that live as long as each other; one that is there gets a new value now and then. Sizes of
 * values wander over time, from 64 B ... 4 KiB to 1 ... 64 KiB and back: the budget stays the same,
 * but never the blocks that fill it.
 */

#include <stdio.h>
#include <string.h>

#include "bench/workloads/workload.h"

enum { KEY_MOST = 48, SHIFTS = 4, MIN_BYTES = 64, OCTAVES = 6, WANDERS_MOST = 64 };

static uint64_t keys;
static uint64_t wanders; /* times that the sizes change */

struct entry {
    struct entry *newer;
    struct entry *older;
    uint64_t number;
    char *key;
    unsigned char *value;
    size_t key_bytes;
    size_t value_bytes;
};

struct cache {
    struct entry **entries; /* by the number of the key */
    struct entry ends;      /* newer: the oldest; older: the newest */
    uint64_t live_bytes;
    uint64_t most_live_bytes;
    struct rng rng;
};

/* Values. */

static unsigned char stamp_of(const struct entry *entry)
{
    return (unsigned char)(entry->number * 7 + entry->value_bytes);
}

static void put_value(struct cache *cache, struct entry *entry)
{
    entry->value_bytes = some_size(&cache->rng);
    entry->value = got(malloc(entry->value_bytes));
    entry->value[0] = stamp_of(entry);
    entry->value[entry->value_bytes - 1] = stamp_of(entry);
    cache->live_bytes += entry->value_bytes;
}

static void drop_value(struct cache *cache, struct entry *entry)
{
    if (entry->value[0] != stamp_of(entry) ||
        entry->value[entry->value_bytes - 1] != stamp_of(entry))
        fail("the value of key %zu was overwritten", (size_t)entry->number);
    cache->live_bytes -= entry->value_bytes;
    free(entry->value);
}

/* Keys. */

static size_t write_key(char *text, uint64_t number)
{
    static const char *const kinds[] = {"user", "session", "page/fragment", "thumbnail/of/picture"};

    return (size_t)snprintf(text, KEY_MOST, "%s:%zu", kinds[number % 4], (size_t)number * 7919) + 1;
}

/* Entries. */

static void unlink_entry(struct entry *entry)
{
    entry->newer->older = entry->older;
    entry->older->newer = entry->newer;
}

static struct entry *insert(struct cache *cache, uint64_t number)
{
    struct entry *entry = got(malloc(sizeof(*entry)));
    char text[KEY_MOST];

    entry->number = number;
    entry->key_bytes = write_key(text, number);
    entry->key = got(malloc(entry->key_bytes));
    memcpy(entry->key, text, entry->key_bytes);
    cache->entries[number] = entry;
    cache->live_bytes += sizeof(*entry) + entry->key_bytes;
    return entry;
}

static void forget_above(struct cache *cache, uint64_t budget_bytes)
{
    while (cache->live_bytes > budget_bytes) {
        struct entry *entry = cache->ends.newer;
        char text[KEY_MOST];

        write_key(text, entry->number);
        if (strcmp(text, entry->key) != 0)
            fail("key %zu was overwritten", (size_t)entry->number);
        drop_value(cache, entry);
        unlink_entry(entry);
        cache->entries[entry->number] = NULL;
        cache->live_bytes -= sizeof(*entry) + entry->key_bytes;
        free(entry->key);
        free(entry);
    }
}

/* The work. */

/* Small numbers are the popular ones: the product of two random parts of the whole. One time in
   sixteen a key that is there gets another value. */
static void ask(struct cache *cache)
{
    uint64_t part = 1 + rng_below(&cache->rng, keys);
    uint64_t number = rng_below(&cache->rng, part);
    struct entry *entry = cache->entries[number];

    if (entry == NULL) {
        entry = insert(cache, number);
        put_value(cache, entry);
    } else {
        unlink_entry(entry);
        if (rng_below(&cache->rng, 16) == 0) {
            drop_value(cache, entry);
            put_value(cache, entry);
        }
    }
    entry->newer = &cache->ends;
    entry->older = cache->ends.older;
    entry->older->newer = entry;
    cache->ends.older = entry;
    if (cache->live_bytes > cache->most_live_bytes)
        cache->most_live_bytes = cache->live_bytes;
    forget_above(cache, live);
}

static struct cache cache;

static void work(size_t thread)
{
    cache.rng = rng_of(thread);
    cache.ends.newer = &cache.ends;
    cache.ends.older = &cache.ends;
    cache.entries = new_table(keys, sizeof(struct entry *));
    for (uint64_t wander = 0; wander < wanders; wander++) {
        uint64_t at = wander % (2 * SHIFTS); /* shifts are 0 1 2 3 4 3 2 1 0 1 ... */
        uint64_t least = (uint64_t)MIN_BYTES << least_of(at, 2 * SHIFTS - at);
        sizes = sizes_between(least, least << OCTAVES);
        for (uint64_t left = share_of(ops, wander, wanders); left > 0; left--)
            ask(&cache);
    }
    forget_above(&cache, 0);
    drop_table(cache.entries, keys, sizeof(struct entry *));
}

int main(int argument_count, char **arguments)
{
    begin(argument_count, arguments,
          "keys and values in a budget of bytes, the least recently used ones forgotten, of "
          "sizes that wander: fragmentation over time (ops: look-ups)",
          PARAMETERS(OPS(400000), PARAMETER(keys, 100000, 1, 1 << 28), LIVE(16 << 20),
                     PARAMETER(wanders, 8, 1, WANDERS_MOST)));
    run_threads(1, work);
    extra("live_kib", cache.most_live_bytes / 1024);
    return report(ops);
}
