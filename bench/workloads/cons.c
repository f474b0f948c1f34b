/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * cons.c - the heap of an interpreter of lists, with a collector of two generations over malloc.
 *
 *     young   all objects since the last collection: most die together, in the order of their making
 *     old     those that survived one: swept at each eighth collection
 *
 * So dead objects come by the ten thousand, mixed with survivors that will stay. A cell is never
 * changed, so an old one knows no young one, and a small collection looks at young objects alone.
 * Each object holds a sum over all below it, which is checked whenever it is marked.
 */

#include <string.h>

#include "bench/workloads/workload.h"

enum { ROOTS = 2048, FULL_EVERY = 8, STRING_MOST = 120 };

enum kind { CELL, NUMBER, STRING };

static uint64_t nursery;

struct object {
    struct object *next; /* of its generation */
    struct object *gray; /* the next to be looked into, while marking */
    uint32_t sum;
    uint8_t kind;
    uint8_t is_marked;
    uint8_t is_old;
    uint8_t length;             /* of a string */
    union {                     /* of which a block has what it needs */
        struct object *ends[2]; /* of a cell; may be NULL */
        uint64_t value;
        unsigned char text[STRING_MOST];
    } content;
};

enum { HEAD_BYTES = offsetof(struct object, content) };

static struct object *roots[ROOTS];
static struct object *latest; /* number or string: a root as well */
static struct object *young;
static struct object *old;
static struct object *gray;
static uint64_t young_count, live_count, most_live_count;
static struct rng randomness;

static uint32_t sum_of(const struct object *object)
{
    struct object *const *ends = object->content.ends;

    if (object->kind == NUMBER)
        return (uint32_t)object->content.value;
    if (object->kind == STRING)
        return (uint32_t)object->content.text[object->length - 1] + object->length;
    return 1 + (ends[0] != NULL ? 3 * ends[0]->sum : 0) + (ends[1] != NULL ? ends[1]->sum : 0);
}

/* ---- making ---- */

static struct object *make(enum kind kind, const void *content, size_t bytes)
{
    struct object *object = got(malloc(HEAD_BYTES + bytes));

    memset(object, 0, HEAD_BYTES);
    memcpy(&object->content, content, bytes);
    object->next = young;
    object->kind = (uint8_t)kind;
    object->length = (uint8_t)bytes;
    object->sum = sum_of(object);
    young = object;
    young_count++;
    if (++live_count > most_live_count)
        most_live_count = live_count;
    return object;
}

/* ---- collecting ---- */

static void find(struct object *object, bool is_full)
{
    if (object == NULL || object->is_marked || (object->is_old && !is_full))
        return;
    object->is_marked = true;
    object->gray = gray;
    gray = object;
}

static void mark(bool is_full)
{
    for (size_t root = 0; root < ROOTS; root++)
        find(roots[root], is_full);
    find(latest, is_full);
    while (gray != NULL) {
        const struct object *object = gray;
        if (object->kind > STRING || object->sum != sum_of(object))
            fail("an object was overwritten");
        gray = object->gray;
        for (size_t end = 0; object->kind == CELL && end < 2; end++)
            find(object->content.ends[end], is_full);
    }
}

/* Frees what is not marked; the others are old from now on. */
static void sweep(struct object *object)
{
    while (object != NULL) {
        struct object *next = object->next;
        if (object->is_marked) {
            object->is_marked = false;
            object->is_old = true;
            object->next = old;
            old = object;
        } else {
            free(object);
            live_count--;
        }
        object = next;
    }
}

static void collect(bool is_full)
{
    struct object *made = young;
    struct object *kept = is_full ? old : NULL;

    mark(is_full);
    young = NULL;
    young_count = 0;
    if (is_full)
        old = NULL;
    sweep(made);
    sweep(kept);
}

/* The program. */

/* A cell holds mostly the latest number or string, seldom another list. */
static void evaluate(void)
{
    struct object **root = &roots[rng_below(&randomness, ROOTS)];
    uint64_t choice = rng_below(&randomness, 100);

    if (choice < 2)
        *root = NULL;
    if (choice < 60) {
        struct object *ends[2] = {latest, *root};
        if (rng_below(&randomness, 64) == 0)
            ends[0] = roots[rng_below(&randomness, ROOTS)];
        *root = make(CELL, ends, sizeof(ends));
    } else if (choice < 80) {
        uint64_t value = rng_next(&randomness);
        latest = make(NUMBER, &value, sizeof(value));
    } else {
        size_t length = (size_t)(1 + rng_below(&randomness, STRING_MOST));
        char text[STRING_MOST];
        memset(text, (int)('a' + length % 26), length);
        latest = make(STRING, text, length);
    }
}

static void work(size_t thread)
{
    randomness = rng_of(thread);
    for (uint64_t op = 0, collections = 0; op < ops; op++) {
        evaluate();
        if (young_count >= nursery)
            collect(++collections % FULL_EVERY == 0);
    }
    collect(true);
    memset(roots, 0, sizeof(roots));
    latest = NULL;
    collect(true);
    if (live_count != 0)
        fail("%zu objects are left", (size_t)live_count);
}

int main(int argument_count, char **arguments)
{
    begin(argument_count, arguments,
          "an interpreter's cells, numbers and strings, which a collector of two generations "
          "frees by the ten thousand (ops: objects)",
          PARAMETERS(OPS(1000000), PARAMETER(nursery, 50000, 1, TABLE_MOST)));
    run_threads(1, work);
    extra("objects_most", most_live_count);
    return report(ops);
}
