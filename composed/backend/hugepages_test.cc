// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Where huge pages are asked for, of a kernel that says whether they are slow.

#include "composed/backend/backend_fixture.h"

#include <cerrno>
#include <vector>

namespace {

constexpr size_t kMiB = size_t{1} << 20;

struct Kernel {
    cairn_os real;
    int answer = 0;
    uint64_t clock_ms = 1000;
    std::vector<std::pair<char *, size_t>> asked;
};

class HugePages : public Backend {
  protected:
    void SetUp() override
    {
        Backend::SetUp();
        if (backend_.chunk_bytes != 2 * kMiB)
            GTEST_SKIP() << "chunks are not of 2 MiB here";
        kernel_.real = backend_.pages.config.os;
        ops_ = *kernel_.real.ops;
        ops_.make_huge = [](void *self, void *base, size_t bytes, void *, bool) {
            auto *kernel = static_cast<Kernel *>(self);
            kernel->asked.emplace_back(static_cast<char *>(base), bytes);
            return kernel->answer;
        };
        ops_.now_ms = [](void *self) { return static_cast<Kernel *>(self)->clock_ms; };
        backend_.pages.config.os = {&ops_, &kernel_};
    }

    void TearDown() override
    {
        for (char *block : blocks_)
            Free(block);
        for (void *slab : slabs_)
            cairn_source_give_one(cairn_backend_as_source(&backend_), kMiB, slab);
        Backend::TearDown();
    }

    void Choose(cairn_thp thp)
    {
        cairn_backend_bounds bounds = backend_.bounds;
        bounds.thp = thp;
        cairn_backend_set_bounds(&backend_, &bounds);
    }

    // Of two slabs each.
    void GrowByChunks(size_t count)
    {
        cairn_source slabs = cairn_backend_as_source(&backend_);
        for (size_t idx = 0; idx < 2 * count; idx++)
            slabs_.push_back(cairn_source_take_one(slabs, kMiB, 1));
    }

