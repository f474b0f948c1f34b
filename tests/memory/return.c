/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/*
 * return MODE: what stays resident. Prints KiB.
 *
 *   idle BYTES calls|pairs   frees three of four parts of 300 MiB, sleeps, makes a few calls of other sizes or goes on with
 *                            pairs of one small size; prints what is kept, then resident beyond the start: afterwards, and
 *                            after malloc_trim()
 *   shrink FROM TO COUNT     so many blocks become shorter; prints what is needed, then resident beyond the start
 *   freed calls|pairs|ticks|asleep  makes 100 MiB of all sizes and frees them in another order; for a
 *                            second makes a few calls, or pairs of small sizes, or calls of cairn_malloc_tick(), or nothing;
 *                            prints what is resident beyond the start
 *   grow                     a block of 2 GiB grows beside others; prints by how much the resident memory did
 *   steady                   blocks change their size in all ways and keep what is in them
 */
#include "tests/memory/self.h"

#include <cairn/malloc.h>

#include <malloc.h>
#include <sys/mman.h>

static char *take_filled(size_t bytes, int with)
{
    char *block = malloc(bytes);

    self_expect(block != NULL, "no memory");
    return memset(block, with, bytes);
}

static void call(void)
{
    static const size_t sizes[] = {700, 5000, 22000, 50000, 150000, 1400, 9000};

    for (size_t idx = 0; idx < sizeof(sizes) / sizeof(sizes[0]); idx++)
        free(take_filled(sizes[idx], 1));
}

static void pair(void)
{
    for (int round = 0; round < 10; round++) {
        for (int count = 0; count < 500000; count++) {
            void *volatile block = malloc(48);

            free(block);
        }
        self_sleep_ms(30);
    }
}

