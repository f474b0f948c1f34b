// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// The self-test before rseq mode: it passes here and leaves no trace, and each of its parts can
// fail. What fails is an area made here, which is not registered with the kernel.

#include "percpu_mode_choice.h"

#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cpu_arch.h"
#include <gtest/gtest.h>

// shard.h, which is no C++
extern "C" bool cairn_rseq_selftest(struct cairn_percpu *percpu, bool has_known_bug);
extern "C" int cairn_rseq_probe(struct cairn_percpu *percpu);
extern "C" bool cairn_rseq_is_fixed(const char *release);

namespace {

using percpu_testing::Caches;
using percpu_testing::says;
using percpu_testing::stats_with;
using percpu_testing::TokenSource;

enum Observed { UNCLEAR, CLEARED, NOT_CLEARED };

struct Area {
    uint32_t cpu_id_start;
    int32_t cpu_id;
    uint64_t rseq_cs;
    uint32_t flags, node_id, mm_cid, end;
};

alignas(32) thread_local Area fake;

class PercpuSelftest : public ::testing::Test {
  protected:
    void SetUp() override
    {
        NEEDS_RSEQ();
        caches_.reset(new Caches(tokens_, 0, 0, 0, false, percpu_testing::RSEQ_BY_CPU));
    }

    void TearDown() override
    {
        percpu_testing::unpin();
    }

    cairn_percpu *percpu()
    {
        return *caches_;
    }

    /* The object's sequences use an area that is not registered with the kernel. */
    void show(int cpu_id)
    {
        fake = {};
        fake.cpu_id = cpu_id;
        percpu()->view.area = reinterpret_cast<char *>(&fake) - cairn_rseq_at(0);
        percpu()->view.id = percpu()->view.area + RSEQ_CPU_ID;
    }

    void expect_refused(bool has_known_bug, const char *part)
    {
        EXPECT_FALSE(cairn_rseq_selftest(percpu(), has_known_bug));
        EXPECT_TRUE(says(percpu()->reason, part)) << percpu()->reason;
        EXPECT_LT(cpu_rseq_load_id(percpu()->view.area), 0);
        EXPECT_EQ(cairn_percpu_pop(percpu(), 0), nullptr);
    }

