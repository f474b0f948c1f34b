/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * shadow.h - for tests: an arena beside a table of what it must hold.
 *
 * Every block is filled with bytes that follow from its own seed, and read back before it is
 * resized or freed. That finds overlaps, writes by the arena and lost content. What the arena says
 * (NULL, usable size, statistics) is compared with what the table knows. Nothing here allocates or
 * calls the system, so it also runs where nothing else may.
 */

#ifndef CAIRN_ARENA_SHADOW_H
#define CAIRN_ARENA_SHADOW_H

#include <stddef.h>
#include <stdint.h>

#include <cairn/arena.h>

#include "tests/support/random.h"

namespace cairn_test {

class Shadow {
  public:
    static constexpr size_t kBlocksMax = 8192;

    Shadow(struct cairn_arena *arena, uint64_t seed, size_t blocks_max)
        : arena_(arena), random_(seed),
          blocks_max_(blocks_max < kBlocksMax ? blocks_max : kBlocksMax)
    {
    }

    /* One random call; the sentence that was broken, or NULL. */
    const char *step(size_t size_max)
    {
        size_t choice = random_.below(16);

        if (choice < 7)
            return allocate(random_.size_up_to(size_max), 1);
        if (choice < 8)
            return allocate(random_.size_up_to(size_max), size_t{1} << random_.below(13));
        if (choice < 9)
            return allocate_zeroed(random_.size_up_to(size_max));
        if (block_count_ == 0)
            return NULL;
        if (choice < 11)
            return resize(random_.below(block_count_), random_.size_up_to(size_max));
        return release(random_.below(block_count_));
    }

    const char *allocate(size_t size, size_t align)
    {
        struct cairn_arena_stats before = cairn_arena_stats(arena_);
        void *block = align == 1 ? cairn_arena_alloc(arena_, size)
                                 : cairn_arena_alloc_aligned(arena_, size, align);

        if (block == NULL)
            return refused(size, align == 1, before);
        return add(block, size, align);
    }

    const char *allocate_zeroed(size_t size)
    {
        struct cairn_arena_stats before = cairn_arena_stats(arena_);
        unsigned char *block = static_cast<unsigned char *>(cairn_arena_calloc(arena_, size, 1));

        if (block == NULL)
            return refused(size, true, before);
        for (size_t i = 0; i < size; i++)
            if (block[i] != 0)
                return "calloc gave a block that does not read as zero";
        return add(block, size, 1);
    }

    const char *resize(size_t index, size_t size)
    {
        struct cairn_arena_stats before = cairn_arena_stats(arena_);
        Block old = blocks_[index];
        void *block;

        if (const char *broken = verify(old))
            return broken;
        block = cairn_arena_realloc(arena_, old.start, size);
        if (block == NULL && size <= old.size)
            return "making a block smaller failed";
        if (block == NULL) {
            const char *broken = verify(old);
            return broken != NULL ? broken : refused(size, true, before);
        }
        if (!holds_pattern(block, old.size < size ? old.size : size, old.seed))
            return "realloc lost content";
        blocks_[index] = blocks_[--block_count_];
        size_bytes_ -= old.size;
        if (block != old.start)
            moved_count_++;
        return add(block, size, 1);
    }

    const char *release(size_t index)
    {
        Block block = blocks_[index];

        if (const char *broken = verify(block))
            return broken;
        blocks_[index] = blocks_[--block_count_];
        size_bytes_ -= block.size;
        freed_count_++;
        cairn_arena_free(arena_, block.start);
        return NULL;
    }

    const char *release_all()
    {
        while (block_count_ > 0)
            if (const char *broken = release(random_.below(block_count_)))
                return broken;
        return cairn_arena_stats(arena_).used_bytes == 0 ? NULL : "used_bytes is not 0 at the end";
    }

    /* Everything at once: content of all blocks, statistics, the arena's own check. */
    const char *audit()
    {
        struct cairn_arena_stats stats = cairn_arena_stats(arena_);
        size_t usable = 0;

        for (size_t i = 0; i < block_count_; i++) {
            if (const char *broken = verify(blocks_[i]))
                return broken;
            usable += cairn_arena_usable_bytes(arena_, blocks_[i].start);
        }
        if (stats.used_bytes != usable)
            return "used_bytes is not the sum of the usable sizes";
        if (stats.alloc_count - stats.free_count != block_count_)
            return "alloc_count - free_count is not the number of blocks";
        if (stats.free_count < freed_count_ || stats.free_count > freed_count_ + moved_count_)
            return "free_count is not what was freed and moved";
        if (stats.failed_count != failed_count_)
            return "failed_count is not the number of refusals";
        cairn_arena_check(arena_);
        return NULL;
    }

    size_t block_count() const
    {
        return block_count_;
    }

    uint64_t failed_count() const
    {
        return failed_count_;
    }

    /* The sum of the sizes asked for. */
    size_t size_bytes() const
    {
        return size_bytes_;
    }

  private:
    struct Block {
        unsigned char *start;
        size_t size;
        uint64_t seed;
    };

    static unsigned char pattern(uint64_t seed, size_t index)
    {
        return static_cast<unsigned char>((seed + index) * 167u >> 3);
    }

    static bool holds_pattern(const void *block, size_t size, uint64_t seed)
    {
        const unsigned char *bytes = static_cast<const unsigned char *>(block);

        for (size_t i = 0; i < size; i++)
            if (bytes[i] != pattern(seed, i))
                return false;
        return true;
    }

    const char *verify(const Block &block) const
    {
        return holds_pattern(block.start, block.size, block.seed) ? NULL
                                                                  : "a block's content changed";
    }

    const char *refused(size_t size, bool unaligned, const struct cairn_arena_stats &before)
    {
        struct cairn_arena_stats after = cairn_arena_stats(arena_);

        failed_count_++;
        if (unaligned && (size == 0 ? 1 : size) <= before.largest_free_bytes)
            return "a request within largest_free_bytes was refused";
        if (after.used_bytes != before.used_bytes || after.alloc_count != before.alloc_count ||
            after.free_count != before.free_count ||
            after.largest_free_bytes != before.largest_free_bytes ||
            after.used_peak_bytes != before.used_peak_bytes)
            return "a refusal changed the statistics";
        return NULL;
    }

    const char *add(void *block, size_t size, size_t align)
    {
        size_t least = size <= 8 ? 8 : 16;
        Block added = {static_cast<unsigned char *>(block), size, random_()};

        if (reinterpret_cast<uintptr_t>(block) % (align > least ? align : least) != 0)
            return "a block is not aligned";
        if (!cairn_arena_owns(arena_, block) ||
            (size > 0 && !cairn_arena_owns(arena_, added.start + size - 1)))
            return "a block lies outside the memory";
        if (cairn_arena_usable_bytes(arena_, block) < size)
            return "a block is too small";
        for (size_t i = 0; i < size; i++)
            added.start[i] = pattern(added.seed, i);
        blocks_[block_count_++] = added;
        size_bytes_ += size;
        return block_count_ < blocks_max_ ? NULL : release(random_.below(block_count_));
    }

    struct cairn_arena *arena_;
    Random random_;
    size_t blocks_max_;
    Block blocks_[kBlocksMax + 1];
    size_t block_count_ = 0;
    size_t size_bytes_ = 0;
    uint64_t failed_count_ = 0;
    uint64_t freed_count_ = 0;
    uint64_t moved_count_ = 0;
};

} // namespace cairn_test

#endif
