// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include <algorithm>
#include <cstdint>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "bitmaps.h"

namespace {

class Bitmap {
  public:
    explicit Bitmap(std::size_t bit_count, std::size_t word_at = 5)
    {
        std::size_t end = cairn_buddy_bitmap_layout(&bitmap_, bit_count, word_at);

        EXPECT_EQ(end, word_at + cairn_buddy_bitmap_words(bit_count));
        words_.assign(end + 3, 0);
        bit_count_ = bit_count;
    }

    void Set(std::size_t bit)
    {
        cairn_buddy_bitmap_set(words_.data(), &bitmap_, bit);
    }
    void SetFirst(std::size_t bit)
    {
        cairn_buddy_bitmap_set_first(words_.data(), &bitmap_, bit);
    }
    bool Clear(std::size_t bit)
    {
        return cairn_buddy_bitmap_clear(words_.data(), &bitmap_, bit);
    }
    std::size_t Pop(bool *is_last)
    {
        return cairn_buddy_bitmap_pop(words_.data(), &bitmap_, is_last);
    }
    bool Test(std::size_t bit) const
    {
        return cairn_buddy_bitmap_test(words_.data(), &bitmap_, bit);
    }
    std::size_t Lowest() const
    {
        return cairn_buddy_bitmap_lowest(words_.data(), &bitmap_);
    }
    bool IsEmpty() const
    {
        return cairn_buddy_bitmap_is_empty(words_.data(), &bitmap_);
    }
    void Check() const
    {
        cairn_buddy_bitmap_check(words_.data(), &bitmap_, bit_count_);
    }
    bool IsAllZero() const
    {
        return std::all_of(words_.begin(), words_.end(), [](std::uint64_t w) { return w == 0; });
    }
    const cairn_buddy_bitmap &descriptor() const
    {
        return bitmap_;
    }
    std::vector<std::uint64_t> &words()
    {
        return words_;
    }

