// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
extern "C" {
#include "bench/trace/codec.h"
#include "bench/trace/objects.h"
}

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <random>
#include <vector>

namespace {

using Random = std::mt19937_64;

uint64_t SomeNumber(Random &random)
{
    return random() >> (random() % 64);
}

// Mostly from a heap of some MiB, sometimes one of a few, sometimes anything but 0.
uint64_t SomeAddress(Random &random)
{
    switch (random() % 8) {
    case 0:
        return 1 + SomeNumber(random) % (UINT64_MAX - 1);
    case 1:
    case 2:
        return 0x7f0000000000 + 16 * (random() % 20);
    default:
        return 0x55550000000 + 8 * (random() % 1000000);
    }
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

std::vector<trace_call> SomeCalls(Random &random, size_t count, uint64_t start)
{
    std::vector<trace_call> calls;
    for (uint64_t now = start; calls.size() < count;) {
        calls.push_back(SomeCall(random, now));
        now = calls.back().ticks + calls.back().took_ticks;
    }
    return calls;
}

std::vector<uint8_t> Encoded(const std::vector<trace_call> &calls, uint64_t start)
{
    std::vector<uint8_t> bytes(calls.size() * TRACE_LONGEST_EVENT);
    uint8_t *at = bytes.data();
    trace_codec codec;
    trace_codec_reset(&codec, start);
    for (const trace_call &call : calls) {
        uint8_t *end = trace_encode(&codec, at, &call);
        EXPECT_LE(end - at, TRACE_LONGEST_EVENT);
        at = end;
    }
    bytes.resize(static_cast<size_t>(at - bytes.data()));
    return bytes;
}

void ExpectSame(const trace_call &left, const trace_call &right)
{
    EXPECT_EQ(left.function, right.function);
    EXPECT_EQ(left.ticks, right.ticks);
    EXPECT_EQ(left.took_ticks, right.took_ticks);
    EXPECT_EQ(left.size_bytes, right.size_bytes);
    EXPECT_EQ(left.address, right.address);
    EXPECT_EQ(left.old_address, right.old_address);
    EXPECT_EQ(left.align_log2, right.align_log2);
    EXPECT_EQ(left.has_failed, right.has_failed);
}

TEST(Codec, GivesBackWhatItWasGiven)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        Random random(seed);
        uint64_t start = random() % 1000000;
        std::vector<trace_call> calls = SomeCalls(random, 300, start);
        std::vector<uint8_t> bytes = Encoded(calls, start);
        trace_bytes in{bytes.data(), bytes.data() + bytes.size(), false};
        trace_codec codec;
        trace_codec_reset(&codec, start);
        for (const trace_call &call : calls) {
            trace_call decoded;
            ASSERT_TRUE(trace_decode(&codec, &in, &decoded)) << "seed " << seed;
            ExpectSame(decoded, call);
            ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
        }
        EXPECT_EQ(in.at, in.end);
    }
}

TEST(Codec, StopsWhereTheBytesEndWithinAnEvent)
{
    Random random(7);
    std::vector<trace_call> calls = SomeCalls(random, 40, 0);
    std::vector<uint8_t> bytes = Encoded(calls, 0);
    for (size_t length = 0; length <= bytes.size(); length++) {
        std::vector<uint8_t> torn(bytes.begin(), bytes.begin() + static_cast<long>(length));
        trace_bytes in{torn.data(), torn.data() + torn.size(), false};
        trace_codec codec;
        trace_codec_reset(&codec, 0);
        size_t count = 0;
        for (trace_call call; in.at != in.end && trace_decode(&codec, &in, &call); count++)
            ExpectSame(call, calls[count]);
        ASSERT_LE(count, calls.size());
        EXPECT_EQ(length == bytes.size(), count == calls.size());
    }
}

TEST(Codec, AnyBytesAreEventsOrAreRefused)
{
    Random random(11);
    size_t refused = 0;
    for (int round = 0; round < 2000; round++) {
        std::vector<uint8_t> bytes(1 + random() % 200);
        for (uint8_t &byte : bytes)
            byte = static_cast<uint8_t>(random());
        trace_bytes in{bytes.data(), bytes.data() + bytes.size(), false};
        trace_codec codec;
        trace_codec_reset(&codec, 0);
        trace_call call;
        while (in.at != in.end && trace_decode(&codec, &in, &call)) {
            EXPECT_TRUE(call.address != 0 || call.has_failed);
            EXPECT_GE(call.ticks + call.took_ticks, call.ticks);
        }
        refused += in.is_bad || in.at != in.end;
    }
    EXPECT_GT(refused, 1900u);
}

TEST(Codec, ABlockThatIsFreedSoonTakesSevenBytesForBothCalls)
{
    std::vector<trace_call> calls;
    for (uint64_t i = 0; i < 1000; i++) {
        trace_call call{};
        call.function = i % 2 == 0 ? TRACE_MALLOC : TRACE_FREE;
        call.ticks = 20 * i;
        call.address = 0x55555000 + 32 * (i / 2 % 100);
        call.size_bytes = i % 2 == 0 ? 24 : 0;
        calls.push_back(call);
    }
    EXPECT_LE(Encoded(calls, 0).size(), 500u * 7 + 16);
}

TEST(Codec, AChecksumChangesWithEveryBit)
{
    std::vector<uint8_t> bytes(200);
    for (size_t i = 0; i < bytes.size(); i++)
        bytes[i] = static_cast<uint8_t>(i * 7);
    uint32_t sum = trace_checksum(0, bytes.data(), bytes.size());
    for (size_t bit = 0; bit < 8 * bytes.size(); bit++) {
        bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
        EXPECT_NE(trace_checksum(0, bytes.data(), bytes.size()), sum) << "bit " << bit;
        bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    }
}

// ---- objects ---------------------------------------------------------------------------------

TEST(Objects, AreFoundWhereTheyWerePlacedAndNowhereElse)
{
    Random random(3);
    objects all{};
    std::map<uint64_t, uint32_t> expected;
    for (int step = 0; step < 200000; step++) {
        uint64_t address = 0x10000 + 16 * (random() % 9000);
        uint32_t found = objects_find(&all, address);
        auto known = expected.find(address);
        ASSERT_EQ(found, known == expected.end() ? OBJECT_NONE : known->second);
        if (found == OBJECT_NONE) {
            uint32_t number = objects_new(&all, 0);
            objects_place(&all, number, address);
            expected[address] = number;
        } else {
            objects_lift(&all, found);
            objects_end(&all, found, 0);
            expected.erase(known);
        }
    }
    EXPECT_EQ(all.live, expected.size());
    EXPECT_LE(all.count, 9000u) << "numbers are used again";
    objects_release(&all);
}

TEST(Objects, ANumberIsUsedAgainOnlyByTheThreadThatFreedIt)
{
    objects all{};
    uint32_t first = objects_new(&all, 1);
    objects_place(&all, first, 0x100);
    objects_lift(&all, first);
    objects_end(&all, first, 2);
    EXPECT_NE(objects_new(&all, 1), first);
    EXPECT_NE(objects_new(&all, 3), first);
    EXPECT_EQ(objects_new(&all, 2), first);
    objects_release(&all);
}

} // namespace
