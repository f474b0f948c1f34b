/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * generate_classes.c - writes classes_table.c: the block sizes, and two tables from size to class.
 *
 *     bazel run //components/sizeclass:generate_classes > components/sizeclass/classes_table.c
 *
 * A program for the machine that builds, not a part of the library. classes_test.cc runs it and
 * compares, so the table in the tree and this rule cannot drift apart:
 *
 *     8, then steps of 16 up to 256, then eight steps to each doubling up to CAIRN_CLASS_BYTES_MAX.
 *
 * A step of an eighth of the power of two below it keeps the waste of any size in its block under
 * 12.5 %.
 */

#include <cairn/classes.h>

#include <stdio.h>

enum {
    SMALL_STEP_BYTES = 16,
    SMALL_BYTES_MAX = 256,
    STEPS_PER_DOUBLING = 8,
    BLOCKS_PER_LINE = 10,
    CLASSES_PER_LINE = 20
};

static const char head[] =
    "/* SPDX-License-Identifier: MIT */\n"
    "/* SPDX-FileCopyrightText: 2026 The cairn authors */\n"
    "\n"
    "/*\n"
    " * classes_table.c - the table of block sizes. Written by "
    "generate_classes.c: change that, not this.\n"
    " *\n"
    " * cairn_class_fine is indexed by (size + 7) / 8, cairn_class_coarse by (size + 127) / 128. "
    "The\n"
    " * latter is right from the first entry on, though those up to 1024 bytes are not asked for.\n"
    " */\n"
    "\n"
    "#include <cairn/classes.h>\n"
    "\n"
    "/* clang-format off */\n";

/* The block size of each class; returns how many there are. */
static unsigned fill_blocks(unsigned *blocks, unsigned room)
{
    unsigned count = 0;
    unsigned bytes = SMALL_STEP_BYTES;
    unsigned base;

    blocks[count++] = 8;
    for (; bytes <= SMALL_BYTES_MAX && count < room; bytes += SMALL_STEP_BYTES)
        blocks[count++] = bytes;
    for (base = SMALL_BYTES_MAX; base < CAIRN_CLASS_BYTES_MAX; base *= 2)
        for (unsigned step = 1; step <= STEPS_PER_DOUBLING && count < room; step++)
            blocks[count++] = base + base / STEPS_PER_DOUBLING * step;
    return count;
}

static unsigned class_of(const unsigned *blocks, unsigned bytes)
{
    unsigned class_idx = 0;

    while (blocks[class_idx] < bytes)
        class_idx++;
    return class_idx;
}

/* Separator in front of entry `idx` of a table: a new line or a space. */
static const char *gap(unsigned idx, unsigned per_line)
{
    return idx % per_line == 0 ? "\n    " : " ";
}

static void print_blocks(const unsigned *blocks)
{
    printf("\nconst uint32_t cairn_class_block_bytes[CAIRN_CLASS_COUNT] = {");
    for (unsigned i = 0; i < CAIRN_CLASS_COUNT; i++)
        printf("%s%u,", gap(i, BLOCKS_PER_LINE), blocks[i]);
    printf("\n};\n");
}

static void print_lookup(const unsigned *blocks, const char *name, const char *length,
                         unsigned bytes_max, unsigned shift)
{
    printf("\nconst uint8_t %s[%s] = {", name, length);
    for (unsigned i = 0; i <= bytes_max >> shift; i++)
        printf("%s%u,", gap(i, CLASSES_PER_LINE), class_of(blocks, i << shift));
    printf("\n};\n");
}

int main(void)
{
    unsigned blocks[CAIRN_CLASS_COUNT + 1];
    unsigned count = fill_blocks(blocks, CAIRN_CLASS_COUNT + 1);

    if (count != CAIRN_CLASS_COUNT || blocks[count - 1] != CAIRN_CLASS_BYTES_MAX) {
        fprintf(stderr, "generate_classes: classes.h announces other classes than these %u\n",
                count);
        return 1;
    }
    printf("%s", head);
    print_blocks(blocks);
    print_lookup(blocks, "cairn_class_fine",
                 "(CAIRN_CLASS_FINE_BYTES_MAX >> CAIRN_CLASS_FINE_SHIFT) + 1",
                 CAIRN_CLASS_FINE_BYTES_MAX, CAIRN_CLASS_FINE_SHIFT);
    print_lookup(blocks, "cairn_class_coarse",
                 "(CAIRN_CLASS_BYTES_MAX >> CAIRN_CLASS_COARSE_SHIFT) + 1", CAIRN_CLASS_BYTES_MAX,
                 CAIRN_CLASS_COARSE_SHIFT);
    return 0;
}
