// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// A naive buddy, and the chunks that one over a source may live on.
//
// The oracle keeps one character per granule and finds free blocks by looking at every block of
// every order, so it predicts not only whether a run can be had but exactly where. It knows
// nothing of bitmaps.

#ifndef CAIRN_BUDDY_ORACLE_H
#define CAIRN_BUDDY_ORACLE_H

#include <cstddef>
#include <cstdint>
#include <vector>

#include "buddy_fixture.h"

namespace buddy_fixture {

// A source of chunks at places of an untouchable region, in an order of its own; fails and is
// zeroed when told to.
class ChunkFixture {
  public:
    ChunkFixture(std::size_t chunk_bytes, std::size_t place_count, std::uint64_t seed);

    cairn_source AsSource();
    void *TakeChunk(); // nullptr when dry
    void GiveChunk(void *chunk);
    static bool IsZeroed(void *self, const void *chunk);

    bool is_dry = false;        // the next takes fail
    bool is_zeroed = false;     // what IsZeroed() says of chunks
    void *last_taken = nullptr; // reset by the reader
    void *last_given = nullptr;
    std::size_t given_count = 0;
    std::size_t outstanding = 0;

  private:
    static std::size_t Take(void *self, std::size_t block_bytes, std::size_t align_bytes,
                            void **blocks, std::size_t count);
    static void Give(void *self, std::size_t block_bytes, void *const *blocks, std::size_t count);

    std::size_t chunk_bytes_;
    Region region_;
    std::vector<bool> is_out_;
    std::mt19937_64 random_;
    cairn_source_ops ops_;
};

class Oracle {
  public:
    static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

    struct Segment { // the range, or a chunk
        std::size_t first;
        std::size_t end;
        std::uintptr_t address; // of `first`
    };

    Oracle(std::size_t granule_count, unsigned top_order);

    void Hold(const Segment &segment, bool is_dirty);
    void Drop(std::size_t first);
    std::size_t
    FindBlock(unsigned order) const; // the lowest of the smallest that are at least so large
    void Use(std::size_t first, std::size_t count);
    void Extend(std::size_t first, std::size_t count);
    void Free(std::size_t first, std::size_t count);
    void BeginPurge(std::size_t first, std::size_t end);
    void EndPurge(std::size_t first, std::size_t end, bool is_emptied);
    void Grow(std::size_t granule_count);
    bool AreFree(std::size_t first, std::size_t end) const;
    bool AnyDirty(std::size_t first, std::size_t end) const;
    std::size_t RunLength(std::size_t first) const;
    std::size_t CountUsed() const;
    std::size_t CountPurging() const;
    std::size_t CountEmpty() const; // segments
    std::size_t CountFree() const;
    std::size_t CountFreeDirty() const;
    std::size_t LargestFree() const;
    const Segment &SegmentOf(std::size_t granule) const;

    // '.' not held, 'f' free, 'S' in use and first of its run, 'u' in use, 'P' being purged and
    // first of its stretch, 'p' being purged
    std::vector<char> granules;
    std::vector<bool> dirty;
    std::vector<Segment> segments;

  private:
    bool IsWholeFree(unsigned order, std::size_t block) const;
    bool IsFreeBlock(unsigned order, std::size_t block) const;

    unsigned top_order_;
};

} // namespace buddy_fixture

#endif
