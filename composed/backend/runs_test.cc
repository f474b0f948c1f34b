// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Runs of granules: their marks, the state of the buddy, and what goes back to a kernel that counts
// and refuses.

#include "composed/backend/backend_fixture.h"

#include <unistd.h>

#include <climits>
#include <cstring>
#include <functional>
#include <vector>

namespace {

TEST_F(BackendMedium, EachLengthIsAClass)
{
    for (size_t size = 32769; size <= 200000; size += 61) {
        char *block = Alloc(size);
        size_t medium_idx = MediumOf(block);
        ASSERT_EQ(medium_idx < CAIRN_MEDIUM_COUNT, size <= 131072) << size;
        EXPECT_EQ(medium_idx < CAIRN_MEDIUM_COUNT, cairn_medium_of(size) < CAIRN_MEDIUM_COUNT);
        if (medium_idx < CAIRN_MEDIUM_COUNT) {
            EXPECT_EQ(medium_idx, cairn_medium_of(size));
            EXPECT_EQ(cairn_medium_bytes(medium_idx), Usable(block)) << size;
        } else {
            EXPECT_EQ(cairn_tag_kind(Tag(block)), CAIRN_KIND_LARGE);
        }
        EXPECT_GE(MediumOf(block + 16), size_t{CAIRN_MEDIUM_COUNT});
        Free(block);
        ASSERT_EQ(Tag(block), 0);
    }
    EXPECT_GE(cairn_medium_of(1), size_t{CAIRN_MEDIUM_COUNT});
    EXPECT_GE(cairn_medium_of(32768), size_t{CAIRN_MEDIUM_COUNT});
    EXPECT_GE(cairn_medium_of(SIZE_MAX), size_t{CAIRN_MEDIUM_COUNT});
    EXPECT_EQ(Outstanding(), 0u);
}

TEST_F(BackendMedium, AreServedAndTakenBackByTheSource)
{
    cairn_source runs = cairn_backend_as_medium_source(&backend_);
    std::vector<void *> blocks(20);
    for (size_t medium_idx = 0; medium_idx < CAIRN_MEDIUM_COUNT; medium_idx++) {
        uint32_t bytes = cairn_medium_bytes(medium_idx);
        ASSERT_EQ(cairn_source_take(runs, bytes, 16, blocks.data(), blocks.size()), blocks.size());
        for (void *block : blocks) {
            EXPECT_EQ(MediumOf(block), medium_idx);
            memset(block, 1, bytes);
        }
        cairn_source_give(runs, bytes, blocks.data(), blocks.size());
        EXPECT_EQ(Outstanding(), 0u);
        EXPECT_DEATH(cairn_source_give(runs, bytes, blocks.data(), 1), "double free|freed before");
    }
    cairn_backend_check(&backend_);
}

TEST_F(BackendMedium, BecomeAnotherClassWhenTheyAreResized)
{
    char *block = Alloc(120000);
    EXPECT_EQ(MediumOf(block), cairn_medium_of(120000));
    ASSERT_EQ(Resize(block, 50000), block);
    EXPECT_EQ(MediumOf(block), cairn_medium_of(50000));
    ASSERT_EQ(Resize(block, 120000), block);
    EXPECT_EQ(MediumOf(block), cairn_medium_of(120000));
    ASSERT_EQ(Resize(block, 400000), block);
    EXPECT_EQ(cairn_tag_kind(Tag(block)), CAIRN_KIND_LARGE);
    ASSERT_EQ(Resize(block, 120000), block);
    EXPECT_EQ(MediumOf(block), cairn_medium_of(120000));
    Free(block);
    EXPECT_EQ(Outstanding(), 0u);
    cairn_backend_check(&backend_);
}

TEST_F(BackendMedium, KeepTheRightMarkWhenTheyAreResizedInPlace)
{
    constexpr size_t kGranule = CAIRN_BACKEND_GRANULE_MIN_BYTES;
    auto expect = [this](char *block, size_t granules) {
        ASSERT_EQ(Usable(block), granules * kGranule);
        ASSERT_EQ(MediumOf(block) < CAIRN_MEDIUM_COUNT, granules <= CAIRN_MEDIUM_GRANULES_MAX);
        if (granules <= CAIRN_MEDIUM_GRANULES_MAX) {
            ASSERT_EQ(cairn_medium_bytes(MediumOf(block)), granules * kGranule);
        }
    };
    for (size_t from = 3; from <= 20; from++)
        for (size_t to = 3; to <= 20; to++) {
            char *block = Alloc(from * kGranule);
            char *resized = Resize(block, to * kGranule - 5);
            ASSERT_TRUE(resized == block || (resized == nullptr && to > from));
            expect(block, resized == nullptr ? from : to);
            Free(block);
            ASSERT_EQ(Outstanding(), 0u) << from << " to " << to;
        }
}

TEST_F(BackendMedium, KeepTheirMarkWhenANeighbourIsInTheWay)
{
    char *block = Alloc(4 * 16384, 131072);
    std::vector<char *> others; // until one lies right behind the block
    while (others.empty() || others.back() != block + 4 * 16384)
        others.push_back(Alloc(4 * 16384));
    EXPECT_EQ(Resize(block, 5 * 16384), nullptr);
    EXPECT_EQ(Usable(block), 4u * 16384);
    EXPECT_EQ(MediumOf(block), cairn_medium_of(4 * 16384));
    Free(others.back());
    others.pop_back();
    EXPECT_EQ(Resize(block, 5 * 16384), block);
    EXPECT_EQ(MediumOf(block), cairn_medium_of(5 * 16384));
    others.push_back(block);
    for (char *other : others)
        Free(other);
}

TEST_F(BackendMedium, FreedTwiceAreToldWhenTheirSuccessorHasAnotherLength)
{
    cairn_source runs = cairn_backend_as_medium_source(&backend_);
    for (size_t first = 0; first < CAIRN_MEDIUM_COUNT; first++)
        for (size_t second : {first == 0 ? 1 : first - 1, size_t{CAIRN_MEDIUM_COUNT} + 3}) {
            void *stale = nullptr;
            ASSERT_EQ(cairn_source_take(runs, cairn_medium_bytes(first), 16, &stale, 1), 1u);
            cairn_source_give(runs, cairn_medium_bytes(first), &stale, 1);
            char *successor = Alloc(cairn_medium_bytes(second), 131072);
            ASSERT_EQ(successor, stale) << "the lowest run that is free";
            EXPECT_DEATH(cairn_source_give(runs, cairn_medium_bytes(first), &stale, 1),
                         "double free");
            EXPECT_EQ(Usable(successor), cairn_medium_bytes(second));
            Free(successor);
        }
}

TEST_F(BackendMedium, KeptApartAreOnlyWhatTheSourceGaveAndAtThatLength)
{
    cairn_source runs = cairn_backend_as_medium_source(&backend_);
    cairn_backend_keep_medium_apart(&backend_);
    for (size_t medium_idx = 0; medium_idx < CAIRN_MEDIUM_COUNT; medium_idx++) {
        uint32_t bytes = cairn_medium_bytes(medium_idx);
        char *other = Alloc(bytes);
        void *block = nullptr;
        EXPECT_EQ(cairn_tag_kind(Tag(other)), CAIRN_KIND_LARGE);
        ASSERT_EQ(Resize(other, 400000), other);
        ASSERT_EQ(Resize(other, bytes), other);
        EXPECT_EQ(cairn_tag_kind(Tag(other)), CAIRN_KIND_LARGE);
        Free(other);
        ASSERT_EQ(cairn_source_take(runs, bytes, 16, &block, 1), 1u);
        EXPECT_EQ(Resize(block, bytes - 100), block) << "the length is the same";
        EXPECT_EQ(Resize(block, bytes + 1), nullptr);
        EXPECT_EQ(Resize(block, bytes - 16384), nullptr);
        EXPECT_EQ(MediumOf(block), medium_idx);
        cairn_source_give(runs, bytes, &block, 1);
        ASSERT_EQ(Outstanding(), 0u);
    }
}

TEST_F(Backend, MovesTheStateOfItsRunsAsOftenAsItIsFull)
{
    std::vector<char *> blocks;
    std::vector<size_t> counts;
    for (int idx = 0; idx < 700; idx++) {
        size_t count_max = backend_.runs_chunk_max;
        if (counts.empty() || counts.back() != count_max)
            counts.push_back(count_max);
        blocks.push_back(Alloc(1 << 20));
        ASSERT_NE(blocks.back(), nullptr);
        blocks.back()[0] = static_cast<char>(idx);
    }
    EXPECT_GE(counts.size(), 4u) << "states";
    EXPECT_EQ(counts[0], 16u);
    cairn_backend_check(&backend_);
    for (int idx = 0; idx < 700; idx++) {
        ASSERT_EQ(blocks[idx][0], static_cast<char>(idx));
        ASSERT_EQ(Usable(blocks[idx]), 1u << 20);
        Free(blocks[idx]);
    }
}

TEST_F(Backend, EmptiesWhatLayIdleForATenthOfASecond)
{
    std::vector<char *> blocks;
    for (int idx = 0; idx < 300; idx++)
        blocks.push_back(Alloc(100000));
    // Every other one stays, so that no chunk becomes empty.
    for (int idx = 0; idx < 300; idx += 2)
        Free(blocks[idx]);
    EXPECT_GT(Dirty(), 0u);
    for (int round = 0; round < 3; round++) {
        usleep(120 * 1000);
        cairn_backend_settle(&backend_);
    }
    EXPECT_LE(Dirty(), 5u << 20);
    for (int idx = 1; idx < 300; idx += 2)
        Free(blocks[idx]);
    cairn_backend_check(&backend_);
}

TEST_F(Backend, EmptiesAtOnceWhatIsMoreThanIsUsed)
{
    std::vector<char *> blocks;
    for (int idx = 0; idx < 1500; idx++)
        blocks.push_back(Alloc(100000));
    for (int idx = 0; idx < 1500; idx++)
        if (idx % 15 != 0) {
            Free(blocks[idx]);
            cairn_backend_settle(&backend_);
        }
    EXPECT_LE(Dirty(), 40u << 20);
    for (int idx = 0; idx < 1500; idx += 15)
        Free(blocks[idx]);
    cairn_backend_check(&backend_);
}

// --- a kernel that counts, refuses and looks around ----------------------------------------------

struct Kernel {
    cairn_os real;
    long maps_left = LONG_MAX;
    size_t space_bytes = SIZE_MAX / 2; // of addresses that are left
    size_t purge_calls = 0;
    size_t unmap_calls = 0;
    std::function<void(char *, size_t)> on_purge;
};

cairn_os_ops CountingOps(const cairn_os &real)
{
    cairn_os_ops ops = *real.ops;
    ops.map = [](void *self, size_t bytes, bool is_accessible) {
        auto *kernel = static_cast<Kernel *>(self);
        if (kernel->maps_left-- <= 0 || bytes > kernel->space_bytes)
            return static_cast<void *>(nullptr);
        kernel->space_bytes -= bytes;
        return kernel->real.ops->map(kernel->real.self, bytes, is_accessible);
    };
    ops.unmap = [](void *self, void *base, size_t bytes) {
        auto *kernel = static_cast<Kernel *>(self);
        kernel->unmap_calls++;
        kernel->space_bytes += bytes;
        return kernel->real.ops->unmap(kernel->real.self, base, bytes);
    };
    ops.purge = [](void *self, void *base, size_t bytes) {
        auto *kernel = static_cast<Kernel *>(self);
        kernel->purge_calls++;
        if (kernel->on_purge)
            kernel->on_purge(static_cast<char *>(base), bytes);
        return kernel->real.ops->purge(kernel->real.self, base, bytes);
    };
    return ops;
}

class BackendOnAKernel : public Backend {
  protected:
    void SetUp() override
    {
        Backend::SetUp();
        kernel_.real = backend_.pages.config.os;
        ops_ = CountingOps(kernel_.real);
        backend_.pages.config.os = {&ops_, &kernel_};
    }
    void TearDown() override
    {
        kernel_.on_purge = nullptr;
        kernel_.maps_left = LONG_MAX;
        Backend::TearDown();
    }

