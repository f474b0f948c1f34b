// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// When membarrier(2) is called: a filter ends the process that does so, and any that calls what a
// sandbox may forbid. Each test runs in a child; this process starts no thread, so its children are
// alone until they start some.

#include "percpu_mode_choice.h"
#include "percpu_gated.h"

#include <csignal>

#include <sys/syscall.h>

#include "cpu_arch.h"
#include <gtest/gtest.h>

extern "C" void __asan_init() __attribute__((weak));
extern "C" void __tsan_init() __attribute__((weak));

namespace {

using namespace percpu_testing;

class PercpuFence : public InModes {};
class PercpuFenceOfOthers : public InModes {}; // CPU ids, for a test says which shard is in use

INSTANTIATE_TEST_SUITE_P(Modes, PercpuFence, ::testing::Values(LOCK, RSEQ_BY_CPU, RSEQ_BY_CID),
                         mode_name);
INSTANTIATE_TEST_SUITE_P(Modes, PercpuFenceOfOthers, ::testing::Values(RSEQ_BY_CPU), mode_name);

/* The process ends at the first call of one of these. */
bool forbid()
{
    std::vector<long> numbers = {CPU_MEMBARRIER_SYSCALL, SYS_sched_setaffinity};
    if (__asan_init == nullptr && __tsan_init == nullptr) // which yield themselves
        numbers.push_back(SYS_sched_yield);
    return answer(numbers, SECCOMP_RET_KILL_PROCESS);
}

bool has_filters()
{
    return WIFSIGNALED(status_of(fork(), [] {
        if (forbid())
            syscall(CPU_MEMBARRIER_SYSCALL, 0, 0, 0);
        return "it is allowed";
    }));
}

#define NEEDS_FILTERS()                                                                            \
    if (!has_filters())                                                                            \
    GTEST_SKIP() << "no seccomp"

/* Runs `body` in a child, which returns NULL or what was wrong: true when a filter ended it. */
template <typename Body> bool is_ended(Body body)
{
    int status = status_of(fork(), body);
    bool by_filter = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
    EXPECT_TRUE(by_filter || status == 0) << status;
    return by_filter;
}

/* Caches of one class with blocks in the shards of two CPUs, on the first of which this thread
   stays. */
struct Two {
    explicit Two(Mode mode, cairn_percpu_fence fence)
        : caches(tokens, 4, 0, 0, false, mode, {0, &pressure, fence})
    {
        for (unsigned k : {1u, 0u}) {
            caches.on(k);
            free_all(caches, 0, alloc_many(caches, 0, 10));
        }
    }

    unsigned count(unsigned k)
    {
        return caches.array(k, 0).count;
    }

    /* As when slabs run out: the second pass finds the other CPU idle. */
    void press()
    {
        for (uint32_t signal : {16u, 32u}) {
            pressure = signal;
            for (int at = 0; at < 65; at++)
                held.push_back(cairn_percpu_alloc(caches, 0));
        }
    }

    /* Takes all there is; true when that was every token. */
    bool takes_all()
    {
        while (void *block = cairn_percpu_alloc(caches, 0))
            held.push_back(block);
        return held.size() == 1000;
    }

