// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// Plans and the threads that play them, on made-up traces. Under a thread sanitizer this proves,
// too, that a block is handed over from thread to thread: an operation that did not wait for its
// turn would be a race on the slot.
extern "C" {
#include "bench/trace/replay.h"
}

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "bench/trace/trace_writer.h"
#include "tests/support/process.h"
#include "tests/support/random.h"

namespace {

using cairn_test::ReadFile;
using cairn_test::ScratchDirectory;
using cairn_test::TraceWriter;

constexpr uint64_t kStep = 5000; // further apart than the reader's patience

// A trace that was planned and played.
class Played {
  public:
    explicit Played(const TraceWriter &writer, bool is_paced = false,
                    rss_sampler *sampler = nullptr, replay_touch touch = REPLAY_TOUCH_ENDS)
    {
        cairn_test::Command command;
        cairn_test::WriteFile(scratch_.File("t"), writer.Bytes());
        command.argv = {"bench/trace/planner", "--paced", scratch_.File("t"), scratch_.File("p")};
        if (!is_paced)
            command.argv.erase(command.argv.begin() + 1);
        cairn_test::Outcome outcome = RunCommand(command);
        EXPECT_TRUE(outcome.ok()) << outcome;
        bytes_ = ReadFile(scratch_.File("p"));
        plan_ = reinterpret_cast<const plan *>(bytes_.data());
        if (sampler != nullptr) {
            EXPECT_TRUE(rss_sampler_open(sampler, scratch_.File("r").c_str(), plan_));
        }
        replay_prepare(&replay_, plan_, touch, sampler);
        if (sampler != nullptr)
            rss_sampler_begin(sampler);
        replay_play(&replay_);
        if (sampler != nullptr) {
            EXPECT_TRUE(rss_sampler_close(sampler));
        }
    }

    ~Played()
    {
        replay_free_rest(&replay_);
    }

    const plan &the_plan() const
    {
        return *plan_;
    }

    const replay &the_replay() const
    {
        return replay_;
    }

    // Every operation was the last to be done on its slot when it was its turn, and only what lives
    // has a block.
    void ExpectDone(size_t live) const
    {
        std::map<uint32_t, uint32_t> calls;
        for (uint32_t thread = 0; thread < plan_->thread_count; thread++)
            for (uint64_t i = 0; i < plan_threads(plan_)[thread].op_count; i++) {
                const plan_op &op = plan_ops_of(plan_, thread)[i];
                calls[op.slot] += plan_code_of(&op) <= PLAN_FREE;
            }
        size_t found = 0;
        for (uint32_t slot = 0; slot < plan_->slot_count; slot++) {
            EXPECT_EQ(replay_.slots[slot].turn, calls[slot]) << "slot " << slot;
            found += replay_.slots[slot].block != nullptr;
        }
        EXPECT_EQ(found, live);
    }

    std::string Report() const
    {
        return ReadFile(scratch_.File("r"));
    }