    Kernel kernel_;
    cairn_os_ops ops_;
    std::vector<char *> blocks_;
    std::vector<void *> slabs_;
};

TEST_F(HugePages, AreNotAskedForWhereTheyAreOff)
{
    Choose(CAIRN_THP_OFF);
    GrowByChunks(60);
    blocks_.push_back(Alloc(20 * kMiB));
    EXPECT_TRUE(kernel_.asked.empty());
}

TEST_F(HugePages, AreAskedForInEachChunkAndEachLongBlockIfAlways)
{
    Choose(CAIRN_THP_ALWAYS);
    GrowByChunks(5);
    EXPECT_EQ(kernel_.asked.size(), 5u);
    blocks_.push_back(Alloc(20 * kMiB));
    ASSERT_EQ(kernel_.asked.size(), 6u);
    auto [base, bytes] = kernel_.asked.back();
    EXPECT_EQ(base, blocks_.back());
    EXPECT_EQ(bytes, 20 * kMiB) << "as a whole";
}

TEST_F(HugePages, AreAskedForOfAHeapOfSlabsOnceItIsLarge)
{
    GrowByChunks(20);
    EXPECT_TRUE(kernel_.asked.empty()) << "40 MiB";
    GrowByChunks(80);
    EXPECT_EQ(kernel_.asked.size(), 80u);
}

TEST_F(HugePages, AreNotAskedForOfAHeapWhoseBlocksMayBeSparse)
{
    for (int idx = 0; idx < 100; idx++)
        blocks_.push_back(Alloc(kMiB));
    GrowByChunks(5);
    EXPECT_TRUE(kernel_.asked.empty());
    GrowByChunks(400);
    EXPECT_FALSE(kernel_.asked.empty()) << "nearly all of it is slabs";
}

TEST_F(HugePages, AChunkOfThemIsTouchedAsAWhole)
{
    GrowByChunks(21);
    size_t dirty = Dirty();
    kernel_.asked.clear();
    blocks_.push_back(Alloc(kMiB));
    ASSERT_EQ(kernel_.asked.size(), 1u);
    EXPECT_EQ(Dirty(), dirty + kMiB);
    bool is_zeroed = true;
    blocks_.push_back(Alloc(kMiB, 1, &is_zeroed));
    EXPECT_FALSE(is_zeroed);
}

TEST_F(HugePages, AChunkForWhichTheyAreRefusedIsAsAnyOther)
{
    kernel_.answer = -EINVAL;
    GrowByChunks(21);
    size_t dirty = Dirty();
    blocks_.push_back(Alloc(kMiB));
    EXPECT_FALSE(kernel_.asked.empty());
    EXPECT_EQ(Dirty(), dirty);
}

TEST_F(HugePages, AreNotAskedForForAWhileAfterTwoWereSlow)
{
    GrowByChunks(21);
    kernel_.asked.clear();
    kernel_.answer = -EAGAIN;
    GrowByChunks(1);
    kernel_.answer = 0;
    GrowByChunks(1);
    EXPECT_EQ(kernel_.asked.size(), 2u) << "one may have waited for a CPU";
    kernel_.answer = -EAGAIN;
    GrowByChunks(4);
    EXPECT_EQ(kernel_.asked.size(), 4u);
    kernel_.answer = 0;
    kernel_.clock_ms += 999;
    GrowByChunks(2);
    EXPECT_EQ(kernel_.asked.size(), 4u);
    kernel_.clock_ms += 1;
    kernel_.answer = -EAGAIN;
    GrowByChunks(2);
    EXPECT_EQ(kernel_.asked.size(), 5u) << "it is still slow";
    kernel_.answer = 0;
    kernel_.clock_ms += 1999;
    GrowByChunks(2);
    EXPECT_EQ(kernel_.asked.size(), 5u) << "twice as long";
    kernel_.clock_ms += 1;
    GrowByChunks(2);
    EXPECT_EQ(kernel_.asked.size(), 7u);
}

// --- the soft limit, and epochs ------------------------------------------------------------------

TEST_F(HugePages, TheSoftLimitIsFeltOnceForEachSixteenthBeyondIt)
{
    cairn_backend_bounds bounds = backend_.bounds;
    bounds.soft_limit_bytes = 32 * kMiB;
    cairn_backend_set_bounds(&backend_, &bounds);
    GrowByChunks(16);
    EXPECT_FALSE(cairn_backend_takes_pressure(&backend_));
    blocks_.push_back(Alloc(kMiB));
    EXPECT_TRUE(cairn_backend_is_unsettled(&backend_));
    EXPECT_TRUE(cairn_backend_takes_pressure(&backend_));
    EXPECT_FALSE(cairn_backend_takes_pressure(&backend_));
    GrowByChunks(1);
    EXPECT_FALSE(cairn_backend_takes_pressure(&backend_)) << "2 MiB are no more than a sixteenth";
    blocks_.push_back(Alloc(kMiB));
    EXPECT_TRUE(cairn_backend_takes_pressure(&backend_));
}

TEST_F(HugePages, AnEpochEndsOnceInItsTime)
{
    uint64_t due_ms = 0;
    EXPECT_TRUE(cairn_backend_ends_epoch(&backend_, &due_ms));
    EXPECT_FALSE(cairn_backend_ends_epoch(&backend_, &due_ms));
    kernel_.clock_ms += CAIRN_BACKEND_RETAIN_MS - 1;
    EXPECT_FALSE(cairn_backend_ends_epoch(&backend_, &due_ms));
    kernel_.clock_ms += 1;
    EXPECT_TRUE(cairn_backend_ends_epoch(&backend_, &due_ms));
}

TEST_F(HugePages, AnEpochThatBeganWithALongerTimeIsOver)
{
    cairn_backend_bounds bounds = backend_.bounds;
    uint64_t due_ms = 0;
    bounds.decay_ms = 3600000;
    cairn_backend_set_bounds(&backend_, &bounds);
    EXPECT_TRUE(cairn_backend_ends_epoch(&backend_, &due_ms));
    EXPECT_FALSE(cairn_backend_ends_epoch(&backend_, &due_ms));
    bounds.decay_ms = 50;
    cairn_backend_set_bounds(&backend_, &bounds);
    EXPECT_TRUE(cairn_backend_ends_epoch(&backend_, &due_ms));
    EXPECT_FALSE(cairn_backend_ends_epoch(&backend_, &due_ms));
}

TEST_F(HugePages, AllThatIsOldGoesAndSingleGranulesToo)
{
    std::vector<char *> small;
    for (int idx = 0; idx < 128; idx++)
        small.push_back(Alloc(16384));
    for (int idx = 0; idx < 128; idx += 2)
        Free(small[idx]);
    EXPECT_EQ(Dirty(), 64u * 16384);
    for (int epoch = 0; epoch <= CAIRN_DECAY_OLD_EPOCHS; epoch++) {
        EXPECT_GT(Dirty(), 0u) << epoch;
        kernel_.clock_ms += CAIRN_BACKEND_RETAIN_MS;
        cairn_backend_age(&backend_);
    }
    EXPECT_EQ(Dirty(), 0u);
    for (int idx = 1; idx < 128; idx += 2)
        Free(small[idx]);
}

} // namespace
