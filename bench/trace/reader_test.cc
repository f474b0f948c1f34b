// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// The codec, the reader, and the programs that print a trace. Without the end of a file, with bytes
// changed, of other machines: a line, and never a crash.
#include "bench/trace/reader.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "bench/trace/trace_writer.h"
#include "tests/support/process.h"
#include "tests/support/random.h"

namespace {

using cairn_test::Command;
using cairn_test::RunCommand;
using cairn_test::ScratchDirectory;
using cairn_test::test_seed;
using cairn_test::TraceWriter;
using cairn_test::WriteFile;
using Random = std::mt19937_64;

// ---- the codec ----

uint64_t SomeNumber(Random &random)
{
    return random() >> (random() % 64);
}

// Mostly from a heap of some MiB, sometimes one of a few, sometimes anything but 0.
uint64_t SomeAddress(Random &random)
{
    uint64_t kind = random() % 8;
    if (kind == 0)
        return 1 + SomeNumber(random) % (UINT64_MAX - 1);
    return kind < 3 ? 0x7f0000000000 + 16 * (random() % 20)
                    : 0x55550000000 + 8 * (random() % 1000000);
}

trace_call SomeCall(Random &random, uint64_t now)
{
    trace_call call{};
    call.function = static_cast<uint8_t>(1 + random() % (TRACE_FUNCTION_END - 1));
    call.ticks = now + SomeNumber(random) % 100000;
    if (!trace_is_free(call.function)) {
        call.size_bytes = SomeNumber(random);
        call.has_failed = random() % 10 == 0;
    }
    if (trace_has_align(call.function))
        call.align_log2 = static_cast<uint8_t>(random() % (TRACE_LARGEST_ALIGN_LOG2 + 1));
    if (trace_is_resize(call.function)) {
        call.old_address = random() % 4 == 0 ? 0 : SomeAddress(random);
        call.took_ticks = SomeNumber(random) % 1000000;
    }
    if (!call.has_failed)
        call.address = SomeAddress(random);
    return call;
}

std::vector<trace_call> SomeCalls(Random &random, size_t count)
{
    std::vector<trace_call> calls;
    for (uint64_t now = 0; calls.size() < count;) {
        calls.push_back(SomeCall(random, now));
        now = calls.back().ticks + calls.back().took_ticks;
    }
    return calls;
}

std::vector<uint8_t> Encoded(const std::vector<trace_call> &calls)
{
    std::vector<uint8_t> bytes(calls.size() * TRACE_LONGEST_EVENT);
    uint8_t *at = bytes.data();
    trace_codec codec;
    trace_codec_reset(&codec, 0);
    for (const trace_call &call : calls) {
        uint8_t *end = trace_encode(&codec, at, &call);
        EXPECT_LE(end - at, TRACE_LONGEST_EVENT);
        at = end;
    }
    bytes.resize(static_cast<size_t>(at - bytes.data()));
    return bytes;
}

// Calls until the bytes end or make no sense.
void Decode(const std::vector<uint8_t> &bytes, std::vector<trace_call> *calls)
{
    trace_bytes in{bytes.data(), bytes.data() + bytes.size(), false};
    trace_codec codec;
    trace_codec_reset(&codec, 0);
    for (trace_call call; in.at != in.end && trace_decode(&codec, &in, &call);)
        calls->push_back(call);
}

auto Fields(const trace_call &call)
{
    return std::vector<uint64_t>{call.ticks,      call.took_ticks,  call.size_bytes,
                                 call.address,    call.old_address, call.function,
                                 call.align_log2, call.has_failed};
}

TEST(Codec, GivesBackWhatItWasGivenAndStopsWhereTheBytesEnd)
{
    Random random(test_seed());
    for (int round = 0; round < 50; round++) {
        std::vector<trace_call> calls = SomeCalls(random, 300);
        std::vector<uint8_t> bytes = Encoded(calls);
        for (size_t length : {bytes.size(), random() % bytes.size(), random() % bytes.size()}) {
            std::vector<trace_call> decoded;
            Decode({bytes.begin(), bytes.begin() + static_cast<long>(length)}, &decoded);
            ASSERT_EQ(decoded.size() == calls.size(), length == bytes.size());
            for (size_t i = 0; i < decoded.size(); i++)
                ASSERT_EQ(Fields(decoded[i]), Fields(calls[i]));
        }
    }
}

TEST(Codec, ABlockThatIsFreedSoonTakesSevenBytesForBothCalls)
{
    std::vector<trace_call> calls;
    for (uint64_t i = 0; i < 1000; i++) {
        bool is_free = i % 2 != 0;
        calls.push_back({20 * i, 0, is_free ? 0u : 24u, 0x55555000 + 32 * (i / 2 % 100), 0,
                         static_cast<uint8_t>(is_free ? TRACE_FREE : TRACE_MALLOC), 0, false});
    }
    EXPECT_LE(Encoded(calls).size(), 500u * 7 + 16);
}

// ---- the reader ----

class ReaderTest : public testing::Test {
  protected:
    ~ReaderTest() override
    {
        trace_close(&reader_);
    }

