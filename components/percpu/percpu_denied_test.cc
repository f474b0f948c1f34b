// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Rseq mode and a kernel that refuses something, from the start or later, to the process (seccomp)
// or to one thread; and what a fork does to entries.

#include "percpu_mode_choice.h"

#include <thread>

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cpu_arch.h"
#include <gtest/gtest.h>

namespace {

using percpu_testing::alloc_many;
using percpu_testing::AnotherThread;
using percpu_testing::Caches;
using percpu_testing::free_all;
using percpu_testing::Mode;
using percpu_testing::says;
using percpu_testing::stats_with;
using percpu_testing::status_of;
using percpu_testing::TokenSource;

// A kernel that says no

/* A kernel that denies this call has the object in lock mode, for a reason with this word in it. */
void expect_lock_without(long call, const char *word)
{
    EXPECT_EQ(status_of(fork(),
                        [&]() -> const char * {
                            if (!deny(call))
                                return nullptr;
                            auto stats = stats_with([](auto &c) { c.mode = CAIRN_PERCPU_RSEQ; });
                            EXPECT_EQ(stats.mode, CAIRN_PERCPU_LOCK);
                            return says(stats.reason, word) ? nullptr : stats.reason;
                        }),
              0);
}

TEST(PercpuDenied, IsLockWithoutMembarrier)
{
    NEEDS_RSEQ();
    expect_lock_without(CPU_MEMBARRIER_SYSCALL, "membarrier");
}

TEST(PercpuDenied, IsLockWithoutABoundOfIds)
{
    NEEDS_RSEQ();
    expect_lock_without(SYS_sched_getaffinity, "unknown");
}

/* Blocks in the shards of two CPUs; the thread is on the first. */
void fill_two(Caches &caches)
{
    for (unsigned k : {1u, 0u}) {
        caches.on(k);
        free_all(caches, 0, alloc_many(caches, 0, 10));
    }
}

TEST(PercpuDenied, LeavesOtherShardsAloneWhenMembarrierIsDeniedLater)
{
    NEEDS_RSEQ();
    if (percpu_testing::cpus().size() < 2)
        GTEST_SKIP() << "one CPU";
    EXPECT_EQ(status_of(fork(),
                        []() -> const char * {
                            TokenSource tokens({64}, 1000);
                            Caches caches(tokens, 0, 0, 0, false, percpu_testing::RSEQ_BY_CPU);
                            AnotherThread thread;
                            fill_two(caches);
                            if (!deny(CPU_MEMBARRIER_SYSCALL))
                                return nullptr;
                            EXPECT_EQ(caches.array(1, 0).count, 64u);
                            EXPECT_EQ(cairn_percpu_flush(caches), 64u); // its own
                            EXPECT_EQ(caches.array(0, 0).count, 0u);
                            EXPECT_EQ(caches.array(1, 0).count, 64u);
                            cairn_percpu_check(caches);
                            caches.on(1); // still open
                            void *block = cairn_percpu_alloc(caches, 0);
                            EXPECT_EQ(caches.array(1, 0).count, 63u);
                            cairn_percpu_free(caches, 0, block);
                            EXPECT_EQ(cairn_percpu_flush(caches), 64u);
                            return tokens.outstanding(0) == 0 && tokens.broken == 0 ? nullptr
                                                                                    : "tokens";
                        }),
              0);
}

TEST(PercpuDenied, AChildKeepsTheCachesWhenMembarrierIsDeniedLater)
{
    NEEDS_RSEQ();
    EXPECT_EQ(status_of(fork(),
                        []() -> const char * {
                            TokenSource tokens({64}, 1000);
                            Caches caches(tokens, 0, 0, 0, false, percpu_testing::RSEQ_BY_CPU);
                            AnotherThread thread;
                            fill_two(caches);
                            const std::vector<uint32_t> headers = caches.array_headers();
                            if (!deny(CPU_MEMBARRIER_SYSCALL))
                                return nullptr;
                            cairn_percpu_close(caches);
                            int status = status_of(fork(), [&]() -> const char * {
                                cairn_percpu_repair(caches);
                                cairn_percpu_reopen(caches);
                                EXPECT_EQ(caches.array_headers(), headers);
                                void *block = cairn_percpu_alloc(caches, 0);
                                EXPECT_EQ(caches.array(0, 0).count, 63u);
                                cairn_percpu_free(caches, 0, block);
                                cairn_percpu_check(caches);
                                EXPECT_EQ(caches.array_headers(), headers);
                                return nullptr;
                            });
                            EXPECT_EQ(status, 0);
                            cairn_percpu_reopen(caches);
                            EXPECT_EQ(caches.array_headers(), headers);
                            EXPECT_EQ(tokens.outstanding_bytes(), caches.waiting_bytes());
                            return nullptr;
                        }),
              0);
}

TEST(PercpuDenied, EntriesOfShardsInUseStayStoppedWhileAThreadForks)
{
    NEEDS_RSEQ();
    TokenSource tokens({64}, 1000);
    Caches caches(tokens, 0, 0, 0, false, percpu_testing::RSEQ_BY_CPU);
    cairn_percpu_shard *const stopped = caches->view.entries[caches->entry_count - 1].shard;
    fill_two(caches);
    const unsigned in_use = cairn_percpu_stats(caches).shards_used;
    auto count_stopped = [&] {
        return std::count_if(
            caches->view.entries, caches->view.entries + caches->shard_count,
            [stopped](const cairn_percpu_entry &entry) { return entry.shard == stopped; });
    };
    EXPECT_EQ(count_stopped(), 0);
    cairn_percpu_close(caches);
    EXPECT_EQ(count_stopped(), in_use);
    free_all(caches, 0, alloc_many(caches, 0, 200));
    EXPECT_EQ(count_stopped(), in_use);
    cairn_percpu_flush(caches); // leaves them alone
    cairn_percpu_flush_own(caches);
    cairn_percpu_check(caches);
    EXPECT_EQ(count_stopped(), in_use);
    cairn_percpu_reopen(caches);
    EXPECT_EQ(count_stopped(), 0);
    percpu_testing::unpin();
    percpu_testing::expect_ends_clean(caches, tokens);
}

// A thread without an area

/* Takes the area of the calling thread from the kernel; false where it was not libc's, or the
   kernel will not. */
class Unregistered {
  public:
    explicit Unregistered(cairn_percpu *percpu)
        : area_(cpu_thread_pointer() + static_cast<uintptr_t>(percpu->view.area))
    {
        worked = percpu->cpu.method == CAIRN_CPU_LIBC_RSEQ && call(1) == 0;
    }

