// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Which mode is chosen, and why, by configuration, without libc's area, and under emulators.

#include "percpu_mode_choice.h"

#include <memory>
#include <thread>

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cpu_arch.h"
#include <gtest/gtest.h>

// shard.h, which is no C++
extern "C" bool cairn_rseq_choose(struct cairn_percpu *percpu, enum cairn_percpu_mode requested,
                                  bool by_cpu_id);

extern "C" void __asan_init() __attribute__((weak));

namespace {

using percpu_testing::alloc_many;
using percpu_testing::AUTO;
using percpu_testing::Caches;
using percpu_testing::free_all;
using percpu_testing::says;
using percpu_testing::stats_with;
using percpu_testing::TokenSource;

/* For the other tests skip where it is not. */
TEST(PercpuMode, IsRseqByItselfWhereItCanBe)
{
    constexpr long QUERY = 0, FENCE = 1 << 7;
    const auto method = stats_with([](auto &) {}).cpu_id_method;
    if (!CAIRN_RSEQ_AVAILABLE || method == CAIRN_CPU_GETCPU)
        GTEST_SKIP() << "no sequences in this build, or no area";
    if ((syscall(CPU_MEMBARRIER_SYSCALL, QUERY, 0, 0) & FENCE) == 0)
        GTEST_SKIP() << "no membarrier for rseq";
    for (auto requested : {CAIRN_PERCPU_AUTO, CAIRN_PERCPU_RSEQ}) {
        auto stats = stats_with([&](auto &c) { c.mode = requested; });
        EXPECT_EQ(stats.mode, CAIRN_PERCPU_RSEQ) << stats.reason;
        EXPECT_TRUE(says(stats.reason, stats.by_cid ? "by concurrency id" : "by CPU id"));
    }
}

TEST(PercpuMode, IsByCpuIdWhenThatIsAskedFor)
{
    NEEDS_RSEQ();
    auto stats = stats_with([](auto &c) { c.by_cpu_id = true; });
    EXPECT_EQ(stats.mode, CAIRN_PERCPU_RSEQ);
    EXPECT_FALSE(stats.by_cid);
    EXPECT_TRUE(says(stats.reason, "by CPU id"));
}

TEST(PercpuMode, IsLockWhenThatIsAskedFor)
{
    auto stats = stats_with([](auto &c) { c.mode = CAIRN_PERCPU_LOCK; });
    EXPECT_EQ(stats.mode, CAIRN_PERCPU_LOCK);
    EXPECT_TRUE(says(stats.reason, "asked for"));
    EXPECT_FALSE(stats.by_cid);
}

TEST(PercpuMode, IsLockWithoutAnArea)
{
    NEEDS_RSEQ();
    for (auto requested : {CAIRN_PERCPU_AUTO, CAIRN_PERCPU_RSEQ}) {
        auto stats = stats_with([&](auto &c) {
            c.mode = requested;
            c.cpu_id_method = CAIRN_CPU_GETCPU;
        });
        EXPECT_EQ(stats.mode, CAIRN_PERCPU_LOCK);
        EXPECT_TRUE(says(stats.reason, "no rseq area"));
    }
}

TEST(PercpuMode, IsLockForIdsFromAFunction)
{
    NEEDS_RSEQ();
    TokenSource tokens({64}, 10);
    Caches caches(tokens, 0);
    EXPECT_FALSE(cairn_rseq_choose(caches, CAIRN_PERCPU_RSEQ, false));
    EXPECT_TRUE(says(caches->reason, "no rseq area"));
}

TEST(PercpuMode, IsLockWithFewerShardsThanCpus)
{
    NEEDS_RSEQ();
    if (cairn_cpu_possible_count() == 1)
        GTEST_SKIP() << "one CPU";
    auto stats = stats_with([](auto &c) { c.shard_count = cairn_cpu_possible_count() - 1; });
    EXPECT_EQ(stats.mode, CAIRN_PERCPU_LOCK);
    EXPECT_TRUE(says(stats.reason, "fewer shards"));
    stats = stats_with([](auto &c) { c.shard_count = cairn_cpu_possible_count() + 1; });
    EXPECT_EQ(stats.mode, CAIRN_PERCPU_RSEQ);
}

TEST(PercpuMode, HasAnEntryForEveryIdThatTheKernelCouldGive)
{
    NEEDS_RSEQ();
    TokenSource tokens({64}, 10);
    Caches caches(tokens, 0, 0, 0, false, AUTO);
    EXPECT_GE(caches->entry_count, caches->shard_count);
    EXPECT_EQ(caches->entry_count % 64, 0u);
    for (unsigned id = 0; id < caches->entry_count; id++)
        EXPECT_EQ(caches->view.entries[id].shard == caches.shard(id), id < caches->shard_count);
}

/* As a malloc has them: the address is known where the sequences are compiled. */
alignas(128) cairn_percpu_entry entries_outside[CAIRN_PERCPU_IDS_MAX];

TEST(PercpuMode, EntriesMayLieInAnObjectOfTheCaller)
{
    NEEDS_RSEQ();
    TokenSource tokens({64}, 1000);
    const uint32_t block_bytes = 64;
    cairn_percpu_config config = {};
    config.block_bytes = &block_bytes;
    config.class_count = 1;
    config.source = tokens.source();
    const size_t bytes_with_entries = cairn_percpu_state_bytes(&config);
    config.entries = entries_outside;
    config.entry_count = CAIRN_PERCPU_IDS_MAX;
    config.state_bytes = cairn_percpu_state_bytes(&config);
    percpu_testing::State state(config.state_bytes);
    config.state = state.memory;
    auto percpu = std::make_unique<cairn_percpu>();
    ASSERT_EQ(cairn_percpu_init(percpu.get(), &config), 0);
    ASSERT_EQ(percpu->mode, CAIRN_PERCPU_RSEQ) << percpu->reason;

    EXPECT_LT(config.state_bytes, bytes_with_entries);
    EXPECT_EQ(percpu->view.entries, entries_outside);
    EXPECT_NE(entries_outside[percpu->entry_count - 1].shard, nullptr);
    if (percpu->entry_count < CAIRN_PERCPU_IDS_MAX) {
        EXPECT_EQ(entries_outside[percpu->entry_count].shard, nullptr) << "touched without need";
    }
    std::vector<void *> blocks = alloc_many(percpu.get(), 0, 100);
    for (int tries = 0; tries < 100; tries++) // any of them may be aborted
        if (cairn_percpu_push_at_from_1(percpu.get(), entries_outside, 1, blocks.back()) ||
            cairn_percpu_push(percpu.get(), 0, blocks.back())) {
            blocks.pop_back();
            break;
        }
    EXPECT_EQ(blocks.size(), 99u);
    for (int tries = 0; tries < 100 && blocks.size() == 99; tries++)
        if (void *block = cairn_percpu_pop_at(percpu.get(), entries_outside, 0))
            blocks.push_back(block);
    EXPECT_EQ(blocks.size(), 100u);
    free_all(percpu.get(), 0, blocks);
    cairn_percpu_check(percpu.get());
    cairn_percpu_fini(percpu.get());
    EXPECT_EQ(tokens.outstanding_bytes(), 0u);
    EXPECT_EQ(tokens.broken, 0u);
}

TEST(PercpuMode, IsLockWithFewerEntriesThanIdsThatCanCome)
{
    NEEDS_RSEQ();
    auto stats = stats_with([](auto &c) {
        c.entries = entries_outside;
        c.entry_count = 1;
    });
    EXPECT_EQ(stats.mode, CAIRN_PERCPU_LOCK);
    EXPECT_TRUE(says(stats.reason, "fewer entries"));
}

TEST(PercpuMode, AnIdBeyondTheShardsBypassesThem)
{
    NEEDS_RSEQ();
    TokenSource tokens({64}, 1000);
    Caches caches(tokens, 0, 0, 0, false, percpu_testing::RSEQ_BY_CPU);
    // As if /sys had told of too few CPUs.
    const unsigned shard_count = caches->shard_count;
    for (unsigned id = 0; id < shard_count; id++)
        caches->view.entries[id].shard = caches->view.entries[shard_count].shard;
    caches->shard_count = 0;
    std::vector<void *> blocks = alloc_many(caches, 0, 100);
    EXPECT_EQ(tokens.outstanding(0), 100u);
    free_all(caches, 0, blocks);
    EXPECT_EQ(cairn_depot_count(&caches->depot, 0), 100u);
    caches->shard_count = shard_count;
    EXPECT_EQ(cairn_percpu_stats(caches).shards_used, 0u);
    cairn_percpu_fini(caches);
    EXPECT_EQ(tokens.outstanding(0), 0u);
}

TEST(PercpuMode, NamesModes)
{
    EXPECT_STREQ(cairn_percpu_mode_name(CAIRN_PERCPU_AUTO), "auto");
    EXPECT_STREQ(cairn_percpu_mode_name(CAIRN_PERCPU_LOCK), "lock");
    EXPECT_STREQ(cairn_percpu_mode_name(CAIRN_PERCPU_RSEQ), "rseq");
    EXPECT_STREQ(cairn_percpu_mode_name(static_cast<cairn_percpu_mode>(3)), "unknown");
}

// Whole processes. The tests called Inside are for a child, which this file starts with another
// environment.

std::string own_path()
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
    return std::string(path, length > 0 ? static_cast<size_t>(length) : 0);
}