  private:
    ScratchDirectory scratch_;
    std::string bytes_;
    const plan *plan_;
    replay replay_{};
};

TEST(ReplayThreads, AreStartedWhenTheirTimeComes)
{
    TraceWriter writer; // each thread frees what the one before left, and leaves something itself
    for (uint64_t i = 0; i < 600; i++) {
        auto thread = static_cast<uint32_t>(i + 1);
        writer.Malloc(thread, 2 * i * kStep, 0x10000 + 64 * i, 100);
        if (i > 0)
            writer.Free(thread, (2 * i + 1) * kStep, 0x10000 + 64 * (i - 1));
    }
    for (bool is_paced : {false, true}) {
        Played played(writer, is_paced);
        EXPECT_EQ(played.the_plan().thread_count, 600u);
        played.ExpectDone(1);
    }
}

TEST(ReplayThreads, WaitForOneWithWhichTheyShareNothingOnlyWhenPaced)
{
    TraceWriter writer;
    for (uint64_t i = 0; i < 50 * EPOCH_CALLS; i++) // the first thread makes one call in each epoch
        writer.Malloc(i % EPOCH_CALLS == 0 ? 1 : 2, i * kStep, 0x10000 + 64 * i, 100);
    EXPECT_EQ(replay_waits(&Played(writer, false).the_replay()), 0u);
    EXPECT_GT(replay_waits(&Played(writer, true).the_replay()), 0u);
}

TEST(ReplayThreads, PlayAnyTraceToItsEnd)
{
    std::mt19937_64 random(cairn_test::test_seed());
    for (int round = 0; round < 8; round++) {
        TraceWriter writer;
        std::vector<uint64_t> live;
        for (uint64_t i = 0; i < 10000; i++) {
            auto thread = static_cast<uint32_t>(1 + random() % 9);
            uint64_t address = 0x10000 + 64 * i;
            if (live.size() < 300 || random() % 2 == 0) {
                live.push_back(address);
                writer.Malloc(thread, i * kStep, address, random() % 3000);
                continue;
            }
            std::swap(live[random() % live.size()], live.back());
            if (random() % 4 == 0) {
                writer.Realloc(thread, i * kStep, 10, live.back(), address, 1 + random() % 3000);
                live.back() = address;
            } else {
                writer.Free(thread, i * kStep, live.back());
                live.pop_back();
            }
        }
        Played(writer, round % 2 == 0).ExpectDone(live.size());
    }
}

TEST(ReplayThreads, MakeEveryKindOfAllocation)
{
    TraceWriter writer;
    for (uint8_t function = TRACE_MALLOC; function <= TRACE_PVALLOC; function++) {
        uint8_t align_log2 = trace_has_align(function) ? 12 : 0;
        writer.Call(
            1, {function * kStep, 0, 5000, 0x100000u * function, 0, function, align_log2, false});
    }
    Played played(writer, false, nullptr, REPLAY_TOUCH_ALL);
    played.ExpectDone(TRACE_PVALLOC);
    for (uint32_t slot = TRACE_POSIX_MEMALIGN - 1; slot < played.the_plan().slot_count; slot++)
        EXPECT_EQ(reinterpret_cast<uintptr_t>(played.the_replay().slots[slot].block) % 4096, 0u)
            << slot;
}

TEST(Plan, LeavesOutWhatCannotBePlayedAndKnowsTheMostLiveBytes)
{
    Played played(TraceWriter()
                      .Free(1, 0, 0x7000)
                      .Malloc(1, kStep, 0x1000, 100)
                      .Malloc(2, 2 * kStep, 0x2000, 50)
                      .Realloc(1, 3 * kStep, 10, 0x1000, 0, uint64_t{1} << 60)
                      .Free(2, 4 * kStep, 0x1000)
                      .Realloc(1, 5 * kStep, 10, 0x2000, 0x3000, 70));
    EXPECT_EQ(played.the_plan().calls, 4u);
    EXPECT_EQ(played.the_plan().skipped_calls, 2u);
    EXPECT_EQ(played.the_plan().peak_live_bytes, 150u);
    EXPECT_EQ(played.the_plan().end_live_bytes, 70u);
    played.ExpectDone(1);
}

TEST(RssSampler, EverySizeIsInTheClassWhoseBoundsItLiesIn)
{
    for (uint64_t size = 1; size < 100000; size++) {
        unsigned found = sampler_class_of(size);
        ASSERT_LE(size, sampler_class_to(found)) << size;
        ASSERT_GT(size, found > 0 ? sampler_class_to(found - 1) : 0) << size;
    }
    EXPECT_LT(sampler_class_of(UINT64_MAX), unsigned{SAMPLER_CLASSES});
    EXPECT_EQ(sampler_class_of(0), 0u);
}

TEST(RssSampler, SeesThePeakBetweenTwoSamplesAndInTheEndWhatIsLiveAndWhere)
{
    static rss_sampler sampler;
    TraceWriter writer;
    for (uint64_t i = 0; i < 3200; i++)
        writer.Malloc(1, i * kStep, 0x1000000 + 0x10000 * i, 1024);
    writer.Malloc(1, 3201 * kStep, 0x10, 1 << 20).Free(1, 3202 * kStep, 0x10);
    for (uint64_t i = 1; i < 40; i++) // up to a call at which a sample is due
        writer.Malloc(1, (3202 + i) * kStep, 0x10 * i, 1024);
    Played played(writer, false, &sampler);
    std::string report = played.Report();
    EXPECT_NE(report.find("\"calls\": 3201, \"live_kib\": 4224,"), std::string::npos) << report;
    EXPECT_NE(report.find("[960, 1024, 3239, 3316736, "), std::string::npos) << report;
    std::string last = report.substr(report.rfind("\"seconds\""));
    size_t live_at = last.find("\"live_kib\": ") + 12, space_at = last.find("\"space\": [") + 10;
    uint64_t live_kib = std::stoull(last.substr(live_at)), sum_kib = 0, granules = 0;
    for (const char *at = &last[space_at]; *at != ']'; granules++) {
        char *end;
        strtoull(at, &end, 10);
        sum_kib += strtoull(end + 1, &end, 10);
        at = *end == ',' ? end + 1 : end;
    }
    EXPECT_GT(live_kib, 3200u);
    EXPECT_GE(sum_kib, live_kib);
    EXPECT_LE(sum_kib, live_kib + granules) << "each granule is rounded up to a KiB";
}

} // namespace
