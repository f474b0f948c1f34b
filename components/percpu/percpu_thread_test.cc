// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Many threads. What is conserved is tokens: each is in one thread's hands, or in a cache, or in the source, and a
// table of flags sees it at once when two hold the same one. Run under TSan as well.

#include "percpu_testing.h"

#include <array>
#include <climits>
#include <memory>
#include <thread>

#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace {

using percpu_testing::Caches;
using percpu_testing::TokenSource;

constexpr unsigned CLASSES = 3;
constexpr unsigned SHARDS = 4;

std::vector<cpu_set_t> allowed_cpus()
{
    cpu_set_t mask;
    std::vector<cpu_set_t> each;
    EXPECT_EQ(sched_getaffinity(0, sizeof(mask), &mask), 0);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &mask)) {
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            each.push_back(one);
        }
    return each;
}

/* Threads that allocate, free, and pass tokens to each other, over one set of caches. */
class Crowd {
  public:
    Crowd(size_t tokens_per_class, unsigned shard_count = SHARDS, size_t cache_bytes = 4096)
        : tokens({16, 128, 1024}, tokens_per_class),
          caches(tokens, shard_count, cache_bytes, cache_bytes)
    {
        for (auto &flags : held_)
            flags = std::make_unique<std::atomic<char>[]>(tokens_per_class);
    }

    void *alloc(unsigned class_idx)
    {
        void *token = cairn_percpu_alloc(caches, class_idx);
        if (token != nullptr && flag(class_idx, token).exchange(1, std::memory_order_relaxed) != 0)
            broken++;
        return token;
    }

    void free(unsigned class_idx, void *token)
    {
        if (flag(class_idx, token).exchange(0, std::memory_order_relaxed) != 1)
            broken++;
        cairn_percpu_free(caches, class_idx, token);
    }

    /* One thread's work; `choose_id` sets the id before each call. */
    template <typename ChooseId> void work(uint64_t thread_seed, int steps, ChooseId choose_id)
    {
        std::mt19937_64 random(thread_seed);
        std::vector<void *> mine[CLASSES];
        for (int step = 0; step < steps; step++) {
            unsigned class_idx = random() % CLASSES;
            auto &hand = mine[class_idx];
            bool wants = random() % 100 < (step / 200 % 2 != 0 ? 70u : 30u);
            choose_id(random);
            if (wants) {
                if (void *token = alloc(class_idx))
                    hand.push_back(token);
                else
                    refused++;
            } else if (!hand.empty()) {
                free(class_idx, hand.back());
                hand.pop_back();
            }
            if (!hand.empty() && random() % 4 == 0) { // freed, in the end, by another thread
                hand.back() = exchange_[class_idx][random() % EXCHANGE].exchange(hand.back());
                if (hand.back() == nullptr)
                    hand.pop_back();
            }
        }
        for (unsigned class_idx = 0; class_idx < CLASSES; class_idx++)
            for (void *token : mine[class_idx])
                free(class_idx, token);
    }

    /* Ends: everything comes back, each token once. */
    void expect_conserved()
    {
        for (unsigned class_idx = 0; class_idx < CLASSES; class_idx++)
            for (auto &place : exchange_[class_idx])
                if (void *token = place.exchange(nullptr))
                    free(class_idx, token);
        EXPECT_EQ(tokens.outstanding_bytes(), caches.waiting_bytes());
        cairn_percpu_check(caches);
        cairn_percpu_fini(caches);
        EXPECT_EQ(tokens.outstanding_bytes(), 0u);
        EXPECT_EQ(tokens.broken, 0u);
        EXPECT_EQ(broken, 0u);
    }

    TokenSource tokens;
    Caches caches;
    std::atomic<uint64_t> broken{0};
    std::atomic<uint64_t> refused{0};

  private:
    static constexpr unsigned EXCHANGE = 16;

    std::atomic<char> &flag(unsigned class_idx, void *token)
    {
        size_t token_class = 0, idx = 0;
        if (!tokens.find(token, &token_class, &idx) || token_class != class_idx)
            abort();
        return held_[class_idx][idx];
    }

    std::unique_ptr<std::atomic<char>[]> held_[CLASSES];
    std::array<std::array<std::atomic<void *>, EXCHANGE>, CLASSES> exchange_{};
};

void choose_any_id(std::mt19937_64 &random)
{
    static const int ids[] = {-1, -2, 0, 1, 2, 3, 4, 5, 6, 7, 63, 4095, INT_MAX};
    Caches::id() = ids[random() % (sizeof(ids) / sizeof(ids[0]))];
}

