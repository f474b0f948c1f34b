// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include "buddy_oracle.h"

#include <algorithm>

namespace buddy_fixture {

// The chunks

ChunkFixture::ChunkFixture(std::size_t chunk_bytes, std::size_t place_count, std::uint64_t seed)
    : chunk_bytes_(chunk_bytes), region_(chunk_bytes * place_count, chunk_bytes),
      is_out_(place_count), random_(seed), ops_{"chunks", 0, Take, Give}
{
}

cairn_source ChunkFixture::AsSource()
{
    return cairn_source{&ops_, this};
}

void *ChunkFixture::TakeChunk()
{
    return cairn_source_take_one(AsSource(), chunk_bytes_, chunk_bytes_);
}

void ChunkFixture::GiveChunk(void *chunk)
{
    cairn_source_give_one(AsSource(), chunk_bytes_, chunk);
}

bool ChunkFixture::IsZeroed(void *self, const void *)
{
    return static_cast<ChunkFixture *>(self)->is_zeroed;
}

std::size_t ChunkFixture::Take(void *self, std::size_t block_bytes, std::size_t align_bytes,
                               void **blocks, std::size_t count)
{
    ChunkFixture *chunks = static_cast<ChunkFixture *>(self);

    Require(block_bytes == chunks->chunk_bytes_ && align_bytes == block_bytes && count == 1,
            "the source is asked for a chunk");
    if (chunks->is_dry || chunks->outstanding == chunks->is_out_.size())
        return 0;
    std::size_t place = chunks->random_() % chunks->is_out_.size();
    while (chunks->is_out_[place])
        place = (place + 1) % chunks->is_out_.size();
    chunks->is_out_[place] = true;
    chunks->outstanding++;
    blocks[0] = chunks->last_taken = chunks->region_.At(place * block_bytes);
    return 1;
}

void ChunkFixture::Give(void *self, std::size_t block_bytes, void *const *blocks, std::size_t count)
{
    ChunkFixture *chunks = static_cast<ChunkFixture *>(self);
    std::size_t place = static_cast<std::size_t>(static_cast<char *>(blocks[0]) -
                                                 static_cast<char *>(chunks->region_.At(0))) /
                        block_bytes;

    Require(block_bytes == chunks->chunk_bytes_ && count == 1, "a chunk is given back");
    Require(chunks->is_out_.at(place) && chunks->region_.At(place * block_bytes) == blocks[0],
            "what is given back was taken");
    chunks->is_out_[place] = false;
    chunks->outstanding--;
    chunks->given_count++;
    chunks->last_given = blocks[0];
}

// The oracle

Oracle::Oracle(std::size_t granule_count, unsigned top_order)
    : granules(granule_count, '.'), dirty(granule_count, false), top_order_(top_order)
{
}

void Oracle::Hold(const Segment &segment, bool is_dirty)
{
    segments.push_back(segment);
    for (std::size_t g = segment.first; g < segment.end; g++) {
        Require(granules[g] == '.', "a place is held once");
        granules[g] = 'f';
        dirty[g] = is_dirty;
    }
}

void Oracle::Drop(std::size_t first)
{
    for (std::size_t i = 0; i < segments.size(); i++) {
        if (segments[i].first != first)
            continue;
        for (std::size_t g = first; g < segments[i].end; g++) {
            granules[g] = '.';
            dirty[g] = false;
        }
        segments.erase(segments.begin() + static_cast<std::ptrdiff_t>(i));
        return;
    }
}

bool Oracle::IsWholeFree(unsigned order, std::size_t block) const
{
    return ((block + 1) << order) <= granules.size() &&
           AreFree(block << order, (block + 1) << order);
}

bool Oracle::IsFreeBlock(unsigned order, std::size_t block) const
{
    return IsWholeFree(order, block) && (order == top_order_ || !IsWholeFree(order + 1, block / 2));
}

std::size_t Oracle::FindBlock(unsigned order) const
{
    for (; order <= top_order_; order++) {
        for (std::size_t block = 0; (block + 1) << order <= granules.size(); block++) {
            if (IsFreeBlock(order, block))
                return block << order;
        }
    }
    return kNone;
}

void Oracle::Use(std::size_t first, std::size_t count)
{
    Extend(first, count);
    granules[first] = 'S';
}

void Oracle::Extend(std::size_t first, std::size_t count)
{
    for (std::size_t g = first; g < first + count; g++) {
        Require(granules[g] == 'f', "only free granules are used");
        granules[g] = 'u';
        dirty[g] = true;
    }
}

void Oracle::Free(std::size_t first, std::size_t count)
{
    for (std::size_t g = first; g < first + count; g++) {
        Require(granules[g] == 'S' || granules[g] == 'u', "only used granules are freed");
        granules[g] = 'f';
    }
}

void Oracle::BeginPurge(std::size_t first, std::size_t end)
{
    for (std::size_t g = first; g < end; g++) {
        Require(granules[g] == 'f', "only free granules are purged");
        granules[g] = g == first ? 'P' : 'p';
        dirty[g] = false;
    }
}

void Oracle::EndPurge(std::size_t first, std::size_t end, bool is_emptied)
{
    for (std::size_t g = first; g < end; g++) {
        Require(granules[g] == (g == first ? 'P' : 'p'), "only what is being purged ends so");
        granules[g] = 'f';
        dirty[g] = !is_emptied;
    }
}

void Oracle::Grow(std::size_t granule_count)
{
    granules.resize(granule_count, '.');
    dirty.resize(granule_count, false);
}

bool Oracle::AreFree(std::size_t first, std::size_t end) const
{
    for (std::size_t g = first; g < end; g++) {
        if (granules[g] != 'f')
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

    if (granules[first] != 'S')
        return 0;
    for (end++; end < granules.size() && granules[end] == 'u'; end++)
        continue;
    return end - first;
}

std::size_t Oracle::CountUsed() const
{
    return static_cast<std::size_t>(std::count(granules.begin(), granules.end(), 'S') +
                                    std::count(granules.begin(), granules.end(), 'u'));
}

std::size_t Oracle::CountPurging() const
{
    return static_cast<std::size_t>(std::count(granules.begin(), granules.end(), 'P') +
                                    std::count(granules.begin(), granules.end(), 'p'));
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
    return static_cast<std::size_t>(std::count(granules.begin(), granules.end(), 'f'));
}

std::size_t Oracle::CountFreeDirty() const
{
    std::size_t count = 0;

    for (std::size_t g = 0; g < granules.size(); g++)
        count += granules[g] == 'f' && dirty[g];
    return count;
}

std::size_t Oracle::LargestFree() const
{
    for (unsigned order = top_order_ + 1; order-- > 0;) {
        for (std::size_t block = 0; (block + 1) << order <= granules.size(); block++) {
            if (IsWholeFree(order, block))
                return static_cast<std::size_t>(1) << order;
        }
    }
    return 0;
}

const Oracle::Segment &Oracle::SegmentOf(std::size_t granule) const
{
    for (const Segment &segment : segments) {
        if (segment.first <= granule && granule < segment.end)
            return segment;
    }
    throw std::runtime_error("no such granule");
}

} // namespace buddy_fixture
