// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// Plans and their players, on made-up traces. Under a thread sanitizer this proves, too, that a block is handed over
// from thread to thread: an operation that did not wait for its turn would be a race on the slot.
extern "C" {
#include "bench/trace/crew.h"
#include "bench/trace/observer.h"
#include "bench/trace/plan.h"
#include "bench/trace/reader.h"
}

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "bench/trace/trace_writer.h"
#include "tests/support/process.h"

namespace {

using cairn_test::ReadFile;
using cairn_test::ScratchDirectory;
using cairn_test::TraceWriter;

constexpr uint64_t kStep = 5000; // further apart than the reader's patience

// A plan from a trace, and what became of its slots.
class Played {
  public:
    Played(const TraceWriter &writer, bool is_paced, observer *watcher = nullptr,
           crew_touch touch = CREW_TOUCH_ENDS)
    {
        trace_file file;
        writer.Write(scratch_.File("t"));
        EXPECT_TRUE(trace_open(&file, scratch_.File("t").c_str())) << file.message;
        plan_make(&plan_, &file, is_paced);
        trace_close(&file);
        if (watcher != nullptr) {
            EXPECT_TRUE(observer_open(watcher, scratch_.File("r").c_str(), &plan_));
        }
        crew_prepare(&crew_, &plan_, touch, watcher);
        if (watcher != nullptr)
            observer_begin(watcher, &plan_, "t", "ends", 0);
        crew_play(&crew_);
        if (watcher != nullptr) {
            EXPECT_TRUE(observer_close(watcher));
        }
    }

    ~Played()
    {
        crew_free_rest(&crew_);
        crew_release(&crew_);
        plan_release(&plan_);
    }

    const plan &the_plan() const
    {
        return plan_;
    }

    const crew_slot &slot(uint32_t number) const
    {
        return static_cast<const crew_slot *>(crew_.slots.memory)[number];
    }

    uint64_t waits() const
    {
        return crew_waits(&crew_);
    }

    // Every operation was the last to be done on its slot when it was its turn, and only what lives has a block.
    void ExpectDone(uint32_t live) const
    {
        std::map<uint32_t, uint32_t> calls;
        for (uint32_t thread = 0; thread < plan_.thread_count; thread++)
            for (uint64_t i = 0; i < plan_thread_at(&plan_, thread)->op_count; i++) {
                const plan_op &op = plan_ops_of(&plan_, thread)[i];
                calls[op.slot] += plan_code_of(&op) <= PLAN_FREE;
            }
        uint32_t found = 0;
        for (uint32_t number = 0; number < plan_.slot_count; number++) {
            EXPECT_EQ(slot(number).turn, calls[number]) << "slot " << number;
            found += slot(number).block != nullptr;
        }
        EXPECT_EQ(found, live);
    }

    std::string Report() const
    {
        return ReadFile(scratch_.File("r"));
    }

  private:
    ScratchDirectory scratch_;
    plan plan_{};
    crew crew_{};
};

// Thread 1 allocates, 2 resizes, 3 frees.
TraceWriter Handoff(uint64_t objects)
{
    TraceWriter writer;
    for (uint64_t i = 0; i < objects; i++) {
        writer.Malloc(1, 3 * i * kStep, 0x10000 + 64 * i, 8 + i % 500);
        writer.Realloc(2, (3 * i + 1) * kStep, 10, 0x10000 + 64 * i, 0x90000000 + 64 * i,
                       40 + i % 900);
        writer.Free(3, (3 * i + 2) * kStep, 0x90000000 + 64 * i);
    }
    return writer;
}

// Each thread frees what the one before left, and leaves something itself.
TraceWriter Relay(uint32_t threads)
{
    TraceWriter writer;
    for (uint64_t i = 0; i < threads; i++) {
        auto thread = static_cast<uint32_t>(i + 1);
        writer.Malloc(thread, 2 * i * kStep, 0x10000 + 64 * i, 100);
        if (i > 0)
            writer.Free(thread, (2 * i + 1) * kStep, 0x10000 + 64 * (i - 1));
    }
    return writer;
}

TEST(Crew, ABlockIsHandedFromThreadToThreadInTheOrderOfTheTrace)
{
    for (bool is_paced : {false, true}) {
        Played played(Handoff(20000), is_paced);
        EXPECT_EQ(played.the_plan().calls, 60000u);
        played.ExpectDone(0);
    }
}

TEST(Crew, ThreadsThatComeAndGoAreStartedWhenTheirTimeComes)
{
    for (bool is_paced : {false, true}) {
        Played played(Relay(600), is_paced);
        EXPECT_EQ(played.the_plan().thread_count, 600u);
        played.ExpectDone(1);
    }
}

TEST(Crew, OnlyAPacedThreadWaitsForOneWithWhichItSharesNothing)
{
    TraceWriter writer;
    for (uint64_t i = 0; i < 50 * EPOCH_CALLS; i++) // the first thread makes one call in each epoch
        writer.Malloc(i % EPOCH_CALLS == 0 ? 1 : 2, i * kStep, 0x10000 + 64 * i, 100);
    EXPECT_EQ(Played(writer, false).waits(), 0u);
    EXPECT_GT(Played(writer, true).waits(), 0u);
}

TEST(Crew, AnyTraceIsPlayedToItsEnd)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        std::mt19937_64 random(seed);
        TraceWriter writer;
        std::vector<uint64_t> live;
        for (uint64_t i = 0; i < 10000; i++) {
            auto thread = static_cast<uint32_t>(1 + random() % 9);
            if (live.size() < 300 || random() % 2 == 0) {
                live.push_back(0x10000 + 64 * i);
                writer.Malloc(thread, i * kStep, live.back(), random() % 3000);
                continue;
            }
            std::swap(live[random() % live.size()], live.back());
            uint64_t old = live.back();
            live.pop_back();
            if (random() % 4 != 0) {
                writer.Free(thread, i * kStep, old);
                continue;
            }
            live.push_back(0x10000 + 64 * i);
            writer.Realloc(thread, i * kStep, 10, old, live.back(), 1 + random() % 3000);
        }
        Played played(writer, seed % 2 == 0);
        played.ExpectDone(static_cast<uint32_t>(live.size()));
    }
}

