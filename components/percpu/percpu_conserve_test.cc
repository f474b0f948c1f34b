// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Ten million operations, or as many as CAIRN_TEST_OPERATIONS says: push, pop, batches through the depot, drains of one's
// own shard and of others', pressure, checks, forks, threads that end, moves between CPUs, and at the end no token is lost and none
// there twice.

#include "percpu_crowd.h"

#include <cstdlib>

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace {

using percpu_testing::Crowd;
using percpu_testing::InModes;

constexpr unsigned WORKERS = 5;
constexpr int STEPS = 20000; // in the life of a thread

int64_t operations()
{
    const char *wish = getenv("CAIRN_TEST_OPERATIONS");
    return wish != nullptr ? strtoll(wish, nullptr, 10) : 10000000;
}

/* One thread after the other until there are no operations left. */
void keep_at_work(Crowd &crowd, unsigned number, std::atomic<int64_t> &left)
{
    uint64_t seed = percpu_testing::seed() + number;
    while ((left -= STEPS) > -STEPS) {
        std::thread one([&] { crowd.work(seed, STEPS); });
        one.join();
        seed += WORKERS;
    }
}

/* What a child does with the caches that it has at the fork. */
int child_of(Crowd &crowd)
{
    std::vector<void *> tokens;
    cairn_percpu_check(crowd.caches);
    for (int at = 0; at < 500; at++)
        if (void *token = crowd.alloc(0))
            tokens.push_back(token);
    for (void *token : tokens)
        crowd.free(0, token);
    cairn_percpu_drain(crowd.caches);
    cairn_percpu_check(crowd.caches);
    return crowd.caches.waiting_bytes() == 0 && crowd.tokens.broken + crowd.broken == 0 ? 0 : 1;
}

/* Nobody can have a token that waits in the caches while they are held, so the child finds its flag as it should be. */
void fork_once(Crowd &crowd)
{
    cairn_percpu_prefork(crowd.caches);
    cairn_lock_fork_begin();
    crowd.tokens.mutex.lock();
    pid_t child = fork();
    crowd.tokens.mutex.unlock();
    cairn_lock_fork_end();
    cairn_percpu_postfork(crowd.caches);
    if (child == 0) {
        alarm(60);
        _exit(child_of(crowd));
    }
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

/* Everything that others may do meanwhile. */
void disturb(Crowd &crowd, const std::atomic<int64_t> &left)
{
    std::mt19937_64 random(percpu_testing::seed());
    for (unsigned round = 0; left > 0; round++) {
        crowd.go_anywhere(random);
        cairn_percpu_drain_shard(crowd.caches,
                                 static_cast<unsigned>(random() % crowd.caches->shard_count));
        crowd.press();
        if (round % 8 == 0)
            cairn_percpu_check(crowd.caches);
        if (round % 32 == 0)
            cairn_percpu_drain(crowd.caches);
        if (round % 64 == 0)
            fork_once(crowd);
        usleep(static_cast<useconds_t>(random() % 1000));
    }
}

class PercpuConserve : public InModes {};

INSTANTIATE_TEST_SUITE_P(Modes, PercpuConserve,
                         ::testing::Values(percpu_testing::LOCK, percpu_testing::RSEQ_BY_CPU,
                                           percpu_testing::RSEQ_BY_CID),
                         percpu_testing::mode_name);

TEST_P(PercpuConserve, TokensInAnyMixOfOperations)
{
    Crowd crowd(GetParam(), 20000);
    std::atomic<int64_t> left{operations()};
    std::vector<std::thread> threads;
    for (unsigned number = 0; number < WORKERS; number++)
        threads.emplace_back([&, number] { keep_at_work(crowd, number, left); });
    disturb(crowd, left);
    for (auto &thread : threads)
        thread.join();
    printf("%llu batches from the source, %llu to it\n",
           static_cast<unsigned long long>(crowd.tokens.takes),
           static_cast<unsigned long long>(crowd.tokens.gives));
    crowd.expect_conserved();
}

} // namespace
