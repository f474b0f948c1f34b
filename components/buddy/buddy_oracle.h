// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// A naive buddy, and a duel: each operation is done by both, and everything that can be seen is compared.
//
// The oracle keeps one character per grain and finds free blocks by looking at every block of every order, so it
// predicts not only whether a run can be had but exactly where. It knows nothing of bitmaps.
//
// A difference throws. Linking this replaces cairn_panic(), so that misuse can be tried thousands of times.

#ifndef CAIRN_BUDDY_ORACLE_H
#define CAIRN_BUDDY_ORACLE_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "buddy_rig.h"

namespace buddy_rig {

// True when f ends in cairn_panic(). f must not own anything: it may be left by longjmp.
bool Panics(const std::function<void()> &f);

// A source of chunks at places of an untouchable region, in an order of its own; fails and is zeroed when told to.
class ChunkYard {
  public:
    ChunkYard(std::size_t chunk_bytes, std::size_t place_count, std::uint64_t seed);

    cairn_source AsSource();
    static bool IsZeroed(void *self, const void *chunk);

    bool is_dry = false;        // the next takes fail
    bool is_zeroed = false;     // what IsZeroed() says of chunks
    void *last_taken = nullptr; // reset by whoever reads them
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

    Oracle(std::size_t grain_count, unsigned top_order);

    void Hold(const Segment &segment, bool is_dirty);
    void Drop(std::size_t first);
    std::size_t
    FindBlock(unsigned order) const; // the lowest of the smallest that are at least so large
    void Use(std::size_t first, std::size_t count);
    void Extend(std::size_t first, std::size_t count);
    void Free(std::size_t first, std::size_t count);
    bool AreFree(std::size_t first, std::size_t end) const;
    bool AnyDirty(std::size_t first, std::size_t end) const;
    std::size_t RunLength(std::size_t first) const;
    std::size_t CountUsed() const;
    std::size_t CountFree() const;
    std::size_t CountFreeDirty() const;
    std::size_t LargestFree() const;
    const Segment &SegmentOf(std::size_t grain) const;

    // '.' not held, 'f' free, 'S' in use and first of its run, 'u' in use
    std::vector<char> grains;
    std::vector<bool> dirty;
    std::vector<Segment> segments;

  private:
    bool IsWholeFree(unsigned order, std::size_t block) const;
    bool IsFreeBlock(unsigned order, std::size_t block) const;

    unsigned top_order_;
};

class Duel {
  public:
    struct Run {
        std::size_t first;
        std::size_t bytes; // as asked
    };
    struct Saved {
        std::vector<char> state;
        Oracle oracle;
        std::vector<Run> runs;
    };

    // The config is over a range, or over `yard`.
    Duel(const cairn_buddy_config &config, ChunkYard *yard, Hard hard = Hard::kBack);
    ~Duel();

    bool Alloc(std::size_t bytes, std::size_t align_bytes);
    void Free(std::size_t run_idx);
    bool Resize(std::size_t run_idx, std::size_t new_bytes);
    void Purge(std::size_t min_bytes, unsigned fail_one_in);
    void Misuse(const void *pointer,
                std::size_t bytes); // neither free nor resize takes it; both change nothing
    void Compare() const;           // everything that can be asked
    void CompareBriefly() const;    // the counters, and cairn_buddy_check()
    void End();                     // frees everything; fini; everything is back

    Saved Save() const
    {
        return Saved{state_.Bytes(), oracle_, runs};
    }
    void Restore(const Saved &saved);

    void *AddressOf(std::size_t grain) const;
    cairn_buddy *buddy() const
    {
        return state_.buddy();
    }
    const Guarded &state() const
    {
        return state_;
    }
    const Oracle &oracle() const
    {
        return oracle_;
    }
    bool IsLive(const void *pointer, std::size_t bytes) const;

    std::vector<Run> runs;

  private:
    struct Emptied {
        std::uintptr_t base;
        std::size_t length_bytes;
        bool operator==(const Emptied &other) const
        {
            return base == other.base && length_bytes == other.length_bytes;
        }
    };
    struct PurgeLog {
        unsigned fail_one_in;
        std::vector<Emptied> calls;
    };

    static int Empty(void *self, void *base, std::size_t length_bytes);
    static bool Fails(const PurgeLog &log) // the call just logged
    {
        return log.fail_one_in != 0 && log.calls.size() % log.fail_one_in == 0;
    }
    std::size_t Grains(std::size_t bytes) const;
    unsigned OrderFor(std::size_t bytes, std::size_t align_bytes) const;
    std::size_t Place(unsigned order); // Where the next run goes; in a new chunk if need be.
    void DropEmpty(std::size_t keep_count);
    void PredictPurge(std::size_t min_bytes, PurgeLog *log, std::size_t *emptied);

    cairn_buddy_config config_;
    ChunkYard *yard_;
    unsigned top_order_ = 0;
    std::size_t align_max_bytes_ = 0;
    std::size_t grain_count_ = 0;
    Guarded state_;
    Oracle oracle_;
    bool is_over_ = false;
};

} // namespace buddy_rig

#endif
