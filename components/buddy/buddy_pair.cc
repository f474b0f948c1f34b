// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include "buddy_pair.h"

#include <algorithm>
#include <cerrno>
#include <csetjmp>
#include <cstdio>

#include <cairn/base/check.h>

namespace {

bool armed = false;
std::jmp_buf way_out;

} // namespace

extern "C" void cairn_panic(const char *what, const void *pointer, const char *where)
{
    if (armed) {
        armed = false;
        std::longjmp(way_out, 1);
    }
    std::fprintf(stderr, "cairn: %s (pointer %p) in %s\n", what, pointer, where);
    std::abort();
}

namespace buddy_fixture {

bool Panics(const std::function<void()> &f)
{
    if (setjmp(way_out) != 0)
        return true;
    armed = true;
    f();
    armed = false;
    return false;
}

namespace {

// The shape, worked out the slow way.
struct Shape {
    std::size_t lead = 0;
    std::size_t granule_count = 0;
    unsigned top_order = 0;
};

Shape ShapeOf(const cairn_buddy_config &config)
{
    Shape shape;
    std::size_t granule = config.granule_bytes;

    if (config.base == nullptr) {
        while (granule << shape.top_order < config.chunk_bytes)
            shape.top_order++;
        shape.granule_count = config.chunk_count_max << shape.top_order;
        return shape;
    }
    std::uintptr_t base = reinterpret_cast<std::uintptr_t>(config.base);
    std::uintptr_t first = (base + granule - 1) / granule * granule;
    std::uintptr_t end = (base + config.length_bytes) / granule * granule;
    shape.lead = first % std::max(config.align_bytes, granule) / granule;
    shape.granule_count = shape.lead + (end - first) / granule;
    while (static_cast<std::size_t>(2) << shape.top_order <= shape.granule_count)
        shape.top_order++;
    return shape;
}

} // namespace

Pair::Pair(const cairn_buddy_config &config, ChunkFixture *chunks, Hard hard)
    : config_(config), chunks_(chunks), top_order_(ShapeOf(config).top_order),
      align_max_bytes_(chunks != nullptr ? config.chunk_bytes
                                         : std::max(config.align_bytes, config.granule_bytes)),
      granule_count_(ShapeOf(config).granule_count), hard_(hard),
      state_(new Guarded(cairn_buddy_state_bytes(&config), hard)),
      oracle_(granule_count_, top_order_)
{
    Require(buddy_fixture::Init(state_->buddy(), state_->size(), config) == 0, "init");
    if (chunks_ != nullptr)
        return;
    std::size_t granule = config.granule_bytes;
    std::uintptr_t base = reinterpret_cast<std::uintptr_t>(config.base);
    oracle_.Hold({ShapeOf(config).lead, granule_count_, (base + granule - 1) / granule * granule},
                 config.chunk_is_zeroed == nullptr);
}

Pair::~Pair() = default;

std::size_t Pair::Granules(std::size_t bytes) const
{
    return bytes / config_.granule_bytes + (bytes % config_.granule_bytes != 0);
}

void *Pair::AddressOf(std::size_t granule) const
{
    const Oracle::Segment &segment = oracle_.SegmentOf(granule);

    return reinterpret_cast<void *>(segment.address +
                                    (granule - segment.first) * config_.granule_bytes);
}

unsigned Pair::OrderFor(std::size_t bytes, std::size_t align_bytes) const
{
    unsigned order = 0;

    if (bytes == 0 || align_bytes > align_max_bytes_)
        return top_order_ + 1;
    while (order <= top_order_ && (static_cast<std::size_t>(1) << order < Granules(bytes) ||
                                   config_.granule_bytes << order < align_bytes))
        order++;
    return order;
}

std::size_t Pair::Place(unsigned order)
{
    if (oracle_.FindBlock(order) == Oracle::kNone && chunks_ != nullptr &&
        chunks_->last_taken != nullptr)
        HoldChunk(chunks_->last_taken, !chunks_->is_zeroed);
    return oracle_.FindBlock(order);
}

// In the lowest slot.
void Pair::HoldChunk(void *chunk, bool is_dirty)
{
    std::size_t chunk_granules = static_cast<std::size_t>(1) << top_order_;
    std::size_t first = 0;

    while (oracle_.granules[first] != '.')
        first += chunk_granules;
    oracle_.Hold({first, first + chunk_granules, reinterpret_cast<std::uintptr_t>(chunk)},
                 is_dirty);
}

bool Pair::Alloc(std::size_t bytes, std::size_t align_bytes)
{
    unsigned order = OrderFor(bytes, align_bytes);
    std::vector<char> before = state_->Bytes();
    bool is_zeroed = (bytes & 1) != 0; // any value
    bool was = is_zeroed;

    if (chunks_ != nullptr)
        chunks_->last_taken = nullptr;
    void *run = cairn_buddy_alloc(buddy(), bytes, align_bytes, &is_zeroed);
    std::size_t first = order > top_order_ ? Oracle::kNone : Place(order);
    if (first == Oracle::kNone) {
        Require(run == nullptr, "nothing to be had where there is nothing");
        Require(before == state_->Bytes() && is_zeroed == was, "a failed alloc changes nothing");
        return false;
    }
    Require(run == AddressOf(first), "the run lies where the oracle puts it");
    Require(reinterpret_cast<std::uintptr_t>(run) % align_bytes == 0, "the run is aligned");
    Require(is_zeroed == !oracle_.AnyDirty(first, first + Granules(bytes)), "zeroed as known");
    oracle_.Use(first, Granules(bytes));
    runs.push_back({first, bytes});
    return true;
}

void Pair::DropEmpty(std::size_t keep_count)
{
    std::vector<Oracle::Segment> empty;

    for (const Oracle::Segment &segment : oracle_.segments) {
        if (oracle_.AreFree(segment.first, segment.end))
            empty.push_back(segment);
    }
    if (chunks_ == nullptr || IsByHand() || empty.size() <= keep_count)
        return;
    for (const Oracle::Segment &segment : empty) {
        bool is_last = reinterpret_cast<void *>(segment.address) == chunks_->last_given;

        if (keep_count == 0 || is_last)
            oracle_.Drop(segment.first);
    }
}

void Pair::Free(std::size_t run_idx)
{
    Run run = runs.at(run_idx);
    void *address = AddressOf(run.first);
    std::uintptr_t chunk = oracle_.SegmentOf(run.first).address;

    if (chunks_ != nullptr)
        chunks_->last_given = nullptr;
    cairn_buddy_free(buddy(), address, run.bytes);
    oracle_.Free(run.first, Granules(run.bytes));
    runs[run_idx] = runs.back();
    runs.pop_back();
    DropEmpty(config_.chunk_keep_count);
    if (chunks_ != nullptr && chunks_->last_given != nullptr)
        Require(chunks_->last_given == reinterpret_cast<void *>(chunk),
                "the chunk just emptied goes back");
}

bool Pair::Resize(std::size_t run_idx, std::size_t new_bytes)
{
    Run &run = runs.at(run_idx);
    std::size_t old_end = run.first + Granules(run.bytes);
    std::size_t new_end = run.first + Granules(new_bytes);
    bool can = new_bytes != 0 &&
               Granules(new_bytes) <= oracle_.SegmentOf(run.first).end - run.first &&
               (new_end <= old_end || oracle_.AreFree(old_end, new_end));
    std::vector<char> before = state_->Bytes();

    Require(cairn_buddy_resize(buddy(), AddressOf(run.first), run.bytes, new_bytes) == can,
            "resize succeeds exactly when it can");
    if (!can) {
        Require(before == state_->Bytes(), "a failed resize changes nothing");
        return false;
    }
    if (new_end > old_end)
        oracle_.Extend(old_end, new_end - old_end);
    else if (new_end < old_end)
        oracle_.Free(new_end, old_end - new_end);
    run.bytes = new_bytes;
    return true;
}

bool Pair::Feed()
{
    if (cairn_buddy_is_full(buddy()))
        return false;
    void *chunk = chunks_->TakeChunk();
    if (chunk == nullptr)
        return false;
    cairn_buddy_feed(buddy(), chunk, chunks_->is_zeroed);
    HoldChunk(chunk, !chunks_->is_zeroed);
    return true;
}

bool Pair::Shed(std::size_t keep_count)
{
    const Oracle::Segment *lowest = nullptr;
    std::vector<char> before = state_->Bytes();
    void *chunk = cairn_buddy_shed(buddy(), keep_count);

    if (oracle_.CountEmpty() <= keep_count) {
        Require(chunk == nullptr && before == state_->Bytes(), "nothing to shed, nothing changed");
        return false;
    }
    for (const Oracle::Segment &segment : oracle_.segments) {
        if (oracle_.AreFree(segment.first, segment.end) &&
            (lowest == nullptr || lowest->first > segment.first))
            lowest = &segment;
    }
    Require(chunk == reinterpret_cast<void *>(lowest->address), "the first empty chunk is shed");
    oracle_.Drop(lowest->first);
    chunks_->GiveChunk(chunk);
    return true;
}

void Pair::Move(std::size_t chunk_count_max)
{
    cairn_buddy_config config = config_;
    std::vector<char> before = state_->Bytes();
    std::size_t bytes = cairn_buddy_state_bytes_for(buddy(), chunk_count_max);

    config.chunk_count_max = chunk_count_max;
    if (chunk_count_max < config_.chunk_count_max) {
        Guarded state(state_->size(), hard_);

        Require(bytes == 0, "there is no move to fewer chunks");
        Require(cairn_buddy_move(state.buddy(), state.size(), buddy(), chunk_count_max) == -EINVAL,
                "a move to fewer chunks");
        Require(state.Bytes() == std::vector<char>(state.size(), 0),
                "a failed move writes nothing");
        return;
    }
    Require(bytes == cairn_buddy_state_bytes(&config), "as much state as a new one needs");
    std::unique_ptr<Guarded> to(new Guarded(bytes, hard_));
    Require(cairn_buddy_move(to->buddy(), bytes - 1, buddy(), chunk_count_max) == -EINVAL &&
                to->Bytes() == std::vector<char>(bytes, 0),
            "too little state is refused");
    Require(cairn_buddy_move(to->buddy(), bytes, buddy(), chunk_count_max) == 0, "move");
    Require(before == state_->Bytes(), "what is moved from is only read");
    state_.swap(to);
    config_ = config;
    oracle_.Grow(chunk_count_max << top_order_);
}

bool Pair::IsStretch(const void *pointer, std::size_t bytes) const
{
    for (const Stretch &stretch : stretches) {
        if (AddressOf(stretch.first) == pointer && stretch.end - stretch.first == Granules(bytes))
            return true;
    }
    return false;
}

void Pair::Purge(std::size_t min_bytes, unsigned fail_one_in)
{
    PurgeLog expected = {fail_one_in, {}};
    PurgeLog seen = {fail_one_in, {}};
    std::size_t emptied = 0;

    std::size_t returned = cairn_buddy_purge(buddy(), min_bytes, Empty, &seen);
    DropEmpty(0);
    PredictPurge(min_bytes, &expected, &emptied);
    Require(expected.calls == seen.calls, "purge empties the stretches that it should");
    Require(returned == emptied, "purge says how much it emptied");
}

bool Pair::IsLive(const void *pointer, std::size_t bytes) const
{
    for (const Run &run : runs) {
        if (AddressOf(run.first) == pointer && Granules(run.bytes) == Granules(bytes))
            return true;
    }
    return false;
}

void Pair::Misuse(const void *pointer, std::size_t bytes)
{
    std::vector<char> before = state_->Bytes();
    void *run = const_cast<void *>(pointer);

    Require(Panics([&] { cairn_buddy_free(buddy(), run, bytes); }), "a wrong free panics");
    Require(Panics([&] { (void)cairn_buddy_resize(buddy(), run, bytes, bytes + 1); }),
            "a wrong resize panics");
    if (!IsStretch(pointer, bytes)) {
        cairn_buddy_stretch stretch = {run, bytes, 0, (bytes & 1) != 0};
        Require(Panics([&] { cairn_buddy_purge_end(buddy(), &stretch, 1); }),
                "a wrong end of a purge panics");
    }
    if (cairn_buddy_owns(buddy(), pointer)) // held, if not also misaligned, or full
        Require(Panics([&] { cairn_buddy_feed(buddy(), run, true); }), "a wrong feed panics");
    Require(before == state_->Bytes(), "misuse changes nothing");
}

void Pair::CompareBriefly() const
{
    struct cairn_buddy_stats stats = cairn_buddy_stats(buddy());
    struct cairn_levels levels = *cairn_buddy_levels(buddy());
    std::size_t granule = config_.granule_bytes;

    cairn_buddy_check(buddy());
    Require(state_->IsIntact(), "nothing is written beside the state");
    Require(stats.used_bytes == oracle_.CountUsed() * granule, "used_bytes");
    Require(stats.free_bytes == oracle_.CountFree() * granule, "free_bytes");
    Require(stats.purging_bytes == oracle_.CountPurging() * granule, "purging_bytes");
    Require(stats.held_bytes == stats.used_bytes + stats.free_bytes + stats.purging_bytes,
            "held_bytes");
    Require(stats.free_dirty_bytes == oracle_.CountFreeDirty() * granule, "free_dirty_bytes");
    Require(levels.used_bytes == stats.used_bytes && levels.free_bytes == stats.free_bytes &&
                levels.free_dirty_bytes == stats.free_dirty_bytes &&
                levels.empty_chunk_count == stats.empty_chunk_count,
            "levels");
    Require(stats.largest_free_bytes == oracle_.LargestFree() * granule, "largest_free_bytes");
    Require(stats.steps_max <= CAIRN_BUDDY_STEPS_MAX, "steps_max");
    if (chunks_ != nullptr) {
        Require(stats.chunk_count == oracle_.segments.size(), "chunk_count");
        Require(stats.chunk_count == chunks_->outstanding, "chunks outstanding");
        Require(stats.empty_chunk_count == oracle_.CountEmpty(), "empty_chunk_count");
        Require(stats.chunk_count_max == config_.chunk_count_max, "chunk_count_max");
        Require(cairn_buddy_is_full(buddy()) == (stats.chunk_count == stats.chunk_count_max),
                "is_full");
    }
}

void Pair::Compare() const
{
    CompareBriefly();
    for (const Oracle::Segment &segment : oracle_.segments) {
        for (std::size_t g = segment.first; g < segment.end; g++) {
            const char *address = static_cast<const char *>(AddressOf(g));

            Require(cairn_buddy_run_bytes(buddy(), address) ==
                        oracle_.RunLength(g) * config_.granule_bytes,
                    "run_bytes");
            Require(cairn_buddy_run_bytes(buddy(), address + 1) == 0, "run_bytes within a granule");
            Require(cairn_buddy_owns(buddy(), address) &&
                        cairn_buddy_owns(buddy(), address + config_.granule_bytes - 1),
                    "owns");
        }
    }
}

void Pair::End()
{
    while (!stretches.empty())
        PurgeEnd(stretches.size() - 1, true);
    while (!runs.empty())
        Free(runs.size() - 1);
    Compare();
    while (IsByHand() && Shed(0))
        continue;
    cairn_buddy_fini(buddy());
    Require(chunks_ == nullptr || chunks_->outstanding == 0, "everything is back after fini");
    Require(state_->IsIntact(), "nothing is written beside the state");
}

void Pair::Restore(const Saved &saved)
{
    std::memcpy(state_->data(), saved.state.data(), saved.state.size());
    oracle_ = saved.oracle;
    runs = saved.runs;
    stretches = saved.stretches;
    purge_at_ = saved.purge_at;
}

} // namespace buddy_fixture
