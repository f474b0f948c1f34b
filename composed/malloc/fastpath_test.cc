// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// The two questions of fastpath.h, asked of every size and of every address.

extern "C" {
#include "composed/malloc/fastpath.h"
#include "components/pagemap/pagemap_testing.h"
}

#include <gtest/gtest.h>

#include <sys/mman.h>

#include <memory>

namespace {

const cairn_class_table &kClasses = cairn_stack_classes;
constexpr size_t kGranule = size_t{1} << CAIRN_FASTPATH_GRANULE_SHIFT;

size_t TakeLeaves(void *, size_t bytes, size_t, void **blocks, size_t count)
{
    for (size_t idx = 0; idx < count; idx++)
        blocks[idx] =
            mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return count;
}

void GiveLeaves(void *, size_t bytes, void *const *blocks, size_t count)
{
    for (size_t idx = 0; idx < count; idx++)
        munmap(blocks[idx], bytes);
}

const cairn_source_ops kLeafOps = {"leaves", CAIRN_SOURCE_ZEROED | CAIRN_SOURCE_THREAD_SAFE,
                                   TakeLeaves, GiveLeaves};

// Layers of which only what cairn_fastpath_init() reads is there: geometries, and the map. What is
// marked in it is no memory.
class Hot : public testing::Test {
  protected:
    Hot()
        : slabs_(std::make_unique<struct cairn_sizeclass>()),
          backend_(std::make_unique<struct cairn_backend>()),
          hot_(std::make_unique<cairn_fastpath>())
    {
        slabs_->class_count = kClasses.count;
        for (unsigned idx = 0; idx < kClasses.count; idx++)
            EXPECT_EQ(
                cairn_slab_geometry(&slabs_->geometry[idx], kClasses.block_bytes[idx], kGranule),
                0);
        EXPECT_EQ(pagemap_testing::InitTree(&Map(), kGranule, hot_->map_root, hot_->map_empty,
                                            {&kLeafOps, nullptr}),
                  0);
    }
    ~Hot() override
    {
        cairn_pagemap_fini(&Map());
    }

    void Init()
    {
        cairn_fastpath_init(hot_.get(), slabs_.get(), backend_.get());
    }
    cairn_pagemap &Map()
    {
        return backend_->map;
    }
    void Mark(uintptr_t base, size_t granules, unsigned kind)
    {
        EXPECT_EQ(cairn_pagemap_set(&Map(), reinterpret_cast<void *>(base), granules,
                                    static_cast<uint8_t>(kind), 0),
                  0);
    }
    // The class of the block at an address; CAIRN_FASTPATH_KINDS: none begins there.
    size_t ClassAt(uintptr_t address)
    {
        size_t class_idx = CAIRN_FASTPATH_KINDS;
        bool is_found =
            cairn_fastpath_class_at(hot_.get(), reinterpret_cast<void *>(address), &class_idx);
        EXPECT_EQ(is_found, class_idx != CAIRN_FASTPATH_KINDS);
        return class_idx;
    }
    size_t BytesOfSlab(unsigned class_idx)
    {
        return slabs_->geometry[class_idx].slab_bytes;
    }

