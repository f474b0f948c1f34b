// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// What cairn_percpu_suspend() and cairn_percpu_resume() promise to a wrapper of vfork(): between
// them the thread, and a child in its memory, bypass the shards. With libc's area, and with one of
// ours.

#include "percpu_mode_choice.h"

#include <atomic>
#include <thread>

#include <sys/wait.h>
#include <unistd.h>

#include "cpu_arch.h"
#include <gtest/gtest.h>

// shard.h, which is no C++
extern "C" int cairn_rseq_id(const struct cairn_percpu *percpu);

namespace {

using percpu_testing::alloc_many;
using percpu_testing::Caches;
using percpu_testing::free_all;
using percpu_testing::Mode;
using percpu_testing::TokenSource;

class PercpuSuspend : public ::testing::TestWithParam<Mode> {
  protected:
    void SetUp() override
    {
        if (const char *reason = percpu_testing::absent(GetParam()))
            GTEST_SKIP() << reason;
    }

    void TearDown() override
    {
        percpu_testing::unpin();
    }
};

INSTANTIATE_TEST_SUITE_P(In, PercpuSuspend,
                         ::testing::Values(percpu_testing::RSEQ_BY_CPU,
                                           percpu_testing::RSEQ_BY_CID),
                         percpu_testing::mode_name);

/* Takes and gives what the shard of this thread would have served; true when it did not. */
bool bypasses(Caches &caches)
{
    const size_t cached = cairn_percpu_stats(caches).cached_bytes;
    void *block = cairn_percpu_alloc(caches, 0);
    const size_t less_one = cairn_percpu_stats(caches).cached_bytes;
    cairn_percpu_free(caches, 0, block);
    return less_one == cached && cairn_percpu_stats(caches).cached_bytes == cached;
}

TEST_P(PercpuSuspend, BypassesTheShardsUntilResume)
{
    TokenSource tokens({64, 512}, 5000);
    Caches caches(tokens, 0, 0, 0, false, GetParam());
    caches.on(0);
    free_all(caches, 0, alloc_many(caches, 0, 100));
    EXPECT_FALSE(bypasses(caches));
    for (int round = 0; round < 3; round++) {
        ASSERT_TRUE(cairn_percpu_suspend(caches));
        EXPECT_EQ(cairn_rseq_id(caches), -1);
        EXPECT_TRUE(bypasses(caches));
        free_all(caches, 1, alloc_many(caches, 1, 300));
        EXPECT_EQ(cairn_rseq_id(caches), -1);
        EXPECT_EQ(tokens.outstanding_bytes(), caches.waiting_bytes());
        cairn_percpu_check(caches);
        cairn_percpu_resume(caches);
        EXPECT_GE(cairn_rseq_id(caches), 0);
        EXPECT_FALSE(bypasses(caches));
    }
    percpu_testing::expect_ends_clean(caches, tokens);
}

TEST_P(PercpuSuspend, FlushesWhileSuspended)
{
    TokenSource tokens({64}, 1000);
    Caches caches(tokens, 0, 0, 0, false, GetParam());
    free_all(caches, 0, alloc_many(caches, 0, 100));
    ASSERT_TRUE(cairn_percpu_suspend(caches));
    EXPECT_GT(cairn_percpu_flush(caches), 0u);
    EXPECT_EQ(tokens.outstanding(0), 0u);
    free_all(caches, 0, alloc_many(caches, 0, 1000)); // all there is
    cairn_percpu_resume(caches);
    EXPECT_FALSE(bypasses(caches));
    percpu_testing::expect_ends_clean(caches, tokens);
}

/* GCC 12 may put the constant into the register of the result, and do so before the sequence, which
   changes it. */
__attribute__((noinline)) void *pop_or_five(cairn_percpu *percpu)
{
    void *block = cairn_percpu_pop(percpu, 0);
    return block != nullptr ? block : reinterpret_cast<void *>(5);
}

TEST_P(PercpuSuspend, PopsReturnNullWhileSuspended)
{
    TokenSource tokens({64}, 1000);
    Caches caches(tokens, 0, 0, 0, false, GetParam());
    EXPECT_EQ(pop_or_five(caches), reinterpret_cast<void *>(5)); // empty
    ASSERT_TRUE(cairn_percpu_suspend(caches));
    EXPECT_EQ(pop_or_five(caches), reinterpret_cast<void *>(5)); // no id
    cairn_percpu_resume(caches);
}

// A child of vfork() that calls vfork(): its parent is suspended, and alone may resume.
TEST_P(PercpuSuspend, CannotBeSuspendedTwice)
{
    TokenSource tokens({64}, 1000);
    Caches caches(tokens, 0, 0, 0, false, GetParam());
    ASSERT_TRUE(cairn_percpu_suspend(caches));
    EXPECT_FALSE(cairn_percpu_suspend(caches));
    EXPECT_TRUE(bypasses(caches));
    cairn_percpu_resume(caches);
    free_all(caches, 0, alloc_many(caches, 0, 10));
    EXPECT_FALSE(bypasses(caches));
}

TEST_P(PercpuSuspend, IsAboutTheCallingThreadAlone)
{
    TokenSource tokens({64}, 1000);
    Caches caches(tokens, 0, 0, 0, false, GetParam());
    std::atomic<bool> is_suspended{
        false}; // glibc registers the threads that registered threads start
    std::thread other([&] {
        while (!is_suspended)
            std::this_thread::yield();
        free_all(caches, 0, alloc_many(caches, 0, 10));
        EXPECT_FALSE(bypasses(caches));
    });
    EXPECT_TRUE(cairn_percpu_suspend(caches));
    is_suspended = true;
    other.join();
    EXPECT_TRUE(bypasses(caches));
    cairn_percpu_resume(caches);
}

TEST_P(PercpuSuspend, KeepsErrnoAndDisarms)
{
    TokenSource tokens({64}, 1000);
    Caches caches(tokens, 0, 0, 0, false, GetParam());
    free_all(caches, 0, alloc_many(caches, 0, 10));
    errno = 77;
    ASSERT_TRUE(cairn_percpu_suspend(caches));
    EXPECT_EQ(cairn_percpu_pop(caches, 0), nullptr); // arms
    cairn_percpu_resume(caches);
    uint64_t armed;
    memcpy(&armed, cairn_rseq_at(caches->view.area) + RSEQ_CS, sizeof(armed));
    EXPECT_EQ(armed, 0u);
    EXPECT_EQ(errno, 77);
}

// A thread that has used nothing yet: with an area of ours it is not registered, and a child must
// not do that for it.
TEST_P(PercpuSuspend, HoldsForAThreadThatWasNotRegistered)
{
    TokenSource tokens({64}, 1000);
    Caches caches(tokens, 0, 0, 0, false, GetParam());
    std::thread([&] {
        ASSERT_TRUE(cairn_percpu_suspend(caches));
        EXPECT_TRUE(bypasses(caches));
        EXPECT_EQ(cairn_rseq_id(caches), -1);
        cairn_percpu_resume(caches);
        EXPECT_GE(cairn_rseq_id(caches), 0);
    }).join();
}

TEST_P(PercpuSuspend, SaysNoWhenTheKernelDoes)
{
    pid_t child = fork();
    if (child == 0) {
        TokenSource tokens({64}, 1000);
        Caches caches(tokens, 0, 0, 0, false, GetParam());
        free_all(caches, 0, alloc_many(caches, 0, 10));
        if (!deny(CPU_RSEQ_SYSCALL))
            _exit(0);
        bool is_suspended = cairn_percpu_suspend(caches);
        _exit(is_suspended || bypasses(caches) || cairn_rseq_id(caches) < 0 ? 1 : 0);
    }
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

// Neither parent nor child of a fork in between has lost anything: the child bypasses the shards
// until it resumes.
TEST_P(PercpuSuspend, MayForkInBetween)
{
    TokenSource tokens({64}, 1000);
    Caches caches(tokens, 0, 0, 0, false, GetParam());
    free_all(caches, 0, alloc_many(caches, 0, 10));
    ASSERT_TRUE(cairn_percpu_suspend(caches));
    cairn_percpu_close(caches);
    pid_t child = fork();
    if (child == 0)
        cairn_percpu_repair(caches);
    cairn_percpu_reopen(caches);
    EXPECT_TRUE(bypasses(caches));
    cairn_percpu_resume(caches);
    EXPECT_FALSE(bypasses(caches));
    cairn_percpu_check(caches);
    if (child == 0)
        _exit(HasFailure() ? 1 : 0);
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

/* What no child of vfork() may do. */
__attribute__((noinline)) void use(Caches &caches)
{
    void *blocks[40];
    for (int round = 0; round < 20; round++) {
        for (void *&block : blocks)
            block = cairn_percpu_alloc(caches, 0);
        for (void *block : blocks)
            cairn_percpu_free(caches, 0, block);
    }
}

/* libc's, not a wrapper of ours. */
__attribute__((noinline)) void use_in_a_child(Caches &caches)
{
    pid_t child = vfork();
    if (child == 0) {
        use(caches);
        _exit(0);
    }
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

// Without suspend and resume some of a thousand children are pre-empted inside a sequence, and what
// they commit is out of date.
TEST_P(PercpuSuspend, MakesChildrenOfVforkHarmless)
{
    TokenSource tokens({64}, 20000);
    Caches caches(tokens, 0, 0, 0, false, GetParam());
    std::atomic<bool> stop{false};
    std::vector<std::thread> others;
    for (int number = 0; number < 3; number++)
        others.emplace_back([&] {
            while (!stop)
                use(caches);
        });
    for (int round = 0; round < 1000; round++) {
        bool is_suspended = cairn_percpu_suspend(caches);
        use_in_a_child(caches);
        if (is_suspended)
            cairn_percpu_resume(caches);
        use(caches);
    }
    stop = true;
    for (auto &other : others)
        other.join();
    EXPECT_EQ(tokens.outstanding_bytes(), caches.waiting_bytes());
    percpu_testing::expect_ends_clean(caches, tokens);
}

TEST(PercpuSuspendLocks, HasNothingToDoWithLocks)
{
    TokenSource tokens({64}, 100);
    Caches caches(tokens, 1);
    EXPECT_FALSE(cairn_percpu_suspend(caches));
}

} // namespace
