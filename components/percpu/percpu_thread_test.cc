// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Many threads. What is conserved is tokens: each is in one thread's hands, or in a cache, or in
// the source, and a table of flags sees it at once when two hold the same one. Lock mode is run
// under TSan as well, which sees nothing of rseq mode.

#include "percpu_threads.h"

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
using percpu_testing::InModes;
using percpu_testing::run_threads;
using percpu_testing::SHARDS;
using percpu_testing::ThreadsFixture;

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
    ThreadsFixture fixture(GetParam(), 5000);
    uint64_t seed = percpu_testing::seed();
    run_threads(6, [&](unsigned number) { fixture.work(seed + number, 100000); });
    if (is_locked()) {
        EXPECT_EQ(cairn_percpu_stats(fixture.caches).shards_used, SHARDS);
    }
    EXPECT_EQ(fixture.refused, 0u);
    fixture.expect_conserved();
}

TEST_P(PercpuThreads, ConserveTokensOnASingleShard)
{
    ThreadsFixture fixture(GetParam(), 5000, 1);
    uint64_t seed = percpu_testing::seed();
    run_threads(6, [&](unsigned number) { fixture.work(seed + number, 100000); });
    fixture.expect_conserved();
}

TEST_P(PercpuThreads, ConserveTokensWhileOthersFlushCountAndCheck)
{
    ThreadsFixture fixture(GetParam(), 5000);
    std::atomic<bool> stop{false};
    uint64_t seed = percpu_testing::seed();
    auto flush = [&] {
        for (unsigned round = 0; !stop; round++) {
            cairn_percpu_flush_shard(fixture.caches, round % fixture.caches->shard_count);
            if (round % 16 == 0)
                cairn_percpu_flush(fixture.caches);
        }
    };
    std::thread flushers[] = {std::thread(flush), std::thread(flush), std::thread(flush)};
    std::thread watcher([&] {
        while (!stop) {
            if (fixture.caches.waiting_bytes() >
                fixture.caches.bound_bytes(fixture.caches->shard_count))
                fixture.broken++;
            cairn_percpu_check(fixture.caches);
            std::this_thread::yield();
        }
    });
    run_threads(4, [&](unsigned number) { fixture.work(seed + number, 100000); });
    stop = true;
    for (auto &flusher : flushers)
        flusher.join();
    watcher.join();
    fixture.expect_conserved();
}

TEST_P(PercpuThreads, ConserveTokensWhileTheyAreMovedBetweenCpus)
{
    for (auto method : {CAIRN_CPU_AUTO, CAIRN_CPU_OWN_RSEQ, CAIRN_CPU_GETCPU}) {
        ThreadsFixture fixture(GetParam(), 5000, 0);
        if (is_locked())
            fixture.caches.init_cpu(method);
        else if (method != CAIRN_CPU_AUTO)
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
            fixture.work(seed + number, 60000, [](std::mt19937_64 &) {});
            tids[number] = 0;
        });
        stop = true;
        mover.join();
        fixture.expect_conserved();
    }
}

TEST_P(PercpuThreads, ConserveTokensWhenThereAreTooFew)
{
    ThreadsFixture fixture(GetParam(), 40);
    uint64_t seed = percpu_testing::seed();
    run_threads(4, [&](unsigned number) { fixture.work(seed + number, 20000); });
    EXPECT_GT(fixture.refused, 0u);
    fixture.expect_conserved();
}

TEST(PercpuThreadsLock, WithoutIdsSpreadOverTheShards)
{
    ThreadsFixture fixture(percpu_testing::LOCK, 1000, 8);
    std::vector<std::thread> threads;
    std::atomic<unsigned> here{0};
    for (unsigned number = 0; number < 16; number++)
        threads.emplace_back([&] {
            Caches::id() = -1;
            fixture.free(0, fixture.alloc(0));
            for (here++; here < 16;) // so that no stack is used twice
                std::this_thread::yield();
        });
    for (auto &thread : threads)
        thread.join();
    EXPECT_GE(cairn_percpu_stats(fixture.caches).shards_used, 3u);
    fixture.expect_conserved();
}

/* Returns when a thread sleeps on the lock, which the caller holds, or has finished without it. */
void wait_for_a_sleeper(const cairn_lock &lock, const std::atomic<bool> &done)
{
    while (__atomic_load_n(&lock.state, __ATOMIC_RELAXED) != 2 && !done)
        std::this_thread::yield();
}

TEST_P(PercpuThreadsOnCpus, AFlushWaitsForAShardThatIsHeld)
{
    ThreadsFixture fixture(GetParam(), 100);
    fixture.caches.on(0);
    fixture.free(0, fixture.alloc(0));
    const unsigned shard_idx = fixture.caches.shard_of(0);
    cairn_lock &lock = fixture.caches->headers[shard_idx].lock;
    ASSERT_TRUE(cairn_trylock(&lock));
    std::atomic<bool> done{false};
    std::thread flusher([&] {
        EXPECT_EQ(cairn_percpu_flush_shard(fixture.caches, shard_idx), 64u);
        done = true;
    });
    wait_for_a_sleeper(lock, done);
    EXPECT_FALSE(done);
    EXPECT_EQ(fixture.caches.array(0, 0).count, 64u);
    cairn_lock_release(&lock);
    flusher.join();
    fixture.expect_conserved();
}

TEST(PercpuThreadsLock, AThreadWaitsForItsShardRatherThanWakeAnIdleOne)
{
    ThreadsFixture fixture(percpu_testing::LOCK, 100);
    Caches::id() = 0;
    fixture.free(0, fixture.alloc(0));
    ASSERT_TRUE(cairn_trylock(&fixture.caches->headers[0].lock));
    std::atomic<bool> done{false};
    std::thread waiter([&] {
        Caches::id() = 0;
        fixture.free(0, fixture.alloc(0));
        done = true;
    });
    wait_for_a_sleeper(fixture.caches->headers[0].lock, done);
    EXPECT_FALSE(done);
    cairn_lock_release(&fixture.caches->headers[0].lock);
    waiter.join();
    EXPECT_EQ(cairn_percpu_stats(fixture.caches).contended, 1u);
    EXPECT_EQ(cairn_percpu_stats(fixture.caches).shards_used, 1u);
    fixture.expect_conserved();
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
    ThreadsFixture fixture(GetParam(), 10000, 2, 64 * 1024);
    Pipe pipe;
    std::thread producer([&] {
        fixture.caches.on(0);
        for (int at = 0; at < COUNT; at++)
            pipe.put(fixture.alloc(1));
    });
    std::thread consumer([&] {
        fixture.caches.on(1);
        for (int at = 0; at < COUNT; at++)
            fixture.free(1, pipe.get());
    });
    producer.join();
    consumer.join();
    // On their way: the pipe, two hands, each shard, a batch, a flush. The rest of 100000 came out
    // of the depot.
    EXPECT_EQ(fixture.tokens.gives, 0u);
    EXPECT_LE(fixture.tokens.tokens_taken, Pipe::ROOM + 2 + 64 + 512 + 64 + 256);
    fixture.expect_conserved();
}

} // namespace