template <typename Body> void run_threads(unsigned count, Body body)
{
    std::vector<std::thread> threads;
    for (unsigned number = 0; number < count; number++)
        threads.emplace_back([=] { body(number); });
    for (auto &thread : threads)
        thread.join();
}

TEST(PercpuThreads, ConserveTokensUnderIdsThatChangeAtEveryCall)
{
    Crowd crowd(5000);
    uint64_t seed = percpu_testing::seed();
    run_threads(6, [&](unsigned number) { crowd.work(seed + number, 100000, choose_any_id); });
    EXPECT_EQ(cairn_percpu_stats(crowd.caches).shards_used, SHARDS);
    EXPECT_EQ(crowd.refused, 0u);
    crowd.expect_conserved();
}

TEST(PercpuThreads, ConserveTokensOnASingleShard)
{
    Crowd crowd(5000, 1);
    uint64_t seed = percpu_testing::seed();
    run_threads(6, [&](unsigned number) { crowd.work(seed + number, 100000, choose_any_id); });
    crowd.expect_conserved();
}

TEST(PercpuThreads, ConserveTokensWhileOthersDrainCountAndCheck)
{
    Crowd crowd(5000);
    std::atomic<bool> stop{false};
    uint64_t seed = percpu_testing::seed();
    std::thread drainer([&] {
        for (unsigned round = 0; !stop; round++) {
            cairn_percpu_drain_shard(crowd.caches, round % SHARDS);
            if (round % 16 == 0)
                cairn_percpu_drain(crowd.caches);
            std::this_thread::yield();
        }
    });
    std::thread watcher([&] {
        while (!stop) {
            if (crowd.caches.waiting_bytes() > crowd.caches.bound_bytes(SHARDS))
                crowd.broken++;
            cairn_percpu_check(crowd.caches);
            std::this_thread::yield();
        }
    });
    run_threads(4, [&](unsigned number) { crowd.work(seed + number, 100000, choose_any_id); });
    stop = true;
    drainer.join();
    watcher.join();
    crowd.expect_conserved();
}

