// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// What the adapters of a stack see of the program that they are linked with.
#include <cairn/malloc.h>
#include <cairn/stack/adapters.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <vector>

namespace {

// What all edges and caches are after a trim, for the caller holds nothing but what the test's
// frame holds.
cairn_counts CountsAfterATrim(cairn_stack_edge edge)
{
    cairn_malloc_trim();
    cairn_counted_check(cairn_adapter_counted_at(edge));
    return cairn_counted_counts(cairn_adapter_counted_at(edge));
}

void *Taken(size_t size, int way)
{
    switch (way) {
    case 0:
        return malloc(size);
    case 1:
        return calloc(1, size);
    case 2:
        return realloc(malloc(100000), size);
    default:
        return realloc(calloc(1, 200), size);
    }
}

TEST(Adapters, SeeEveryBlockUpTo128KibComeAndGoWhateverTookIt)
{
    for (size_t size : {100, 20000, 32768, 32769, 49152, 60000, 98304, 131072})
        for (int way = 0; way < 4; way++) {
            constexpr size_t kCount = 50;
            cairn_counts before = CountsAfterATrim(CAIRN_EDGE_BLOCKS);
            void *blocks[kCount]; // not of the heap
            for (void *&block : blocks)
                block = Taken(size, way);
            cairn_counts held = CountsAfterATrim(CAIRN_EDGE_BLOCKS);
            EXPECT_GE(held.bytes_outstanding, before.bytes_outstanding + kCount * size)
                << size << ", way " << way;
            for (void *block : blocks)
                free(block);
            EXPECT_EQ(CountsAfterATrim(CAIRN_EDGE_BLOCKS).bytes_outstanding,
                      before.bytes_outstanding)
                << size << ", way " << way;
        }
}

TEST(Adapters, AtEveryEdgeGetBackWhatTheyGave)
{
    for (int edge = 0; edge < CAIRN_EDGE_COUNT; edge++) {
        cairn_counts before = CountsAfterATrim(static_cast<cairn_stack_edge>(edge));
        for (size_t size = 1; size < 5u << 20; size = size * 3 / 2 + 1)
            free(realloc(aligned_alloc(64, (size + 63) / 64 * 64), 2 * size));
        cairn_counts after = CountsAfterATrim(static_cast<cairn_stack_edge>(edge));
        EXPECT_LE(after.bytes_outstanding, before.bytes_outstanding) << "edge " << edge;
        EXPECT_GT(after.blocks_taken, before.blocks_taken) << "edge " << edge;
    }
}

// All of them are in the quota that a program sets.
TEST(Adapters, HoldAProgramToItsQuotaOfMediumBlocks)
{
    cairn_quota *quota = cairn_adapter_quota_at(CAIRN_EDGE_BLOCKS);
    std::vector<void *> blocks;
    blocks.reserve(1000);
    cairn_malloc_trim();
    cairn_quota_set(quota, cairn_quota_outstanding_bytes(quota) + (2u << 20));
    while (void *block = blocks.size() < 1000 ? calloc(1, 60000) : nullptr)
        blocks.push_back(block);
    cairn_quota_set(quota, SIZE_MAX);
    EXPECT_GE(blocks.size(), 20u);
    EXPECT_LE(blocks.size(), (2u << 20) / 65536);
    for (void *block : blocks)
        free(block);
}

// Its object would become its own source.
TEST(Adapters, StopTheProgramThatPutsThemOnOneEdgeTwice)
{
    cairn_counted *counted = cairn_adapter_counted_at(CAIRN_EDGE_SLABS);
    cairn_quota *quota = cairn_adapter_quota_at(CAIRN_EDGE_SLABS);
    const char *why = "the adapter is on this edge already";
    EXPECT_DEATH(cairn_adapter_counted(CAIRN_EDGE_SLABS, cairn_counted_as_source(counted)), why);
    EXPECT_DEATH(cairn_adapter_counted(CAIRN_EDGE_SLABS, cairn_quota_as_source(quota)), why);
    EXPECT_DEATH(cairn_adapter_quota(CAIRN_EDGE_SLABS, cairn_quota_as_source(quota)), why);
}

} // namespace
