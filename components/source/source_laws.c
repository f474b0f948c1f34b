/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * source_laws.c - the laws of <cairn/source.h>, one function each.
 *
 * Idea. A hand holds what a law has taken: pointers in an array on the stack, no allocation. Each
 * law takes the blocks that the shape promises, looks at them, gives everything back, and answers
 * NULL or the sentence that says what was broken.
 *
 *     hand   | p0 | p1 | ... | pn-1 | guard |      the guard sees a take that writes behind what was asked
 *
 * Blocks are filled with words that depend on their address and on a salt, so a block that overlaps
 * another, or that its source scribbled into, reads wrong later.
 *
 * What cannot be tested from outside is tested elsewhere: L6 by cairn_counted_fini() below the
 * provider, L7 by the symbols that a component needs, L9 by the ranks of the locks.
 *
 * Cost. At most CAIRN_LAW_BLOCKS_MAX blocks out at once; every byte of block_count blocks is
 * written and read a few times.
 */

#include <cairn/source_laws.h>

#include <cairn/base/align.h>
#include <cairn/base/check.h>

#include <errno.h>
#include <string.h>

enum { ROUNDS = 4, ERRNO_MARK = 7919 };

struct hand {
    struct cairn_source source;
    const struct cairn_law_shape *shape;
    size_t count;
    uint64_t random;
    void *blocks[CAIRN_LAW_BLOCKS_MAX + 1]; /* one more for the guard */
};

static const char not_enough[] = "gave fewer blocks than the shape promises";

/* splitmix64: every seed will do, 0 too. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static size_t random_below(struct hand *hand, size_t bound)
{
    return (size_t)(next_random(&hand->random) % bound);
}

static void open_hand(struct hand *hand, struct cairn_source source,
                      const struct cairn_law_shape *shape)
{
    CAIRN_CHECK(shape->block_count >= 1 && shape->block_count <= CAIRN_LAW_BLOCKS_MAX,
                "bad block_count in a law shape", shape, __func__);
    CAIRN_CHECK(shape->block_bytes > 0, "bad block_bytes in a law shape", shape, __func__);
    CAIRN_CHECK(cairn_is_pow2(shape->align_bytes), "bad align_bytes in a law shape", shape,
                __func__);
    hand->source = source;
    hand->shape = shape;
    hand->count = 0;
    hand->random = shape->seed;
}

/* Takes up to `count` more blocks into the hand; says what is wrong with the answer itself. */
static const char *take(struct hand *hand, size_t count, size_t *taken)
{
    void **blocks = &hand->blocks[hand->count];
    void *guard = &hand->random;

    CAIRN_ASSERT(count <= CAIRN_LAW_BLOCKS_MAX - hand->count);
    blocks[count] = guard;
    *taken = cairn_source_take(hand->source, hand->shape->block_bytes, hand->shape->align_bytes,
                               blocks, count);
    if (*taken > count)
        return "took more blocks than asked";
    if (blocks[count] != guard)
        return "wrote behind the array of blocks";
    for (size_t i = 0; i < *taken; i++)
        if (blocks[i] == NULL)
            return "counted a NULL as a block";
    hand->count += *taken;
    return NULL;
}

/* Takes `count` blocks in groups of random sizes. */
static const char *take_groups(struct hand *hand, size_t count)
{
    while (count > 0) {
        size_t group = 1 + random_below(hand, count);
        size_t taken;
        const char *broken = take(hand, group, &taken);

        if (broken != NULL)
            return broken;
        if (taken < group)
            return not_enough;
        count -= group;
    }
    return NULL;
}

static void shuffle(struct hand *hand)
{
    for (size_t i = hand->count; i > 1; i--) {
        size_t j = random_below(hand, i);
        void *block = hand->blocks[j];

        hand->blocks[j] = hand->blocks[i - 1];
        hand->blocks[i - 1] = block;
    }
}

/* Gives the last `count` blocks of the hand, in groups of random sizes, empty ones among them. */
static void give_groups(struct hand *hand, size_t count)
{
    size_t end = hand->count - count;

    CAIRN_ASSERT(count <= hand->count);
    while (hand->count > end) {
        size_t group = random_below(hand, hand->count - end + 1);

        hand->count -= group;
        cairn_source_give(hand->source, hand->shape->block_bytes, &hand->blocks[hand->count],
                          group);
    }
}

static void reverse(struct hand *hand)
{
    for (size_t i = 0; i < hand->count / 2; i++) {
        void *block = hand->blocks[i];

        hand->blocks[i] = hand->blocks[hand->count - 1 - i];
        hand->blocks[hand->count - 1 - i] = block;
    }
}

