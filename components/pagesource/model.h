/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * model.h - a page source over a fake kernel, and the naive oracle beside it.
 *
 * The oracle is a map of the blocks outstanding, each with a stamp written into its first and last
 * page. After every step verify() compares everything: invariants, sums, what the kernel holds, and
 * every stamp.
 */

#ifndef CAIRN_PAGESOURCE_MODEL_H
#define CAIRN_PAGESOURCE_MODEL_H

#include "fake_os.h"

#include <cairn/pagesource.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>

#include "tests/support/random.h"

class Model {
  public:
    struct Block {
        size_t length;
        uint64_t stamp;
        bool is_lost; /* others lowered the break below its end */
    };

    Model(size_t page_bytes, struct cairn_pagesource_config config)
        : fake(page_bytes), page(page_bytes)
    {
        config.os = fake.os();
        EXPECT_EQ(0, cairn_pagesource_init(source.get(), &config));
    }

    /* Small bounds, so that a few pages reach every path. */
    static struct cairn_pagesource_config tiny(enum cairn_pagesource_policy policy, size_t page)
    {
        struct cairn_pagesource_config config = {};
        config.policy = policy;
        config.map_threshold_bytes = 8 * page;
        config.map_threshold_max_bytes = 32 * page;
        config.growth_min_bytes = 4 * page;
        config.growth_max_bytes = 64 * page;
        config.retain_min_bytes = 6 * page;
        return config;
    }

    uint64_t *word(uintptr_t address)
    {
        return reinterpret_cast<uint64_t *>(address);
    }

    void stamp(uintptr_t base, size_t length)
    {
        blocks[base] = {length, ++stamps, false};
        *word(base) = stamps;
        *word(base + length - sizeof(uint64_t)) = ~stamps;
    }

    /* 0 when refused. */
    uintptr_t alloc(size_t length, size_t align)
    {
        struct cairn_pagesource_stats before = cairn_pagesource_stats(source.get());
        bool poison = (stamps & 1) != 0, is_zeroed = poison;
        uintptr_t base = reinterpret_cast<uintptr_t>(
            cairn_pagesource_alloc(source.get(), length, align, &is_zeroed));
        if (base == 0) {
            EXPECT_EQ(poison, is_zeroed);
            EXPECT_TRUE(!is_alone || before.outstanding_bytes == stats().outstanding_bytes);
            return 0;
        }
        EXPECT_EQ(0u, base % align);
        EXPECT_EQ(0u, base % page);
        EXPECT_TRUE(is_new(base, length)) << "overlaps an outstanding block";
        EXPECT_TRUE(fake.is_backed(base, length)) << "not backed by the kernel";
        for (size_t at = 0; is_zeroed && at < length; at += 512)
            EXPECT_EQ(0u, *word(base + at)) << "said to be zeroed, is not";
        stamp(base, length);
        return base;
    }

    bool is_new(uintptr_t base, size_t length) const
    {
        auto next = blocks.lower_bound(base);
        if (next != blocks.end() && next->first < base + length)
            return false;
        return next == blocks.begin() ||
               std::prev(next)->first + std::prev(next)->second.length <= base;
    }

    /* Any block. Requires: there is one. */
    uintptr_t pick(size_t which)
    {
        return std::next(blocks.begin(), static_cast<ptrdiff_t>(which % blocks.size()))->first;
    }

    void free(uintptr_t base)
    {
        size_t length = blocks.at(base).length;
        dirty(base, length);
        blocks.erase(base);
        cairn_pagesource_free(source.get(), reinterpret_cast<void *>(base), length);
    }

    /* A part of a block that is not in `blocks`. */
    void give_part(uintptr_t base, size_t length)
    {
        dirty(base, length);
        cairn_pagesource_free(source.get(), reinterpret_cast<void *>(base), length);
    }

    /* Every page, so that memory wrongly believed fresh is noticed. */
    void dirty(uintptr_t base, size_t length)
    {
        for (uintptr_t at = base; at < base + length; at += 4096)
            if (fake.is_backed(at & ~(page - 1), page))
                *word(at) = 0xdddddddddddddddd;
    }

    uintptr_t resize(uintptr_t base, size_t length, size_t align, bool may_move)
    {
        Block old = blocks.at(base);
        uintptr_t moved = reinterpret_cast<uintptr_t>(cairn_pagesource_resize(
            source.get(), reinterpret_cast<void *>(base), old.length, length, align, may_move));
        if (moved == 0)
            return 0;
        EXPECT_TRUE(may_move || moved == base);
        EXPECT_EQ(0u, moved % align);
        blocks.erase(base);
        EXPECT_TRUE(is_new(moved, length)) << "resized into an outstanding block";
        if (!old.is_lost && fake.is_backed(moved, length)) {
            EXPECT_EQ(old.stamp, *word(moved));
            if (length >= old.length) {
                EXPECT_EQ(~old.stamp, *word(moved + old.length - sizeof(uint64_t)));
            }
            stamp(moved, length);
        } else {
            blocks[moved] = {length, 0, true};
        }
        return moved;
    }