    Kernel kernel_;
    cairn_os_ops ops_;
};

TEST_F(BackendOnAKernel, AnswersNullWhereverItRefusesAndGoesOnWhenItDoesNot)
{
    for (long index = 0; index < 60; index++) {
        std::vector<char *> blocks;
        kernel_.maps_left = index;
        char *block = Alloc(1 << 20);
        for (; block != nullptr && blocks.size() < 200; block = Alloc(1 << 20))
            blocks.push_back(block);
        cairn_backend_check(&backend_);
        EXPECT_EQ(Outstanding(), (blocks.size() + (block != nullptr)) << 20);
        kernel_.maps_left = LONG_MAX;
        blocks.push_back(block != nullptr ? block : Alloc(1 << 20));
        ASSERT_NE(blocks.back(), nullptr) << "after " << index << " mappings";
        for (char *taken : blocks)
            Free(taken);
        cairn_backend_trim(&backend_);
        ASSERT_EQ(Outstanding(), 0u);
    }
}

// The first chunk comes with a step of address space that leaves too little for the first leaf.
TEST_F(BackendOnAKernel, HasALeafFromWhatThePageSourceKeepsFree)
{
    const size_t leaf_bytes = (sizeof(uint16_t) + sizeof(uint32_t)) << CAIRN_PAGEMAP_LEAF_SHIFT;
    ASSERT_EQ(backend_.leaf_bytes, 0u);
    kernel_.space_bytes = 2 * backend_.chunk_bytes + leaf_bytes / 2;
    char *block = Alloc(100000);
    kernel_.space_bytes = SIZE_MAX / 2;
    ASSERT_NE(block, nullptr);
    Free(block);
}

TEST_F(BackendOnAKernel, GivesRunsBackOnlyWhenItSettles)
{
    std::vector<char *> blocks;
    for (int idx = 0; idx < 500; idx++)
        blocks.push_back(Alloc(100000));
    kernel_.purge_calls = kernel_.unmap_calls = 0;
    for (char *block : blocks)
        Free(block);
    EXPECT_EQ(kernel_.purge_calls + kernel_.unmap_calls, 0u);
    EXPECT_GT(Dirty(), 40u << 20);
    cairn_backend_settle(&backend_);
    EXPECT_LE(Dirty(), 4u << 20) << "empty chunks go to the page source";
}

// The hook takes and gives a run while the kernel empties another: no lock is held, and what is
// being emptied is not free.
TEST_F(BackendOnAKernel, IsUsableWhileItSettles)
{
    std::vector<char *> blocks;
    for (int idx = 0; idx < 1500; idx++)
        blocks.push_back(Alloc(100000));
    for (int idx = 0; idx < 1500; idx++)
        if (idx % 15 != 0)
            Free(blocks[idx]);
    size_t nested = 0;
    kernel_.on_purge = [&](char *base, size_t bytes) {
        char *block = Alloc(60000);
        EXPECT_TRUE(block + 65536 <= base || block >= base + bytes);
        memset(block, 1, 60000);
        cairn_backend_settle(&backend_); // another is at it
        Free(block);
        nested++;
    };
    cairn_backend_settle(&backend_);
    EXPECT_GT(nested, 0u);
    kernel_.on_purge = nullptr;
    for (int idx = 0; idx < 1500; idx += 15)
        Free(blocks[idx]);
}

TEST_F(BackendOnAKernel, TrimsToAnEndThoughOthersTakeAndGiveMeanwhile)
{
    constexpr size_t kMost = 5000;
    char *kept = Alloc(100000);
    char *first = Alloc(100000);
    Free(first);
    size_t nested = 0;
    kernel_.on_purge = [&](char *, size_t) {
        if (++nested > kMost)
            return;
        char *block = Alloc(60000);
        memset(block, 1, 60000);
        Free(block);
    };
    cairn_backend_trim(&backend_);
    EXPECT_LT(nested, kMost);
    Free(kept);
}

TEST_F(BackendOnAKernel, KeepsWhatAProgramTakesAndGivesAgainAndAgain)
{
    std::vector<char *> blocks(400); // 40 MB, fewer than are used otherwise
    std::vector<char *> kept;
    for (int idx = 0; idx < 500; idx++)
        kept.push_back(Alloc(100000));
    for (int round = 0; round < 30; round++) {
        if (round == 5)
            kernel_.purge_calls = 0;
        for (char *&block : blocks)
            block = Alloc(100000);
        for (char *block : blocks)
            Free(block);
        cairn_backend_settle(&backend_);
        usleep(20 * 1000);
    }
    EXPECT_LE(kernel_.purge_calls, 100u) << "it is wanted again within a tenth of a second";
    for (char *block : kept)
        Free(block);
}

} // namespace
