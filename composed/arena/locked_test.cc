/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * locked_test.cc - the same calls from many threads.
 */

#include <cairn/arena_locked.h>

#include <stdint.h>
#include <string.h>

#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "shadow.h"

namespace {

using cairn_test::Random;

constexpr size_t kMailboxes = 16;

struct Letter {
    size_t size;
    unsigned char fill;
};

/* Blocks that any thread may take out and free: each is handed over whole. */
class Exchange {
  public:
    explicit Exchange(struct cairn_arena_locked *arena) : arena_(arena)
    {
    }

    void work(uint64_t seed, size_t step_count)
    {
        Random random(seed);

        for (size_t step = 0; step < step_count; step++) {
            Letter *mine = make(random);

            if (step % 32 == 0)
                mine = grow(mine, random);
            accept(mailboxes_[random.below(kMailboxes)].exchange(mine));
            if (step % 512 == 0)
                cairn_arena_locked_check(arena_);
        }
    }

    void finish()
    {
        for (auto &mailbox : mailboxes_)
            accept(mailbox.exchange(NULL));
    }

    size_t refused_count() const
    {
        return refused_count_;
    }

  private:
    Letter *make(Random &random)
    {
        size_t size = sizeof(Letter) + random.size_up_to(3000);
        Letter *letter = static_cast<Letter *>(cairn_arena_locked_alloc(arena_, size));

        if (letter == NULL) {
            refused_count_++;
            return NULL;
        }
        letter->size = size;
        letter->fill = static_cast<unsigned char>(random());
        memset(letter + 1, letter->fill, size - sizeof(Letter));
        return letter;
    }

    Letter *grow(Letter *letter, Random &random)
    {
        size_t size;
        void *grown;

        if (letter == NULL)
            return NULL;
        size = letter->size + random.below(2000);
        grown = cairn_arena_locked_realloc(arena_, letter, size);
        if (grown == NULL)
            return letter;
        letter = static_cast<Letter *>(grown);
        letter->size = size;
        memset(letter + 1, letter->fill, size - sizeof(Letter));
        return letter;
    }

    void accept(Letter *letter)
    {
        const unsigned char *text;

        if (letter == NULL)
            return;
        text = reinterpret_cast<const unsigned char *>(letter + 1);
        for (size_t i = 0; i < letter->size - sizeof(Letter); i++)
            if (text[i] != letter->fill)
                ADD_FAILURE() << "a letter was overwritten";
        EXPECT_TRUE(cairn_arena_locked_owns(arena_, letter));
        EXPECT_GE(cairn_arena_locked_usable_bytes(arena_, letter), letter->size);
        cairn_arena_locked_free(arena_, letter);
    }

    struct cairn_arena_locked *arena_;
    std::atomic<Letter *> mailboxes_[kMailboxes] = {};
    std::atomic<size_t> refused_count_{0};
};

void run(size_t buffer_bytes, size_t thread_count, size_t step_count)
{
    std::vector<unsigned char> buffer(buffer_bytes);
    struct cairn_arena_locked *arena = cairn_arena_locked_init(buffer.data(), buffer.size());
    Exchange exchange(arena);
    std::vector<std::thread> threads;
    struct cairn_arena_stats stats;

    for (size_t i = 0; i < thread_count; i++)
        threads.emplace_back([&exchange, i, step_count] { exchange.work(i, step_count); });
    for (std::thread &thread : threads)
        thread.join();
    exchange.finish();
    stats = cairn_arena_locked_stats(arena);
    EXPECT_EQ(stats.used_bytes, 0u);
    EXPECT_EQ(stats.alloc_count, stats.free_count);
    EXPECT_GE(stats.failed_count, exchange.refused_count());
    cairn_arena_locked_check(arena);
}

TEST(ArenaLocked, ManyThreadsShareOneHeap)
{
    run(1 << 20, 4, 10000);
}

TEST(ArenaLocked, ManyThreadsShareTheLastBytes)
{
    run(CAIRN_ARENA_BYTES_MIN, 4, 10000);
}

TEST(ArenaLocked, AcceptsTheSameBuffersAsTheArena)
{
    std::vector<unsigned char> buffer(CAIRN_ARENA_BYTES_MIN);

    EXPECT_EQ(cairn_arena_locked_init(buffer.data(), CAIRN_ARENA_BYTES_MIN - 1), nullptr);
    EXPECT_EQ(cairn_arena_locked_init(NULL, CAIRN_ARENA_BYTES_MIN), nullptr);
    EXPECT_NE(cairn_arena_locked_init(buffer.data(), CAIRN_ARENA_BYTES_MIN), nullptr);
}

TEST(ArenaLocked, EveryCallDoesWhatTheArenaDoes)
{
    std::vector<unsigned char> buffer(1 << 20, 0xff);
    struct cairn_arena_locked *arena = cairn_arena_locked_init(buffer.data(), buffer.size());
    auto *zeroed = static_cast<unsigned char *>(cairn_arena_locked_calloc(arena, 10, 10));
    void *aligned = cairn_arena_locked_alloc_aligned(arena, 10, 4096);
    auto *block = static_cast<unsigned char *>(cairn_arena_locked_alloc(arena, 3));
    struct cairn_arena_stats stats;

    EXPECT_EQ(zeroed[0] | zeroed[99], 0);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(aligned) % 4096, 0u);
    block[2] = 42;
    block = static_cast<unsigned char *>(cairn_arena_locked_realloc(arena, block, 100000));
    EXPECT_EQ(block[2], 42);
    stats = cairn_arena_locked_stats(arena);
    EXPECT_GE(stats.used_bytes, 100000u);
    cairn_arena_locked_free(arena, block);
    cairn_arena_locked_reset(arena);
    stats = cairn_arena_locked_stats(arena);
    EXPECT_EQ(stats.used_bytes, 0u);
    EXPECT_EQ(stats.alloc_count, 0u);
    cairn_arena_locked_check(arena);
}

} // namespace
