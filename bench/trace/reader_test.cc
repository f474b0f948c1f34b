// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
extern "C" {
#include "bench/trace/reader.h"
#include "bench/trace/summary.h"
}

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "bench/trace/trace_writer.h"
#include "tests/support/process.h"

namespace {

using cairn_test::ScratchDirectory;
using cairn_test::TraceWriter;
using cairn_test::WriteFile;

// kind, thread's number, object, size
using Told = std::tuple<int, uint32_t, uint32_t, uint64_t>;

class ReaderTest : public testing::Test {
  protected:
    ~ReaderTest() override
    {
        trace_close(&file_);
    }

    bool Open(const std::string &bytes)
    {
        trace_close(&file_);
        WriteFile(scratch_.File("t"), bytes);
        return trace_open(&file_, scratch_.File("t").c_str());
    }

    std::vector<trace_event> Events()
    {
        std::vector<trace_event> events;
        trace_event event;
        trace_read(&reader_, &file_);
        while (trace_next(&reader_, &event)) {
            EXPECT_TRUE(events.empty() || event.ticks >= events.back().ticks);
            events.push_back(event);
        }
        trace_end(&reader_);
        return events;
    }

    std::vector<Told> Read(const TraceWriter &writer)
    {
        std::vector<Told> told;
        EXPECT_TRUE(Open(writer.Bytes())) << file_.message;
        for (const trace_event &event : Events())
            told.emplace_back(event.kind, trace_thread_at(&file_, event.thread)->number,
                              event.object, event.size_bytes);
        return told;
    }

    // What trace_open complains about, without the path.
    std::string Refusal(const std::string &bytes)
    {
        EXPECT_FALSE(Open(bytes));
        return std::string(file_.message).substr(scratch_.File("t").size() + 2);
    }

