/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * layout_test.cc - the cut of buffers of every size, without the buffers: only addresses are looked
 * at.
 */

#include <cairn/arena.h>

#include <stdint.h>

#include <gtest/gtest.h>

#include "layout.h"

namespace {

constexpr uintptr_t kBase = uintptr_t{1} << 44;

void expect_good_cut(uintptr_t address, size_t bytes)
{
    struct cairn_arena_layout layout;
    char *buffer = reinterpret_cast<char *>(address);
    char *head = static_cast<char *>(cairn_arena_cut(&layout, buffer, bytes));

    ASSERT_NE(head, nullptr) << bytes;
    ASSERT_GE(head, buffer);
    ASSERT_LT(head, buffer + 64);
    cairn_arena_layout_check(&layout, head);
    ASSERT_EQ(layout.memory + layout.memory_bytes, buffer + bytes);
    ASSERT_GT(layout.memory_bytes, bytes / 2) << bytes;
    ASSERT_EQ(reinterpret_cast<uintptr_t>(layout.memory) % 64, 0u);
    ASSERT_LE(layout.memory_bytes / layout.shape.buddy_granule_bytes, size_t{1} << 30);
}

TEST(ArenaLayout, IsGoodForEverySizeAndMisalignment)
{
    for (size_t bytes = CAIRN_ARENA_BYTES_MIN; bytes <= size_t{1} << 40; bytes += 1 + bytes / 41)
        for (size_t misalign = 0; misalign < 64; misalign += 7)
            expect_good_cut(kBase + misalign, bytes);
    expect_good_cut(kBase, size_t{1} << 40);
}

TEST(ArenaLayout, RefusesWhatIsTooSmallOrTooLargeOrNothing)
{
    struct cairn_arena_layout layout;
    void *buffer = reinterpret_cast<void *>(kBase);

    EXPECT_EQ(cairn_arena_cut(&layout, buffer, CAIRN_ARENA_BYTES_MIN - 1), nullptr);
    EXPECT_EQ(cairn_arena_cut(&layout, buffer, (size_t{1} << 40) + 1), nullptr);
    EXPECT_EQ(cairn_arena_cut(&layout, nullptr, CAIRN_ARENA_BYTES_MIN), nullptr);
}

TEST(ArenaLayout, GivesUpLittleForTheAlignmentOfTheMemory)
{
    for (size_t bytes = CAIRN_ARENA_BYTES_MIN; bytes <= size_t{1} << 30; bytes += 1 + bytes / 13) {
        struct cairn_arena_layout layout;

        cairn_arena_cut(&layout, reinterpret_cast<void *>(kBase + 16), bytes);
        EXPECT_LE(layout.memory - (layout.unit_state + layout.unit_bytes),
                  static_cast<ptrdiff_t>(bytes / 64));
    }
}

TEST(ArenaLayout, GrowsCoarserWithTheBuffer)
{
    struct cairn_arena_shape before = cairn_arena_shape_of(CAIRN_ARENA_BYTES_MIN);

    EXPECT_EQ(before.buddy_granule_bytes, 16u);
    EXPECT_EQ(before.class_count, 0u);
    for (size_t bytes = CAIRN_ARENA_BYTES_MIN; bytes <= size_t{1} << 40; bytes += bytes / 8) {
        struct cairn_arena_shape shape = cairn_arena_shape_of(bytes);

        EXPECT_GE(shape.buddy_granule_bytes, before.buddy_granule_bytes);
        EXPECT_GE(shape.granule_bytes, before.granule_bytes);
        EXPECT_GE(shape.class_count, before.class_count);
        EXPECT_EQ(shape.granule_bytes % shape.buddy_granule_bytes, 0u);
        before = shape;
    }
    EXPECT_EQ(before.granule_bytes, 16384u);
    EXPECT_EQ(before.buddy_granule_bytes, 1024u);
}

} // namespace
