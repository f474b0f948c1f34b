// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Ten million operations, or as many as CAIRN_TEST_OPERATIONS says: push, pop, batches through the
// depot, flushes of one's own shard and of others', pressure, epochs, checks, forks, threads that
// end, moves between CPUs, and at the end no token is lost and none there twice.

#include "percpu_gated.h"

#include <cstdlib>

#include <unistd.h>

#include <gtest/gtest.h>

namespace {

using percpu_testing::Caches;
using percpu_testing::GatedFixture;
using percpu_testing::InModes;

constexpr unsigned WORKERS = 5;
constexpr int STEPS = 20000; // in the life of a thread

int64_t operations()
{
    const char *value = getenv("CAIRN_TEST_OPERATIONS");
    return value != nullptr ? strtoll(value, nullptr, 10) : 10000000;
}

/* One thread after the other until there are no operations left. */
void keep_at_work(GatedFixture &fixture, unsigned number, std::atomic<int64_t> &left)
{
    uint64_t seed = percpu_testing::seed() + number;
    while ((left -= STEPS) > -STEPS) {
        std::thread one([&] { fixture.work(seed, STEPS); });
        one.join();
        seed += WORKERS;
    }
}

void disturb_once(Caches &caches, unsigned round, std::mt19937_64 &random)
{
    cairn_percpu_flush_shard(caches, static_cast<unsigned>(random() % caches->shard_count));
    if (round % 4 == 0)
        cairn_percpu_flush_own(caches);
    if (round % 8 == 0)
        cairn_percpu_check(caches);
    if (round % 16 == 0)
        cairn_percpu_age(caches);
    if (round % 64 == 0)
        cairn_percpu_flush_idle(caches);
    if (round % 32 == 0)
        cairn_percpu_flush(caches);
}

/* Everything that others may do meanwhile. */
void disturb(GatedFixture &fixture, const std::atomic<int64_t> &left)
{
    std::mt19937_64 random(percpu_testing::seed());
    for (unsigned round = 0; left > 0; round++) {
        fixture.go_anywhere(random);
        fixture.press();
        fixture.gate.pass([&] { disturb_once(fixture.caches, round, random); });
        if (round % 64 == 0)
            fixture.fork_and_check({});
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
    GatedFixture fixture(GetParam(), 20000);
    std::atomic<int64_t> left{operations()};
    std::vector<std::thread> threads;
    for (unsigned number = 0; number < WORKERS; number++)
        threads.emplace_back([&, number] { keep_at_work(fixture, number, left); });
    disturb(fixture, left);
    for (auto &thread : threads)
        thread.join();
    printf("%llu batches from the source, %llu to it\n",
           static_cast<unsigned long long>(fixture.tokens.takes),
           static_cast<unsigned long long>(fixture.tokens.gives));
    fixture.expect_conserved();
}

} // namespace
