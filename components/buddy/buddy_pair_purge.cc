// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Purges of a pair, in one step and in two, and what the oracle expects of them.

#include "buddy_pair.h"

namespace buddy_fixture {

int Pair::Empty(void *self, void *base, std::size_t length_bytes)
{
    PurgeLog *log = static_cast<PurgeLog *>(self);

    log->calls.push_back({reinterpret_cast<std::uintptr_t>(base), length_bytes});
    return Fails(*log) ? -12 : 0;
}

void Pair::PredictPurge(std::size_t min_bytes, PurgeLog *log, std::size_t *emptied)
{
    std::size_t next = 0;

    for (std::size_t g = 0; g < oracle_.granules.size(); g = next) {
        std::size_t end = g;

        next = EndOfFree(g, &end);
        if (end == g || (end - g) * config_.granule_bytes < min_bytes)
            continue;
        log->calls.push_back(
            {reinterpret_cast<std::uintptr_t>(AddressOf(g)), (end - g) * config_.granule_bytes});
        for (; g < end && !Fails(*log); g++) {
            *emptied += oracle_.dirty[g] ? config_.granule_bytes : 0;
            oracle_.dirty[g] = false;
        }
    }
}

// Where the free granules from `first` on end, and the last dirty one of them; when that is not
// free and dirty itself, the next granule.
std::size_t Pair::EndOfFree(std::size_t first, std::size_t *dirty_end) const
{
    std::size_t end = first;

    *dirty_end = first;
    if (oracle_.granules[first] != 'f' || !oracle_.dirty[first])
        return first + 1;
    for (; end < oracle_.SegmentOf(first).end && oracle_.granules[end] == 'f'; end++)
        *dirty_end = oracle_.dirty[end] ? end + 1 : *dirty_end;
    return end;
}

std::vector<Pair::Stretch> Pair::PredictBegin(std::size_t min_bytes, std::size_t quota_bytes,
                                              std::size_t count)
{
    std::vector<Stretch> found;
    std::size_t start = purge_at_;
    std::size_t dirty_bytes = 0;

    for (int half = 0; half < 2; half++) {
        std::size_t next = 0;
        for (std::size_t g = half == 0 ? start : 0;
             g < (half == 0 ? oracle_.granules.size() : start) && found.size() < count &&
             dirty_bytes < quota_bytes;
             g = next) {
            std::size_t end = g;

            next = EndOfFree(g, &end);
            if (end == g || (end - g) * config_.granule_bytes < min_bytes)
                continue;
            for (std::size_t at = g; at < end; at++)
                dirty_bytes += oracle_.dirty[at] ? config_.granule_bytes : 0;
            found.push_back({g, end});
            oracle_.BeginPurge(g, end);
            purge_at_ = next;
        }
    }
    return found;
}

std::size_t Pair::PurgeBegin(std::size_t min_bytes, std::size_t quota_bytes, std::size_t count)
{
    std::vector<cairn_buddy_stretch> seen(count + 1);
    std::vector<char> before = state_->Bytes();
    std::size_t dirty_before = oracle_.CountFreeDirty();
    std::size_t dirty_bytes = 0;

    seen[count].length_bytes = 1;
    std::size_t taken =
        cairn_buddy_purge_begin(buddy(), min_bytes, quota_bytes, seen.data(), count);
    std::vector<Stretch> expected = PredictBegin(min_bytes, quota_bytes, count);
    Require(taken == expected.size(), "as many stretches as the oracle finds");
    Require(taken > 0 || before == state_->Bytes(), "a purge of nothing changes nothing");
    Require(seen[count].length_bytes == 1, "no more stretches are written than there is room for");
    for (std::size_t i = 0; i < taken; i++) {
        Require(seen[i].base == AddressOf(expected[i].first) &&
                    seen[i].length_bytes ==
                        (expected[i].end - expected[i].first) * config_.granule_bytes &&
                    !seen[i].is_emptied,
                "the stretches that the oracle finds");
        dirty_bytes += seen[i].dirty_bytes;
        stretches.push_back(expected[i]);
    }
    Require(dirty_bytes == (dirty_before - oracle_.CountFreeDirty()) * config_.granule_bytes,
            "how much of them was dirty");
    return taken;
}

void Pair::PurgeEnd(std::size_t stretch_idx, bool is_emptied)
{
    Stretch stretch = stretches.at(stretch_idx);
    cairn_buddy_stretch given = {AddressOf(stretch.first),
                                 (stretch.end - stretch.first) * config_.granule_bytes, 0,
                                 is_emptied};

    if (chunks_ != nullptr)
        chunks_->last_given = nullptr;
    cairn_buddy_purge_end(buddy(), &given, 1);
    oracle_.EndPurge(stretch.first, stretch.end, is_emptied);
    stretches[stretch_idx] = stretches.back();
    stretches.pop_back();
    DropEmpty(config_.chunk_keep_count);
}

} // namespace buddy_fixture
