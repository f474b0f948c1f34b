// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Many threads. What is conserved is tokens: each is in one thread's hands, or in a cache, or in the source, and a
// table of flags sees it at once when two hold the same one. Lock mode is run under TSan as well, which sees nothing of
// rseq mode.

#include "percpu_crowd.h"

#include <array>
#include <climits>
#include <memory>
#include <thread>

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace {

using percpu_testing::Caches;
using percpu_testing::Crowd;
using percpu_testing::InModes;
using percpu_testing::run_threads;
using percpu_testing::SHARDS;

class PercpuThreads : public InModes {};
class PercpuThreadsOnCpus : public InModes {};

INSTANTIATE_TEST_SUITE_P(Modes, PercpuThreads,
                         ::testing::Values(percpu_testing::LOCK, percpu_testing::RSEQ_BY_CPU,
                                           percpu_testing::RSEQ_BY_CID),
                         percpu_testing::mode_name);
INSTANTIATE_TEST_SUITE_P(Modes, PercpuThreadsOnCpus,
                         ::testing::Values(percpu_testing::LOCK, percpu_testing::RSEQ_BY_CPU),
                         percpu_testing::mode_name);

TEST_P(PercpuThreads, ConserveTokensUnderIdsThatChangeAtEveryCall)
{
    Crowd crowd(GetParam(), 5000);
    uint64_t seed = percpu_testing::seed();
    run_threads(6, [&](unsigned number) { crowd.work(seed + number, 100000); });
    if (is_locked()) {
        EXPECT_EQ(cairn_percpu_stats(crowd.caches).shards_used, SHARDS);
    }
    EXPECT_EQ(crowd.refused, 0u);
    crowd.expect_conserved();
}

TEST_P(PercpuThreads, ConserveTokensOnASingleShard)
{
    Crowd crowd(GetParam(), 5000, 1);
    uint64_t seed = percpu_testing::seed();
    run_threads(6, [&](unsigned number) { crowd.work(seed + number, 100000); });
    crowd.expect_conserved();
}

TEST_P(PercpuThreads, ConserveTokensWhileOthersDrainCountAndCheck)
{
    Crowd crowd(GetParam(), 5000);
    std::atomic<bool> stop{false};
    uint64_t seed = percpu_testing::seed();
    auto drain = [&] {
        for (unsigned round = 0; !stop; round++) {
            cairn_percpu_drain_shard(crowd.caches, round % crowd.caches->shard_count);
            if (round % 16 == 0)
                cairn_percpu_drain(crowd.caches);
        }
    };
    std::thread drainers[] = {std::thread(drain), std::thread(drain), std::thread(drain)};
    std::thread watcher([&] {
        while (!stop) {
            if (crowd.caches.waiting_bytes() > crowd.caches.bound_bytes(crowd.caches->shard_count))
                crowd.broken++;
            cairn_percpu_check(crowd.caches);
            std::this_thread::yield();
        }
    });
    run_threads(4, [&](unsigned number) { crowd.work(seed + number, 100000); });
    stop = true;
    for (auto &drainer : drainers)
        drainer.join();
    watcher.join();
    crowd.expect_conserved();
}

TEST_P(PercpuThreads, ConserveTokensWhileTheyAreMovedBetweenCpus)
{
    for (auto way : {CAIRN_CPU_AUTO, CAIRN_CPU_OWN_RSEQ, CAIRN_CPU_GETCPU}) {
        Crowd crowd(GetParam(), 5000, 0);
        if (is_locked())
            cairn_cpu_init(&crowd.caches->cpu, way);
        else if (way != CAIRN_CPU_AUTO)
            break;
        std::array<std::atomic<int>, 4> tids{};
        std::atomic<bool> stop{false};
        uint64_t seed = percpu_testing::seed();
        std::thread mover([&] {
            std::mt19937_64 random(seed);
            while (!stop) {
                int tid = tids[random() % tids.size()];
                if (tid != 0)
                    percpu_testing::pin(static_cast<unsigned>(random() % 64), tid);
                std::this_thread::yield();
            }
        });
        run_threads(4, [&](unsigned number) {
            tids[number] = static_cast<int>(syscall(SYS_gettid));
            crowd.work(seed + number, 60000, [](std::mt19937_64 &) {});
            tids[number] = 0;
        });
        stop = true;
        mover.join();
        crowd.expect_conserved();
    }
}

TEST_P(PercpuThreads, ConserveTokensWhenThereAreTooFew)
{
    Crowd crowd(GetParam(), 40);
    uint64_t seed = percpu_testing::seed();
    run_threads(4, [&](unsigned number) { crowd.work(seed + number, 20000); });
    EXPECT_GT(crowd.refused, 0u);
    crowd.expect_conserved();
}

TEST(PercpuThreadsLock, WithoutIdsSpreadOverTheShards)
{
    Crowd crowd(percpu_testing::LOCK, 1000, 8);
    std::vector<std::thread> threads;
    std::atomic<unsigned> here{0};
    for (unsigned number = 0; number < 16; number++)
        threads.emplace_back([&] {
            Caches::id() = -1;
            crowd.free(0, crowd.alloc(0));
            for (here++; here < 16;) // so that no stack is used twice
                std::this_thread::yield();
        });
    for (auto &thread : threads)
        thread.join();
    EXPECT_GE(cairn_percpu_stats(crowd.caches).shards_used, 3u);
    crowd.expect_conserved();
}

/* Returns when a thread sleeps on the lock, which the caller holds, or has finished without it. */
void wait_for_a_sleeper(const cairn_lock &lock, const std::atomic<bool> &done)
{
    while (__atomic_load_n(&lock.state, __ATOMIC_RELAXED) != 2 && !done)
        std::this_thread::yield();
}

TEST_P(PercpuThreadsOnCpus, ADrainWaitsForAShardThatIsHeld)
{
    Crowd crowd(GetParam(), 100);
    crowd.caches.on(0);
    crowd.free(0, crowd.alloc(0));
    const unsigned shard_idx = crowd.caches.shard_of(0);
    cairn_lock &lock = crowd.caches->headers[shard_idx].lock;
    ASSERT_TRUE(cairn_trylock(&lock));
    std::atomic<bool> done{false};
    std::thread drainer([&] {
        EXPECT_EQ(cairn_percpu_drain_shard(crowd.caches, shard_idx), 64u);
        done = true;
    });
    wait_for_a_sleeper(lock, done);
    EXPECT_FALSE(done);
    EXPECT_EQ(crowd.caches.array(0, 0).count, 64u);
    cairn_lock_release(&lock);
    drainer.join();
    crowd.expect_conserved();
}

TEST(PercpuThreadsLock, AThreadWaitsForItsShardRatherThanWakeAnIdleOne)
{
    Crowd crowd(percpu_testing::LOCK, 100);
    Caches::id() = 0;
    crowd.free(0, crowd.alloc(0));
    ASSERT_TRUE(cairn_trylock(&crowd.caches->headers[0].lock));
    std::atomic<bool> done{false};
    std::thread waiter([&] {
        Caches::id() = 0;
        crowd.free(0, crowd.alloc(0));
        done = true;
    });
    wait_for_a_sleeper(crowd.caches->headers[0].lock, done);
    EXPECT_FALSE(done);
    cairn_lock_release(&crowd.caches->headers[0].lock);
    waiter.join();
    EXPECT_EQ(cairn_percpu_stats(crowd.caches).contended, 1u);
    EXPECT_EQ(cairn_percpu_stats(crowd.caches).shards_used, 1u);
    crowd.expect_conserved();
}

/* A queue of one producer and one consumer. */
struct Pipe {
    static constexpr size_t ROOM = 128;
    std::array<void *, ROOM> tokens;
    std::atomic<size_t> written{0};
    std::atomic<size_t> read{0};

    void put(void *token)
    {
        while (written - read == ROOM)
            std::this_thread::yield();
        tokens[written % ROOM] = token;
        written++;
    }

    void *get()
    {
        while (written == read)
            std::this_thread::yield();
        void *token = tokens[read % ROOM];
        read++;
        return token;
    }
};

TEST_P(PercpuThreadsOnCpus, ProducerAndConsumerLeaveTheSourceAlone)
{
    NEEDS_CPUS(2);
    constexpr int COUNT = 100000;
    Crowd crowd(GetParam(), 10000, 2, 64 * 1024);
    Pipe pipe;
    std::thread producer([&] {
        crowd.caches.on(0);
        for (int at = 0; at < COUNT; at++)
            pipe.put(crowd.alloc(1));
    });
    std::thread consumer([&] {
        crowd.caches.on(1);
        for (int at = 0; at < COUNT; at++)
            crowd.free(1, pipe.get());
    });
    producer.join();
    consumer.join();
    // On their way: the pipe, two hands, each shard, a batch, a flush. The rest of 100000 came out of the depot.
    EXPECT_EQ(crowd.tokens.gives, 0u);
    EXPECT_LE(crowd.tokens.tokens_taken, Pipe::ROOM + 2 + 64 + 512 + 64 + 256);
    crowd.expect_conserved();
}

} // namespace
