// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include "buddy_oracle.h"

#include <algorithm>

namespace buddy_rig {

// The yard

ChunkYard::ChunkYard(std::size_t chunk_bytes, std::size_t place_count, std::uint64_t seed)
    : chunk_bytes_(chunk_bytes), region_(chunk_bytes * place_count, chunk_bytes),
      is_out_(place_count), random_(seed), ops_{"yard", 0, Take, Give}
{
}

cairn_source ChunkYard::AsSource()
{
    return cairn_source{&ops_, this};
}

void *ChunkYard::TakeChunk()
{
    return cairn_source_take_one(AsSource(), chunk_bytes_, chunk_bytes_);
}

void ChunkYard::GiveChunk(void *chunk)
{
    cairn_source_give_one(AsSource(), chunk_bytes_, chunk);
}

bool ChunkYard::IsZeroed(void *self, const void *)
{
    return static_cast<ChunkYard *>(self)->is_zeroed;
}

std::size_t ChunkYard::Take(void *self, std::size_t block_bytes, std::size_t align_bytes,
                            void **blocks, std::size_t count)
{
    ChunkYard *yard = static_cast<ChunkYard *>(self);

    Require(block_bytes == yard->chunk_bytes_ && align_bytes == block_bytes && count == 1,
            "the source is asked for a chunk");
    if (yard->is_dry || yard->outstanding == yard->is_out_.size())
        return 0;
    std::size_t place = yard->random_() % yard->is_out_.size();
    while (yard->is_out_[place])
        place = (place + 1) % yard->is_out_.size();
    yard->is_out_[place] = true;
    yard->outstanding++;
    blocks[0] = yard->last_taken = yard->region_.At(place * block_bytes);
    return 1;
}

void ChunkYard::Give(void *self, std::size_t block_bytes, void *const *blocks, std::size_t count)
{
    ChunkYard *yard = static_cast<ChunkYard *>(self);
    std::size_t place = static_cast<std::size_t>(static_cast<char *>(blocks[0]) -
                                                 static_cast<char *>(yard->region_.At(0))) /
                        block_bytes;

    Require(block_bytes == yard->chunk_bytes_ && count == 1, "a chunk is given back");
    Require(yard->is_out_.at(place) && yard->region_.At(place * block_bytes) == blocks[0],
            "what is given back was taken");
    yard->is_out_[place] = false;
    yard->outstanding--;
    yard->given_count++;
    yard->last_given = blocks[0];
}

// The oracle

Oracle::Oracle(std::size_t grain_count, unsigned top_order)
    : grains(grain_count, '.'), dirty(grain_count, false), top_order_(top_order)
{
}

void Oracle::Hold(const Segment &segment, bool is_dirty)
{
    segments.push_back(segment);
    for (std::size_t g = segment.first; g < segment.end; g++) {
        Require(grains[g] == '.', "a place is held once");
        grains[g] = 'f';
        dirty[g] = is_dirty;
    }
}

void Oracle::Drop(std::size_t first)
{
    for (std::size_t i = 0; i < segments.size(); i++) {
        if (segments[i].first != first)
            continue;
        for (std::size_t g = first; g < segments[i].end; g++) {
            grains[g] = '.';
            dirty[g] = false;
        }
        segments.erase(segments.begin() + static_cast<std::ptrdiff_t>(i));
        return;
    }
}

bool Oracle::IsWholeFree(unsigned order, std::size_t block) const
{
    return ((block + 1) << order) <= grains.size() && AreFree(block << order, (block + 1) << order);
}

bool Oracle::IsFreeBlock(unsigned order, std::size_t block) const
{
    return IsWholeFree(order, block) && (order == top_order_ || !IsWholeFree(order + 1, block / 2));
}

std::size_t Oracle::FindBlock(unsigned order) const
{
    for (; order <= top_order_; order++) {
        for (std::size_t block = 0; (block + 1) << order <= grains.size(); block++) {
            if (IsFreeBlock(order, block))
                return block << order;
        }
    }
    return kNone;
}

void Oracle::Use(std::size_t first, std::size_t count)
{
    Extend(first, count);
    grains[first] = 'S';
}

void Oracle::Extend(std::size_t first, std::size_t count)
{
    for (std::size_t g = first; g < first + count; g++) {
        Require(grains[g] == 'f', "only free grains are used");
        grains[g] = 'u';
        dirty[g] = true;
    }
}

void Oracle::Free(std::size_t first, std::size_t count)
{
    for (std::size_t g = first; g < first + count; g++) {
        Require(grains[g] == 'S' || grains[g] == 'u', "only used grains are freed");
        grains[g] = 'f';
    }
}

void Oracle::BeginPurge(std::size_t first, std::size_t end)
{
    for (std::size_t g = first; g < end; g++) {
        Require(grains[g] == 'f', "only free grains are purged");
        grains[g] = g == first ? 'P' : 'p';
        dirty[g] = false;
    }
}

void Oracle::EndPurge(std::size_t first, std::size_t end, bool is_emptied)
{
    for (std::size_t g = first; g < end; g++) {
        Require(grains[g] == (g == first ? 'P' : 'p'), "only what is being purged ends so");
        grains[g] = 'f';
        dirty[g] = !is_emptied;
    }
}

void Oracle::Grow(std::size_t grain_count)
{
    grains.resize(grain_count, '.');
    dirty.resize(grain_count, false);
}

bool Oracle::AreFree(std::size_t first, std::size_t end) const
{
    for (std::size_t g = first; g < end; g++) {
        if (grains[g] != 'f')
            return false;
    }
    return true;
}

bool Oracle::AnyDirty(std::size_t first, std::size_t end) const
{
    return std::find(dirty.begin() + static_cast<std::ptrdiff_t>(first),
                     dirty.begin() + static_cast<std::ptrdiff_t>(end),
                     true) != dirty.begin() + static_cast<std::ptrdiff_t>(end);
}

std::size_t Oracle::RunLength(std::size_t first) const
{
    std::size_t end = first;

    if (grains[first] != 'S')
        return 0;
    for (end++; end < grains.size() && grains[end] == 'u'; end++)
        continue;
    return end - first;
}

std::size_t Oracle::CountUsed() const
{
    return static_cast<std::size_t>(std::count(grains.begin(), grains.end(), 'S') +
                                    std::count(grains.begin(), grains.end(), 'u'));
}

std::size_t Oracle::CountPurging() const
{
    return static_cast<std::size_t>(std::count(grains.begin(), grains.end(), 'P') +
                                    std::count(grains.begin(), grains.end(), 'p'));
}

std::size_t Oracle::CountEmpty() const
{
    std::size_t count = 0;

    for (const Segment &segment : segments)
        count += AreFree(segment.first, segment.end);
    return count;
}

std::size_t Oracle::CountFree() const
{
    return static_cast<std::size_t>(std::count(grains.begin(), grains.end(), 'f'));
}

std::size_t Oracle::CountFreeDirty() const
{
    std::size_t count = 0;

    for (std::size_t g = 0; g < grains.size(); g++)
        count += grains[g] == 'f' && dirty[g];
    return count;
}

std::size_t Oracle::LargestFree() const
{
    for (unsigned order = top_order_ + 1; order-- > 0;) {
        for (std::size_t block = 0; (block + 1) << order <= grains.size(); block++) {
            if (IsWholeFree(order, block))
                return static_cast<std::size_t>(1) << order;
        }
    }
    return 0;
}

const Oracle::Segment &Oracle::SegmentOf(std::size_t grain) const
{
    for (const Segment &segment : segments) {
        if (segment.first <= grain && grain < segment.end)
            return segment;
    }
    throw std::runtime_error("no such grain");
}

} // namespace buddy_rig
