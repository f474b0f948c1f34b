/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * parser.c - what the front end of a compiler does, file by file: nodes whose children are arrays
 * that grow by realloc, names in a table of symbols that doubles.
 *
 * At the end of a file everything goes, in the order in which it was made. Of the new symbols, one
 * in 32 is exported: it stays until the end, among the holes that the others leave.
 */

#include <string.h>

#include "bench/workloads/workload.h"

enum { NAME_MOST = 24, EXPORT_EVERY = 32, FIRST_SLOTS = 64, RECENT = 64 };

static uint64_t tokens; /* of a file */
static uint64_t vocabulary;

struct symbol {
    struct symbol *next; /* of those made in this file, or of those exported */
    char *name;
    uint64_t hash;
    uint64_t use_count;
};

struct node {
    struct node *next; /* of those made in this file */
    struct symbol *symbol;
    char *literal;
    struct node **children;
    uint32_t child_count;
    uint32_t child_most;
};

struct file {
    struct symbol **slots; /* open addressing, a power of two, half of them in use at most */
    size_t slot_count;
    size_t symbol_count;
    struct symbol *symbols;
    struct symbol **symbols_end;
    struct node *nodes;
    struct node **nodes_end;
    struct node *recent[RECENT];
};

static char (*words)[NAME_MOST]; /* the vocabulary: what may stand in a file */
static struct symbol *exported;

static char *copy(const char *text)
{
    char *own = got(malloc(strlen(text) + 1));

    return strcpy(own, text);
}

/* ---- the table of symbols ---- */

static uint64_t hash_of(const char *name)
{
    uint64_t hash = UINT64_C(0xCBF29CE484222325);

    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001B3);
    return hash;
}

/* The slot of a name: the one that holds it, or the empty one where it belongs. */
static struct symbol **find_slot(const struct file *file, const char *name, uint64_t hash)
{
    size_t mask = file->slot_count - 1;
    size_t slot = (size_t)hash & mask;

    while (file->slots[slot] != NULL &&
           (file->slots[slot]->hash != hash || strcmp(file->slots[slot]->name, name) != 0))
        slot = (slot + 1) & mask;
    return &file->slots[slot];
}

/* Grown by realloc; the symbols are then put in again, from the list of all. */
static void double_table(struct file *file)
{
    file->slot_count *= 2;
    file->slots = got(realloc(file->slots, file->slot_count * sizeof(*file->slots)));
    memset(file->slots, 0, file->slot_count * sizeof(*file->slots));
    for (struct symbol *symbol = file->symbols; symbol != NULL; symbol = symbol->next)
        *find_slot(file, symbol->name, symbol->hash) = symbol;
}

static struct symbol *look_up(struct file *file, const char *name)
{
    uint64_t hash = hash_of(name);
    struct symbol **slot = find_slot(file, name, hash);
    struct symbol *symbol = *slot;

    if (symbol == NULL) {
        symbol = *slot = got(malloc(sizeof(*symbol)));
        *symbol = (struct symbol){NULL, copy(name), hash, 0};
        *file->symbols_end = symbol;
        file->symbols_end = &symbol->next;
        if (++file->symbol_count * 2 > file->slot_count)
            double_table(file);
    }
    symbol->use_count++;
    return symbol;
}

/* ---- nodes ---- */

static void adopt(struct node *parent, struct node *child)
{
    if (parent->child_count == parent->child_most) {
        parent->child_most = parent->child_most == 0 ? 2 : parent->child_most * 2;
        parent->children =
            got(realloc(parent->children, parent->child_most * sizeof(struct node *)));
    }
    parent->children[parent->child_count++] = child;
}

/* Half of the tokens are names, of which the first of the vocabulary are the most frequent; a fifth
   are literals of 1 to 64 bytes; the rest is punctuation. */
static void parse_token(struct file *file, uint64_t number, struct rng *rng)
{
    static const char digits[] = "012345678901234567890123456789012345678901234567890123456789012";
    struct node *node = got(calloc(1, sizeof(*node)));
    uint64_t kind = rng_below(rng, 10);

    *file->nodes_end = node;
    file->nodes_end = &node->next;
    if (kind < 5)
        node->symbol = look_up(file, words[rng_below(rng, 1 + rng_below(rng, vocabulary))]);
    else if (kind < 7)
        node->literal = copy(&digits[sizeof(digits) - 1 - rng_below(rng, sizeof(digits))]);
    if (number > 0)
        adopt(file->recent[rng_below(rng, number < RECENT ? number : RECENT)], node);
    file->recent[number % RECENT] = node;
}

/* ---- files ---- */

static void drop_nodes(struct node *node)
{
    while (node != NULL) {
        struct node *next = node->next;
        free(node->children);
        free(node->literal);
        free(node);
        node = next;
    }
}

/* Of each so many, one changes to the list of those exported. */
static void drop_symbols(struct symbol *symbol, uint64_t export_every)
{
    for (uint64_t number = 1; symbol != NULL; number++) {
        struct symbol *next = symbol->next;
        if (number % export_every == 0) {
            symbol->next = exported;
            exported = symbol;
        } else {
            free(symbol->name);
            free(symbol);
        }
        symbol = next;
    }
}

static void parse_file(uint64_t token_count, struct rng *rng)
{
    struct file file = {.slot_count = FIRST_SLOTS};

    file.slots = got(calloc(FIRST_SLOTS, sizeof(*file.slots)));
    file.symbols_end = &file.symbols;
    file.nodes_end = &file.nodes;
    for (uint64_t number = 0; number < token_count; number++)
        parse_token(&file, number, rng);
    drop_nodes(file.nodes);
    drop_symbols(file.symbols, EXPORT_EVERY);
    free(file.slots);
}

static void compile(size_t thread)
{
    struct rng rng = rng_of(thread);

    for (uint64_t left = ops; left > 0;) {
        uint64_t token_count = least_of(left, tokens);
        parse_file(token_count, &rng);
        left -= token_count;
    }
    drop_symbols(exported, UINT64_MAX);
}

/* Random letters, 3 to NAME_MOST - 2 of them, in each word. */
static void make_words(void)
{
    struct rng letters = rng_of(0);

    words = new_table(vocabulary, sizeof(*words));
    for (size_t word = 0; word < vocabulary; word++) {
        size_t bytes = 3 + (size_t)rng_below(&letters, NAME_MOST - 4);
        for (size_t at = 0; at < bytes; at++)
            words[word][at] = (char)('a' + rng_below(&letters, 26));
    }
}

int main(int argument_count, char **arguments)
{
    begin(argument_count, arguments,
          "a compiler's front end: nodes, strings, a table that grows, all dropped at the "
          "end of each file but for some symbols (ops: tokens)",
          PARAMETERS(OPS(2000000), PARAMETER(tokens, 20000, 1, 1 << 28),
                     PARAMETER(vocabulary, 4000, 1, 1 << 28)));
    make_words();
    run_threads(1, compile);
    drop_table(words, vocabulary, sizeof(*words));
    return report(ops);
}
