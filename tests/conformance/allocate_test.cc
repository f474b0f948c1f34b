// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// malloc, calloc and free when all goes well: alignment, usable bytes, distinct blocks, cleared
// memory.
#include "tests/conformance/surface.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <set>

namespace conformance {
namespace {

constexpr size_t kBoundaryWalkEnd = 70000;
const size_t kLargestBlock = size_t{HeapIsSmall() ? 4u : 256u} << 20;

// C asks for the alignment of any object that fits; programs on x86-64 and arm64 rely on 16 from 16
// on.
size_t AlignmentFor(size_t size)
{
    return size >= 16 ? 16 : 8;
}

struct Slot {
    void *block = nullptr;
    size_t usable = 0;
    uint64_t seed = 0;
};

// Keeps the last few blocks alive, each filled to its last usable byte, so that neighbours would
// notice.
class Window {
  public:
    ~Window()
    {
        for (Slot &slot : slots_)
            Drop(slot);
    }
    void Put(void *block, uint64_t seed)
    {
        Slot &slot = slots_[seed % slots_.size()];
        Drop(slot);
        slot = {block, malloc_usable_size(block), seed};
        Fill(slot.block, slot.usable, seed);
    }

  private:
    static void Drop(Slot &slot)
    {
        if (slot.block == nullptr)
            return;
        EXPECT_TRUE(Holds(slot.block, slot.usable, slot.seed))
            << "block " << slot.seed << " was overwritten";
        free(slot.block);
    }
    std::array<Slot, 7> slots_;
};

TEST(Malloc, AlignsEverySizeAndLetsEveryUsableByteBeWritten)
{
    Window window;
    for (size_t size = 0; size <= kBoundaryWalkEnd; size++) {
        void *block = malloc(size);
        ASSERT_NE(block, nullptr) << size;
        ASSERT_TRUE(IsAligned(block, AlignmentFor(size))) << block << " for " << size;
        ASSERT_GE(malloc_usable_size(block), size);
        window.Put(block, size);
    }
}

TEST(Malloc, ServesTheSizesAroundEveryPowerOfTwo)
{
    for (size_t power = 1; power <= kLargestBlock; power *= 2) {
        for (size_t size : {power - 1, power, power + 1}) {
            void *block = malloc(size);
            ASSERT_NE(block, nullptr) << size;
            ASSERT_TRUE(IsAligned(block, AlignmentFor(size))) << size;
            size_t usable = malloc_usable_size(block);
            ASSERT_GE(usable, size);
            Fill(block, usable, size);
            EXPECT_TRUE(Holds(block, usable, size)) << size;
            free(block);
        }
    }
}

TEST(Malloc, GivesDistinctBlocksForSizeZero)
{
    std::set<void *> blocks;
    for (int i = 0; i < 1000; i++) {
        void *block = malloc(Opaque(size_t{0}));
        ASSERT_NE(block, nullptr);
        EXPECT_TRUE(blocks.insert(block).second) << block << " was given twice";
    }
    for (void *block : blocks)
        free(block);
}

TEST(Malloc, GivesBackNothingButDistinctBlocksFromEveryEntryPointForSizeZero)
{
    std::set<void *> blocks;
    for (const EntryPoint &entry : EntryPoints()) {
        void *block = entry.get(Opaque(size_t{0}));
        EXPECT_NE(block, nullptr) << entry.name;
        EXPECT_TRUE(blocks.insert(block).second)
            << entry.name << " gave " << block << " a second time";
    }
    for (void *block : blocks)
        free(block);
}

TEST(Malloc, KeepsManyBlocksOfOneSizeApart)
{
    const size_t kCount = Scaled(3000);
    const size_t sizes[] = {1, 8, 16, 17, 48, 100, 256, 1000, 4096, 9000, 33000};
    for (size_t size : sizes) {
        std::vector<void *> blocks(kCount);
        for (size_t i = 0; i < kCount; i++) {
            blocks[i] = malloc(size);
            ASSERT_NE(blocks[i], nullptr);
            std::memset(blocks[i], static_cast<int>(i & 0xff), size);
        }
        for (size_t i = 0; i < kCount; i++) {
            const unsigned char *bytes = static_cast<unsigned char *>(blocks[i]);
            EXPECT_EQ(bytes[0], i & 0xff) << "size " << size << ", block " << i;
            EXPECT_EQ(std::memcmp(bytes, bytes + 1, size - 1), 0)
                << "size " << size << ", block " << i;
            free(blocks[i]);
        }
    }
}

TEST(Malloc, UsesFreedMemoryAgain)
{
    constexpr size_t kRounds = 20000;
    constexpr size_t kSize = size_t{1} << 20;
    size_t before = ResidentKib();
    for (size_t round = 0; round < kRounds; round++) {
        char *block = static_cast<char *>(malloc(kSize));
        ASSERT_NE(block, nullptr);
        block[0] = block[kSize - 1] = 1;
        free(Opaque(block));
    }
    EXPECT_LT(ResidentKib(), before + 64 * 1024) << "20 GB passed through one block of 1 MiB";
}

// Leaves dirty blocks of this size behind for the next caller.
void Soil(size_t size)
{
    std::array<void *, 4> blocks;
    for (void *&block : blocks) {
        block = malloc(size);
        ASSERT_NE(block, nullptr);
        std::memset(Opaque(block), 0xa5, malloc_usable_size(block));
    }
    for (void *block : blocks)
        free(block);
}

void ExpectCleared(size_t count, size_t size)
{
    std::array<void *, 4> blocks;
    for (void *&block : blocks) {
        block = calloc(count, size);
        ASSERT_NE(block, nullptr);
        EXPECT_TRUE(IsZero(block, count * size)) << "calloc(" << count << ", " << size << ")";
        std::memset(Opaque(block), 0x5a, count * size);
    }
    for (void *block : blocks)
        free(block);
}

TEST(Calloc, ClearsMemoryThatWasUsedBefore)
{
    for (size_t size = 1; size <= kBoundaryWalkEnd; size += 1 + size / 64) {
        Soil(size);
        ExpectCleared(1, size);
    }
}

TEST(Calloc, ClearsLargeMemoryThatWasUsedBefore)
{
    for (size_t size : {size_t{100000}, size_t{1} << 17, size_t{300001}, size_t{1} << 20,
                        size_t{HeapIsSmall() ? 2u : 9u} << 20}) {
        for (int round = 0; round < 3; round++) {
            Soil(size);
            ExpectCleared(1, size);
            ExpectCleared(size / 100, 100);
        }
    }
}

TEST(Calloc, ClearsMemoryThatASmallerOrLargerBlockHadSoiled)
{
    Random random(test_seed());
    for (int round = 0; round < 4000; round++) {
        Soil(1 + random.size_of_bits(18));
        ExpectCleared(1, 1 + random.size_of_bits(18));
    }
}

TEST(Calloc, GivesABlockForAnEmptyArray)
{
    for (auto [count, size] :
         {std::pair<size_t, size_t>{0, 0}, {0, 8}, {8, 0}, {0, SIZE_MAX}, {SIZE_MAX, 0}}) {
        void *block = calloc(Opaque(count), Opaque(size));
        EXPECT_NE(block, nullptr) << count << " x " << size;
        free(block);
    }
}

TEST(Free, TakesNull)
{
    for (int i = 0; i < 10; i++)
        free(Opaque(static_cast<void *>(nullptr)));
    SUCCEED() << "a crash is the failure";
}

TEST(Free, KeepsErrno)
{
    for (size_t size :
         {size_t{0}, size_t{16}, size_t{2000}, size_t{40000}, size_t{1} << 20, size_t{64} << 20}) {
        std::vector<void *> blocks;
        for (int i = 0; i < 100; i++)
            blocks.push_back(malloc(size));
        for (void *block : blocks) {
            errno = 4711;
            free(block);
            ASSERT_EQ(errno, 4711) << "after free of " << size << " bytes";
        }
    }
    errno = 4711;
    free(Opaque(static_cast<void *>(nullptr)));
    EXPECT_EQ(errno, 4711);
}

TEST(MallocUsableSize, IsZeroForNullAndAtLeastWhatWasAskedFor)
{
    EXPECT_EQ(malloc_usable_size(Opaque(static_cast<void *>(nullptr))), 0u);
    for (const EntryPoint &entry : EntryPoints()) {
        for (size_t size = 1; size < Scaled(size_t{40} << 20); size = size * 3 + 1) {
            void *block = entry.get(size);
            ASSERT_NE(block, nullptr) << entry.name;
            EXPECT_GE(malloc_usable_size(block), size) << entry.name;
            EXPECT_EQ(malloc_usable_size(block), malloc_usable_size(block)) << entry.name;
            free(block);
        }
    }
}

} // namespace
} // namespace conformance
