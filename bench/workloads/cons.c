/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * cons.c - the heap of an interpreter of lists, with a collector of two generations over malloc.
 *
 *     roots   r0 -> (cell . (cell . ...))     each op makes an object: a number or a string, or a cell
 *             r1 -> ...                       for it before one of the lists, some of which are given up
 *
 *     young   all objects since the last collection: most die together, in the order of their making
 *     old     those that survived one: swept at each eighth collection
 *
 * So dead objects come by the ten thousand, mixed with survivors that will stay: what is free lies
 * scattered among what is not. A cell is never changed, so an old one knows no young one, and a small
 * collection looks at young objects alone. Each object holds a sum over all below it, which is checked
 * whenever it is marked.
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
    uint8_t length; /* of a string */
};

struct cell {
    struct object object;
    struct object *head; /* may be NULL, as the tail */
    struct object *tail;
};

struct number {
    struct object object;
    uint64_t value;
};

struct string {
    struct object object;
    unsigned char text[];
};

static struct object *roots[ROOTS];
static struct object *latest; /* number or string: a root as well */
static struct object *young;
static struct object *old;
static struct object *gray;
static uint64_t young_count, live_count, most_live_count;
static struct rng randomness;

static uint32_t sum_of(const struct object *object)
{
    const struct cell *cell = (const struct cell *)object;
    uint32_t sum = 1;

    if (object == NULL)
        return 0;
    if (object->kind == NUMBER)
        return (uint32_t)((const struct number *)object)->value;
    if (object->kind == STRING)
        return (uint32_t)((const struct string *)object)->text[object->length - 1] + object->length;
    if (cell->head != NULL)
        sum += 3 * cell->head->sum;
    if (cell->tail != NULL)
        sum += cell->tail->sum;
    return sum;
}

/* Making. */

static struct object *add(struct object *object, enum kind kind, uint8_t length)
{
    *object = (struct object){.next = young, .kind = (uint8_t)kind, .length = length};
    young = object;
    young_count++;
    if (++live_count > most_live_count)
        most_live_count = live_count;
    return object;
}

static struct object *make_cell(struct object *head, struct object *tail)
{
    struct cell *cell = got(malloc(sizeof(*cell)));

    add(&cell->object, CELL, 0);
    cell->head = head;
    cell->tail = tail;
    cell->object.sum = sum_of(&cell->object);
    return &cell->object;
}

static struct object *make_number(void)
{
    struct number *number = got(malloc(sizeof(*number)));

    add(&number->object, NUMBER, 0);
    number->value = rng_next(&randomness);
    number->object.sum = sum_of(&number->object);
    return &number->object;
}

static struct object *make_string(void)
{
    uint8_t length = (uint8_t)(1 + rng_below(&randomness, STRING_MOST));
    struct string *string = got(malloc(sizeof(*string) + length));

    add(&string->object, STRING, length);
    memset(string->text, 'a' + length % 26, length);
    string->object.sum = sum_of(&string->object);
    return &string->object;
}

/* Collecting. */

static void check(const struct object *object)
{
    if (object->kind > STRING || object->sum != sum_of(object))
        fail("an object was overwritten");
}

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
        const struct cell *cell = (const struct cell *)gray;
        check(gray);
        gray = gray->gray;
        if (cell->object.kind != CELL)
            continue;
        find(cell->head, is_full);
        find(cell->tail, is_full);
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

/* What a cell holds: mostly the latest number or string, seldom another list. */
static struct object *choose_head(void)
{
    if (rng_below(&randomness, 64) == 0)
        return roots[rng_below(&randomness, ROOTS)];
    return latest;
}

static void evaluate(void)
{
    struct object **root = &roots[rng_below(&randomness, ROOTS)];
    uint64_t choice = rng_below(&randomness, 100);

    if (choice < 2)
        *root = NULL;
    if (choice < 60)
        *root = make_cell(choose_head(), *root);
    else if (choice < 80)
        latest = make_number();
    else
        latest = make_string();
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