TEST(PercpuThreads, ConserveTokensWhileTheyAreMovedBetweenCpus)
{
    for (auto way : {CAIRN_CPU_AUTO, CAIRN_CPU_OWN_RSEQ, CAIRN_CPU_GETCPU}) {
        Crowd crowd(5000, 0);
        cairn_cpu_init(&crowd.caches->cpu, way);
        std::vector<cpu_set_t> cpus = allowed_cpus();
        std::array<std::atomic<int>, 4> tids{};
        std::atomic<bool> stop{false};
        uint64_t seed = percpu_testing::seed();
        std::thread mover([&] {
            std::mt19937_64 random(seed);
            while (!stop) {
                int tid = tids[random() % tids.size()];
                if (tid != 0)
                    sched_setaffinity(tid, sizeof(cpu_set_t), &cpus[random() % cpus.size()]);
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

TEST(PercpuThreads, ConserveTokensWhenThereAreTooFew)
{
    Crowd crowd(40);
    uint64_t seed = percpu_testing::seed();
    run_threads(4, [&](unsigned number) { crowd.work(seed + number, 20000, choose_any_id); });
    EXPECT_GT(crowd.refused, 0u);
    crowd.expect_conserved();
}

TEST(PercpuThreads, WithoutIdsSpreadOverTheShards)
{
    Crowd crowd(1000, 8);
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

TEST(PercpuThreads, ADrainWaitsForAShardThatIsHeld)
{
    Crowd crowd(100);
    Caches::id() = 0;
    crowd.free(0, crowd.alloc(0));
    ASSERT_TRUE(cairn_trylock(&crowd.caches->fronts[0].lock));
    std::atomic<bool> done{false};
    std::thread drainer([&] {
        EXPECT_EQ(cairn_percpu_drain_shard(crowd.caches, 0), 64u);
        done = true;
    });
    wait_for_a_sleeper(crowd.caches->fronts[0].lock, done);
    EXPECT_FALSE(done);
    EXPECT_EQ(crowd.caches.array(0, 0).count, 64u);
    cairn_lock_release(&crowd.caches->fronts[0].lock);
    drainer.join();
    crowd.expect_conserved();
}

TEST(PercpuThreads, AThreadWaitsForItsShardRatherThanWakeAnIdleOne)
{
    Crowd crowd(100);
    Caches::id() = 0;
    crowd.free(0, crowd.alloc(0));
    ASSERT_TRUE(cairn_trylock(&crowd.caches->fronts[0].lock));
    std::atomic<bool> done{false};
    std::thread waiter([&] {
        Caches::id() = 0;
        crowd.free(0, crowd.alloc(0));
        done = true;
    });
    wait_for_a_sleeper(crowd.caches->fronts[0].lock, done);
    EXPECT_FALSE(done);
    cairn_lock_release(&crowd.caches->fronts[0].lock);
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

TEST(PercpuThreads, ProducerAndConsumerLeaveTheSourceAlone)
{
    constexpr int COUNT = 100000;
    Crowd crowd(10000, 2, 64 * 1024);
    Pipe pipe;
    std::thread producer([&] {
        Caches::id() = 0;
        for (int at = 0; at < COUNT; at++)
            pipe.put(crowd.alloc(1));
    });
    std::thread consumer([&] {
        Caches::id() = 1;
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

/* What the fork handlers of others may do while all locks are held, in parent and child: enough to refill and flush. */
void use_in_fork_handler(Crowd &crowd)
{
    std::vector<void *> tokens;
    for (int at = 0; at < 200; at++) {
        Caches::id() = at % 5 - 1;
        tokens.push_back(crowd.alloc(1));
    }
    for (void *token : tokens)
        crowd.free(1, token);
}

/* Runs in the child: one thread, over the caches as they were. */
int use_in_child(Crowd &crowd)
{
    cairn_percpu_check(crowd.caches);
    std::mt19937_64 random(1);
    std::vector<void *> tokens;
    for (int round = 0; round < 300; round++) {
        choose_any_id(random);
        if (void *token = cairn_percpu_alloc(crowd.caches, 1))
            tokens.push_back(token);
    }
    for (void *token : tokens)
        cairn_percpu_free(crowd.caches, 1, token);
    cairn_percpu_check(crowd.caches);
    size_t waiting = crowd.caches.waiting_bytes();
    cairn_percpu_drain(crowd.caches);
    return tokens.size() == 300 && crowd.tokens.broken + crowd.broken == 0 && waiting > 0 &&
                   crowd.caches.waiting_bytes() == 0
               ? 0
               : 1;
}

TEST(PercpuThreads, AForkAmongThemLeavesTheChildWorkingCaches)
{
    Crowd crowd(5000);
    std::atomic<bool> stop{false};
    uint64_t seed = percpu_testing::seed();
    std::vector<std::thread> threads;
    for (unsigned number = 0; number < 4; number++)
        threads.emplace_back([&, number] {
            for (uint64_t round = 0; !stop; round++)
                crowd.work(seed + number + round, 1000, choose_any_id);
        });
    for (int round = 0; round < 30; round++) {
        cairn_percpu_prefork(crowd.caches);
        cairn_lock_fork_begin();
        use_in_fork_handler(crowd);
        crowd.tokens.mutex.lock();
        pid_t child = fork();
        crowd.tokens.mutex.unlock();
        use_in_fork_handler(crowd);
        cairn_lock_fork_end();
        cairn_percpu_postfork(crowd.caches);
        if (child == 0) {
            alarm(20);
            _exit(use_in_child(crowd));
        }
        int status = -1;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        EXPECT_EQ(status, 0);
    }
    stop = true;
    for (auto &thread : threads)
        thread.join();
    crowd.expect_conserved();
}

TEST(PercpuThreads, ForkHandlersHoldEveryShardOfAWideMachine)
{
    TokenSource tokens({64}, 100);
    Caches caches(tokens, 600);
    Caches::id() = 599;
    cairn_percpu_free(caches, 0, cairn_percpu_alloc(caches, 0));
    cairn_percpu_prefork(caches);
    for (unsigned shard_idx = 0; shard_idx < 600; shard_idx++)
        ASSERT_TRUE(cairn_lock_is_held(&caches->fronts[shard_idx].lock));
    EXPECT_TRUE(cairn_lock_is_held(&caches->depot.lines[0].lock));
    cairn_percpu_postfork(caches);
    EXPECT_FALSE(cairn_lock_is_held(&caches->depot.lines[0].lock));
    for (unsigned shard_idx = 0; shard_idx < 600; shard_idx++)
        ASSERT_FALSE(cairn_lock_is_held(&caches->fronts[shard_idx].lock));
    cairn_percpu_check(caches);
    cairn_percpu_fini(caches);
}

} // namespace