    bool Open(const std::string &bytes)
    {
        trace_close(&reader_);
        WriteFile(path_, bytes);
        return trace_open(&reader_, path_.c_str());
    }

    size_t CountEvents()
    {
        size_t count = 0;
        for (trace_event event; trace_next(&reader_, &event); count++)
            EXPECT_GE(event.ticks, last_ticks_ * (count != 0)), last_ticks_ = event.ticks;
        return count;
    }

    // "m1#0 8": the kind (malloc, free, resize, unknown free, failed; ! for an inferred one),
    // thread, object, and size; of a free that of the block. Then what was counted: unknown frees,
    // unknown resizes, inferred frees.
    std::string Read(const TraceWriter &writer)
    {
        std::string told;
        EXPECT_TRUE(Open(writer.Bytes())) << reader_.message;
        for (trace_event event; trace_next(&reader_, &event);) {
            bool has_object = event.object != TRACE_NO_OBJECT;
            told += "mfruE"[event.kind] + std::string(event.is_inferred ? "!" : "") +
                    std::to_string(event.thread_number) + "#" +
                    (has_object ? std::to_string(event.object) : "-") + " " +
                    std::to_string(event.kind == TRACE_EVENT_FREE ? event.old_size_bytes
                                                                  : event.size_bytes) +
                    ", ";
        }
        return told + std::to_string(reader_.unknown_frees) +
               std::to_string(reader_.unknown_resizes) + std::to_string(reader_.inferred_frees);
    }

    // What trace_open complains about, without the path.
    std::string Refusal(const std::string &bytes)
    {
        EXPECT_FALSE(Open(bytes));
        return std::string(reader_.message).substr(path_.size() + 2);
    }

    std::string Printed(const std::string &program, const std::string &option = "")
    {
        Command command;
        command.argv = {"bench/trace/" + program, option, path_};
        if (option.empty())
            command.argv.erase(command.argv.begin() + 1);
        cairn_test::Outcome outcome = RunCommand(command);
        EXPECT_TRUE(outcome.ok()) << outcome;
        return outcome.out;
    }

