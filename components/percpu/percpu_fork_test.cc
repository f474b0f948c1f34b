// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Forks: shards that are closed, and what a child finds in them, whatever other threads do. Lock
// mode is run under TSan as well.

#include "percpu_gated.h"

#include <chrono>
#include <csignal>
#include <set>

#include <pthread.h>

#include <cairn/base/config.h>

#include <gtest/gtest.h>

extern "C" void __tsan_init() __attribute__((weak));

namespace {

using namespace percpu_testing;

class PercpuFork : public InModes {};
class PercpuForkRseq : public InModes {};

INSTANTIATE_TEST_SUITE_P(Modes, PercpuFork, ::testing::Values(LOCK, RSEQ_BY_CPU, RSEQ_BY_CID),
                         mode_name);
INSTANTIATE_TEST_SUITE_P(Modes, PercpuForkRseq, ::testing::Values(RSEQ_BY_CPU, RSEQ_BY_CID),
                         mode_name);

constexpr uint32_t ONE_MORE =
    1u - (1u << CAIRN_RSEQ_FREE_SLOTS_SHIFT); // what a push adds to a header

/* Blocks of each class in the shards of two CPUs, and in the depot; the thread is on the first. */
void fill_two(Caches &caches)
{
    for (unsigned k : {1u, 0u}) {
        caches.on(k);
        for (unsigned class_idx = 0; class_idx < caches->class_count; class_idx++)
            free_all(caches, class_idx, alloc_many(caches, class_idx, 300));
    }
}

// Under load

std::chrono::milliseconds duration()
{
    const char *value = getenv("CAIRN_TEST_SECONDS");
    return std::chrono::milliseconds(1000 * (value != nullptr ? atoi(value) : 3));
}

TEST_P(PercpuFork, ChildrenFindWholeCachesAndParentsLoseNothing)
{
    GatedFixture fixture(GetParam(), 1500);
    const uint64_t seed = percpu_testing::seed();
    const auto end = std::chrono::steady_clock::now() + duration();
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    for (unsigned number = 0; number < 3; number++)
        threads.emplace_back([&, number] {
            for (uint64_t round = 0; !stop; round++)
                fixture.work(seed + number + round, 1000);
        });
    std::vector<void *> mine;
    unsigned forks = 0;
    for (; std::chrono::steady_clock::now() < end && !HasFailure(); forks++) {
        Caches::id() = static_cast<int>(forks % 4);
        if (mine.size() < 100)
            mine.push_back(fixture.alloc(1));
        else
            while (!mine.empty()) {
                fixture.free(1, mine.back());
                mine.pop_back();
            }
        fixture.fork_and_check(mine);
    }
    stop = true;
    for (auto &thread : threads)
        thread.join();
    for (void *token : mine)
        fixture.free(1, token);
    printf("%u forks\n", forks);
    fixture.expect_conserved();
}

// A sequence that the hardware held up commits while the memory is copied

TEST_P(PercpuForkRseq, AChildUndoesAPushThatCameLate)
{
    TokenSource tokens({64, 512, 4096}, 3000);
    Caches caches = make(tokens, 0);
    fill_two(caches);
    const std::vector<uint32_t> before = caches.array_headers();
    for (unsigned k : {0u, 1u})
        for (unsigned class_idx = 0; class_idx < 3; class_idx++)
            for (void *in_the_slot :
                 {TokenSource::address_of(class_idx, 2999), static_cast<void *>(nullptr)}) {
                auto array = caches.array(k, class_idx);
                if (array.count == array.limit)
                    continue;
                cairn_percpu_close(caches);
                caches.slots(k, class_idx)[array.count] = in_the_slot;
                caches.header(k, class_idx) += ONE_MORE;
                EXPECT_NE(caches.array_headers(), before);
                cairn_percpu_repair(caches);
                EXPECT_EQ(caches.array_headers(), before);
                cairn_percpu_reopen(caches);
                cairn_percpu_check(caches);
                EXPECT_STREQ(wrong_with(tokens, caches), nullptr);
            }
    expect_ends_clean(caches, tokens);
}

TEST_P(PercpuForkRseq, AChildKeepsAPopThatCameLate)
{
    TokenSource tokens({64, 512, 4096}, 3000);
    Caches caches = make(tokens, 0);
    fill_two(caches);
    for (unsigned k : {0u, 1u})
        for (unsigned class_idx = 0; class_idx < 3; class_idx++) {
            const unsigned count = caches.array(k, class_idx).count;
            if (count == 0)
                continue;
            cairn_percpu_close(caches);
            void *popped = caches.slots(k, class_idx)[count - 1];
            caches.header(k, class_idx) -= ONE_MORE;
            const std::vector<uint32_t> late = caches.array_headers();
            cairn_percpu_repair(caches);
            EXPECT_EQ(caches.array_headers(), late);
            cairn_percpu_reopen(caches);
            cairn_percpu_check(caches);
            EXPECT_STREQ(wrong_with(tokens, caches, {popped}), nullptr);
            cairn_percpu_free(caches, class_idx, popped);
        }
    expect_ends_clean(caches, tokens);
}

// What is seen at one fork says nothing about the next.
TEST_P(PercpuForkRseq, WhatIsUndoneIsWhatCameAfterThisClose)
{
    TokenSource tokens({64}, 1000);
    Caches caches = make(tokens, 0);
    caches.on(0);
    void *block = cairn_percpu_alloc(caches, 0);
    for (int round = 0; round < 3; round++) {
        cairn_percpu_close(caches);
        cairn_percpu_repair(caches);
        cairn_percpu_reopen(caches);
        cairn_percpu_free(caches, 0, block);
        const std::vector<uint32_t> before = caches.array_headers();
        cairn_percpu_close(caches);
        cairn_percpu_repair(caches);
        cairn_percpu_reopen(caches);
        EXPECT_EQ(caches.array_headers(), before);
        block = cairn_percpu_alloc(caches, 0);
    }
    cairn_percpu_free(caches, 0, block);
    expect_ends_clean(caches, tokens);
}

// While closed

/* The fast paths of another thread find nothing and put nothing, on either CPU. */
void expect_closed_to_others(Caches &caches)
{
    std::thread([&] {
        void *token = TokenSource::address_of(0, 999); // of no class
        for (unsigned k : {0u, 1u}) {
            caches.on(k);
            EXPECT_EQ(cairn_percpu_pop(caches, 0), nullptr);
            EXPECT_FALSE(cairn_percpu_push(caches, 0, token));
            EXPECT_EQ(cairn_percpu_try_alloc(caches, 0), nullptr);
            EXPECT_FALSE(cairn_percpu_try_free(caches, 0, token, "test"));
        }
    }).join();
}

TEST_P(PercpuFork, WhileClosedFastPathsFindNothing)
{
    TokenSource tokens({64}, 1000);
    Caches caches = make(tokens, 4);
    fill_two(caches);
    free_all(caches, 0, alloc_many(caches, 0, 10)); // room and blocks, both
    const std::vector<uint32_t> before = caches.array_headers();
    cairn_percpu_close(caches);
    expect_closed_to_others(caches);
    EXPECT_EQ(caches.array_headers(), before);
    cairn_percpu_reopen(caches);
    if (is_locked() || GetParam().by_cpu_id) { // a concurrency id may have changed
        void *block = is_locked() ? cairn_percpu_try_alloc(caches, 0) : cairn_percpu_pop(caches, 0);
        EXPECT_NE(block, nullptr);
        EXPECT_TRUE(is_locked() ? cairn_percpu_try_free(caches, 0, block, "test")
                                : cairn_percpu_push(caches, 0, block));
        EXPECT_EQ(caches.array_headers(), before);
    }
    expect_ends_clean(caches, tokens);
}

TEST_P(PercpuFork, WhileClosedItsThreadMayUseEverything)
{
    TokenSource tokens({64, 512}, 1000);
    Caches caches = make(tokens, 4);
    fill_two(caches);
    const std::vector<uint32_t> before = caches.array_headers();
    const size_t cached = cairn_percpu_stats(caches).cached_bytes;
    cairn_percpu_close(caches);
    for (unsigned k : {0u, 1u, 2u}) { // in lock mode, one that was not in use as well
        caches.on(k);
        std::vector<void *> held = alloc_many(caches, 0, 200);
        EXPECT_EQ(std::count(held.begin(), held.end(), nullptr), 0);
        EXPECT_STREQ(wrong_with(tokens, caches, held), nullptr);
        free_all(caches, 0, held);
        cairn_percpu_check(caches);
    }
    if (!is_locked()) {
        EXPECT_EQ(caches.array_headers(), before);
        EXPECT_EQ(cairn_percpu_stats(caches).cached_bytes, cached);
        for (unsigned shard_idx = 0; shard_idx < caches->shard_count; shard_idx++)
            EXPECT_EQ(cairn_percpu_flush_shard(caches, shard_idx), 0u);
        EXPECT_GT(cairn_percpu_flush(caches), 0u);
        EXPECT_EQ(cairn_percpu_flush_own(caches), 0u);
        EXPECT_EQ(cairn_percpu_stats(caches).depot_bytes, 0u);
        EXPECT_EQ(caches.array_headers(), before);
        EXPECT_EQ(tokens.outstanding_bytes(), cached);
    }
    expect_closed_to_others(caches); // still
    std::vector<uint32_t> at_fork = caches.array_headers();
    cairn_percpu_repair(caches);
    EXPECT_EQ(caches.array_headers(), at_fork);
    cairn_percpu_reopen(caches);
    EXPECT_STREQ(wrong_with(tokens, caches), nullptr);
    expect_ends_clean(caches, tokens);
}

TEST_P(PercpuFork, WhileClosedAllocationsFailWhenNothingIsLeftElsewhere)
{
    TokenSource tokens({64}, 100);
    Caches caches = make(tokens, 4);
    caches.on(0);
    std::vector<void *> held = alloc_many(caches, 0, 90);
    cairn_percpu_close(caches);
    if (!is_locked()) {
        EXPECT_EQ(cairn_percpu_alloc(caches, 0), nullptr);
    }
    cairn_percpu_reopen(caches);
    held.push_back(cairn_percpu_alloc(caches, 0));
    EXPECT_NE(held.back(), nullptr);
    free_all(caches, 0, held);
    expect_ends_clean(caches, tokens);
}

TEST_P(PercpuForkRseq, WhileClosedAShardThatIsNotInUseStaysSo)
{
    TokenSource tokens({64}, 100);
    Caches caches = make(tokens, 0);
    cairn_percpu_close(caches);
    void *block = cairn_percpu_alloc(caches, 0);
    EXPECT_EQ(tokens.tokens_taken, 1u) << "no batch, for there is no place for the others";
    cairn_percpu_free(caches, 0, block);
    EXPECT_EQ(cairn_percpu_stats(caches).shards_used, 0u);
    cairn_percpu_reopen(caches);
    expect_ends_clean(caches, tokens);
}

TEST_P(PercpuFork, OpensEveryShardAgain)
{
    TokenSource tokens({64}, 3000);
    Caches caches = make(tokens, 4);
    for (unsigned in_use = 0; in_use < 4; in_use++) {
        cairn_percpu_close(caches);
        cairn_percpu_reopen(caches);
        caches.on(in_use);
        free_all(caches, 0, alloc_many(caches, 0, 10));
        for (unsigned k = 0; k <= in_use; k++) {
            caches.on(k);
            const unsigned count = caches.array(k, 0).count;
            void *block = cairn_percpu_alloc(caches, 0);
            if (GetParam().mode == CAIRN_PERCPU_LOCK || GetParam().by_cpu_id) {
                EXPECT_EQ(caches.array(k, 0).count, count - 1);
            }
            cairn_percpu_free(caches, 0, block);
        }
    }
    expect_ends_clean(caches, tokens);
}

// Cost

TEST_P(PercpuFork, NothingOfShardsIsTouchedThatAreNotInUse)
{
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    constexpr unsigned COUNT = 4096;
    uint32_t pressure = 0;
    TokenSource tokens({64}, 1000);
    Caches caches(tokens, COUNT, 0, 0, false, GetParam(),
                  {0, &pressure, CAIRN_PERCPU_FENCE_FREELY});
    std::set<size_t> touched = {0}; // what is of no shard
    for (unsigned k : {1000u, 3000u}) {
        caches.on(k);
        touched.insert((1 + caches.shard_of(k)) * sizeof(cairn_percpu_header) / page);
        free_all(caches, 0, alloc_many(caches, 0, 300));
    }
    auto touched_pages = [&] {
        return resident_pages(caches->common, COUNT * sizeof(cairn_percpu_header));
    };
    auto touched_shards = [&] {
        return resident_pages(caches->shards, COUNT * caches->shard_bytes);
    };
    const size_t before = touched_shards();
    EXPECT_LE(touched_pages(), touched.size());
    for (int round = 0; round < 3; round++) {
        cairn_percpu_close(caches);
        cairn_percpu_repair(caches);
        cairn_percpu_reopen(caches);
    }
    EXPECT_LE(touched_pages(), touched.size());
    EXPECT_EQ(touched_shards(), before) << "of closing";
    for (pressure = 16; pressure < 64; pressure += 16)
        free_all(caches, 0, alloc_many(caches, 0, 600));
    cairn_percpu_flush(caches);
    EXPECT_GT(cairn_percpu_stats(caches).shards_used, 0u);
    EXPECT_LE(touched_pages(), touched.size());
    EXPECT_EQ(touched_shards(), before) << "of pressure and flushing";
    expect_ends_clean(caches, tokens);
}

TEST_P(PercpuFork, TheListOfShardsInUseIsCompleteWhenManyComeIntoUseAtOnce)
{
    constexpr unsigned THREADS = 8;
    TokenSource tokens({64}, 200000);
    for (int round = 0; round < 20; round++) {
        Caches caches = make(tokens, 64);
        std::atomic<unsigned> here{0};
        run_threads(THREADS, [&](unsigned number) {
            for (here++; here < THREADS;)
                std::this_thread::yield();
            for (unsigned k = number; k < 64; k += is_locked() ? THREADS : 16) {
                caches.on(k);
                cairn_percpu_free(caches, 0, cairn_percpu_alloc(caches, 0));
            }
        });
        size_t used = 0;
        for (unsigned shard_idx = 0; shard_idx < caches->shard_count; shard_idx++)
            used += caches->headers[shard_idx].used;
        EXPECT_EQ(cairn_percpu_stats(caches).shards_used, used);
        EXPECT_EQ(tokens.outstanding_bytes(), caches.waiting_bytes());
        expect_ends_clean(caches, tokens);
    }
}

// Locks

/* As a fast path in another thread: it finds the shard closed, or, before the close, works in
   it. */
void hold(cairn_lock &lock)
{
    std::thread([&] { ASSERT_TRUE(cairn_trylock(&lock)); }).join();
}

TEST(PercpuForkLock, AChildFindsEveryLockFree)
{
    TokenSource tokens({64}, 1000);
    Caches caches(tokens, 4);
    fill_two(caches);
    cairn_percpu_close(caches);
    hold(caches->headers[0].lock);
    hold(caches->headers[1].lock);
    caches->headers[1].lock.state = 2; // and a thread slept
    EXPECT_EQ(status_of(fork(),
                        [&]() -> const char * {
                            cairn_percpu_repair(caches);
                            cairn_percpu_reopen(caches);
                            for (unsigned k : {0u, 1u}) {
                                caches.on(k);
                                EXPECT_FALSE(cairn_lock_is_held(&caches->headers[k].lock));
                                const unsigned count = caches.array(k, 0).count;
                                void *block = cairn_percpu_try_alloc(caches, 0);
                                EXPECT_NE(block, nullptr);
                                EXPECT_EQ(caches.array(k, 0).count, count - 1);
                                cairn_percpu_free(caches, 0, block);
                            }
                            cairn_percpu_check(caches);
                            return wrong_with(tokens, caches);
                        }),
              0);
    cairn_lock_release(&caches->headers[0].lock);
    cairn_lock_release(&caches->headers[1].lock);
    cairn_percpu_reopen(caches);
    expect_ends_clean(caches, tokens);
}

/* A thread whose signal handler sleeps when it interrupted a fast path. */
struct Sleeper {
    static std::atomic<cairn_lock *> lock;
    static std::atomic<int> stage; // 1: it sleeps inside, 2: no longer