/* Runs this binary in a child, behind `before`, and returns its status. */
int run_self(std::vector<std::string> before, const std::string &argument, const char *tunables)
{
    std::vector<std::string> words = before;
    words.push_back(own_path());
    words.push_back(argument);
    pid_t child = fork();
    if (child == 0) {
        std::vector<char *> arguments;
        for (auto &word : words)
            arguments.push_back(&word[0]);
        arguments.push_back(nullptr);
        setenv("CAIRN_PERCPU_INSIDE", "1", 1);
        if (tunables != nullptr)
            setenv("GLIBC_TUNABLES", tunables, 1);
        for (const char *of_bazel : {"GTEST_OUTPUT", "XML_OUTPUT_FILE", "TEST_TOTAL_SHARDS"})
            unsetenv(of_bazel);
        execvp(arguments[0], arguments.data());
        _exit(1);
    }
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return status;
}

/* Runs tests of this binary so; false when `before` is not there, or cannot run it at all, as with
   a sanitizer. */
bool rerun(std::vector<std::string> before, const char *filter, const char *tunables)
{
    if (run_self(before, "--gtest_list_tests", tunables) != 0)
        return false;
    EXPECT_EQ(run_self(before, std::string("--gtest_filter=") + filter, tunables), 0) << filter;
    return true;
}

