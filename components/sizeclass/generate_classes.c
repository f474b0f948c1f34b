/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * generate_classes.c - writes a table of block sizes as C.
 *
 *     generate_classes                             the default table, which classes_table.c holds
 *     generate_classes --sizes FILE                the sizes in the file, ascending
 *     generate_classes --histogram FILE --count N  the best sizes for a program, at most N of them
 *     ... --name SYMBOL                            the name of the table
 *
 * A program for the machine that builds, not a part of the library. Numbers in files are separated
 * by white space; # begins a comment. A line of a histogram is: size, allocations, blocks of the
 * size that were live when the program held most (//bench/trace:info --histogram writes it).
 *
 * The default rule: 8, then steps of 16 up to 256, then eight steps to each doubling. A step of an
 * eighth of the power of two below it keeps the waste of any size in its block under 12.5 %.
 *
 * The best sizes. What a class costs is what its blocks, live at the peak, take in slabs, tails and
 * all, and half a slab for being in use. Sizes between two neighbours of the table fall into the
 * upper, so the cheapest table that ends in a class follows from the cheapest tables that end in a
 * smaller one:
 *
 *     best[k][j] = min over i < j of best[k - 1][i] + cost of the sizes in (i, j] in blocks of j
 *
 * No power of two may be skipped (T3 of classes.h). O(candidates^2 * N).
 */

#include <cairn/classes.h>
#include <cairn/slabs.h>

#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    GRANULE_BYTES = 16384,
    FINE_STEP_BYTES = 16,
    SMALL_BYTES_MAX = 256,
    STEPS_PER_DOUBLING = 8,
    BLOCKS_PER_LINE = 10,
    CLASSES_PER_LINE = 20,
    CANDIDATES_MAX = 512
};