TEST(Crew, EveryKindOfAllocationIsPlayed)
{
    TraceWriter writer;
    uint64_t now = 0;
    for (int function = TRACE_MALLOC; function <= TRACE_PVALLOC; function++) {
        trace_call call{};
        call.function = static_cast<uint8_t>(function);
        call.ticks = now += kStep;
        call.size_bytes = 5000;
        call.align_log2 = trace_has_align(call.function) ? 12 : 0;
        call.address = 0x100000 * static_cast<uint64_t>(function);
        writer.Call(1, call);
    }
    Played played(writer, false, nullptr, CREW_TOUCH_ALL);
    played.ExpectDone(TRACE_PVALLOC);
    for (uint32_t number = 0; number < played.the_plan().slot_count; number++) {
        unsigned function = number + 1;
        uintptr_t address = reinterpret_cast<uintptr_t>(played.slot(number).block);
        if (function >= TRACE_POSIX_MEMALIGN) {
            EXPECT_EQ(address % 4096, 0u) << trace_function_name(function);
        }
    }
}

TEST(Plan, LeavesOutWhatFailedAndWhatItNeverSawAllocated)
{
    TraceWriter writer;
    writer.Free(1, 0, 0x7000);
    writer.Malloc(1, kStep, 0x1000, 100);
    writer.Realloc(1, 2 * kStep, 10, 0x1000, 0, uint64_t{1} << 60);
    Played played(writer, false);
    EXPECT_EQ(played.the_plan().calls, 1u);
    EXPECT_EQ(played.the_plan().skipped_calls, 2u);
    EXPECT_EQ(played.the_plan().peak_live_bytes, 100u);
    played.ExpectDone(1);
}

TEST(Plan, KnowsTheMostLiveBytes)
{
    TraceWriter writer;
    writer.Malloc(1, 0, 0x1000, 100);
    writer.Malloc(2, kStep, 0x2000, 50);
    writer.Free(2, 2 * kStep, 0x1000);
    writer.Realloc(1, 3 * kStep, 10, 0x2000, 0x3000, 70);
    Played played(writer, false);
    EXPECT_EQ(played.the_plan().peak_live_bytes, 150u);
    EXPECT_EQ(played.the_plan().end_live_bytes, 70u);
}

TEST(Observer, EverySizeIsInTheClassWhoseBoundsItLiesIn)
{
    for (uint64_t size = 1; size < 100000; size++) {
        unsigned found = observer_class_of(size);
        ASSERT_LE(size, observer_class_to(found)) << size;
        if (found > 0) {
            ASSERT_GT(size, observer_class_to(found - 1)) << size;
        }
    }
    EXPECT_LT(observer_class_of(UINT64_MAX), unsigned{OBSERVER_CLASSES});
    EXPECT_EQ(observer_class_of(0), 0u);
}

TEST(Observer, TheLastSampleHasWhatIsLiveAndWhere)
{
    static observer watcher;
    TraceWriter writer;
    for (uint64_t i = 0; i < 200; i++)
        writer.Malloc(1, i * kStep, 0x1000000 * (i + 1), 10240);
    Played played(writer, false, &watcher);
    std::string report = played.Report();
    std::string last = report.substr(report.rfind("\"seconds\""));
    EXPECT_NE(last.find("\"calls\": 200, \"live_kib\": 2000,"), std::string::npos) << last;
    std::string space = last.substr(last.find("\"space\": [") + 10);
    uint64_t live_kib = 0;
    for (const char *at = space.c_str(); *at != ']';) {
        char *end;
        strtoull(at, &end, 10);
        live_kib += strtoull(end + 1, &end, 10);
        at = *end == ',' ? end + 1 : end;
    }
    EXPECT_GE(live_kib, 2000u);
    EXPECT_LE(live_kib, 2000u + 64) << "each granule is rounded up to a KiB";
    EXPECT_NE(report.find("[9216, 10240, 200, 2048000, "), std::string::npos) << report;
}

TEST(Observer, APeakBetweenTwoSamplesIsSeen)
{
    static observer watcher;
    TraceWriter writer;
    for (uint64_t i = 0; i < 3200; i++)
        writer.Malloc(1, i * kStep, 0x1000000 + 0x1000 * i, 1024);
    writer.Malloc(1, 3201 * kStep, 0x10, 1 << 20);
    writer.Free(1, 3202 * kStep, 0x10);
    Played played(writer, false, &watcher);
    std::string report = played.Report();
    EXPECT_NE(report.find("\"calls\": 3201, \"live_kib\": 4224,"), std::string::npos) << report;
}

} // namespace