    ScratchDirectory scratch_;
    std::string path_ = scratch_.File("t");
    uint64_t last_ticks_ = 0;
    trace_reader reader_{};
};

// Thread 1 allocates, 2 resizes, 3 frees.
TraceWriter ThreeThreads()
{
    TraceWriter writer(7);
    for (uint64_t i = 0; i < 100; i++)
        writer.Malloc(1, 100000 * i, 0x1000 + 64 * i, 10 + i)
            .Realloc(2, 100000 * i + 20000, 5000, 0x1000 + 64 * i, 0x100000 + 64 * i, 20 + i)
            .Free(3, 100000 * i + 50000, 0x100000 + 64 * i);
    return writer;
}

TEST_F(ReaderTest, CallsBecomeEventsInOrderAboutObjects)
{
    using W = TraceWriter;
    // An object is followed through the threads.
    EXPECT_EQ(
        Read(W().Malloc(1, 0, 0x10, 8).Realloc(2, 9000, 1, 0x10, 0x20, 9).Free(3, 20000, 0x20)),
        "m1#0 8, r2#0 9, f3#0 9, 000");
    // An address freed by one thread and given to another is two objects; to its own, it may be
    // one.
    EXPECT_EQ(Read(W().Malloc(1, 0, 0x10, 8).Free(1, 1000, 0x10).Malloc(2, 1001, 0x10, 9)),
              "m1#0 8, f1#0 8, m2#1 9, 000");
    EXPECT_EQ(Read(W().Malloc(1, 0, 0x10, 8).Free(1, 1000, 0x10).Malloc(1, 1001, 0x20, 9)),
              "m1#0 8, f1#0 8, m1#0 9, 000");
    // A call that overtook another by a hair is put in order: a malloc, and a free.
    EXPECT_EQ(Read(W().Malloc(1, 0, 0x10, 8).Free(1, 1000, 0x10).Malloc(2, 990, 0x10, 9)),
              "m1#0 8, f1#0 8, m2#1 9, 000");
    EXPECT_EQ(Read(W().Free(3, 4990, 0x20).Malloc(1, 5000, 0x20, 9)), "m1#0 9, f3#0 9, 000");
    // A realloc's old address is free for others while it runs.
    EXPECT_EQ(Read(W().Malloc(1, 0, 0x10, 8)
                       .Realloc(1, 10000, 50000, 0x10, 0x30, 100)
                       .Malloc(2, 30000, 0x10, 9)),
              "m1#0 8, m2#1 9, r1#0 100, 000");
    // One that failed leaves the block, and one to zero frees it.
    EXPECT_EQ(Read(W().Malloc(1, 0, 0x10, 8)
                       .Realloc(1, 10000, 10, 0x10, 0, 1000)
                       .Realloc(1, 20000, 10, 0x10, 0, 0)
                       .Malloc(1, 30000, 0x10, 9)),
              "m1#0 8, E1#- 1000, f1#0 8, m1#0 9, 000");
    // What was allocated before the recording is counted.
    EXPECT_EQ(Read(W().Free(1, 0, 0x10).Realloc(1, 10000, 10, 0x20, 0x30, 50).Free(1, 20000, 0x30)),
              "u1#- 0, m1#0 50, f1#0 50, 110");
    // A free that was lost is inferred when the address comes again.
    EXPECT_EQ(Read(W().Malloc(1, 0, 0x10, 8).Malloc(1, 90000, 0x10, 9)),
              "m1#0 8, f!1#0 8, m1#0 9, 001");
}

TEST_F(ReaderTest, ItsSummaryAddsUp)
{
    WriteFile(path_, ThreeThreads().Bytes());
    std::string said = Printed("info");
    for (const char *part :
         {"\"command\": [\"made\", \"for a \\u0022test\\u0022\"]",
          "\"threads\": 3, \"events\": 300,",
          "\"calls\": {\"malloc\": 100, \"realloc\": 100, \"free\": 100}",
          "\"total_bytes\": 12900, \"peak_live_bytes\": 119, \"peak_live_blocks\": 1,",
          "\"end_live_bytes\": 0, \"end_live_blocks\": 0, \"frees\": 100, \"cross_frees\": 100,",
          "\"blocks_by_lifetime\": [0, 0, 0, 100, 0,"}) // 50 us: under 100 us
        EXPECT_NE(said.find(part), std::string::npos) << part << "\n" << said;
}

TEST_F(ReaderTest, ItsEventsAndItsSizesAreALineEach)
{
    WriteFile(path_, TraceWriter()
                         .Malloc(1, 0, 0x10, 40000)
                         .Malloc(1, 9000, 0x20, 8)
                         .Malloc(2, 19000, 0x30, 8)
                         .Free(2, 30000, 0x20)
                         .Realloc(1, 40000, 0, 0x30, 0x30, 16)
                         .Free(1, 50000, 0x10)
                         .Malloc(1, 60000, 0x10, 8)
                         .Bytes());
    EXPECT_EQ(Printed("info", "--events").substr(0, 52),
              "0.000000000 1 malloc 0 40000\n0.000009000 1 malloc 1 ");
    // The most bytes live when both blocks of 8 do.
    EXPECT_EQ(Printed("histogram"), "# size_bytes allocations live_at_peak\n"
                                    "8 3 2\n16 1 0\n40000 1 1\n");
}

// ---- files that are not as they should be ----

TEST_F(ReaderTest, ForeignFilesAreRefusedInOneLine)
{
    std::string good = ThreeThreads().Bytes(), other = good, bent = good;
    other[8] = 9;
    bent[20] ^= 1;
    for (const auto &[bytes, said] : std::vector<std::pair<std::string, std::string>>{
             {"", "is not a trace (no regular file, or an empty one)"},
             {"cai", "is not a trace (its first bytes are not 'cairntrc')"},
             {std::string(9000, 'x'), "is not a trace (its first bytes are not 'cairntrc')"},
             {good.substr(0, 100), "is cut off within its header"},
             {other, "is of version 9, and this program reads version 1"},
             {bent, "is damaged: the checksum of its header is wrong"}})
        EXPECT_EQ(Refusal(bytes), said);
    EXPECT_FALSE(trace_open(&reader_, scratch_.File("none").c_str()));
    EXPECT_EQ(std::string(reader_.message), scratch_.File("none") + ": No such file or directory");
    EXPECT_FALSE(trace_open(&reader_, scratch_.path().c_str()));
}

TEST_F(ReaderTest, ATornFileGivesWhatIsBeforeTheTear)
{
    std::string good = ThreeThreads().Bytes(false);
    size_t last = 301;
    for (size_t length = good.size(); length > sizeof(trace_header) + 173; length -= 173) {
        ASSERT_TRUE(Open(good.substr(0, length))) << length;
        size_t count = CountEvents();
        EXPECT_LE(count, last) << length;
        EXPECT_LE(reader_.torn_blocks, 1u);
        last = count;
    }
    ASSERT_TRUE(Open(good.substr(0, good.size() - TRACE_PAGE_BYTES + sizeof(trace_block) + 4)));
    EXPECT_EQ(reader_.torn_blocks, 1u);
    ASSERT_TRUE(Open(good.substr(0, sizeof(trace_header))));
    EXPECT_EQ(CountEvents(), 0u);
}

TEST_F(ReaderTest, ABlockWithAWrongChecksumIsLeftOutAndPagesThatHoldNoneAreSkipped)
{
    std::string bytes = ThreeThreads().Bytes();
    bytes[sizeof(trace_header) + sizeof(trace_block) + 5] ^= 4;
    bytes.insert(sizeof(trace_header), std::string(2 * TRACE_PAGE_BYTES, '\0'));
    ASSERT_TRUE(Open(bytes));
    EXPECT_EQ(reader_.damaged_blocks, 1u);
    EXPECT_EQ(reader_.skipped_pages, 2u);
    EXPECT_EQ(CountEvents(), 293u);
    EXPECT_EQ(reader_.unknown_resizes, 7u);
}

// Open blocks have no checksum, so that the bytes reach the decoder and the merge.
TEST_F(ReaderTest, NoFlippedBytesMakeItCrashOrHang)
{
    const std::string good = ThreeThreads().Bytes(false);
    Random random(test_seed());
    for (int round = 0; round < 1500; round++) {
        std::string bytes = good;
        for (uint64_t flips = 1 + random() % 8; flips > 0; flips--) {
            size_t place = sizeof(trace_header) + random() % (bytes.size() - sizeof(trace_header));
            if (random() % 2 == 0) // near the beginning of a block, where its header and events are
                place = place / TRACE_PAGE_BYTES * TRACE_PAGE_BYTES + random() % 140;
            bytes[place] = static_cast<char>(random());
        }
        ASSERT_TRUE(Open(bytes));
        EXPECT_LE(CountEvents(), 5000u);
    }
}

} // namespace