static bool is_aligned(const struct hand *hand, size_t align_bytes)
{
    for (size_t i = 0; i < hand->count; i++)
        if (!cairn_is_aligned((size_t)(uintptr_t)hand->blocks[i], align_bytes))
            return false;
    return true;
}

static bool is_disjoint(const struct hand *hand)
{
    size_t block_bytes = hand->shape->block_bytes;

    for (size_t i = 0; i < hand->count; i++) {
        uintptr_t a = (uintptr_t)hand->blocks[i];

        if (a > UINTPTR_MAX - (block_bytes - 1))
            return false;
        for (size_t j = 0; j < i; j++) {
            uintptr_t b = (uintptr_t)hand->blocks[j];

            if ((a > b ? a - b : b - a) < block_bytes)
                return false;
        }
    }
    return true;
}

/* Eight bytes for each place: the block's address and the place, stirred. */
static uint64_t word_of(const unsigned char *block, size_t offset, uint64_t salt)
{
    uint64_t state = (uint64_t)(uintptr_t)block ^ salt;

    state += (uint64_t)offset * 0x9e3779b97f4a7c15u;
    return state ^ (state >> 29);
}

static void fill(unsigned char *block, size_t bytes, uint64_t salt)
{
    for (size_t offset = 0; offset < bytes; offset += sizeof(uint64_t)) {
        uint64_t word = word_of(block, offset, salt);

        memcpy(block + offset, &word, cairn_min(sizeof(word), bytes - offset));
    }
}

static bool is_filled(const unsigned char *block, size_t bytes, uint64_t salt)
{
    for (size_t offset = 0; offset < bytes; offset += sizeof(uint64_t)) {
        uint64_t word = word_of(block, offset, salt);

        if (memcmp(block + offset, &word, cairn_min(sizeof(word), bytes - offset)) != 0)
            return false;
    }
    return true;
}

static bool is_zero(const unsigned char *block, size_t bytes)
{
    return block[0] == 0 && memcmp(block, block + 1, bytes - 1) == 0;
}

static void fill_from(struct hand *hand, size_t first)
{
    for (size_t i = first; i < hand->count; i++)
        fill(hand->blocks[i], hand->shape->block_bytes, hand->shape->seed);
}

static bool all_filled(const struct hand *hand)
{
    for (size_t i = 0; i < hand->count; i++)
        if (!is_filled(hand->blocks[i], hand->shape->block_bytes, hand->shape->seed))
            return false;
    return true;
}

static bool all_zero(const struct hand *hand)
{
    for (size_t i = 0; i < hand->count; i++)
        if (!is_zero(hand->blocks[i], hand->shape->block_bytes))
            return false;
    return true;
}

const char *cairn_law_aligned(struct cairn_source source, const struct cairn_law_shape *shape)
{
    struct hand hand;
    const char *broken;

    open_hand(&hand, source, shape);
    broken = take_groups(&hand, shape->block_count);
    if (broken != NULL)
        return broken;
    if (!is_aligned(&hand, shape->align_bytes))
        return "a block is not aligned as asked";
    if (cairn_source_has(source, CAIRN_SOURCE_NATURAL_ALIGN) && cairn_is_pow2(shape->block_bytes) &&
        !is_aligned(&hand, shape->block_bytes))
        return "a block is not aligned to its size, as the traits promise";
    give_groups(&hand, hand.count);
    return NULL;
}

const char *cairn_law_disjoint(struct cairn_source source, const struct cairn_law_shape *shape)
{
    struct hand hand;
    const char *broken;

    open_hand(&hand, source, shape);
    for (int round = 0; round < ROUNDS; round++) {
        broken = take_groups(&hand, shape->block_count - hand.count);
        if (broken != NULL)
            return broken;
        if (!is_disjoint(&hand))
            return "two blocks that are out at once overlap";
        shuffle(&hand);
        give_groups(&hand, (hand.count + 1) / 2);
    }
    give_groups(&hand, hand.count);
    return NULL;
}

const char *cairn_law_writable(struct cairn_source source, const struct cairn_law_shape *shape)
{
    struct hand hand;
    const char *broken;

    open_hand(&hand, source, shape);
    for (int round = 0; round < 2; round++) {
        size_t kept = hand.count;

        broken = take_groups(&hand, shape->block_count - kept);
        if (broken != NULL)
            return broken;
        fill_from(&hand, kept);
        if (!all_filled(&hand))
            return "what was written into a block does not stay there";
        shuffle(&hand);
        give_groups(&hand, (hand.count + 1) / 2);
        if (!all_filled(&hand))
            return "giving a block changed another that is out";
    }
    give_groups(&hand, hand.count);
    return NULL;
}