    TokenSource tokens_{{64}, 100};
    std::unique_ptr<Caches> caches_;
};

std::string release()
{
    utsname name;
    return uname(&name) == 0 ? name.release : "";
}

TEST_F(PercpuSelftest, PassesHereAndLeavesNoTrace)
{
    for (bool by_cpu_id : {true, false}) {
        TokenSource tokens({64}, 100);
        Caches caches(tokens, 0, 0, 0, false, {"", CAIRN_PERCPU_RSEQ, by_cpu_id});
        errno = 77;
        EXPECT_TRUE(cairn_rseq_selftest(caches, false)) << caches->reason;
        EXPECT_EQ(errno, 77);
        for (unsigned id = 0; id < caches->entry_count; id++)
            EXPECT_EQ(caches->view.entries[id].shard == caches.shard(id), id < caches->shard_count);
        EXPECT_EQ(cairn_percpu_stats(caches).shards_used, 0u);
        for (unsigned idx = 0; idx < caches->shard_count; idx++) {
            const char *shard = caches->shards + idx * caches->shard_bytes;
            EXPECT_EQ(std::count(shard, shard + caches->shard_bytes, 0),
                      static_cast<long>(caches->shard_bytes));
        }
    }
}

TEST_F(PercpuSelftest, RefusesAnAreaThatShowsAnotherCpu)
{
    percpu_testing::pin(0);
    show(static_cast<int>(percpu_testing::cpus()[0]) + 1);
    expect_refused(false, "getcpu");
}

TEST_F(PercpuSelftest, RefusesAnAreaThatShowsNone)
{
    show(-1);
    expect_refused(false, "getcpu");
}

TEST_F(PercpuSelftest, RefusesAPushThatFindsNoFreeSlot)
{
    percpu_testing::pin(0);
    unsigned id = percpu_testing::cpus()[0];
    percpu()->view.entries[id].shard =
        percpu()->view.entries[percpu()->entry_count - 1].shard; // stopped
    expect_refused(false, "do not work");
}

TEST_F(PercpuSelftest, RefusesAnEntryOfAnotherShard)
{
    if (percpu()->shard_count < 2)
        GTEST_SKIP() << "one shard";
    percpu_testing::pin(0);
    unsigned id = percpu_testing::cpus()[0];
    percpu()->view.entries[id].shard =
        percpu()->view.entries[(id + 1) % percpu()->shard_count].shard;
    expect_refused(false, "do not work");
}

TEST_F(PercpuSelftest, ObservesThatTheKernelClearsTheField)
{
    unsigned major = 0, minor = 0;
    sscanf(release().c_str(), "%u.%u", &major, &minor);
    if (major > 6 || (major == 6 && minor >= 19))
        GTEST_SKIP() << "this kernel need not clear the field";
    EXPECT_EQ(cairn_rseq_probe(percpu()), CLEARED);
}

TEST_F(PercpuSelftest, ObservesThatTheFieldIsNotCleared)
{
    percpu_testing::pin(0);
    show(static_cast<int>(percpu_testing::cpus()[0]));
    EXPECT_EQ(cairn_rseq_probe(percpu()), NOT_CLEARED);
    EXPECT_NE(fake.rseq_cs, 0u);
}

TEST_F(PercpuSelftest, RefusesOnlyReleasesWithoutTheFix)
{
    percpu_testing::pin(0);
    show(static_cast<int>(percpu_testing::cpus()[0]));
    EXPECT_TRUE(cairn_rseq_selftest(percpu(), false)) << percpu()->reason;
    if (cairn_rseq_is_fixed(release().c_str()))
        EXPECT_TRUE(cairn_rseq_selftest(percpu(), true));
    else
        expect_refused(true, "does not abort");
}

TEST_F(PercpuSelftest, RestoresTheSlackOfTimers)
{
    const int before = prctl(PR_GET_TIMERSLACK);
    prctl(PR_SET_TIMERSLACK, 12345);
    cairn_rseq_probe(percpu());
    EXPECT_EQ(prctl(PR_GET_TIMERSLACK), 12345);
    prctl(PR_SET_TIMERSLACK, before);
}

/* In a child, for filters stay. */
template <typename Body> void in_child(Body body)
{
    pid_t child = fork();
    if (child == 0)
        _exit(body() ? 0 : 1);
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

// No evidence is none against sequences.
TEST_F(PercpuSelftest, PassesWhereItCannotSleep)
{
    for (long number : {SYS_nanosleep, SYS_getrusage, SYS_prctl, SYS_getcpu})
        in_child([&] {
            percpu_testing::pin(0);
            if (!deny(number))
                return true;
            if (number == SYS_nanosleep && cairn_rseq_probe(percpu()) != UNCLEAR)
                return false;
            return cairn_rseq_selftest(percpu(), true);
        });
}

TEST_F(PercpuSelftest, ASleepThatEndsAtOnceProvesNothing)
{
    in_child([&] {
        percpu_testing::pin(0);
        show(static_cast<int>(percpu_testing::cpus()[0]));
        return !deny(SYS_nanosleep, 0) || cairn_rseq_probe(percpu()) == UNCLEAR;
    });
}

// A getcpu that always says 0, as a filter can make it.
TEST_F(PercpuSelftest, SendsInitToLockMode)
{
    const std::vector<unsigned> &cpus = percpu_testing::cpus();
    if (cpus.back() == 0)
        GTEST_SKIP() << "CPU 0 alone";
    in_child([&] {
        percpu_testing::pin(static_cast<unsigned>(cpus.size()) - 1);
        if (!deny(SYS_getcpu, 0))
            return true;
        TokenSource tokens({64}, 100);
        Caches caches(tokens, 0, 0, 0, false, percpu_testing::AUTO);
        auto stats = cairn_percpu_stats(caches);
        cairn_percpu_free(caches, 0, cairn_percpu_alloc(caches, 0));
        const cairn_percpu_entry *entries = caches->view.entries;
        bool are_stopped = std::all_of(
            entries, entries + caches->entry_count,
            [&](const cairn_percpu_entry &entry) { return entry.shard == entries[0].shard; });
        return stats.mode == CAIRN_PERCPU_LOCK && says(stats.reason, "getcpu") && are_stopped &&
               cairn_percpu_stats(caches).shards_used == 1;
    });
}

TEST(PercpuSelftestReleases, FixedSince7_0_14)
{
    for (const char *fixed : {"7.0.14", "7.0.15-arm64", "7.0.100", "7.1.0", "7.1", "7.2.0-rc1",
                              "7.10.3", "8.0.0", "8", "10.0"})
        EXPECT_TRUE(cairn_rseq_is_fixed(fixed)) << fixed;
    for (const char *broken :
         {"7.0.13", "7.0.1-14", "7.0.0-14-generic", "6.19.14", "6.99.99", "7.0", "7", "",
          "5.10.0-21-arm64", "x", "7-1.1", "7.", "7.x.99", ".1"})
        EXPECT_FALSE(cairn_rseq_is_fixed(broken)) << broken;
}

} // namespace
