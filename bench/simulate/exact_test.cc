// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// The counts that the simulation infers from the caches' state are those of the locks themselves.
//
// Builds with assertions tell cairn_lock_rank_enter() of each lock as it is taken. The linker puts
// the function below in its place (--wrap), which counts and passes on. Shards' locks carry no rank
// of their own, being zeroed memory; the depot's do. A build without assertions makes no such call
// and skips this.

#include "bench/simulate/watched.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include <cairn/base/lock.h>

namespace {

unsigned g_cpu;
std::map<const cairn_lock *, handovers::Lock> g_shards;
std::map<const cairn_lock *, handovers::Lock> g_depot;

handovers::Traffic Sum(const std::map<const cairn_lock *, handovers::Lock> &locks)
{
    handovers::Traffic sum;
    for (const auto &entry : locks) {
        sum.acquisitions += entry.second.traffic().acquisitions;
        sum.handovers += entry.second.traffic().handovers;
    }
    return sum;
}

} // namespace

extern "C" {
void __real_cairn_lock_rank_enter(const struct cairn_lock *lock);
void __wrap_cairn_lock_rank_enter(const struct cairn_lock *lock);

void __wrap_cairn_lock_rank_enter(const struct cairn_lock *lock)
{
    if (lock->rank == CAIRN_RANK_NONE)
        g_shards[lock].Take(g_cpu);
    if (lock->rank == CAIRN_RANK_DEPOT)
        g_depot[lock].Take(g_cpu);
    __real_cairn_lock_rank_enter(lock);
}
}

namespace handovers {
namespace {

constexpr unsigned kCpus = 12;
constexpr unsigned kClasses = 3;

struct Live {
    void *address;
    unsigned class_idx;
};

// In waves, so that arrays, depot and source all fill up and run dry; on any CPU each time.
void Churn(WatchedCaches &caches, size_t operations)
{
    std::mt19937 random(1);
    std::vector<Live> live;
    for (size_t done = 0; done < operations; done++) {
        bool is_rising = done / 8000 % 2 == 0;
        g_cpu = static_cast<unsigned>(random() % kCpus);
        if (live.empty() || random() % 10 < (is_rising ? 7 : 3)) {
            unsigned class_idx = static_cast<unsigned>(random() % kClasses);
            live.push_back({caches.Alloc(g_cpu, class_idx), class_idx});
            continue;
        }
        std::swap(live[random() % live.size()], live.back());
        caches.Free(g_cpu, live.back().class_idx, live.back().address);
        live.pop_back();
    }
}

TEST(WatchedCaches, CountsTheLocksAsTheyAreTaken)
{
    if (!CAIRN_DEBUG)
        GTEST_SKIP() << "a build without assertions does not tell which lock is taken";
    g_shards.clear();
    g_depot.clear();
    WatchedCaches caches(5, {32, 1024, 8192});
    Traffic depot;
    Churn(caches, 100000);
    for (unsigned class_idx = 0; class_idx < kClasses; class_idx++) {
        depot.acquisitions += caches.Depot(class_idx).acquisitions;
        depot.handovers += caches.Depot(class_idx).handovers;
    }
    EXPECT_EQ(g_shards.size(), 5u);
    EXPECT_EQ(g_depot.size(), 3u);
    EXPECT_GT(depot.handovers, 100u);
    EXPECT_GT(caches.Source().handovers, 100u);
    EXPECT_EQ(caches.Shards(), Sum(g_shards));
    EXPECT_EQ(depot, Sum(g_depot));
}

} // namespace
} // namespace handovers