const char *cairn_law_any_order(struct cairn_source source, const struct cairn_law_shape *shape)
{
    static void (*const orders[])(struct hand *) = {NULL, reverse, shuffle, shuffle, shuffle};
    struct hand hand;
    const char *broken;

    open_hand(&hand, source, shape);
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        broken = take_groups(&hand, shape->block_count);
        if (broken == not_enough && i > 0)
            return "blocks that were given back cannot be taken again";
        if (broken != NULL)
            return broken;
        if (orders[i] != NULL)
            orders[i](&hand);
        give_groups(&hand, hand.count);
    }
    return NULL;
}

const char *cairn_law_errno_untouched(struct cairn_source source,
                                      const struct cairn_law_shape *shape)
{
    struct hand hand;
    const char *broken;
    int errno_before = errno;
    bool untouched;

    open_hand(&hand, source, shape);
    errno = ERRNO_MARK;
    broken = take_groups(&hand, shape->block_count);
    if (broken != NULL)
        return broken;
    untouched = errno == ERRNO_MARK;
    /* The answer is law L4's business; here a failure must leave errno alone, too. */
    (void)cairn_source_take(source, SIZE_MAX, shape->align_bytes, &hand.blocks[hand.count], 1);
    untouched = untouched && errno == ERRNO_MARK;
    give_groups(&hand, hand.count);
    untouched = untouched && errno == ERRNO_MARK;
    errno = errno_before;
    return untouched ? NULL : "errno was changed";
}

const char *cairn_law_zeroed_if_promised(struct cairn_source source,
                                         const struct cairn_law_shape *shape)
{
    struct hand hand;
    const char *broken;

    if (!cairn_source_has(source, CAIRN_SOURCE_ZEROED))
        return NULL;
    open_hand(&hand, source, shape);
    for (int round = 0; round < ROUNDS; round++) {
        broken = take_groups(&hand, shape->block_count);
        if (broken != NULL)
            return broken;
        if (!all_zero(&hand))
            return "a block does not read as zero, as the traits promise";
        fill_from(&hand, 0);
        shuffle(&hand);
        give_groups(&hand, hand.count);
    }
    return NULL;
}

/* Takes until the source is dry or the hand is full; a dry source is asked once more. */
static const char *take_until_dry(struct hand *hand)
{
    int dry_count = 0;

    while (dry_count < 2 && hand->count < CAIRN_LAW_BLOCKS_MAX) {
        size_t group = cairn_min(1 + random_below(hand, 32), CAIRN_LAW_BLOCKS_MAX - hand->count);
        size_t taken;
        const char *broken = take(hand, group, &taken);

        if (broken != NULL)
            return broken;
        dry_count += taken < group;
    }
    return NULL;
}

/* Sizes and alignments that no address space serves: the answer is none, not a wrapped sum. */
static const char *take_impossible(struct hand *hand)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 4095, SIZE_MAX / 2 + 1};
    void **blocks = hand->blocks;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        if (cairn_source_take(hand->source, sizes[i], hand->shape->align_bytes, blocks, 4) != 0)
            return "gave a block larger than the address space";
    if (cairn_source_take(hand->source, hand->shape->block_bytes, SIZE_MAX / 2 + 1, blocks, 4) != 0)
        return "gave a block with an impossible alignment";
    return NULL;
}

const char *cairn_law_retryable(struct cairn_source source, const struct cairn_law_shape *shape)
{
    struct hand hand;
    const char *broken;
    size_t first_count = shape->block_count;

    for (int round = 0; round < ROUNDS; round++) {
        open_hand(&hand, source, shape); /* the same groups again */
        broken = take_until_dry(&hand);
        if (broken != NULL)
            return broken;
        if (hand.count < first_count)
            return round == 0 ? not_enough : "gave fewer blocks after it had run dry";
        if (!is_disjoint(&hand) || !is_aligned(&hand, shape->align_bytes))
            return "a dry source gave blocks that overlap or are not aligned";
        first_count = hand.count;
        shuffle(&hand);
        give_groups(&hand, hand.count);
        broken = take_impossible(&hand);
        if (broken != NULL)
            return broken;
    }
    return NULL;
}

const char *cairn_laws_hold(struct cairn_source source, const struct cairn_law_shape *shape)
{
    static const char *(*const laws[])(struct cairn_source, const struct cairn_law_shape *) = {
        cairn_law_aligned,   cairn_law_disjoint,        cairn_law_writable,
        cairn_law_any_order, cairn_law_errno_untouched, cairn_law_zeroed_if_promised,
        cairn_law_retryable,
    };

    for (size_t i = 0; i < sizeof(laws) / sizeof(laws[0]); i++) {
        const char *broken = laws[i](source, shape);

        if (broken != NULL)
            return broken;
    }
    return NULL;
}