    ~Unregistered()
    {
        if (worked)
            call(0);
    }

    bool worked;

  private:
    long call(int flags)
    {
        return syscall(CPU_RSEQ_SYSCALL, area_, 32, flags, CPU_RSEQ_SIGNATURE);
    }

    uintptr_t area_;
};

TEST(PercpuDenied, AThreadWithoutAnAreaBypassesTheShards)
{
    for (Mode mode : {percpu_testing::RSEQ_BY_CPU, percpu_testing::RSEQ_BY_CID}) {
        if (const char *reason = percpu_testing::absent(mode))
            GTEST_SKIP() << reason;
        TokenSource tokens({64, 512}, 5000);
        Caches caches(tokens, 0, 0, 0, false, mode);
        free_all(caches, 0, alloc_many(caches, 0, 1000));
        const size_t cached = cairn_percpu_stats(caches).cached_bytes;
        std::thread without([&] {
            Unregistered area(caches);
            if (!area.worked)
                return;
            for (unsigned class_idx : {0u, 1u})
                for (int round = 0; round < 10; round++)
                    free_all(caches, class_idx, alloc_many(caches, class_idx, 100));
            EXPECT_EQ(cairn_percpu_stats(caches).cached_bytes, cached);
            EXPECT_EQ(tokens.outstanding_bytes(), caches.waiting_bytes());
            // All there is, those in the shards too, which are flushed for it.
            std::vector<void *> all = alloc_many(caches, 0, 5000);
            EXPECT_EQ(std::count(all.begin(), all.end(), nullptr), 0);
            EXPECT_EQ(cairn_percpu_alloc(caches, 0), nullptr);
            free_all(caches, 0, all);
        });
        without.join();
        percpu_testing::expect_ends_clean(caches, tokens);
    }
}

} // namespace