    static void handle(int)
    {
        if (stage != 0 || !cairn_lock_is_held(lock))
            return;
        stage = 1;
        usleep(200000);
        stage = 2;
    }

    /* Takes and gives one block, until `stop`. */
    static void work(Caches &caches, const std::atomic<bool> &stop, void *&hand)
    {
        Caches::id() = 0;
        while (!stop)
            if (hand == nullptr)
                hand = cairn_percpu_try_alloc(caches, 0);
            else if (cairn_percpu_try_free(caches, 0, hand, "test"))
                hand = nullptr;
    }
};

std::atomic<cairn_lock *> Sleeper::lock;
std::atomic<int> Sleeper::stage;

TEST(PercpuForkLock, CloseWaitsForAThreadThatSleepsInsideAFastPath)
{
    if (__tsan_init != nullptr)
        GTEST_SKIP() << "ThreadSanitizer delivers signals at system calls";
    TokenSource tokens({64}, 1000);
    Caches caches(tokens, 4);
    fill_two(caches);
    std::atomic<bool> stop{false};
    void *hand = nullptr;
    Sleeper::lock = &caches->headers[0].lock;
    Sleeper::stage = 0;
    signal(SIGUSR1, Sleeper::handle);
    std::thread thread([&] { Sleeper::work(caches, stop, hand); });
    while (Sleeper::stage == 0) {
        pthread_kill(thread.native_handle(), SIGUSR1);
        usleep(10);
    }
    cairn_percpu_close(caches);
    EXPECT_EQ(Sleeper::stage, 2);
    const std::vector<uint32_t> before = caches.array_headers();
    for (int round = 0; round < 20; round++) {
        usleep(500);
        EXPECT_EQ(caches.array_headers(), before); // although it goes on trying
        EXPECT_EQ(status_of(fork(),
                            [&]() -> const char * {
                                cairn_percpu_repair(caches);
                                for (unsigned k : {0u, 1u})
                                    EXPECT_FALSE(cairn_lock_is_held(&caches->headers[k].lock));
                                cairn_percpu_reopen(caches);
                                free_all(caches, 0, alloc_many(caches, 0, 100));
                                cairn_percpu_check(caches);
                                return wrong_with(tokens, caches);
                            }),
                  0);
    }
    cairn_percpu_reopen(caches);
    stop = true;
    thread.join();
    if (hand != nullptr)
        cairn_percpu_free(caches, 0, hand);
    signal(SIGUSR1, SIG_DFL);
    expect_ends_clean(caches, tokens);
}

// Try

TEST(PercpuForkLock, TryTakesFromItsShardAlone)
{
    TokenSource tokens({2048}, 1000); // batches of 8
    Caches caches(tokens, 4);
    caches.on(2);
    EXPECT_EQ(cairn_percpu_try_alloc(caches, 0), nullptr) << "not in use";
    void *block = cairn_percpu_alloc(caches, 0);
    EXPECT_EQ(caches.array(2, 0).count, 7u);
    std::vector<void *> held;
    while (void *more = cairn_percpu_try_alloc(caches, 0))
        held.push_back(more);
    EXPECT_EQ(held.size(), 7u);
    EXPECT_EQ(tokens.takes, 1u);
    for (void *one : held)
        EXPECT_TRUE(cairn_percpu_try_free(caches, 0, one, "test"));
    EXPECT_TRUE(cairn_percpu_try_free(caches, 0, block, "test"));
    held = {static_cast<void *>(TokenSource::address_of(0, 900))};
    EXPECT_FALSE(cairn_percpu_try_free(caches, 0, held[0], "test")) << "full";
    caches.on(3);
    EXPECT_FALSE(cairn_percpu_try_free(caches, 0, held[0], "test")) << "not in use";
    caches.on(2);
    hold(caches->headers[2].lock);
    EXPECT_EQ(cairn_percpu_try_alloc(caches, 0), nullptr) << "held";
    cairn_lock_release(&caches->headers[2].lock);
    EXPECT_EQ(cairn_percpu_stats(caches).shards_used, 1u);
    expect_ends_clean(caches, tokens);
}

// A child finds the locks free of those shards alone that are in use.
TEST(PercpuForkLock, TryLeavesTheLocksOfShardsAloneThatAreNotInUse)
{
    TokenSource tokens({64}, 1000);
    Caches caches(tokens, 4);
    std::atomic<bool> stop{false};
    std::atomic<unsigned> rounds{0};
    std::thread thread([&] {
        for (caches.on(3); !stop; rounds++)
            EXPECT_EQ(cairn_percpu_try_alloc(caches, 0), nullptr);
    });
    unsigned held = 0;
    for (unsigned samples = 0; samples < 100000 || rounds < 100000; samples++)
        held += cairn_lock_is_held(&caches->headers[3].lock);
    EXPECT_EQ(held, 0u);
    stop = true;
    thread.join();
    expect_ends_clean(caches, tokens);
}

TEST_P(PercpuForkRseq, TryIsInVain)
{
    TokenSource tokens({64}, 1000);
    Caches caches = make(tokens, 0);
    void *block = cairn_percpu_alloc(caches, 0);
    EXPECT_EQ(cairn_percpu_try_alloc(caches, 0), nullptr);
    EXPECT_FALSE(cairn_percpu_try_free(caches, 0, block, "test"));
    cairn_percpu_free(caches, 0, block);
    expect_ends_clean(caches, tokens);
}

// Misuse

TEST(PercpuForkDeath, TryFindsADoubleFree)
{
    GTEST_FLAG_SET(death_test_style, "fast");
    TokenSource tokens({64}, 100);
    Caches caches(tokens, 1);
    void *block = cairn_percpu_alloc(caches, 0);
    ASSERT_TRUE(cairn_percpu_try_free(caches, 0, block, "a test"));
    EXPECT_DEATH((void)cairn_percpu_try_free(caches, 0, block, "a test"),
                 "double free .* in a test");
}

TEST(PercpuForkDeath, ClosingTwiceAndRepairingWhatIsOpen)
{
    if (!CAIRN_DEBUG)
        GTEST_SKIP() << "no assertions in this build";
    GTEST_FLAG_SET(death_test_style, "fast");
    TokenSource tokens({64}, 100);
    Caches caches(tokens, 1);
    EXPECT_DEATH(cairn_percpu_repair(caches), "is_closed");
    cairn_percpu_close(caches);
    EXPECT_DEATH(cairn_percpu_close(caches), "is_closed");
    cairn_percpu_reopen(caches);
}

} // namespace