    ScratchDirectory scratch_;
    trace_file file_{};
    trace_reader reader_{};
};

std::string Truncated(const std::string &bytes, size_t length)
{
    return bytes.substr(0, length);
}

TraceWriter ThreeThreads()
{
    TraceWriter writer(7);
    for (uint64_t i = 0; i < 100; i++) {
        writer.Malloc(1, 100000 * i, 0x1000 + 64 * i, 10 + i);
        writer.Realloc(2, 100000 * i + 20000, 5000, 0x1000 + 64 * i, 0x100000 + 64 * i, 20 + i);
        writer.Free(3, 100000 * i + 50000, 0x100000 + 64 * i);
    }
    return writer;
}

TEST_F(ReaderTest, ThreadsAreMergedByTimeAndAnObjectIsFollowedThroughThem)
{
    std::vector<Told> told = Read(ThreeThreads());
    ASSERT_EQ(told.size(), 300u);
    for (uint64_t i = 0; i < 100; i++) {
        uint32_t object = std::get<2>(told[3 * i]);
        EXPECT_EQ(told[3 * i], Told(TRACE_EVENT_ALLOC, 1, object, 10 + i));
        EXPECT_EQ(told[3 * i + 1], Told(TRACE_EVENT_RESIZE, 2, object, 20 + i));
        EXPECT_EQ(told[3 * i + 2], Told(TRACE_EVENT_FREE, 3, object, 0));
    }
    EXPECT_EQ(reader_.unknown_frees + reader_.inferred_frees + reader_.unknown_resizes, 0u);
}

TEST_F(ReaderTest, AFreeKnowsWhoAllocatedAndWhen)
{
    TraceWriter writer;
    writer.Malloc(1, 10, 0x1000, 77);
    writer.Free(2, 500000, 0x1000);
    Read(writer);
    trace_event event = Events().at(1);
    EXPECT_EQ(event.old_size_bytes, 77u);
    EXPECT_EQ(event.born_ticks, 10u);
    EXPECT_EQ(trace_thread_at(&file_, event.born_thread)->number, 1u);
    EXPECT_EQ(event.ticks, 500000u);
}

TEST_F(ReaderTest, AnAddressFreedByOneThreadAndGivenToAnotherIsTwoObjects)
{
    TraceWriter writer;
    writer.Malloc(1, 10, 0x1000, 8);
    writer.Free(1, 1000, 0x1000);
    writer.Malloc(2, 1001, 0x1000, 9);
    writer.Free(2, 2000, 0x1000);
    std::vector<Told> told = Read(writer);
    EXPECT_NE(std::get<2>(told[0]), std::get<2>(told[2]));
    EXPECT_EQ(std::get<2>(told[2]), std::get<2>(told[3]));
}

TEST_F(ReaderTest, ACallThatOvertookAnotherByAHairIsPutInOrder)
{
    TraceWriter writer;
    writer.Malloc(1, 10, 0x1000, 8);
    writer.Free(1, 1000, 0x1000);
    writer.Malloc(2, 990, 0x1000, 9); // seen before the free, by a clock of its own
    writer.Free(2, 1010, 0x1000);
    writer.Free(3, 4990, 0x2000);
    writer.Malloc(1, 5000, 0x2000, 10);
    std::vector<Told> told = Read(writer);
    EXPECT_EQ(reader_.inferred_frees, 0u);
    EXPECT_EQ(reader_.unknown_frees, 0u);
    EXPECT_EQ(std::get<0>(told[1]), TRACE_EVENT_FREE);
    EXPECT_EQ(std::get<0>(told[2]), TRACE_EVENT_ALLOC);
    EXPECT_EQ(std::get<0>(told[3]), TRACE_EVENT_FREE);
    EXPECT_EQ(std::get<0>(told[5]), TRACE_EVENT_FREE);
}

TEST_F(ReaderTest, AReallocsOldAddressIsFreeForOthersWhileItRuns)
{
    TraceWriter writer;
    writer.Malloc(1, 0, 0x1000, 8);
    writer.Realloc(1, 10000, 50000, 0x1000, 0x3000, 100);
    writer.Malloc(2, 30000, 0x1000, 9);
    std::vector<Told> told = Read(writer);
    EXPECT_EQ(reader_.inferred_frees, 0u);
    EXPECT_EQ(told[1], Told(TRACE_EVENT_ALLOC, 2, std::get<2>(told[1]), 9));
    EXPECT_EQ(told[2], Told(TRACE_EVENT_RESIZE, 1, std::get<2>(told[0]), 100));
}

TEST_F(ReaderTest, AReallocThatFailedLeavesTheBlockAndOneToZeroFreesIt)
{
    TraceWriter writer;
    writer.Malloc(1, 0, 0x1000, 8);
    writer.Realloc(1, 10000, 10, 0x1000, 0, 1000000);
    writer.Realloc(1, 20000, 10, 0x1000, 0, 0);
    writer.Malloc(1, 30000, 0x1000, 9);
    std::vector<Told> told = Read(writer);
    EXPECT_EQ(std::get<0>(told[1]), TRACE_EVENT_FAILED);
    EXPECT_EQ(std::get<0>(told[2]), TRACE_EVENT_FREE);
    EXPECT_EQ(std::get<2>(told[2]), std::get<2>(told[0]));
    EXPECT_EQ(reader_.inferred_frees + reader_.unknown_frees, 0u);
}

TEST_F(ReaderTest, WhatWasAllocatedBeforeTheRecordingIsCounted)
{
    TraceWriter writer;
    writer.Free(1, 0, 0x1000);
    writer.Realloc(1, 10000, 10, 0x2000, 0x3000, 50);
    writer.Free(1, 20000, 0x3000);
    std::vector<Told> told = Read(writer);
    EXPECT_EQ(reader_.unknown_frees, 1u);
    EXPECT_EQ(reader_.unknown_resizes, 1u);
    EXPECT_EQ(std::get<0>(told[0]), TRACE_EVENT_UNKNOWN_FREE);
    EXPECT_EQ(std::get<0>(told[1]), TRACE_EVENT_ALLOC);
    EXPECT_EQ(std::get<0>(told[2]), TRACE_EVENT_FREE);
}

TEST_F(ReaderTest, AFreeThatWasLostIsInferredWhenTheAddressComesAgain)
{
    TraceWriter writer;
    writer.Malloc(1, 0, 0x1000, 8);
    writer.Malloc(1, 90000, 0x1000, 9);
    Read(writer);
    std::vector<trace_event> events = Events();
    ASSERT_EQ(events.size(), 3u);
    EXPECT_EQ(events[1].kind, TRACE_EVENT_FREE);
    EXPECT_TRUE(events[1].is_inferred);
    EXPECT_EQ(events[1].object, events[0].object);
    EXPECT_EQ(reader_.inferred_frees, 1u);
}

TEST_F(ReaderTest, ASummaryAddsUp)
{
    ASSERT_TRUE(Open(ThreeThreads().Bytes()));
    summary sums;
    summarize(&sums, &file_);
    EXPECT_EQ(sums.events, 300u);
    EXPECT_EQ(sums.calls[TRACE_MALLOC] + sums.calls[TRACE_REALLOC] + sums.calls[TRACE_FREE], 300u);
    EXPECT_EQ(sums.frees, 100u);
    EXPECT_EQ(sums.cross_frees, 100u);
    EXPECT_EQ(sums.peak_bytes, 20u + 99);
    EXPECT_EQ(sums.peak_blocks, 1u);
    EXPECT_EQ(sums.live_blocks, 0u);
    EXPECT_EQ(sums.blocks_of_lifetime[3], 100u) << "50 us: under 100 us";
    EXPECT_EQ(sums.total_bytes, 2u * 4950 + 1000 + 2000);
}

// ---- files that are not as they should be ------------------------------------------------------

TEST_F(ReaderTest, ForeignFilesAreRefusedInOneLine)
{
    std::string good = ThreeThreads().Bytes();
    EXPECT_EQ(Refusal(""), "is not a trace (no regular file, or an empty one)");
    EXPECT_EQ(Refusal("cai"), "is not a trace (its first bytes are not 'cairntrc')");
    EXPECT_EQ(Refusal("\x7f"
                      "ELF" +
                      std::string(9000, 'x')),
              "is not a trace (its first bytes are not 'cairntrc')");
    EXPECT_EQ(Refusal(Truncated(good, 100)), "is cut off within its header");
    std::string other = good;
    other[8] = 9;
    EXPECT_EQ(Refusal(other), "is of version 9, and this program reads version 1");
    other = good;
    other[20] ^= 1;
    EXPECT_EQ(Refusal(other), "is damaged: the checksum of its header is wrong");
    EXPECT_FALSE(trace_open(&file_, scratch_.File("none").c_str()));
    EXPECT_EQ(std::string(file_.message), scratch_.File("none") + ": No such file or directory");
    EXPECT_FALSE(trace_open(&file_, scratch_.path().c_str()));
}

TEST_F(ReaderTest, ATornFileGivesWhatIsBeforeTheTear)
{
    std::string good = ThreeThreads().Bytes();
    size_t last = 301;
    for (size_t length = good.size(); length > sizeof(trace_header); length -= 173) {
        ASSERT_TRUE(Open(Truncated(good, length))) << length;
        size_t count = Events().size();
        EXPECT_LE(count, last) << length;
        last = count;
        if (length < sizeof(trace_header) + 173)
            break;
    }
    ASSERT_TRUE(Open(Truncated(good, sizeof(trace_header))));
    EXPECT_EQ(Events().size(), 0u);
}

TEST_F(ReaderTest, ATearWithinABlockIsNoted)
{
    std::string good = ThreeThreads().Bytes(false);
    size_t block = good.size() - TRACE_PAGE_BYTES;
    ASSERT_TRUE(Open(Truncated(good, block + sizeof(trace_block) + 4)));
    EXPECT_EQ(file_.torn_blocks, 1u);
    Events();
    EXPECT_LE(reader_.bad_blocks, 1u);
}

TEST_F(ReaderTest, ABlockWithAWrongChecksumIsLeftOutAndTheRestIsRead)
{
    std::string bytes = ThreeThreads().Bytes();
    bytes[sizeof(trace_header) + sizeof(trace_block) + 5] ^= 4;
    ASSERT_TRUE(Open(bytes));
    EXPECT_EQ(file_.damaged_blocks, 1u);
    summary sums;
    summarize(&sums, &file_);
    EXPECT_EQ(sums.events, 293u);
    EXPECT_EQ(sums.unknown_resizes, 7u);
}

TEST_F(ReaderTest, BlocksAreFoundAgainAfterPagesThatHoldNone)
{
    std::string bytes = ThreeThreads().Bytes();
    bytes.insert(sizeof(trace_header), std::string(2 * TRACE_PAGE_BYTES, '\0'));
    ASSERT_TRUE(Open(bytes));
    EXPECT_EQ(file_.skipped_pages, 2u);
    EXPECT_EQ(Events().size(), 300u);
}

// Open blocks have no checksum, so that the bytes reach the decoder and the merge.
TEST_F(ReaderTest, NoFlippedBytesMakeItCrashOrHang)
{
    const std::string good = ThreeThreads().Bytes(false);
    std::mt19937_64 random(5);
    for (int round = 0; round < 1500; round++) {
        std::string bytes = good;
        for (uint64_t flips = 1 + random() % 8; flips > 0; flips--) {
            size_t place = sizeof(trace_header) + random() % (bytes.size() - sizeof(trace_header));
            if (random() % 2 == 0) // near the beginning of a block, where its header and events are
                place = place / TRACE_PAGE_BYTES * TRACE_PAGE_BYTES + random() % 140;
            bytes[place] = static_cast<char>(random());
        }
        ASSERT_TRUE(Open(bytes));
        summary sums;
        summarize(&sums, &file_);
        EXPECT_LE(sums.events, 5000u);
    }
}

} // namespace
