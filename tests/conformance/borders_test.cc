// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// Blocks of every kind that become blocks of every other: a malloc serves small, medium, large and
// huge blocks from different places, and whatever a block was taken from is what it goes back to.
#include "tests/conformance/surface.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace conformance {
namespace {

// Both sides of where one kind may end and the next begin: powers of two, and all multiples of
// 16 KiB up to the largest block that a cache holds.
std::vector<size_t> SizesAtBorders()
{
    std::vector<size_t> borders = {16, 1024, 4096, 262144, 1 << 20};
    for (size_t border = 16384; border <= 147456; border += 16384)
        borders.push_back(border);
    std::vector<size_t> sizes;
    for (size_t border : borders)
        for (size_t size : {border - 1, border, border + 1})
            sizes.push_back(size);
    return sizes;
}

void *Plain(size_t size)
{
    return malloc(size);
}
void *Zeroed(size_t size)
{
    return calloc(1, size);
}
void *Aligned(size_t size)
{
    return aligned_alloc(64, (size + 63) / 64 * 64);
}
void *AlignedToPages(size_t size)
{
    return aligned_alloc(4096, (size + 4095) / 4096 * 4096);
}

void Become(void *block, size_t from, size_t to)
{
    ASSERT_NE(block, nullptr) << from;
    Fill(block, from, from + to);
    void *moved = realloc(block, to);
    ASSERT_NE(moved, nullptr) << from << " to " << to;
    EXPECT_TRUE(HoldsPrefix(moved, std::min(from, to), from, from + to)) << from << " to " << to;
    free(moved);
}

TEST(Borders, ABlockGoesBackWhateverMadeItAndWhateverItBecame)
{
    const std::vector<size_t> sizes = SizesAtBorders();
    for (void *(*make)(size_t) : {Plain, Zeroed, Aligned, AlignedToPages})
        for (size_t from : sizes)
            for (size_t to : sizes)
                ASSERT_NO_FATAL_FAILURE(Become(make(from), from, to));
    malloc_trim(0); // what waits in caches goes back, too
}

// One program that takes by one function alone: nothing else hides what is given back wrongly.
TEST(Borders, ManyBlocksOfOneFunctionGoBack)
{
    for (void *(*make)(size_t) : {Plain, Zeroed, Aligned, AlignedToPages})
        for (size_t size : SizesAtBorders())
            for (int round = 0; round < 200; round++) {
                void *block = make(size);
                ASSERT_NE(block, nullptr) << size;
                free(Opaque(block));
            }
    malloc_trim(0);
}

} // namespace
} // namespace conformance
