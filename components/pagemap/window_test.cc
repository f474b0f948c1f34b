// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Windows, exhaustively where they are small: every length, every misalignment, several granules.

#include "pagemap_testing.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include <gtest/gtest.h>

namespace {

constexpr size_t kPlaceBytes = 6; // tag and owner

void *At(uintptr_t address)
{
    return reinterpret_cast<void *>(address);
}

// State of exactly so many bytes, zero, with a guard behind it.
class State {
  public:
    explicit State(size_t bytes) : bytes_(bytes), memory_(new uint64_t[bytes / 8 + 2]())
    {
        std::memset(data() + bytes_, 0x5a, 8);
    }

    ~State()
    {
        for (size_t i = 0; i < 8; i++)
            EXPECT_EQ(data()[bytes_ + i], 0x5a) << "wrote behind the state";
    }

    char *data()
    {
        return reinterpret_cast<char *>(memory_.get());
    }

  private:
    size_t bytes_;
    std::unique_ptr<uint64_t[]> memory_;
};

size_t GranulesTouched(uintptr_t base, size_t window_bytes, size_t granule)
{
    size_t count = 0;

    for (uintptr_t number = 0; number * granule < base + window_bytes; number++)
        count += (number + 1) * granule > base;
    return window_bytes == 0 ? 0 : count;
}

TEST(Window, StateIsExactlyWhatTheWorstAlignmentNeeds)
{
    for (size_t granule = 16; granule <= 128; granule *= 2)
        for (size_t window = 0; window <= 4 * granule + 1; window++) {
            size_t most = 0;

            for (uintptr_t base = granule; base < 2 * granule; base++)
                most = std::max(most, GranulesTouched(base, window, granule));
            ASSERT_EQ(cairn_pagemap_window_state_bytes(window, granule), most * kPlaceBytes)
                << window << " " << granule;
        }
}

TEST(Window, StateOfHugeWindowsDoesNotWrap)
{
    EXPECT_EQ(cairn_pagemap_window_state_bytes(SIZE_MAX, 16),
              ((size_t{1} << 60) + 1) * kPlaceBytes);
    EXPECT_EQ(cairn_pagemap_window_state_bytes(SIZE_MAX, size_t{1} << 63), 3 * kPlaceBytes);
    EXPECT_EQ(cairn_pagemap_window_state_bytes(1, size_t{1} << 63), kPlaceBytes);
}

TEST(Window, NeedsNoStateForABadGranule)
{
    for (size_t granule :
         {size_t{0}, size_t{1}, size_t{8}, size_t{15}, size_t{17}, size_t{48}, SIZE_MAX})
        EXPECT_EQ(cairn_pagemap_window_state_bytes(1000, granule), 0u) << granule;
}

// Marks the k-th granule and looks at every byte around.
void ExpectOneMark(const cairn_pagemap &map, uintptr_t first, size_t k, size_t granule,
                   size_t granule_count)
{
    uintptr_t marked = first + k * granule;

    for (uintptr_t at = first - granule; at < first + (granule_count + 1) * granule; at++)
        ASSERT_EQ(cairn_pagemap_tag(&map, At(at)), at - marked < granule ? 9 : 0)
            << at << " " << marked;
}

TEST(Window, AnswersForEveryByteOfEverySmallWindow)
{
    for (size_t granule = 16; granule <= 64; granule *= 2)
        for (size_t window = 0; window <= 2 * granule + 2; window++)
            for (uintptr_t base = 4096; base < 4096 + granule; base++) {
                const size_t bytes = cairn_pagemap_window_state_bytes(window, granule);
                const size_t count = GranulesTouched(base, window, granule);
                const uintptr_t first = base / granule * granule;
                State state(bytes);
                cairn_pagemap map;

                ASSERT_EQ(pagemap_testing::InitWindow(&map, At(base), window, granule, state.data(),
                                                      bytes),
                          0);
                ASSERT_EQ(map.granule_count, count);
                ASSERT_EQ(reinterpret_cast<uintptr_t>(map.owners) % alignof(uint32_t), 0u);
                ASSERT_EQ(reinterpret_cast<uintptr_t>(map.tags) % alignof(uint16_t), 0u);
                for (size_t k = 0; k < count; k++) {
                    ASSERT_EQ(cairn_pagemap_set(&map, At(first + k * granule), 1, 9, 1), 0);
                    ASSERT_NO_FATAL_FAILURE(ExpectOneMark(map, first, k, granule, count));
                    cairn_pagemap_clear(&map, At(first + k * granule), 1);
                }
                ASSERT_EQ(cairn_pagemap_set(&map, At(first + count * granule), 1, 9, 1), -EINVAL);
                ASSERT_EQ(cairn_pagemap_set(&map, At(first - granule), 1, 9, 1), -EINVAL);
                ASSERT_EQ(cairn_pagemap_set(&map, At(first), count + 1, 9, 1), -EINVAL);
                cairn_pagemap_fini(&map);
            }
}

TEST(Window, MarksEveryRunOfASmallWindow)
{
    constexpr size_t kGranule = 16, kCount = 12;
    State state(kCount * kPlaceBytes);
    cairn_pagemap map;

    ASSERT_EQ(pagemap_testing::InitWindow(&map, At(4096), (kCount - 1) * kGranule + 1, kGranule,
                                          state.data(), kCount * kPlaceBytes),
              0);
    for (size_t from = 0; from < kCount; from++)
        for (size_t length = 1; from + length <= kCount; length++) {
            void *base = At(4096 + from * kGranule);

            ASSERT_EQ(cairn_pagemap_set(&map, base, length, 3, 1000), 0);
            cairn_pagemap_check(&map, At(0), SIZE_MAX);
            for (size_t i = 0; i < kCount; i++)
                ASSERT_EQ(cairn_pagemap_tag(&map, At(4096 + i * kGranule)),
                          i - from < length ? (i - from) << 8 | 3 : 0);
            cairn_pagemap_clear(&map, base, length);
        }
    cairn_pagemap_fini(&map);
}

TEST(Window, RefusesWhatItCannotServe)
{
    State state(1024);
    cairn_pagemap map;
    auto init = [&](uintptr_t base, size_t window, size_t granule, char *place, size_t bytes) {
        int result = pagemap_testing::InitWindow(&map, At(base), window, granule, place, bytes);

        EXPECT_EQ(cairn_pagemap_tag(&map, At(base)), 0);
        EXPECT_TRUE(result == 0 || map.granule_count == 0);
        return result;
    };

    for (size_t granule : {size_t{0}, size_t{8}, size_t{15}, size_t{17}, SIZE_MAX})
        EXPECT_EQ(init(4096, 100, granule, state.data(), 1024), -EINVAL) << granule;
    for (size_t need = cairn_pagemap_window_state_bytes(100, 16), bytes = 0; bytes <= need; bytes++)
        EXPECT_EQ(init(4096, 100, 16, state.data(), bytes), bytes < need ? -EINVAL : 0) << bytes;
    for (size_t skew = 1; skew < 8; skew++)
        EXPECT_EQ(init(4096, 100, 16, state.data() + skew, 512), -EINVAL);
    EXPECT_EQ(init(UINTPTR_MAX - 98, 100, 16, state.data(), 1024), -EINVAL) << "wraps";
    EXPECT_EQ(init(UINTPTR_MAX - 99, 100, 16, state.data(), 1024), 0) << "ends with the addresses";
}

TEST(Window, MayLieAtBothEndsOfTheAddressSpace)
{
    State low_state(1024), high_state(1024);
    cairn_pagemap low, high;

    ASSERT_EQ(pagemap_testing::InitWindow(&low, nullptr, 100, 16, low_state.data(), 1024), 0);
    ASSERT_EQ(
        pagemap_testing::InitWindow(&high, At(UINTPTR_MAX - 99), 100, 16, high_state.data(), 1024),
        0);
    ASSERT_EQ(cairn_pagemap_set(&low, nullptr, 7, 1, 2), 0);
    ASSERT_EQ(cairn_pagemap_set(&high, At(0 - uintptr_t{112}), 7, 1, 2), 0);
    EXPECT_EQ(cairn_pagemap_tag(&low, At(111)), 6 << 8 | 1);
    EXPECT_EQ(cairn_pagemap_tag(&low, At(112)), 0);
    EXPECT_EQ(cairn_pagemap_tag(&low, At(UINTPTR_MAX)), 0);
    EXPECT_EQ(cairn_pagemap_tag(&high, At(UINTPTR_MAX)), 6 << 8 | 1);
    EXPECT_EQ(cairn_pagemap_tag(&high, At(UINTPTR_MAX - 112)), 0);
    EXPECT_EQ(cairn_pagemap_tag(&high, nullptr), 0);
    cairn_pagemap_check(&low, nullptr, SIZE_MAX);
    cairn_pagemap_check(&high, nullptr, SIZE_MAX);
    cairn_pagemap_check(&high, At(UINTPTR_MAX), SIZE_MAX);
    cairn_pagemap_fini(&low);
    cairn_pagemap_fini(&high);
}

} // namespace
