// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// The five ways to ask for an alignment.
#include "tests/conformance/surface.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace conformance {
namespace {

constexpr size_t kLargestAlignment = size_t{2} << 20;

void *PosixMemalign(size_t alignment, size_t size)
{
    void *block = nullptr;
    return posix_memalign(&block, alignment, size) == 0 ? block : nullptr;
}

using AlignedFunction = void *(*)(size_t alignment, size_t size);
const std::pair<const char *, AlignedFunction> kAlignedFunctions[] = {
    {"aligned_alloc", aligned_alloc}, {"posix_memalign", PosixMemalign}, {"memalign", memalign}};

class EveryAlignedFunction
    : public testing::TestWithParam<std::pair<const char *, AlignedFunction>> {
  protected:
    void *Get(size_t alignment, size_t size)
    {
        return GetParam().second(Opaque(alignment), Opaque(size));
    }
};

INSTANTIATE_TEST_SUITE_P(Of, EveryAlignedFunction, testing::ValuesIn(kAlignedFunctions),
                         [](const auto &chosen) { return std::string(chosen.param.first); });

TEST_P(EveryAlignedFunction, HonoursEveryAlignmentUpToTwoMegabytes)
{
    for (size_t alignment = 8; alignment <= kLargestAlignment; alignment *= 2) {
        for (size_t size :
             {size_t{1}, size_t{24}, alignment - 1, alignment, alignment + 1, 3 * alignment}) {
            std::vector<void *> blocks;
            for (int i = 0; i < 5; i++) {
                void *block = Get(alignment, size);
                ASSERT_NE(block, nullptr) << alignment << ", " << size;
                ASSERT_TRUE(IsAligned(block, alignment))
                    << block << " for " << alignment << ", " << size;
                ASSERT_GE(malloc_usable_size(block), size);
                Fill(block, malloc_usable_size(block), alignment + size);
                blocks.push_back(block);
            }
            for (void *block : blocks) {
                EXPECT_TRUE(Holds(block, malloc_usable_size(block), alignment + size));
                free(block);
            }
        }
    }
}

TEST_P(EveryAlignedFunction, HonoursEverySmallSizeAtSmallAlignments)
{
    for (size_t alignment = 8; alignment <= 4096; alignment *= 2) {
        for (size_t size = 0; size <= 5000; size += 1 + size / 32) {
            void *block = Get(alignment, size);
            ASSERT_NE(block, nullptr);
            ASSERT_TRUE(IsAligned(block, alignment))
                << block << " for " << alignment << ", " << size;
            ASSERT_GE(malloc_usable_size(block), size);
            Fill(block, size, alignment);
            free(block);
        }
    }
}

TEST_P(EveryAlignedFunction, HonoursAHugeAlignmentOrSaysEnomem)
{
    for (size_t alignment = kLargestAlignment; alignment <= size_t{1} << 30; alignment *= 2) {
        errno = ENOMEM; // posix_memalign returns its error
        void *block = Get(alignment, 1000);
        if (block == nullptr) {
            EXPECT_EQ(errno, ENOMEM) << alignment;
            continue;
        }
        EXPECT_TRUE(IsAligned(block, alignment)) << block << " for " << alignment;
        Fill(block, 1000, alignment);
        EXPECT_TRUE(Holds(block, 1000, alignment));
        free(block);
    }
}

TEST_P(EveryAlignedFunction, RefusesAnAlignmentBeyondTheAddressSpace)
{
    for (size_t alignment : {size_t{1} << 47, size_t{1} << 56, size_t{1} << 62, size_t{1} << 63}) {
        void *block = Get(alignment, 1000);
        EXPECT_EQ(block, nullptr) << alignment;
        free(block);
    }
}

TEST_P(EveryAlignedFunction, MixesWithEverythingElse)
{
    Random random(test_seed());
    std::vector<std::pair<void *, size_t>> blocks(300, {nullptr, 0});
    for (int round = 0; round < 30000; round++) {
        size_t i = random.below(blocks.size());
        auto &[block, size] = blocks[i];
        ASSERT_TRUE(Holds(block, size, i)) << "block " << i << " of " << size;
        free(block);
        size = random.size_of_bits(16);
        size_t alignment = size_t{8} << random.below(12);
        block = random.below(2) == 0 ? Get(alignment, size) : malloc(size);
        ASSERT_NE(block, nullptr);
        Fill(block, size, i);
    }
    for (auto &[block, size] : blocks)
        free(block);
}

TEST_P(EveryAlignedFunction, DoesNotLeakWhatItTrimsAway)
{
    size_t before = ResidentKib();
    for (int round = 0; round < 20000; round++) {
        void *block = Get(size_t{64} << 10, size_t{80} << 10);
        ASSERT_NE(block, nullptr);
        Fill(block, size_t{80} << 10, 1);
        free(block);
    }
    EXPECT_LT(ResidentKib(), before + 64 * 1024);
}

TEST(PosixMemalign, RefusesBadAlignmentsAndLeavesThePointerAlone)
{
    int here = 0;
    for (size_t alignment :
         {size_t{0}, size_t{1}, size_t{2}, size_t{3}, size_t{4}, size_t{7}, size_t{12}, size_t{24},
          size_t{65}, size_t{4095}, SIZE_MAX, SIZE_MAX - 7}) {
        void *block = &here;
        EXPECT_EQ(posix_memalign(&block, Opaque(alignment), 100), EINVAL) << alignment;
        EXPECT_EQ(block, &here) << alignment;
    }
}

const size_t kInvalidAlignments[] = {0, 3, 7, 12, 24, 100, 4095};

// C23: an invalid alignment gives NULL. Older libcs (glibc before 2.38) round it up; both keep a
// program safe, a block aligned to less does not.
void ExpectRefusedOrRoundedUp(AlignedFunction function, size_t alignment)
{
    errno = 0;
    void *block = function(Opaque(alignment), 192);
    if (block == nullptr) {
        EXPECT_EQ(errno, EINVAL) << alignment;
        return;
    }
    size_t rounded = 1;
    while (rounded < alignment)
        rounded *= 2;
    EXPECT_TRUE(IsAligned(block, rounded)) << block << " for " << alignment;
    free(block);
}

TEST(AlignedAlloc, RefusesAnInvalidAlignmentOrRoundsItUp)
{
    for (size_t alignment : kInvalidAlignments)
        ExpectRefusedOrRoundedUp(aligned_alloc, alignment);
}

TEST(Memalign, RefusesAnInvalidAlignmentOrRoundsItUp)
{
    for (size_t alignment : kInvalidAlignments)
        ExpectRefusedOrRoundedUp(memalign, alignment);
}

TEST(Memalign, TakesTheLargestPowerOfTwoForTooMuchMemoryAndNotForAMistake)
{
    for (size_t alignment : {SIZE_MAX / 2 + 1, SIZE_MAX / 4 + 1}) {
        errno = 0;
        EXPECT_EQ(memalign(Opaque(alignment), 64), nullptr);
        EXPECT_EQ(errno, ENOMEM) << alignment;
    }
}

TEST(AlignedAlloc, RefusesAnAlignmentThatHasNoPowerOfTwoAbove)
{
    for (size_t alignment : {SIZE_MAX, SIZE_MAX / 2 + 2}) {
        errno = 0;
        EXPECT_EQ(aligned_alloc(Opaque(alignment), 64), nullptr) << alignment;
        EXPECT_TRUE(errno == EINVAL || errno == ENOMEM) << errno;
    }
}

TEST(Valloc, AlignsToThePage)
{
    size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    for (size_t size : {size_t{0}, size_t{1}, page - 1, page, page + 1, 100 * page}) {
        void *block = valloc(size);
        ASSERT_NE(block, nullptr);
        EXPECT_TRUE(IsAligned(block, page)) << size;
        Fill(block, malloc_usable_size(block), size);
        free(block);
    }
}

TEST(Pvalloc, AlignsToThePageAndRoundsUpToWholePages)
{
    size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    for (size_t size : {size_t{1}, page - 1, page, page + 1, 100 * page + 1}) {
        void *block = pvalloc(size);
        ASSERT_NE(block, nullptr);
        EXPECT_TRUE(IsAligned(block, page)) << size;
        size_t rounded = (size + page - 1) / page * page;
        EXPECT_GE(malloc_usable_size(block), rounded) << size;
        Fill(block, rounded, size);
        free(block);
    }
}

} // namespace
} // namespace conformance