    void verify()
    {
        cairn_pagesource_check(source.get());
        struct cairn_pagesource_stats stats = cairn_pagesource_stats(source.get());
        size_t outstanding = 0;
        for (auto &[base, block] : blocks) {
            outstanding += block.length;
            if (block.is_lost)
                continue;
            EXPECT_TRUE(fake.is_backed(base, block.length));
            EXPECT_EQ(block.stamp, *word(base));
            EXPECT_EQ(~block.stamp, *word(base + block.length - sizeof(uint64_t)));
        }
        for (const struct cairn_pagesource_node *node : runs()) {
            EXPECT_TRUE(fake.is_backed(node->base, node->end - node->base));
            EXPECT_TRUE(is_new(node->base, node->end - node->base)) << "free and outstanding";
            for (uintptr_t at = node->fresh_base; at < node->fresh_end; at += 4096)
                EXPECT_EQ(0u, *word(at)) << "fresh, but not zero (I3)";
        }
        EXPECT_EQ(outstanding, stats.outstanding_bytes);
        EXPECT_EQ(stats.brk_bytes + stats.mapped_bytes, stats.outstanding_bytes + stats.free_bytes +
                                                            stats.transit_bytes + stats.lost_bytes);
        EXPECT_EQ(fake.mapped_bytes(),
                  stats.mapped_bytes + stats.metadata_bytes + stats.past_bytes);
        EXPECT_TRUE(source->segment_count == 0 || fake.was_lowered || fake.was_unprotected ||
                    fake.is_closed(source->break_guard - page, page));
        verify_regions();
        for (const std::string &misuse : fake.misuses)
            ADD_FAILURE() << misuse;
        fake.log.clear();
    }

    struct cairn_pagesource_node *node(uint32_t id)
    {
        size_t first = CAIRN_PAGESOURCE_INLINE_NODES, piece = 0;
        while (id >= (first << (piece + 1)) - first)
            piece++;
        return source->pieces[piece] + (id + first - (first << piece));
    }

    /* The free runs, by address. */
    std::vector<const struct cairn_pagesource_node *> runs()
    {
        std::vector<const struct cairn_pagesource_node *> found;
        walk(source->roots[0], found);
        return found;
    }

    /* Each region is marked with its guards, may be touched, and is between pages that may not. */
    void verify_regions()
    {
        for (uint32_t id = source->regions; id != 0; id = node(id)->links[1][1]) {
            const struct cairn_pagesource_node *region = node(id);
            size_t length = region->end - region->base;
            EXPECT_TRUE(fake.is_closed(region->base - page, page));
            EXPECT_TRUE(fake.is_closed(region->end, page));
            if (region->flags == 0)
                continue; /* could not be opened, nor unmapped */
            EXPECT_TRUE(fake.is_backed(region->base, length));
            EXPECT_EQ(1, std::count(fake.marked.begin(), fake.marked.end(),
                                    std::make_pair(region->base - page, length + 2 * page)) > 0);
        }
    }

    void free_all()
    {
        while (!blocks.empty())
            free(blocks.begin()->first);
    }

    /* Everything goes back, and the kernel has it. */
    void end()
    {
        free_all();
        for (auto &[base, length] : reserved)
            cairn_pagesource_unreserve(source.get(), reinterpret_cast<void *>(base), length);
        reserved.clear();
        verify();
        cairn_pagesource_fini(source.get());
        EXPECT_EQ(0u, fake.mapped_bytes());
        for (const std::string &misuse : fake.misuses)
            ADD_FAILURE() << misuse;
    }

    struct cairn_pagesource_stats stats()
    {
        return cairn_pagesource_stats(source.get());
    }

    void walk(uint32_t id, std::vector<const struct cairn_pagesource_node *> &found)
    {
        if (id == 0)
            return;
        walk(node(id)->links[0][0], found);
        found.push_back(node(id));
        walk(node(id)->links[0][1], found);
    }

    FakeOs fake;
    size_t page;
    std::unique_ptr<struct cairn_pagesource> source = std::make_unique<struct cairn_pagesource>();
    std::map<uintptr_t, Block> blocks;
    std::vector<std::pair<uintptr_t, size_t>> reserved; /* what end() gives back */
    uint64_t stamps = 0;
    bool is_alone = true; /* nothing happens within a call */
};

/* A test over several page sizes, with a configuration small enough that every bound is met. */
class PageSizes : public testing::TestWithParam<size_t> {
  protected:
    struct cairn_pagesource_config tiny(enum cairn_pagesource_policy policy) const
    {
        return Model::tiny(policy, page);
    }
    size_t page = GetParam();
};

using cairn_test::test_seed;

#endif