static _Noreturn void die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("generate_classes: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static void add(struct cairn_class_table *table, unsigned long bytes)
{
    if (table->count == CAIRN_CLASS_COUNT_MAX)
        die("a table has at most %d classes", CAIRN_CLASS_COUNT_MAX);
    table->block_bytes[table->count++] = (uint32_t)bytes;
}

/* ---- where the sizes come from --------------------------------------------------------------- */

static void fill_by_rule(struct cairn_class_table *table)
{
    add(table, 8);
    for (unsigned bytes = FINE_STEP_BYTES; bytes <= SMALL_BYTES_MAX; bytes += FINE_STEP_BYTES)
        add(table, bytes);
    for (unsigned base = SMALL_BYTES_MAX; base < CAIRN_CLASS_BYTES_MAX; base *= 2)
        for (unsigned step = 1; step <= STEPS_PER_DOUBLING; step++)
            add(table, base + base / STEPS_PER_DOUBLING * step);
}

/* The next number of a file; false at its end. */
static bool read_number(FILE *file, const char *path, unsigned long *number)
{
    int next;

    while (fscanf(file, "%lu", number) != 1) {
        next = fgetc(file);
        if (next == EOF)
            return false;
        if (next != '#')
            die("%s: '%c' is neither a number nor the # of a comment", path, next);
        while (next != '\n' && next != EOF)
            next = fgetc(file);
    }
    return true;
}

static FILE *open_file(const char *path)
{
    FILE *file = fopen(path, "r");

    if (file == NULL)
        die("%s cannot be read", path);
    return file;
}

static void fill_from_list(struct cairn_class_table *table, const char *path)
{
    FILE *file = open_file(path);
    unsigned long bytes;

    while (read_number(file, path, &bytes)) {
        if (bytes > CAIRN_CLASS_BYTES_MAX)
            die("%s: %lu is above the largest class, %d", path, bytes, CAIRN_CLASS_BYTES_MAX);
        add(table, bytes);
    }
    fclose(file);
}

/* ---- the best sizes for a histogram ---------------------------------------------------------- */

/* Sums over the sizes up to each byte. */
struct histogram {
    double live[CAIRN_CLASS_BYTES_MAX + 1];
    double allocations[CAIRN_CLASS_BYTES_MAX + 1];
};

static void read_histogram(struct histogram *histogram, const char *path)
{
    FILE *file = open_file(path);
    unsigned long size_bytes;
    unsigned long allocations;
    unsigned long live;

    while (read_number(file, path, &size_bytes)) {
        if (!read_number(file, path, &allocations) || !read_number(file, path, &live))
            die("%s: a line is: size, allocations, live at the peak", path);
        if (size_bytes > CAIRN_CLASS_BYTES_MAX)
            continue;
        histogram->live[size_bytes] += (double)live;
        histogram->allocations[size_bytes] += (double)allocations;
    }
    fclose(file);
    for (size_t bytes = 1; bytes <= CAIRN_CLASS_BYTES_MAX; bytes++) {
        histogram->live[bytes] += histogram->live[bytes - 1];
        histogram->allocations[bytes] += histogram->allocations[bytes - 1];
    }
    if (histogram->allocations[CAIRN_CLASS_BYTES_MAX] == 0)
        die("%s has no size up to %d", path, CAIRN_CLASS_BYTES_MAX);
}

/* A size that a class can have. */
struct candidate {
    uint32_t bytes;
    double block_cost; /* of a block, with its share of the tail of its slab */
    double slab_cost;  /* of the class being in use */
};

/* Candidate 0 stands for no class. */
static unsigned fill_candidates(struct candidate *candidates)
{
    unsigned count = 1;
    uint32_t bytes = 8;

    candidates[0] = (struct candidate){0, 0, 0};
    while (bytes <= CAIRN_CLASS_BYTES_MAX) {
        struct cairn_slab_geometry geometry;

        if (cairn_slab_geometry(&geometry, bytes, GRANULE_BYTES) == 0)
            candidates[count++] = (struct candidate){
                bytes, (double)geometry.slab_bytes / geometry.block_count, geometry.slab_bytes / 2};
        bytes += bytes == 8 ? 8 : bytes < CAIRN_CLASS_FINE_BYTES_MAX ? 16 : 128;
    }
    return count;
}

static double cost_of(const struct histogram *histogram, const struct candidate *below,
                      const struct candidate *class)
{
    double live = histogram->live[class->bytes] - histogram->live[below->bytes];
    double allocations =
        histogram->allocations[class->bytes] - histogram->allocations[below->bytes];

    if (allocations == 0)
        return 0;
    return live * class->block_cost + class->slab_cost;
}

static bool is_power_of_two(uint32_t number)
{
    return (number & (number - 1)) == 0;
}

static void fill_best(struct cairn_class_table *table, const struct histogram *histogram,
                      unsigned count_max)
{
    static double best[CAIRN_CLASS_COUNT_MAX + 1][CANDIDATES_MAX];
    static unsigned below[CAIRN_CLASS_COUNT_MAX + 1][CANDIDATES_MAX];
    struct candidate candidates[CANDIDATES_MAX];
    unsigned count = fill_candidates(candidates);
    unsigned class_count = 0;

    for (unsigned k = 0; k <= count_max; k++)
        for (unsigned j = 0; j < count; j++)
            best[k][j] = k == 0 && j == 0 ? 0 : INFINITY;
    for (unsigned k = 1; k <= count_max; k++) {
        for (unsigned j = 1; j < count; j++) {
            for (unsigned i = j; i-- > 0;) {
                double cost = best[k - 1][i] + cost_of(histogram, &candidates[i], &candidates[j]);

                if (cost < best[k][j]) {
                    best[k][j] = cost;
                    below[k][j] = i;
                }
                if (candidates[i].bytes >= 16 && is_power_of_two(candidates[i].bytes))
                    break;
            }
        }
        if (class_count == 0 || best[k][count - 1] < best[class_count][count - 1])
            class_count = k;
    }
    if (isinf(best[class_count][count - 1]))
        die("--count %u is too few: each power of two from 16 to %d is a class", count_max,
            CAIRN_CLASS_BYTES_MAX);
    table->count = class_count;
    for (unsigned j = count - 1, k = class_count; k > 0; j = below[k][j], k--)
        table->block_bytes[k - 1] = candidates[j].bytes;
}

/* ---- the table ------------------------------------------------------------------------------- */

static unsigned class_of(const struct cairn_class_table *table, size_t bytes)
{
    unsigned class_idx = 0;

    while (class_idx < table->count - 1 && table->block_bytes[class_idx] < bytes)
        class_idx++;
    return class_idx;
}

static void fill_lookup(struct cairn_class_table *table)
{
    for (size_t i = 0; i < sizeof(table->fine); i++)
        table->fine[i] = (uint8_t)class_of(table, i << CAIRN_CLASS_FINE_SHIFT);
    for (size_t i = 0; i < sizeof(table->coarse); i++)
        table->coarse[i] = (uint8_t)class_of(table, i << CAIRN_CLASS_COARSE_SHIFT);
}

static bool has(const struct cairn_class_table *table, uint32_t bytes)
{
    return table->count > 0 && table->block_bytes[class_of(table, bytes)] == bytes;
}

/* What cairn_class_table_check() would stop at, in words for the author of a list. */
static void check_list(const struct cairn_class_table *table)
{
    for (unsigned i = 0; i < table->count; i++) {
        uint32_t bytes = table->block_bytes[i];

        if (i > 0 && bytes <= table->block_bytes[i - 1])
            die("%u after %u: sizes must ascend", bytes, table->block_bytes[i - 1]);
        if (bytes == 0)
            die("0 is no size of a class");
        if (bytes != 8 && bytes % 16 != 0)
            die("%u is no multiple of 16 (only 8 need not be)", bytes);
        if (bytes > CAIRN_CLASS_FINE_BYTES_MAX && bytes % 128 != 0)
            die("%u is no multiple of 128, as sizes above 1024 must be", bytes);
    }
    for (uint32_t bytes = 16; bytes <= CAIRN_CLASS_BYTES_MAX; bytes *= 2)
        if (!has(table, bytes))
            die("%u is missing: each power of two from 16 to 32768 is a class", bytes);
}

/* ---- output ---------------------------------------------------------------------------------- */

static const char head[] =
    "/* SPDX-License-Identifier: MIT */\n"
    "/* SPDX-FileCopyrightText: 2026 The cairn authors */\n"
    "\n"
    "/* A table of block sizes, written by generate_classes.c: change that, not this. `fine` is\n"
    "   indexed by (size + 7) / 8, `coarse` by (size + 127) / 128. */\n"
    "\n"
    "#include <cairn/classes.h>\n"
    "\n"
    "/* clang-format off */\n";

/* Separator in front of entry `idx` of a table: a new line or a space. */
static const char *gap(size_t idx, size_t per_line)
{
    return idx % per_line == 0 ? "\n        " : " ";
}

static void print_bytes(const char *name, const uint8_t *bytes, size_t count)
{
    printf("    .%s = {", name);
    for (size_t i = 0; i < count; i++)
        printf("%s%u,", gap(i, CLASSES_PER_LINE), bytes[i]);
    printf("\n    },\n");
}

static void print(const struct cairn_class_table *table, const char *name)
{
    printf("%s\nconst struct cairn_class_table %s = {\n    .count = %u,\n    .block_bytes = {",
           head, name, table->count);
    for (unsigned i = 0; i < table->count; i++)
        printf("%s%u,", gap(i, BLOCKS_PER_LINE), table->block_bytes[i]);
    printf("\n    },\n");
    print_bytes("fine", table->fine, sizeof(table->fine));
    print_bytes("coarse", table->coarse, sizeof(table->coarse));
    printf("};\n");
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"name", required_argument, NULL, 'n'},
                                            {"sizes", required_argument, NULL, 's'},
                                            {"histogram", required_argument, NULL, 'h'},
                                            {"count", required_argument, NULL, 'c'},
                                            {NULL, 0, NULL, 0}};
    static struct cairn_class_table table;
    static struct histogram histogram;
    const char *name = "cairn_classes_default";
    const char *sizes = NULL;
    const char *seen = NULL;
    unsigned long count = 73;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'n')
            name = optarg;
        else if (option == 's')
            sizes = optarg;
        else if (option == 'h')
            seen = optarg;
        else if (option == 'c')
            count = strtoul(optarg, NULL, 10);
        else
            return 2;
    }
    if (count == 0 || count > CAIRN_CLASS_COUNT_MAX)
        die("--count is a number from 12 to %d", CAIRN_CLASS_COUNT_MAX);
    if (sizes != NULL) {
        fill_from_list(&table, sizes);
    } else if (seen != NULL) {
        read_histogram(&histogram, seen);
        fill_best(&table, &histogram, (unsigned)count);
    } else {
        fill_by_rule(&table);
    }
    check_list(&table);
    fill_lookup(&table);
    print(&table, name);
    return 0;
}