    std::unique_ptr<struct cairn_sizeclass> slabs_;
    std::unique_ptr<struct cairn_backend> backend_;
    std::unique_ptr<cairn_fastpath> hot_;
};

TEST_F(Hot, KnowsNothingBeforeTheStackIsBuilt)
{
    size_t class_idx;
    for (size_t bytes : {size_t{0}, size_t{1}, size_t{1024}, size_t{32768}, SIZE_MAX})
        EXPECT_FALSE(cairn_fastpath_class_of(hot_.get(), bytes, &class_idx)) << bytes;
    for (uintptr_t address : {uintptr_t{0}, uintptr_t{4096}, UINTPTR_MAX})
        EXPECT_FALSE(
            cairn_fastpath_class_at(hot_.get(), reinterpret_cast<void *>(address), &class_idx));
}

TEST_F(Hot, GivesEverySmallSizeTheClassOfTheTables)
{
    Init();
    for (size_t bytes = 1; bytes <= CAIRN_CLASS_BYTES_MAX; bytes++) {
        size_t class_idx = kClasses.count;
        ASSERT_TRUE(cairn_fastpath_class_of(hot_.get(), bytes, &class_idx)) << bytes;
        ASSERT_EQ(class_idx, cairn_class_of(&kClasses, bytes)) << bytes;
    }
}

TEST_F(Hot, GivesTheLeastClassForNoneAndNothingForMore)
{
    size_t class_idx;
    Init();
    for (size_t bytes : {size_t{CAIRN_CLASS_BYTES_MAX} + 1, size_t{1} << 40, SIZE_MAX})
        EXPECT_FALSE(cairn_fastpath_class_of(hot_.get(), bytes, &class_idx)) << bytes;
    ASSERT_TRUE(cairn_fastpath_class_of(hot_.get(), 0, &class_idx));
    EXPECT_EQ(class_idx, 0u);
}

// In the first leaf, over the border of two, and in the last: at multiples of every slab.
TEST_F(Hot, FindsABlockExactlyWhereOneBegins)
{
    Init();
    for (uintptr_t base : {uintptr_t{1} << 20, (uintptr_t{7} << 32) - (1 << 20),
                           (uintptr_t{1} << CAIRN_PAGEMAP_ADDRESS_BITS) - (1 << 20)})
        for (unsigned class_idx = 0; class_idx < kClasses.count; class_idx++) {
            const struct cairn_slab_geometry &geometry = slabs_->geometry[class_idx];
            Mark(base, geometry.slab_bytes / kGranule, cairn_class_kind(class_idx));
            for (size_t offset = 0; offset < geometry.slab_bytes; offset++) {
                bool begins = offset % geometry.block_bytes == 0 &&
                              offset / geometry.block_bytes < geometry.block_count;
                ASSERT_EQ(ClassAt(base + offset), begins ? class_idx : size_t{CAIRN_FASTPATH_KINDS})
                    << "class " << class_idx << " offset " << offset;
            }
            EXPECT_EQ(ClassAt(base + geometry.slab_bytes), size_t{CAIRN_FASTPATH_KINDS});
            cairn_pagemap_clear(&Map(), reinterpret_cast<void *>(base),
                                geometry.slab_bytes / kGranule);
            EXPECT_EQ(ClassAt(base), size_t{CAIRN_FASTPATH_KINDS});
        }
}

TEST_F(Hot, FindsNothingInOtherKindsAndBeyondTheMap)
{
    Init();
    constexpr uintptr_t kBase = uintptr_t{3} << 33;
    for (unsigned kind = 1; kind < CAIRN_FASTPATH_KINDS; kind++) {
        Mark(kBase, 1, kind);
        EXPECT_EQ(ClassAt(kBase), kind <= kClasses.count ? kind - 1 : size_t{CAIRN_FASTPATH_KINDS})
            << "without medium blocks";
    }
    for (uintptr_t address : {uintptr_t{1} << CAIRN_PAGEMAP_ADDRESS_BITS, uintptr_t{1} << 63,
                              kBase | uintptr_t{1} << 56, UINTPTR_MAX - 15, UINTPTR_MAX})
        EXPECT_EQ(ClassAt(address), size_t{CAIRN_FASTPATH_KINDS}) << address;
}

TEST_F(Hot, FindsAMediumBlockWhereItBeginsAndNowhereElse)
{
    const unsigned kFirst = cairn_class_kind(kClasses.count);
    backend_->has_medium = true;
    backend_->medium_kind = static_cast<uint8_t>(kFirst);
    Init();
    constexpr uintptr_t kBase = 5 * kGranule;
    for (unsigned kind = kFirst; kind < CAIRN_FASTPATH_KINDS; kind++) {
        Mark(kBase, 1, kind);
        for (size_t offset = 0; offset < kGranule; offset++) {
            bool begins = offset == 0 && kind < kFirst + CAIRN_MEDIUM_COUNT;
            ASSERT_EQ(ClassAt(kBase + offset), begins ? kind - 1 : size_t{CAIRN_FASTPATH_KINDS})
                << offset;
        }
    }
}

// The empty tags answer for every leaf that is not there, and nothing is written to them.
TEST_F(Hot, NeverWritesWhereNothingIsMarked)
{
    Init();
    for (uintptr_t base = kGranule; base < uintptr_t{1} << 46; base = base * 2 + kGranule)
        Mark(base, 1, 1);
    for (uintptr_t leaf = 0; leaf < CAIRN_FASTPATH_LEAVES; leaf++)
        ClassAt(leaf << 32 | (leaf * 40503 & 0xffff) * kGranule);
    for (uint8_t byte : hot_->map_empty)
        ASSERT_EQ(byte, 0);
}

TEST_F(Hot, LeavesPointersToTheSlowWayWithoutTheMapOfItsGranule)
{
    constexpr uintptr_t kBase = uintptr_t{1} << 20;
    Mark(kBase, BytesOfSlab(5) / kGranule, 6);
    Map().granule_shift = 16;
    Init();
    EXPECT_EQ(ClassAt(kBase), size_t{CAIRN_FASTPATH_KINDS});
    Map().granule_shift = CAIRN_FASTPATH_GRANULE_SHIFT;
    Map().root++; // another table
    Init();
    EXPECT_EQ(ClassAt(kBase), size_t{CAIRN_FASTPATH_KINDS});
    Map().root--;
    Init();
    EXPECT_EQ(ClassAt(kBase), 5u);
}

} // namespace
