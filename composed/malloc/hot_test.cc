// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// The two questions of hot.h, asked of every size and of every address.

extern "C" {
#include "composed/malloc/hot.h"
}

#include <gtest/gtest.h>

#include <memory>

namespace {

constexpr size_t kGranule = size_t{1} << CAIRN_HOT_GRANULE_SHIFT;

// A stack of which only what cairn_hot_init() reads is there: geometries, and a map of a megabyte.
class Hot : public testing::Test {
  protected:
    Hot() : stack_(std::make_unique<struct cairn_stack>()), hot_(std::make_unique<cairn_hot>())
    {
        for (unsigned idx = 0; idx < CAIRN_CLASS_COUNT; idx++)
            EXPECT_EQ(cairn_slab_geometry(&stack_->slabs.geometry[idx],
                                          cairn_class_block_bytes[idx], kGranule),
                      0);
        stack_->ground.map.shape = CAIRN_PAGEMAP_FLAT;
        stack_->ground.map.granule_shift = CAIRN_HOT_GRANULE_SHIFT;
        stack_->ground.map.granule_count = sizeof(tags_) / sizeof(tags_[0]);
        stack_->ground.map.tags = tags_;
    }

    // A slab of the class at its own size, rounded up to a power of two.
    uintptr_t PutSlab(unsigned class_idx)
    {
        size_t slab_bytes = stack_->slabs.geometry[class_idx].slab_bytes;
        size_t base = 1;
        while (base < slab_bytes)
            base *= 2;
        for (size_t idx = 0; idx < slab_bytes / kGranule; idx++)
            tags_[base / kGranule + idx] = static_cast<uint16_t>(idx << 8 | (class_idx + 1));
        return base;
    }

    uint16_t tags_[64] = {};
    std::unique_ptr<struct cairn_stack> stack_;
    std::unique_ptr<cairn_hot> hot_;
};

TEST_F(Hot, KnowsNothingBeforeTheStackIsBuilt)
{
    size_t class_idx;
    for (size_t bytes : {size_t{0}, size_t{1}, size_t{1024}, size_t{32768}, SIZE_MAX})
        EXPECT_FALSE(cairn_hot_class_of(hot_.get(), bytes, &class_idx)) << bytes;
    for (uintptr_t address : {uintptr_t{0}, uintptr_t{4096}, UINTPTR_MAX})
        EXPECT_FALSE(cairn_hot_class_at(hot_.get(), reinterpret_cast<void *>(address), &class_idx));
}

TEST_F(Hot, GivesEverySmallSizeTheClassOfTheTables)
{
    cairn_hot_init(hot_.get(), stack_.get());
    for (size_t bytes = 1; bytes <= CAIRN_CLASS_BYTES_MAX; bytes++) {
        size_t class_idx = CAIRN_CLASS_COUNT;
        ASSERT_TRUE(cairn_hot_class_of(hot_.get(), bytes, &class_idx)) << bytes;
        ASSERT_EQ(class_idx, cairn_class_of(bytes)) << bytes;
    }
}

TEST_F(Hot, GivesNothingForNoneAndForMore)
{
    size_t class_idx;
    cairn_hot_init(hot_.get(), stack_.get());
    for (size_t bytes : {size_t{0}, size_t{CAIRN_CLASS_BYTES_MAX} + 1, size_t{1} << 40, SIZE_MAX})
        EXPECT_FALSE(cairn_hot_class_of(hot_.get(), bytes, &class_idx)) << bytes;
}

TEST_F(Hot, FindsABlockExactlyWhereOneBegins)
{
    cairn_hot_init(hot_.get(), stack_.get());
    for (unsigned class_idx = 0; class_idx < CAIRN_CLASS_COUNT; class_idx++) {
        const struct cairn_slab_geometry &geometry = stack_->slabs.geometry[class_idx];
        uintptr_t base = PutSlab(class_idx);
        for (size_t offset = 0; offset < geometry.slab_bytes; offset++) {
            bool begins = offset % geometry.block_bytes == 0 &&
                          offset / geometry.block_bytes < geometry.block_count;
            size_t found = CAIRN_CLASS_COUNT;
            ASSERT_EQ(
                cairn_hot_class_at(hot_.get(), reinterpret_cast<void *>(base + offset), &found),
                begins)
                << "class " << class_idx << " offset " << offset;
            if (begins)
                ASSERT_EQ(found, class_idx);
        }
    }
}

TEST_F(Hot, FindsNothingInOtherKindsAndBeyondTheMap)
{
    size_t class_idx;
    cairn_hot_init(hot_.get(), stack_.get());
    for (unsigned kind = 0; kind < CAIRN_HOT_KINDS; kind++) {
        tags_[32] = static_cast<uint16_t>(kind); // at a multiple of every slab
        EXPECT_EQ(
            cairn_hot_class_at(hot_.get(), reinterpret_cast<void *>(32 * kGranule), &class_idx),
            kind >= 1 && kind <= CAIRN_CLASS_COUNT)
            << "without runs";
    }
    EXPECT_FALSE(
        cairn_hot_class_at(hot_.get(), reinterpret_cast<void *>(64 * kGranule), &class_idx));
    EXPECT_FALSE(cairn_hot_class_at(hot_.get(), reinterpret_cast<void *>(UINTPTR_MAX), &class_idx));
}

TEST_F(Hot, FindsARunWhereItBeginsAndNowhereElse)
{
    stack_->ground.has_runs = true;
    cairn_hot_init(hot_.get(), stack_.get());
    for (unsigned run_idx = 0; run_idx < CAIRN_RUN_COUNT; run_idx++) {
        tags_[5] = static_cast<uint16_t>(CAIRN_KIND_RUN + run_idx);
        for (size_t offset = 0; offset < kGranule; offset++) {
            size_t found = 0;
            ASSERT_EQ(cairn_hot_class_at(hot_.get(),
                                         reinterpret_cast<void *>(5 * kGranule + offset), &found),
                      offset == 0)
                << offset;
            ASSERT_EQ(found, offset == 0 ? CAIRN_CLASS_COUNT + run_idx : 0);
        }
    }
    for (unsigned kind = CAIRN_KIND_RUN + CAIRN_RUN_COUNT; kind < CAIRN_HOT_KINDS; kind++) {
        size_t found;
        tags_[5] = static_cast<uint16_t>(kind);
        EXPECT_FALSE(
            cairn_hot_class_at(hot_.get(), reinterpret_cast<void *>(5 * kGranule), &found));
    }
}

TEST_F(Hot, LeavesPointersToTheSlowWayWithoutAFlatMapOfItsGranule)
{
    size_t class_idx;
    uintptr_t base = PutSlab(5);
    stack_->ground.map.granule_shift = 16;
    cairn_hot_init(hot_.get(), stack_.get());
    EXPECT_FALSE(cairn_hot_class_at(hot_.get(), reinterpret_cast<void *>(base), &class_idx));
    stack_->ground.map.granule_shift = CAIRN_HOT_GRANULE_SHIFT;
    stack_->ground.map.shape = CAIRN_PAGEMAP_TWO_LEVEL;
    cairn_hot_init(hot_.get(), stack_.get());
    EXPECT_FALSE(cairn_hot_class_at(hot_.get(), reinterpret_cast<void *>(base), &class_idx));
}

} // namespace