  private:
    cairn_buddy_bitmap bitmap_ = {};
    std::vector<std::uint64_t> words_;
    std::size_t bit_count_;
};

const std::size_t kCounts[] = {1,    2,    63,   64,        65,     127,   128,
                               4095, 4096, 4097, 64 * 4096, 262145, 300000};

TEST(BuddyBitmap, HasOneLevelForEachFactorOf64)
{
    EXPECT_EQ(cairn_buddy_bitmap_words(1), 1u);
    EXPECT_EQ(cairn_buddy_bitmap_words(64), 1u);
    EXPECT_EQ(cairn_buddy_bitmap_words(65), 3u);
    EXPECT_EQ(cairn_buddy_bitmap_words(4096), 65u);
    EXPECT_EQ(cairn_buddy_bitmap_words(4097), 65u + 2 + 1);
    EXPECT_EQ(Bitmap(64).descriptor().level_count, 1u);
    EXPECT_EQ(Bitmap(4097).descriptor().level_count, 3u);
}

TEST(BuddyBitmap, SixLevelsHold32BitsOfMembers)
{
    cairn_buddy_bitmap bitmap = {};
    std::size_t words = (std::size_t{1} << 26) + (1 << 20) + (1 << 14) + (1 << 8) + 4 + 1;

    EXPECT_EQ(cairn_buddy_bitmap_layout(&bitmap, UINT32_MAX, 0), words);
    EXPECT_EQ(bitmap.level_count, static_cast<std::uint32_t>(CAIRN_BUDDY_BITMAP_LEVELS));
    EXPECT_EQ(bitmap.level_at[5], 0u);
    EXPECT_EQ(bitmap.level_at[0], words - (std::size_t{1} << 26));
}

TEST(BuddyBitmap, LevelsLieSideBySideTheTopFirst)
{
    Bitmap bitmap(4097, 10);

    EXPECT_EQ(bitmap.descriptor().level_at[2], 10u);
    EXPECT_EQ(bitmap.descriptor().level_at[1], 11u);
    EXPECT_EQ(bitmap.descriptor().level_at[0], 13u);
}

TEST(BuddyBitmap, EachMemberAloneIsTheLowestAndLeavesNothingBehind)
{
    for (std::size_t count : kCounts) {
        Bitmap bitmap(count);

        for (std::size_t bit = 0; bit < count; bit += 1 + count / 97) {
            bitmap.Set(bit);
            EXPECT_FALSE(bitmap.IsEmpty());
            EXPECT_TRUE(bitmap.Test(bit));
            EXPECT_EQ(bitmap.Lowest(), bit);
            bitmap.Clear(bit);
            EXPECT_TRUE(bitmap.IsEmpty());
            EXPECT_FALSE(bitmap.Test(bit));
        }
        EXPECT_TRUE(bitmap.IsAllZero());
    }
}

TEST(BuddyBitmap, NothingBeyondTheEndIsAMember)
{
    Bitmap bitmap(65);

    for (std::uint64_t &word : bitmap.words())
        word = ~std::uint64_t{0};
    EXPECT_TRUE(bitmap.Test(64));
    EXPECT_FALSE(bitmap.Test(65));
    EXPECT_FALSE(bitmap.Test(SIZE_MAX));
}

TEST(BuddyBitmap, BehavesAsASetDoes)
{
    std::mt19937_64 random(7);

    for (std::size_t count : kCounts) {
        Bitmap bitmap(count);
        std::set<std::size_t> model;

        for (int i = 0; i < 3000; i++) {
            std::size_t bit = random() % count;

            ASSERT_EQ(bitmap.Test(bit), model.count(bit) == 1);
            if (model.insert(bit).second) {
                bitmap.Set(bit);
            } else {
                model.erase(bit);
                ASSERT_EQ(bitmap.Clear(bit), model.empty());
            }
            ASSERT_EQ(bitmap.IsEmpty(), model.empty());
            if (!model.empty()) {
                ASSERT_EQ(bitmap.Lowest(), *model.begin());
            }
            if (i % 500 == 0)
                bitmap.Check();
        }
    }
}

TEST(BuddyBitmap, TheLeastMemberIsPoppedUntilTheLast)
{
    std::mt19937_64 random(8);

    for (std::size_t count : kCounts) {
        Bitmap bitmap(count);
        std::set<std::size_t> model;

        for (int i = 0; i < 300; i++) {
            std::size_t bit = random() % count;

            if (model.insert(bit).second)
                bitmap.Set(bit);
        }
        while (!model.empty()) {
            bool is_last = false;

            ASSERT_EQ(bitmap.Pop(&is_last), *model.begin());
            model.erase(model.begin());
            ASSERT_EQ(is_last, model.empty());
            bitmap.Check();
        }
        EXPECT_TRUE(bitmap.IsAllZero());
    }
}

TEST(BuddyBitmap, TheFirstMemberIsSetAsAnyOther)
{
    for (std::size_t count : kCounts) {
        for (std::size_t bit = 0; bit < count; bit += 1 + count / 97) {
            Bitmap set(count);
            Bitmap set_first(count);

            set.Set(bit);
            set_first.SetFirst(bit);
            ASSERT_EQ(set.words(), set_first.words()) << bit << " of " << count;
        }
    }
}

TEST(BuddyBitmap, TouchesNoWordThatIsNotItsOwn)
{
    for (std::size_t count : kCounts) {
        Bitmap bitmap(count, 5);
        std::vector<std::uint64_t> &words = bitmap.words();

        for (std::size_t bit = 0; bit < count; bit += 1 + count / 1000)
            bitmap.Set(bit);
        for (std::size_t i = 0; i < 5; i++)
            EXPECT_EQ(words[i], 0u);
        for (std::size_t i = words.size() - 3; i < words.size(); i++)
            EXPECT_EQ(words[i], 0u);
    }
}

TEST(BuddyBitmapDeathTest, CheckSeesASummaryThatIsMissingOrLeftBehind)
{
    Bitmap bitmap(4097, 0);

    bitmap.Set(4000);
    bitmap.Check();
    bitmap.words()[bitmap.descriptor().level_at[1]] = 0;
    EXPECT_DEATH(bitmap.Check(), "invariant broken");
    bitmap.words()[bitmap.descriptor().level_at[1]] = std::uint64_t{1} << 62 | 1;
    EXPECT_DEATH(bitmap.Check(), "invariant broken");
}

} // namespace