    uint32_t pressure = 0;
    TokenSource tokens{{64}, 1000};
    Caches caches;
    std::vector<void *> held;
};

constexpr cairn_percpu_fence FENCES[] = {CAIRN_PERCPU_FENCE_ASKED, CAIRN_PERCPU_FENCE_FREELY,
                                         CAIRN_PERCPU_FENCE_NEVER};

// A process of one thread

TEST_P(PercpuFence, NoFunctionMakesOneInAProcessOfOneThread)
{
    NEEDS_CPUS(2);
    NEEDS_FILTERS();
    for (auto fence : FENCES)
        EXPECT_FALSE(is_ended([&]() -> const char * {
            Two two(GetParam(), fence);
            const bool has_two = cairn_percpu_stats(two.caches).shards_used == 2;
            forbid();
            if (!cairn_is_alone())
                return nullptr; // this libc does not say
            two.press();
            if (has_two && two.count(1) != 0)
                return "the idle shard";
            if (!two.takes_all())
                return "not all were had";
            free_all(two.caches, 0, two.held);
            cairn_percpu_check(two.caches);
            for (unsigned shard_idx = 0; shard_idx < two.caches->shard_count; shard_idx++)
                cairn_percpu_flush_shard(two.caches, shard_idx);
            free_all(two.caches, 0, alloc_many(two.caches, 0, 100));
            Gate gate;
            int status = status_of(gate.fork(two.caches), [&] {
                free_all(two.caches, 0, alloc_many(two.caches, 0, 1000));
                cairn_percpu_flush(two.caches);
                return wrong_with(two.tokens, two.caches);
            });
            if (status != 0)
                return "the child";
            cairn_percpu_flush(two.caches);
            free_all(two.caches, 0, alloc_many(two.caches, 0, 100));
            cairn_percpu_flush_own(two.caches);
            cairn_percpu_fini(two.caches);
            return two.tokens.outstanding(0) == 0 ? nullptr : "something is left";
        }));
}

TEST_P(PercpuFenceOfOthers, AThreadThatIsAloneFlushesEveryShard)
{
    NEEDS_CPUS(2);
    for (auto fence : FENCES)
        EXPECT_FALSE(is_ended([&]() -> const char * {
            Two two(GetParam(), fence);
            if (!cairn_is_alone())
                return nullptr;
            EXPECT_EQ(cairn_percpu_flush_shard(two.caches, two.caches.shard_of(1)), 64u);
            two.caches.on(1);
            free_all(two.caches, 0, alloc_many(two.caches, 0, 10));
            two.caches.on(0);
            EXPECT_EQ(cairn_percpu_flush_own(two.caches), 128u);
            return nullptr;
        }));
}

// A process of several

/* Threads at work under pressure, while this one flushes its own shard, and forks. */
const char *be_busy(Mode mode, cairn_percpu_fence fence)
{
    GatedFixture fixture(mode, 3000, SHARDS, 4096, fence);
    std::atomic<bool> stop{false};
    unpin();
    forbid();
    std::vector<std::thread> threads;
    for (unsigned number = 0; number < 3; number++)
        threads.emplace_back([&, number] {
            for (uint64_t round = number; !stop; round += 3) {
                fixture.work(round, 100, [](std::mt19937_64 &) {});
                fixture.press();
            }
        });
    for (int round = 0; round < 40; round++) {
        fixture.press();
        fixture.gate.pass([&] { cairn_percpu_flush_own(fixture.caches); });
        int status = status_of(fixture.gate.fork(fixture.caches), [&]() -> const char * {
            free_all(fixture.caches, 0, alloc_many(fixture.caches, 0, 1000));
            cairn_percpu_flush_own(fixture.caches);
            return wrong_with(fixture.tokens, fixture.caches);
        });
        if (status != 0)
            return "a child";
    }
    stop = true;
    for (auto &thread : threads)
        thread.join();
    return fixture.broken + fixture.tokens.broken == 0 ? nullptr : "broken";
}

TEST_P(PercpuFence, NoOrdinaryUseMakesOneAmongThreads)
{
    NEEDS_FILTERS();
    for (auto fence : {CAIRN_PERCPU_FENCE_ASKED, CAIRN_PERCPU_FENCE_NEVER})
        EXPECT_FALSE(is_ended([&] { return be_busy(GetParam(), fence); })) << fence;
}

TEST_P(PercpuFenceOfOthers, UnderPressureOneIsMadeOnlyFreely)
{
    NEEDS_CPUS(2);
    NEEDS_FILTERS();
    for (auto fence : FENCES)
        EXPECT_EQ(is_ended([&]() -> const char * {
                      Two two(GetParam(), fence);
                      AnotherThread thread;
                      forbid();
                      two.press();
                      return two.count(1) == 64 ? nullptr : "the idle shard";
                  }),
                  fence == CAIRN_PERCPU_FENCE_FREELY);
}

TEST_P(PercpuFenceOfOthers, FreelyEmptiesTheShardsOfIdleCpus)
{
    NEEDS_CPUS(2);
    EXPECT_FALSE(is_ended([&]() -> const char * {
        Two two(GetParam(), CAIRN_PERCPU_FENCE_FREELY);
        AnotherThread thread;
        two.press();
        return two.count(1) == 0 ? nullptr : "the idle shard";
    }));
}

TEST_P(PercpuFenceOfOthers, AFlushMakesOneUnlessNever)
{
    NEEDS_CPUS(2);
    NEEDS_FILTERS();
    auto is_killed = [&](cairn_percpu_fence fence, auto flush) {
        return is_ended([&]() -> const char * {
            Two two(GetParam(), fence);
            AnotherThread thread;
            forbid();
            flush(two);
            EXPECT_EQ(two.count(1), 64u);
            return nullptr;
        });
    };
    for (auto fence : FENCES) {
        const bool asks = fence != CAIRN_PERCPU_FENCE_NEVER;
        EXPECT_EQ(is_killed(fence, [](Two &two) { cairn_percpu_flush(two.caches); }), asks);
        EXPECT_EQ(is_killed(fence,
                            [](Two &two) {
                                cairn_percpu_flush_shard(two.caches, two.caches.shard_of(1));
                            }),
                  asks);
        EXPECT_EQ(is_killed(fence, [](Two &two) { two.takes_all(); }), asks);
        // The shard of this CPU needs none.
        EXPECT_FALSE(is_killed(fence, [](Two &two) {
            EXPECT_EQ(cairn_percpu_flush_shard(two.caches, two.caches.shard_of(0)), 64u);
            EXPECT_EQ(two.count(0), 0u);
        }));
    }
}

TEST_P(PercpuFenceOfOthers, FlushOwnFlushesTheShardOfItsThreadAndTheDepot)
{
    NEEDS_CPUS(2);
    EXPECT_FALSE(is_ended([&]() -> const char * {
        Two two(GetParam(), CAIRN_PERCPU_FENCE_FREELY);
        AnotherThread thread;
        free_all(two.caches, 0, alloc_many(two.caches, 0, 200));
        const unsigned own = two.count(0);
        const size_t in_depot = cairn_depot_count(&two.caches->depot, 0);
        EXPECT_GT(in_depot, 0u);
        EXPECT_EQ(cairn_percpu_flush_own(two.caches), own + in_depot);
        EXPECT_EQ(two.count(0), 0u);
        EXPECT_EQ(two.count(1), 64u);
        EXPECT_EQ(cairn_percpu_flush_own(two.caches), 0u);
        cairn_percpu_check(two.caches);
        free_all(two.caches, 0, alloc_many(two.caches, 0, 10)); // resumed
        return two.count(0) == 64 ? nullptr : "its own shard";
    }));
}

TEST_P(PercpuFenceOfOthers, AnAllocationFailsOnlyWhenOtherShardsWereFlushedUnlessNever)
{
    NEEDS_CPUS(2);
    for (auto fence : FENCES)
        EXPECT_FALSE(is_ended([&]() -> const char * {
            Two two(GetParam(), fence);
            AnotherThread thread;
            const bool asks = fence != CAIRN_PERCPU_FENCE_NEVER;
            EXPECT_EQ(two.takes_all(), asks);
            EXPECT_EQ(two.count(1), asks ? 0u : 64u);
            EXPECT_EQ(two.held.size(), asks ? 1000u : 936u);
            return nullptr;
        }));
}

} // namespace
