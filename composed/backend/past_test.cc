// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Blocks that are taken and freed without a lock, and what becomes of marks when threads race.

#include "composed/backend/backend_fixture.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

namespace {

TEST_F(Backend, ServesPastBlocksWithoutALock)
{
    alarm(60); // a lock that is taken twice is an end that does not come
    cairn_lock_take(&backend_.runs_lock);
    for (size_t size : {0ul, 1ul, 100ul, 16384ul, 16385ul, 1000000ul, 5ul << 20, 300ul << 20})
        for (size_t align = 1; align <= (64ul << 20); align *= 16) {
            auto *block = static_cast<char *>(cairn_backend_alloc_past(&backend_, size, align));
            ASSERT_NE(block, nullptr) << size << " aligned to " << align;
            EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % std::max(align, size_t{16}), 0u);
            EXPECT_TRUE(cairn_backend_is_block(&backend_, block));
            EXPECT_FALSE(cairn_backend_is_block(&backend_, block + 16));
            EXPECT_FALSE(cairn_backend_is_block(&backend_, block + backend_.page_bytes));
            EXPECT_EQ(cairn_tag_kind(Tag(block)), CAIRN_KIND_PAST);
            size_t usable = Usable(block);
            EXPECT_GE(usable, std::max(size, backend_.granule_bytes));
            for (size_t at = 0; at < usable; at += 4096)
                ASSERT_EQ(block[at], 0);
            block[0] = block[usable - 1] = 1;
            EXPECT_TRUE(cairn_backend_free_past(&backend_, block));
            EXPECT_FALSE(cairn_backend_free_past(&backend_, block));
            EXPECT_FALSE(cairn_backend_is_block(&backend_, block));
        }
    for (size_t size : {1ul << 48, 1ul << 60, size_t{PTRDIFF_MAX}})
        EXPECT_EQ(cairn_backend_alloc_past(&backend_, size, 1), nullptr);
    EXPECT_EQ(cairn_backend_alloc_past(&backend_, 1, 1ul << 60), nullptr);
    EXPECT_EQ(cairn_backend_alloc_past(&backend_, 1, 1ul << 63), nullptr);
    cairn_lock_release(&backend_.runs_lock);
    alarm(0);
}

TEST_F(Backend, TakesPastBlocksBackLikeAnyOther)
{
    char *large = Alloc(100000);
    char *huge = Alloc(5 << 20);
    EXPECT_FALSE(cairn_backend_free_past(&backend_, large));
    EXPECT_FALSE(cairn_backend_free_past(&backend_, huge));
    EXPECT_FALSE(cairn_backend_free_past(&backend_, &large));
    void *past = cairn_backend_alloc_past(&backend_, 70000, 1);
    EXPECT_EQ(Resize(past, 50000), nullptr) << "the caller copies";
    EXPECT_EQ(Resize(past, 5000000), nullptr);
    EXPECT_GE(Usable(past), 70000u);
    Free(past);
    EXPECT_DEATH(Free(past), "freed before");
    EXPECT_EQ(cairn_backend_stats(&backend_).huge_count, 1u);
    Free(large);
    Free(huge);
}

TEST_F(Backend, GivesABlockToOneOfTheThreadsThatFreeIt)
{
    std::atomic<int> round{0}, freed{0};
    std::atomic<void *> block{nullptr};
    std::vector<std::thread> threads;
    constexpr int kRounds = 2000;
    std::atomic<int> done{0};
    for (int idx = 0; idx < 3; idx++)
        threads.emplace_back([&] {
            for (int mine = 1; mine <= kRounds; mine++) {
                while (round.load() < mine)
                    sched_yield();
                freed += cairn_backend_free_past(&backend_, block.load());
                done++;
            }
        });
    for (int mine = 1; mine <= kRounds; mine++) {
        block = cairn_backend_alloc_past(&backend_, 100, 1);
        round = mine;
        while (done.load() < 3 * mine)
            sched_yield();
        ASSERT_EQ(freed.load(), mine);
    }
    for (auto &thread : threads)
        thread.join();
}

// What one thread's block leaves when it moves is what another thread's new block gets.
TEST_F(Backend, MarksBlocksThatMoveWhileOthersTakeTheirPlaces)
{
    std::vector<std::thread> threads;
    for (unsigned seed = 1; seed <= 3; seed++)
        threads.emplace_back([this, seed] {
            for (int round = 0; round < 150; round++) {
                size_t bytes = (2u << 20) + seed * 4096;
                char *block = Alloc(bytes);
                block[1] = static_cast<char>(seed);
                for (int step = 0; step < 4; step++) {
                    char *grown = Resize(block, bytes * 2);
                    if (grown == nullptr)
                        break;
                    block = grown;
                    bytes *= 2;
                    ASSERT_TRUE(cairn_backend_is_block(&backend_, block));
                    ASSERT_GE(Usable(block), bytes);
                    ASSERT_EQ(block[1], static_cast<char>(seed));
                }
                Free(block);
            }
        });
    for (auto &thread : threads)
        thread.join();
}

TEST_F(Backend, ResizesNothingToWhatCannotBe)
{
    char *huge = Alloc(5 << 20);
    char *large = Alloc(100000);
    huge[0] = large[0] = 5;
    for (size_t size : {1ul << 46, 1ul << 47, 1ul << 48, 1ul << 53, 1ul << 62, SIZE_MAX}) {
        EXPECT_EQ(Resize(huge, size), nullptr) << size;
        EXPECT_EQ(Resize(large, size), nullptr) << size;
    }
    EXPECT_EQ(Usable(huge), 5u << 20);
    EXPECT_EQ(Resize(&large, 100), nullptr);
    EXPECT_EQ(huge[0] + large[0], 10);
    Free(huge);
    Free(large);
}

} // namespace
