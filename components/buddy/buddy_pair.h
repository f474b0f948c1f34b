// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Each operation is done by a buddy and by the oracle, and everything that can be seen is compared.
//
// A difference throws. Linking this replaces cairn_panic(), so that misuse can be tried thousands
// of times.

#ifndef CAIRN_BUDDY_PAIR_H
#define CAIRN_BUDDY_PAIR_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "buddy_oracle.h"
#include "buddy_fixture.h"

namespace buddy_fixture {

// True when f ends in cairn_panic(). f must not own anything: it may be left by longjmp.
bool Panics(const std::function<void()> &f);

class Pair {
  public:
    struct Run {
        std::size_t first;
        std::size_t bytes; // as asked
    };
    struct Stretch {
        std::size_t first;
        std::size_t end;
    };
    struct Saved {
        std::vector<char> state;
        Oracle oracle;
        std::vector<Run> runs;
        std::vector<Stretch> stretches;
        std::size_t purge_at;
    };

    // The config is over a range, or over `chunks`, or without a source and fed from `chunks`.
    Pair(const cairn_buddy_config &config, ChunkFixture *chunks, Hard hard = Hard::kBack);
    ~Pair();

    bool Alloc(std::size_t bytes, std::size_t align_bytes);
    void Free(std::size_t run_idx);
    bool Resize(std::size_t run_idx, std::size_t new_bytes);
    void Purge(std::size_t min_bytes, unsigned fail_one_in);
    // Takes stretches out; returns how many.
    std::size_t PurgeBegin(std::size_t min_bytes, std::size_t quota_bytes, std::size_t count);
    void PurgeEnd(std::size_t stretch_idx, bool is_emptied);
    bool Feed(); // a chunk of the fixture, unless it is dry or the buddy is full
    bool Shed(std::size_t keep_count);
    void Move(std::size_t chunk_count_max); // more than before, or fails
    // Neither free nor resize nor purge_end nor feed takes it; all change nothing.
    void Misuse(const void *pointer, std::size_t bytes);
    void Compare() const;        // everything that can be asked
    void CompareBriefly() const; // the counters, and cairn_buddy_check()
    void End();                  // frees everything; fini; everything is back

    Saved Save() const
    {
        return Saved{state_->Bytes(), oracle_, runs, stretches, purge_at_};
    }
    void Restore(const Saved &saved);

    void *AddressOf(std::size_t granule) const;
    cairn_buddy *buddy() const
    {
        return state_->buddy();
    }
    const Guarded &state() const
    {
        return *state_;
    }
    const Oracle &oracle() const
    {
        return oracle_;
    }
    std::size_t purge_at() const
    {
        return purge_at_;
    }
    std::size_t chunk_count_max() const
    {
        return config_.chunk_count_max;
    }
    bool IsByHand() const
    {
        return chunks_ != nullptr && config_.source.ops == nullptr;
    }
    bool IsLive(const void *pointer, std::size_t bytes) const;

    std::vector<Run> runs;
    std::vector<Stretch> stretches; // being purged

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
    std::size_t Granules(std::size_t bytes) const;
    unsigned OrderFor(std::size_t bytes, std::size_t align_bytes) const;
    std::size_t Place(unsigned order); // Where the next run goes; in a new chunk if need be.
    void DropEmpty(std::size_t keep_count);
    void PredictPurge(std::size_t min_bytes, PurgeLog *log, std::size_t *emptied);
    std::vector<Stretch> PredictBegin(std::size_t min_bytes, std::size_t quota_bytes,
                                      std::size_t count);
    std::size_t EndOfFree(std::size_t first, std::size_t *dirty_end) const;
    bool IsStretch(const void *pointer, std::size_t bytes) const;
    void HoldChunk(void *chunk, bool is_dirty);

    cairn_buddy_config config_;
    ChunkFixture *chunks_;
    unsigned top_order_ = 0;
    std::size_t align_max_bytes_ = 0;
    std::size_t granule_count_ = 0;
    Hard hard_;
    std::unique_ptr<Guarded> state_;
    Oracle oracle_;
    std::size_t purge_at_ = 0;
};

} // namespace buddy_fixture

#endif