static char **array_of(size_t count)
{
    char **array = mmap(NULL, count * sizeof(*array), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    self_expect(array != MAP_FAILED, "no array");
    return array;
}

/* The last quarter stays, so that nothing goes back by lowering the break. */
static void idle(size_t bytes, bool has_pairs)
{
    size_t count = ((size_t)300 << 20) / bytes;
    char **blocks = array_of(count);
    long before;
    long after;

    call();
    before = self_kib("VmRSS");
    for (size_t idx = 0; idx < count; idx++)
        blocks[idx] = take_filled(bytes, 1);
    for (size_t idx = 0; idx < count / 4 * 3; idx++)
        free(blocks[idx]);
    self_sleep_ms(500);
    if (has_pairs)
        pair();
    else
        call();
    after = self_kib("VmRSS") - before;
    malloc_trim(0);
    printf("%zu %ld %ld\n", (count - count / 4 * 3) * bytes >> 10, after,
           self_kib("VmRSS") - before);
}

static void shrink(size_t from, size_t to, size_t count)
{
    char **blocks = array_of(count);
    size_t usable = 0;
    long before;

    call();
    before = self_kib("VmRSS");
    for (size_t idx = 0; idx < count; idx++)
        blocks[idx] = take_filled(from, (int)idx);
    for (size_t idx = 0; idx < count; idx++) {
        blocks[idx] = realloc(blocks[idx], to);
        usable += malloc_usable_size(blocks[idx]);
    }
    self_sleep_ms(250);
    call();
    printf("%zu %ld %zu\n", count * to >> 10, self_kib("VmRSS") - before, usable >> 10);
    for (size_t idx = 0; idx < count; idx++)
        self_expect(blocks[idx][0] == (char)idx && blocks[idx][to - 1] == (char)idx, "spoilt");
}

/* More of each than caches hold. */
static void small_pairs(void)
{
    void *blocks[400];

    for (size_t bytes = 16; bytes <= 256; bytes *= 2) {
        for (size_t idx = 0; idx < 400; idx++)
            blocks[idx] = take_filled(bytes, 1);
        for (size_t idx = 0; idx < 400; idx++)
            free(blocks[idx]);
    }
}

static void pass_time(const char *way)
{
    for (int slice = 0; slice < 50; slice++) {
        self_sleep_ms(20);
        if (strcmp(way, "calls") == 0)
            call();
        else if (strcmp(way, "pairs") == 0)
            small_pairs();
        else if (strcmp(way, "ticks") == 0 && cairn_malloc_tick != NULL)
            (void)cairn_malloc_tick();
    }
}

/* In an order without regard to addresses. */
static void freed(const char *way)
{
    static const size_t sizes[] = {16, 40, 100, 250, 700, 2000, 9000, 60000, 300000};
    enum { SIZES = sizeof(sizes) / sizeof(sizes[0]), COUNT = 9 * 280, STEP = 1009 };
    char **blocks = array_of(COUNT);
    long before;

    call();
    small_pairs();
    before = self_kib("VmRSS");
    for (int round = 0; round < 2; round++) {
        for (size_t idx = 0; idx < COUNT; idx++)
            blocks[idx] = take_filled(sizes[idx % SIZES], 1);
        for (size_t idx = 0; idx < COUNT; idx++)
            free(blocks[idx * STEP % COUNT]);
    }
    pass_time(way);
    printf("%ld\n", self_kib("VmRSS") - before);
}

static void grow(void)
{
    char *low = take_filled(3000000, 1);
    char *block = malloc((size_t)2 << 30);
    char *high = take_filled(3000000, 2);
    char *more = take_filled(40000000, 3);
    long before;

    self_expect(block != NULL, "no 2 GiB");
    block[5] = block[((size_t)2 << 30) - 1] = 'b';
    before = self_kib("VmRSS");
    block = realloc(block, (size_t)3 << 30);
    self_expect(block != NULL, "no 3 GiB");
    printf("%ld\n", self_kib("VmRSS") - before);
    self_expect(block[5] == 'b' && block[((size_t)2 << 30) - 1] == 'b', "the block is spoilt");
    block[((size_t)3 << 30) - 1] = 'e';
    for (size_t at = 0; at < 3000000; at++)
        self_expect(low[at] == 1 && high[at] == 2 && more[at] == 3, "a neighbour is spoilt");
    free(block);
    self_expect(low[0] == 1 && high[2999999] == 2, "a neighbour is spoilt by free");
}

static void steady(void)
{
    enum { BLOCKS = 30, ROUNDS = 4000 };
    static unsigned *blocks[BLOCKS];
    static size_t words[BLOCKS];
    uint64_t state = 12345;

    for (int round = 0; round < ROUNDS; round++) {
        size_t idx = (state = state * 6364136223846793005u + 1442695040888963407u) >> 40;
        size_t wanted = (size_t)1000 << (state >> 50) % 11;

        wanted += (state >> 33) % wanted;
        idx %= BLOCKS;
        blocks[idx] = realloc(blocks[idx], wanted * sizeof(unsigned));
        self_expect(blocks[idx] != NULL, "no memory");
        for (size_t at = 0; at < wanted && at < words[idx]; at += 101)
            self_expect(blocks[idx][at] == at * 7 + idx, "content is lost");
        for (size_t at = 0; at < wanted; at += 101)
            blocks[idx][at] = (unsigned)(at * 7 + idx);
        words[idx] = wanted;
    }
    puts("steady");
}

int main(int count, char **arguments)
{
    const char *mode = count > 1 ? arguments[1] : "";

    if (strcmp(mode, "idle") == 0 && count == 4)
        idle(strtoul(arguments[2], NULL, 0), strcmp(arguments[3], "pairs") == 0);
    else if (strcmp(mode, "shrink") == 0 && count == 5)
        shrink(strtoul(arguments[2], NULL, 0), strtoul(arguments[3], NULL, 0),
               strtoul(arguments[4], NULL, 0));
    else if (strcmp(mode, "freed") == 0 && count == 3)
        freed(arguments[2]);
    else if (strcmp(mode, "grow") == 0)
        grow();
    else if (strcmp(mode, "steady") == 0)
        steady();
    else
        return 2;
    return fflush(stdout) == 0 ? 0 : 1;
}