class Inside : public ::testing::Test {
  protected:
    void SetUp() override
    {
        if (getenv("CAIRN_PERCPU_INSIDE") == nullptr)
            GTEST_SKIP() << "run by the tests of PercpuModeOf";
    }
};

/* Threads that come and go, over caches in `mode`. */
void use_from_threads(Caches &caches, TokenSource &tokens)
{
    for (int round = 0; round < 20; round++) {
        std::vector<std::thread> threads;
        for (int number = 0; number < 4; number++)
            threads.emplace_back([&] {
                for (int at = 0; at < 50; at++)
                    free_all(caches, 0, alloc_many(caches, 0, 200));
            });
        for (auto &thread : threads)
            thread.join();
        EXPECT_EQ(tokens.outstanding_bytes(), caches.waiting_bytes());
        cairn_percpu_check(caches);
    }
    percpu_testing::expect_ends_clean(caches, tokens);
}

TEST_F(Inside, AnAreaOfOurOwnServes)
{
    for (bool by_cpu_id : {false, true}) {
        TokenSource tokens({64}, 10000);
        Caches caches(tokens, 0, 0, 0, false, {"", CAIRN_PERCPU_AUTO, by_cpu_id});
        auto stats = cairn_percpu_stats(caches);
        ASSERT_EQ(stats.cpu_id_method, CAIRN_CPU_OWN_RSEQ) << stats.cpu_reason;
        ASSERT_EQ(stats.mode, CAIRN_PERCPU_RSEQ) << stats.reason;
        use_from_threads(caches, tokens);
        EXPECT_EQ(tokens.outstanding(0), 0u);
    }
}

TEST_F(Inside, AThreadThatIsRefusedAnAreaBypassesTheShards)
{
    TokenSource tokens({64}, 10000);
    Caches caches(tokens, 0, 0, 0, false, AUTO);
    ASSERT_EQ(cairn_percpu_stats(caches).mode, CAIRN_PERCPU_RSEQ);
    if (!deny(CPU_RSEQ_SYSCALL))
        GTEST_SKIP() << "no seccomp";
    std::thread refused([&] {
        free_all(caches, 0, alloc_many(caches, 0, 200));
        EXPECT_EQ(cairn_percpu_stats(caches).shards_used, 0u);
    });
    refused.join();
    free_all(caches, 0, alloc_many(caches, 0, 200)); // this thread has its area
    EXPECT_EQ(cairn_percpu_stats(caches).shards_used, 1u);
    use_from_threads(caches, tokens);
}

TEST_F(Inside, WithoutRseqIsLock)
{
    TokenSource tokens({64}, 10000);
    if (getenv("GLIBC_TUNABLES") != nullptr && !deny(CPU_RSEQ_SYSCALL))
        GTEST_SKIP() << "no seccomp";
    Caches caches(tokens, 0, 0, 0, false, {"", CAIRN_PERCPU_AUTO, false});
    auto stats = cairn_percpu_stats(caches);
    ASSERT_EQ(stats.mode, CAIRN_PERCPU_LOCK);
    EXPECT_EQ(stats.cpu_id_method, CAIRN_CPU_GETCPU) << stats.cpu_reason;
    EXPECT_TRUE(says(stats.reason, "no rseq area") || says(stats.reason, "in this build"));
    use_from_threads(caches, tokens);
}

constexpr char NO_RSEQ[] = "glibc.pthread.rseq=0";

TEST(PercpuModeOf, AProcessWhoseLibcRegistersNothing)
{
    NEEDS_RSEQ();
    EXPECT_TRUE(rerun({}, "Inside.An*", NO_RSEQ));
    EXPECT_TRUE(rerun({}, "Inside.AThreadThatIsRefused*", NO_RSEQ));
    EXPECT_TRUE(rerun({}, "Inside.WithoutRseqIsLock", NO_RSEQ));
}

TEST(PercpuModeOf, AProcessUnderValgrindOrQemu)
{
    NEEDS_RSEQ();
    if (__asan_init != nullptr)
        GTEST_SKIP() << "AddressSanitizer takes minutes there";
    bool valgrind = rerun({"valgrind", "--quiet"}, "Inside.WithoutRseqIsLock", nullptr);
    bool qemu = rerun({"qemu-x86_64"}, "Inside.WithoutRseqIsLock", nullptr);
    if (!valgrind && !qemu)
        GTEST_SKIP() << "neither is here, or neither can run this";
}

} // namespace
