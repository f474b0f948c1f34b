// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include "source_testing.h"

#include <cairn/base/config.h>
#include <cairn/buffer.h>
#include <cairn/source_laws.h>

#include <cerrno>
#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/random.h"

using cairn_test::test_seed;

namespace {

constexpr size_t kBytes = 64 * 1024;

class Buffer : public ::testing::Test {
  protected:
    void SetUp() override
    {
        Restart(memory_, sizeof(memory_));
    }

    void TearDown() override
    {
        cairn_buffer_check(&buffer_);
        cairn_buffer_fini(&buffer_);
    }

    void Restart(void *base, size_t length_bytes)
    {
        source_testing::Init(&buffer_, base, length_bytes);
        source_ = cairn_buffer_as_source(&buffer_);
    }

    char *Take(size_t block_bytes, size_t align_bytes = 1)
    {
        void *block = cairn_source_take_one(source_, block_bytes, align_bytes);

        cairn_buffer_check(&buffer_);
        return static_cast<char *>(block);
    }

    void Give(size_t block_bytes, void *block)
    {
        cairn_source_give_one(source_, block_bytes, block);
        cairn_buffer_check(&buffer_);
    }

    alignas(4096) char memory_[kBytes];
    cairn_buffer buffer_;
    cairn_source source_;
};

using BufferDeathTest = Buffer;

TEST_F(Buffer, GivesOutTheRangeFromItsBase)
{
    char *a = Take(100);
    char *b = Take(50);

    EXPECT_EQ(a, memory_);
    EXPECT_EQ(b, memory_ + 100);
    Give(100, a);
    Give(50, b);
}

TEST_F(Buffer, HandsABlockThatCameBackOutAgain)
{
    char *a = Take(100);
    char *b = Take(100);

    Give(100, a);
    EXPECT_EQ(Take(100), a);
    Give(100, b);
    Give(100, a);
}

TEST_F(Buffer, JoinsHolesWithTheirNeighbours)
{
    char *blocks[5];

    for (char *&block : blocks)
        block = Take(100);
    Give(100, blocks[1]);
    Give(100, blocks[3]);
    EXPECT_EQ(buffer_.hole_count, 2u);
    Give(100, blocks[2]);
    EXPECT_EQ(buffer_.hole_count, 1u);
    EXPECT_EQ(Take(300), blocks[1]) << "three joined";
    Give(300, blocks[1]);
    Give(100, blocks[4]);
    EXPECT_EQ(buffer_.hole_count, 0u);
    EXPECT_EQ(buffer_.top_bytes, 100u) << "and the top lowered over them";
    Give(100, blocks[0]);
}

TEST_F(Buffer, UsesWhatAlignmentSkipped)
{
    char *a = Take(1);
    char *b = Take(4096, 4096);
    char *c = Take(4000, 32);

    EXPECT_EQ(b, memory_ + 4096);
    EXPECT_EQ(c, memory_ + 32) << "out of the gap";
    Give(1, a);
    Give(4096, b);
    Give(4000, c);
}

TEST_F(Buffer, AlignsAddressesAndNotOffsets)
{
    Restart(memory_ + 24, 1000);
    char *block = Take(64, 64);

    EXPECT_EQ(block, memory_ + 64);
    Give(64, block);
}

TEST_F(Buffer, WritesNothingIntoTheRange)
{
    std::vector<void *> blocks(300);

    std::memset(memory_, 0x5a, sizeof(memory_));
    ASSERT_EQ(cairn_source_take(source_, 100, 8, blocks.data(), 300), 300u);
    std::shuffle(blocks.begin(), blocks.end(), std::mt19937_64(test_seed()));
    for (void *block : blocks)
        Give(100, block);
    EXPECT_EQ(std::count(memory_, memory_ + kBytes, 0x5a), static_cast<long>(kBytes));
}

TEST_F(Buffer, IsDryWhenEmpty)
{
    Restart(nullptr, 0);
    EXPECT_EQ(Take(1), nullptr);
    EXPECT_EQ(Take(SIZE_MAX, SIZE_MAX / 2 + 1), nullptr);
}

TEST_F(Buffer, GivesItsLastByteAndNotOneMore)
{
    char *all = Take(kBytes);

    EXPECT_EQ(all, memory_);
    EXPECT_EQ(Take(1), nullptr);
    Give(kBytes, all);
    EXPECT_EQ(Take(kBytes + 1), nullptr);
}

TEST_F(Buffer, MayEndWithTheAddressSpace)
{
    char *base = reinterpret_cast<char *>(UINTPTR_MAX - 100);

    Restart(base, 100);
    EXPECT_EQ(Take(101), nullptr);
    EXPECT_EQ(Take(50, 4096), nullptr) << "aligning would wrap";
    char *block = Take(100);
    EXPECT_EQ(block, base);
    Give(100, block);
}

TEST_F(Buffer, ForgetsHolesWhenTheTableIsFullUntilEverythingIsBack)
{
    constexpr size_t kCount = 4 * CAIRN_BUFFER_HOLES;
    char *blocks[kCount];

    for (char *&block : blocks)
        block = Take(16);
    for (size_t i = 0; i < kCount; i += 2)
        Give(16, blocks[i]);
    EXPECT_EQ(buffer_.hole_count, size_t{CAIRN_BUFFER_HOLES});
    for (size_t i = 0; i < CAIRN_BUFFER_HOLES; i++)
        EXPECT_EQ(Take(16), blocks[2 * i]) << "those that it remembers";
    EXPECT_EQ(Take(16), blocks[kCount - 1] + 16) << "then from above the top";
    Give(16, blocks[kCount - 1] + 16);
    for (size_t i = 0; i < CAIRN_BUFFER_HOLES; i++)
        Give(16, blocks[2 * i]);
    for (size_t i = 1; i < kCount; i += 2)
        Give(16, blocks[i]);
    EXPECT_EQ(buffer_.top_bytes, 0u);
    EXPECT_EQ(Take(kBytes), memory_) << "all of it";
    Give(kBytes, memory_);
}

TEST_F(Buffer, RefusesToCutAHoleInTwoWhenTheTableIsFull)
{
    constexpr size_t kCount = 2 * CAIRN_BUFFER_HOLES + 1;
    char *blocks[kCount];

    for (char *&block : blocks)
        block = Take(96, 32);
    for (size_t i = 0; i + 1 < kCount; i += 2)
        Give(96, blocks[i]);
    ASSERT_EQ(buffer_.hole_count, size_t{CAIRN_BUFFER_HOLES});
    // Aligned to 64 but not at the start of a hole at 96 * 4k + 192: would leave 32 bytes on both
    // sides.
    char *cut = Take(32, 64);
    EXPECT_EQ(cut, blocks[0]) << "the first hole is aligned: one hole stays one";
    char *second = Take(32, 64);
    EXPECT_EQ(second, blocks[0] + 64) << "its end";
    Give(32, cut);
    Give(32, second);
    char *centre = Take(8, 64);
    EXPECT_EQ(centre, blocks[0]);
    Give(8, centre);
    for (size_t i = 1; i < kCount; i += 2)
        Give(96, blocks[i]);
    Give(96, blocks[kCount - 1]);
}

// The lowest aligned place where a block fits, by looking at every one.
size_t NaivePlace(const std::map<size_t, size_t> &out, uintptr_t base, size_t length_bytes,
                  size_t block_bytes, size_t align_bytes)
{
    size_t at = 0;
    auto next = out.begin();

    for (;;) {
        at = (base + at + align_bytes - 1) / align_bytes * align_bytes - base;
        if (next == out.end() || at + block_bytes <= next->first)
            return at + block_bytes <= length_bytes ? at : SIZE_MAX;
        at = std::max(at, next->first + next->second);
        ++next;
    }
}

TEST_F(Buffer, AgreesWithANaiveModel)
{
    std::mt19937_64 random(test_seed());
    std::map<size_t, size_t> out; // offset -> bytes

    SCOPED_TRACE("CAIRN_TEST_SEED=" + std::to_string(test_seed()));
    for (int round = 0; round < 20; round++) {
        char *base = memory_ + random() % 64;
        size_t length_bytes = 1 + random() % 20000;

        Restart(base, length_bytes);
        for (int step = 0; step < 3000; step++) {
            // Few enough blocks that the table of holes is never full.
            if (!out.empty() && (out.size() > 50 || random() % 2 == 0)) {
                auto it = std::next(out.begin(), static_cast<long>(random() % out.size()));

                Give(it->second, base + it->first);
                out.erase(it);
                continue;
            }
            size_t block_bytes = 1 + random() % (random() % 2 ? 2000 : 100);
            size_t align_bytes = size_t{1} << random() % 11;
            size_t expected = NaivePlace(out, reinterpret_cast<uintptr_t>(base), length_bytes,
                                         block_bytes, align_bytes);
            char *block = Take(block_bytes, align_bytes);

            ASSERT_EQ(block, expected == SIZE_MAX ? nullptr : base + expected) << step;
            if (block != nullptr)
                out[expected] = block_bytes;
        }
        for (const auto &[offset, bytes] : out)
            Give(bytes, base + offset);
        out.clear();
        cairn_buffer_fini(&buffer_);
    }
}

TEST_F(Buffer, StaysConsistentWhenTheTableOverflowsAtRandom)
{
    std::mt19937_64 random(test_seed());
    std::map<char *, size_t> out;

    SCOPED_TRACE("CAIRN_TEST_SEED=" + std::to_string(test_seed()));
    for (int step = 0; step < 20000; step++) {
        size_t block_bytes = 1 + random() % 200;
        char *block = random() % 2 ? Take(block_bytes, size_t{1} << random() % 9) : nullptr;

        if (block != nullptr) {
            auto next = out.lower_bound(block);

            ASSERT_TRUE(next == out.end() || block + block_bytes <= next->first);
            ASSERT_TRUE(next == out.begin() ||
                        std::prev(next)->first + std::prev(next)->second <= block);
            out[block] = block_bytes;
        } else if (!out.empty()) {
            auto it = std::next(out.begin(), static_cast<long>(random() % out.size()));

            Give(it->second, it->first);
            out.erase(it);
        }
    }
    for (const auto &[block, bytes] : out)
        Give(bytes, block);
    EXPECT_EQ(Take(kBytes), memory_);
    Give(kBytes, memory_);
}

TEST_F(Buffer, GivesAsManyBlocksAsFitForEverySmallRange)
{
    void *blocks[40];

    for (size_t skew = 0; skew < 16; skew++)
        for (size_t length = 0; length <= 36; length++)
            for (size_t align = 1; align <= 16; align *= 2)
                for (size_t bytes = 1; bytes <= 20; bytes++) {
                    size_t first = (align - skew % align) % align;
                    size_t step = (bytes + align - 1) / align * align;
                    size_t fit = first + bytes > length ? 0 : (length - first - bytes) / step + 1;

                    Restart(memory_ + skew, length);
                    // Alignment gaps may hold further blocks only where they are aligned: never.
                    ASSERT_EQ(cairn_source_take(source_, bytes, align, blocks, 40), fit)
                        << skew << " " << length << " " << align << " " << bytes;
                    cairn_source_give(source_, bytes, blocks, fit);
                    cairn_buffer_check(&buffer_);
                    cairn_buffer_fini(&buffer_);
                }
    Restart(memory_, kBytes);
}

TEST_F(Buffer, KeepsTheLaws)
{
    const cairn_law_shape shapes[] = {{1, 1, 256, 0},   {7, 1, 100, 1},      {16, 16, 256, 2},
                                      {100, 64, 64, 3}, {4096, 4096, 16, 4}, {kBytes, 1, 1, 5}};

    for (const cairn_law_shape &shape : shapes) {
        EXPECT_STREQ(cairn_laws_hold(source_, &shape), nullptr) << shape.block_bytes;
        EXPECT_EQ(buffer_.outstanding_bytes, 0u);
        cairn_buffer_check(&buffer_);
    }
}

TEST_F(BufferDeathTest, ABlockOfSomebodyElseIsMisuse)
{
    char foreign[64];
    char *block = Take(64);

    EXPECT_DEATH(Give(64, foreign), "not of this buffer .pointer 0x[0-9a-f]+. in cairn_buffer");
    EXPECT_DEATH(Give(64, memory_ + 64), "not of this buffer") << "never handed out";
    EXPECT_DEATH(Give(64, memory_ - 1), "not of this buffer");
    EXPECT_DEATH(Give(65, block), "not of this buffer") << "longer than what is out";
    EXPECT_DEATH(Give(SIZE_MAX, block), "not of this buffer");
    EXPECT_DEATH(Give(64, nullptr), "not of this buffer");
    Give(64, block);
}

TEST_F(BufferDeathTest, GivingTwiceIsMisuse)
{
    char *a = Take(64);
    char *b = Take(64);
    char *c = Take(64);

    Give(64, b);
    EXPECT_DEATH(Give(64, b), "not out");
    EXPECT_DEATH(Give(1, b + 63), "not out") << "inside a hole";
    EXPECT_DEATH(Give(65, a), "not out") << "reaching into a hole";
    Give(64, c);
    EXPECT_DEATH(Give(64, c), "not of this buffer") << "above the top";
    Give(64, a);
    EXPECT_DEATH(Give(64, a), "not of this buffer");
}

TEST_F(BufferDeathTest, EndingWithMemoryOutIsALeak)
{
    char *block = Take(64);

    EXPECT_DEATH(cairn_buffer_fini(&buffer_), "buffer ended with memory outstanding");
    Give(64, block);
}

TEST_F(Buffer, RefusesARangeBeyondTheAddressSpace)
{
    const cairn_buffer_config config = {memory_, UINTPTR_MAX};
    cairn_buffer other;

    EXPECT_EQ(cairn_buffer_init(&other, &config), -EINVAL);
}

TEST_F(BufferDeathTest, RequirementsAreAssertedInDebugBuilds)
{
    if (!CAIRN_DEBUG)
        GTEST_SKIP() << "assertions are off";
    EXPECT_DEATH(Take(0), "assertion failed: block_bytes > 0");
    EXPECT_DEATH(Take(8, 3), "assertion failed: cairn_is_pow2");
}

TEST_F(BufferDeathTest, CheckSeesEveryBrokenInvariant)
{
    char *blocks[5];

    for (char *&block : blocks)
        block = Take(100);
    Give(100, blocks[1]);
    Give(100, blocks[3]);
    const cairn_buffer good = buffer_;
    auto broken = [&](void (*spoil)(cairn_buffer *)) {
        cairn_buffer bad = good;

        spoil(&bad);
        cairn_buffer_check(&bad);
    };

    EXPECT_DEATH(broken([](cairn_buffer *b) { b->hole_count = 65; }), "hole_count <=");
    EXPECT_DEATH(broken([](cairn_buffer *b) { b->top_bytes = kBytes + 1; }), "length_bytes");
    EXPECT_DEATH(broken([](cairn_buffer *b) { b->holes[0].length_bytes = 0; }), "length_bytes > 0");
    EXPECT_DEATH(broken([](cairn_buffer *b) { b->holes[0].length_bytes = 200; }), ">= above");
    EXPECT_DEATH(broken([](cairn_buffer *b) { b->holes[1].offset_bytes = 500; }), "top_bytes");
    EXPECT_DEATH(broken([](cairn_buffer *b) { b->holes[1].length_bytes = 200; }), "top_bytes");
    EXPECT_DEATH(broken([](cairn_buffer *b) { b->outstanding_bytes = 501; }), "outstanding");
    EXPECT_DEATH(broken([](cairn_buffer *b) { b->outstanding_bytes = 301; }), "holes_bytes");
    EXPECT_DEATH(broken([](cairn_buffer *b) { b->outstanding_bytes = 0; }), "top_bytes == 0");
    for (int i : {0, 2, 4})
        Give(100, blocks[i]);
}

} // namespace
