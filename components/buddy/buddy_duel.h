// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Each operation is done by a buddy and by the oracle, and everything that can be seen is compared.
//
// A difference throws. Linking this replaces cairn_panic(), so that misuse can be tried thousands
// of times.

#ifndef CAIRN_BUDDY_DUEL_H
#define CAIRN_BUDDY_DUEL_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "buddy_oracle.h"
#include "buddy_rig.h"

namespace buddy_rig {

// True when f ends in cairn_panic(). f must not own anything: it may be left by longjmp.
bool Panics(const std::function<void()> &f);

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
};

} // namespace buddy_rig

#endif
