// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// realloc and reallocarray: what is kept, what is freed, and what a failure leaves behind.
#include "tests/conformance/surface.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace conformance {
namespace {

const size_t kLargest = size_t{HeapIsSmall() ? 5u : 20u} << 20;

// Both sides of whatever boundaries an allocator may have.
const size_t kLadder[] = {
    1,      8,      15,     16,      17,      100,     256,           257,     1024,
    4095,   4096,   4097,   16384,   32768,   32769,   65536,         65537,   100000,
    131072, 200000, 262145, 1 << 20, 1100000, 3 << 20, (4 << 20) + 1, kLargest};

// A pattern that every prefix shares, whatever its length.
void Mark(void *block, size_t size)
{
    unsigned char *bytes = static_cast<unsigned char *>(block);
    size_t stride = size > (1 << 20) ? 509 : 1;
    for (size_t i = 0; i < size; i += stride)
        bytes[i] = static_cast<unsigned char>(i % 251);
    if (size > 0)
        bytes[size - 1] = static_cast<unsigned char>((size - 1) % 251);
}

bool IsMarked(const void *block, size_t written, size_t kept)
{
    const unsigned char *bytes = static_cast<const unsigned char *>(block);
    size_t stride = written > (1 << 20) ? 509 : 1;
    for (size_t i = 0; i < kept; i += stride) {
        if (bytes[i] != i % 251)
            return false;
    }
    return kept < written || kept == 0 || bytes[kept - 1] == (kept - 1) % 251;
}

TEST(Realloc, ActsAsMallocOnNull)
{
    for (size_t size : kLadder) {
        void *block = realloc(Opaque(static_cast<void *>(nullptr)), size);
        ASSERT_NE(block, nullptr);
        EXPECT_GE(malloc_usable_size(block), size);
        free(block);
    }
}

TEST(Realloc, KeepsWhatBothSizesHaveInCommon)
{
    for (size_t from : kLadder) {
        for (size_t to : kLadder) {
            void *block = malloc(from);
            ASSERT_NE(block, nullptr);
            Mark(block, from);
            block = realloc(block, to);
            ASSERT_NE(block, nullptr) << from << " -> " << to;
            EXPECT_TRUE(IsMarked(block, from, std::min(from, to))) << from << " -> " << to;
            EXPECT_GE(malloc_usable_size(block), to);
            Mark(block, to);
            free(block);
        }
    }
}

TEST(Realloc, GrowsAByteAtATime)
{
    void *block = nullptr;
    for (size_t size = 1; size <= 40000; size++) {
        block = realloc(block, size);
        ASSERT_NE(block, nullptr);
        static_cast<unsigned char *>(block)[size - 1] =
            static_cast<unsigned char>((size - 1) % 251);
    }
    EXPECT_TRUE(IsMarked(block, 40000, 40000));
    free(block);
}

TEST(Realloc, GrowsAndShrinksAVectorToManyMegabytes)
{
    size_t size = 1;
    void *block = malloc(size);
    Mark(block, size);
    for (; size < Scaled(size_t{100} << 20); size += size / 2 + 1) {
        size_t next = size + size / 2 + 1;
        block = realloc(block, next);
        ASSERT_NE(block, nullptr) << next;
        ASSERT_TRUE(IsMarked(block, size, size)) << size << " -> " << next;
        Mark(block, next);
    }
    for (; size > 10; size = size / 3) {
        block = realloc(block, size);
        ASSERT_NE(block, nullptr) << size;
        ASSERT_TRUE(IsMarked(block, SIZE_MAX, size - 1)) << size;
    }
    free(block);
}

TEST(Realloc, LeavesTheNeighboursAlone)
{
    Random random(test_seed());
    std::vector<std::pair<void *, size_t>> blocks(200);
    for (size_t i = 0; i < blocks.size(); i++) {
        size_t size = 1 + random.size_of_bits(17);
        blocks[i] = {malloc(size), size};
        Fill(blocks[i].first, size, i);
    }
    for (int round = 0; round < 20000; round++) {
        size_t i = random.below(blocks.size());
        auto &[block, size] = blocks[i];
        ASSERT_TRUE(Holds(block, size, i)) << "block " << i << " of " << size;
        size = 1 + random.size_of_bits(17);
        block = realloc(block, size);
        ASSERT_NE(block, nullptr);
        Fill(block, size, i);
    }
    for (auto &[block, size] : blocks)
        free(block);
}

// What the installed libc does, and programs written for it expect; C23 leaves it undefined.
TEST(Realloc, FreesTheBlockAndReturnsNullForSizeZero)
{
    for (size_t size : {size_t{1}, size_t{100}, size_t{5000}, size_t{100000}, size_t{5} << 20}) {
        void *block = malloc(size);
        ASSERT_NE(block, nullptr);
        EXPECT_EQ(realloc(Opaque(block), Opaque(size_t{0})), nullptr) << size;
    }
    size_t before = ResidentKib();
    for (int i = 0; i < 20000; i++) {
        void *block = malloc(100000);
        ASSERT_NE(block, nullptr);
        std::memset(Opaque(block), 1, 8000);
        ASSERT_EQ(realloc(Opaque(block), Opaque(size_t{0})), nullptr);
    }
    EXPECT_LT(ResidentKib(), before + 64 * 1024) << "realloc(block, 0) did not free the block";
}

TEST(Realloc, GivesABlockForNullAndSizeZero)
{
    void *block = realloc(Opaque(static_cast<void *>(nullptr)), Opaque(size_t{0}));
    EXPECT_NE(block, nullptr);
    free(block);
}

TEST(Realloc, KeepsTheOldBlockWhenItFails)
{
    for (size_t size : kLadder) {
        void *block = malloc(size);
        ASSERT_NE(block, nullptr);
        Mark(block, size);
        for (size_t impossible :
             {SIZE_MAX, SIZE_MAX - 4096, size_t{PTRDIFF_MAX} + 1, size_t{PTRDIFF_MAX}}) {
            errno = 0;
            EXPECT_EQ(realloc(Opaque(block), Opaque(impossible)), nullptr);
            EXPECT_EQ(errno, ENOMEM);
        }
        EXPECT_TRUE(IsMarked(block, size, size)) << size;
        EXPECT_GE(malloc_usable_size(block), size);
        free(block);
    }
}

TEST(Realloc, KeepsTheContentOfAlignedBlocks)
{
    for (size_t alignment = 16; alignment <= 1 << 20; alignment *= 4) {
        for (size_t from : {size_t{100}, size_t{70000}, size_t{2} << 20}) {
            void *block = aligned_alloc(alignment, (from + alignment - 1) / alignment * alignment);
            ASSERT_NE(block, nullptr);
            Mark(block, from);
            block = realloc(block, 3 * from);
            ASSERT_NE(block, nullptr);
            EXPECT_TRUE(IsMarked(block, from, from)) << alignment << ", " << from;
            free(block);
        }
    }
}

TEST(Reallocarray, MultipliesAndKeepsTheContent)
{
    int *numbers = nullptr;
    for (size_t count = 1; count < 100000; count = count * 2 + 1) {
        numbers = static_cast<int *>(reallocarray(numbers, count, sizeof *numbers));
        ASSERT_NE(numbers, nullptr);
        for (size_t i = 0; i < count / 2; i++)
            ASSERT_EQ(numbers[i], static_cast<int>(i));
        for (size_t i = 0; i < count; i++)
            numbers[i] = static_cast<int>(i);
    }
    free(numbers);
}

TEST(Reallocarray, KeepsTheOldBlockWhenTheProductOverflows)
{
    const std::pair<size_t, size_t> products[] = {
        {SIZE_MAX, 2},     {2, SIZE_MAX},        {size_t{1} << 32, size_t{1} << 32},
        {SIZE_MAX / 3, 4}, {SIZE_MAX, SIZE_MAX}, {size_t{1} << 63, 2}};
    void *block = malloc(1000);
    Mark(block, 1000);
    for (auto [count, size] : products) {
        errno = 0;
        EXPECT_EQ(reallocarray(Opaque(block), Opaque(count), Opaque(size)), nullptr)
            << count << " x " << size;
        EXPECT_EQ(errno, ENOMEM) << count << " x " << size;
    }
    EXPECT_TRUE(IsMarked(block, 1000, 1000));
    free(block);
}

} // namespace
} // namespace conformance
