// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// A law is worth what it catches: each is shown a source that keeps it, and sources that break just
// it.

#include "source_testing.h"

#include <cairn/buffer.h>
#include <cairn/source_laws.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace {

using Law = const char *(*)(cairn_source, const cairn_law_shape *);

constexpr cairn_law_shape kShape = {48, 16, 100, 1};
constexpr cairn_law_shape kShapes[] = {{1, 1, 256, 1},   {7, 1, 33, 2},  {8, 8, 256, 3},
                                       {48, 16, 100, 4}, {64, 64, 1, 5}, {4096, 4096, 9, 6},
                                       {100, 256, 20, 7}};

// A buffer that keeps every law, until one of the hooks changes what goes through.
class Bendable {
  public:
    explicit Bendable(size_t skew_bytes = 0) : memory_(kBytes + 4096)
    {
        char *base = reinterpret_cast<char *>((reinterpret_cast<uintptr_t>(memory_.data()) + 4095) /
                                              4096 * 4096);

        source_testing::Init(&buffer_, base + skew_bytes, kBytes - skew_bytes);
        ops = {"bendable", 0, &Bendable::Take, &Bendable::Give};
    }

    cairn_source source()
    {
        return {&ops, this};
    }
    cairn_source below()
    {
        return cairn_buffer_as_source(&buffer_);
    }
    size_t outstanding() const
    {
        return buffer_.outstanding_bytes;
    }

    cairn_source_ops ops;
    std::function<size_t(size_t, size_t, void **, size_t)> take;
    std::function<void(size_t, void *const *, size_t)> give;

  private:
    static constexpr size_t kBytes = 256 * 1024;

    static size_t Take(void *self, size_t bytes, size_t align, void **blocks, size_t count)
    {
        auto *b = static_cast<Bendable *>(self);

        return b->take ? b->take(bytes, align, blocks, count)
                       : cairn_source_take(b->below(), bytes, align, blocks, count);
    }

    static void Give(void *self, size_t bytes, void *const *blocks, size_t count)
    {
        auto *b = static_cast<Bendable *>(self);

        if (b->give)
            b->give(bytes, blocks, count);
        else
            cairn_source_give(b->below(), bytes, blocks, count);
    }

    std::vector<char> memory_;
    cairn_buffer buffer_;
};

std::string Broken(Law law, Bendable &bent, const cairn_law_shape &shape = kShape)
{
    const char *broken = law(bent.source(), &shape);

    return broken == nullptr ? "holds" : broken;
}

TEST(SourceLaws, HoldForAHealthySourceOfEveryShapeAndLeaveNothingOut)
{
    const Law laws[] = {cairn_law_aligned,         cairn_law_disjoint,
                        cairn_law_writable,        cairn_law_any_order,
                        cairn_law_errno_untouched, cairn_law_zeroed_if_promised,
                        cairn_law_retryable,       cairn_laws_hold};

    for (const cairn_law_shape &shape : kShapes)
        for (Law law : laws) {
            Bendable healthy;

            EXPECT_EQ(Broken(law, healthy, shape), "holds") << shape.block_bytes;
            EXPECT_EQ(healthy.outstanding(), 0u);
        }
}

TEST(SourceLaws, HoldForEverySeed)
{
    Bendable healthy;

    for (uint64_t seed = 0; seed < 50; seed++) {
        const cairn_law_shape shape = {24, 8, 64, seed};

        EXPECT_EQ(Broken(cairn_laws_hold, healthy, shape), "holds") << "seed " << seed;
    }
}

TEST(LawAligned, CatchesABlockThatIsNotAlignedAsAsked)
{
    Bendable bent;

    bent.take = [&](size_t bytes, size_t align, void **blocks, size_t count) {
        size_t taken = cairn_source_take(bent.below(), bytes + align, align, blocks, count);

        if (taken > 0)
            blocks[taken - 1] = static_cast<char *>(blocks[taken - 1]) + align / 2;
        return taken;
    };
    EXPECT_EQ(Broken(cairn_law_aligned, bent), "a block is not aligned as asked");
}

TEST(LawAligned, CatchesABrokenPromiseOfNaturalAlignment)
{
    Bendable bent(16);
    const cairn_law_shape shape = {64, 16, 10, 1};

    EXPECT_EQ(Broken(cairn_law_aligned, bent, shape), "holds");
    bent.ops.traits = CAIRN_SOURCE_NATURAL_ALIGN;
    EXPECT_EQ(Broken(cairn_law_aligned, bent, shape),
              "a block is not aligned to its size, as the traits promise");
}

TEST(LawAligned, AsksForNaturalAlignmentOfPowersOfTwoOnly)
{
    Bendable bent;

    bent.ops.traits = CAIRN_SOURCE_NATURAL_ALIGN;
    EXPECT_EQ(Broken(cairn_law_aligned, bent, {48, 16, 10, 1}), "holds");
}

TEST(LawDisjoint, CatchesOneByteOfOverlap)
{
    Bendable bent;

    bent.take = [&](size_t bytes, size_t align, void **blocks, size_t count) {
        return cairn_source_take(bent.below(), bytes - 1, align, blocks, count);
    };
    EXPECT_EQ(Broken(cairn_law_disjoint, bent, {17, 1, 10, 1}),
              "two blocks that are out at once overlap");
}

TEST(LawDisjoint, CatchesABlockThatIsHandedOutTwice)
{
    Bendable bent;
    void *given = nullptr;

    // Keeps what is given back, and hands it out without forgetting it.
    bent.give = [&](size_t bytes, void *const *blocks, size_t count) {
        if (count > 0 && given == nullptr)
            given = blocks[0];
        else
            cairn_source_give(bent.below(), bytes, blocks, count);
    };
    bent.take = [&](size_t bytes, size_t align, void **blocks, size_t count) {
        size_t taken = cairn_source_take(bent.below(), bytes, align, blocks, count);

        if (given != nullptr)
            blocks[0] = given;
        return taken;
    };
    EXPECT_EQ(Broken(cairn_law_disjoint, bent), "two blocks that are out at once overlap");
}

TEST(LawDisjoint, CatchesABlockThatWrapsAroundTheAddressSpace)
{
    Bendable bent;

    bent.take = [&](size_t bytes, size_t, void **blocks, size_t) {
        blocks[0] = reinterpret_cast<void *>(-(bytes - 1));
        return size_t{1};
    };
    EXPECT_EQ(Broken(cairn_law_disjoint, bent, {16, 1, 1, 1}),
              "two blocks that are out at once overlap");
}

TEST(LawWritable, CatchesASourceThatWritesIntoBlocksThatAreOut)
{
    for (bool while_giving : {false, true}) {
        Bendable bent;
        std::vector<char *> out; // never given back below, so that each stays writable

        auto scribble = [&] {
            for (char *block : out)
                block[47] ^= 1; // the last byte
        };
        bent.take = [&](size_t bytes, size_t align, void **blocks, size_t count) {
            size_t taken = cairn_source_take(bent.below(), bytes, align, blocks, count);

            if (!while_giving)
                scribble();
            for (size_t i = 0; i < taken; i++)
                out.push_back(static_cast<char *>(blocks[i]));
            return taken;
        };
        bent.give = [&](size_t, void *const *, size_t) {
            if (while_giving)
                scribble();
        };
        std::string broken = Broken(cairn_law_writable, bent, {48, 16, 3, 1});

        if (while_giving)
            EXPECT_EQ(broken, "giving a block changed another that is out");
        else
            EXPECT_EQ(broken, "what was written into a block does not stay there");
    }
}

TEST(LawWritable, CatchesBlocksThatShareTheirLastByte)
{
    Bendable bent;

    bent.take = [&](size_t bytes, size_t align, void **blocks, size_t count) {
        return cairn_source_take(bent.below(), bytes - 1, align, blocks, count);
    };
    EXPECT_EQ(Broken(cairn_law_writable, bent, {17, 1, 10, 1}),
              "what was written into a block does not stay there");
}

TEST(LawWritable, WritesEveryByteOfABlock)
{
    Bendable bent;
    char *block = nullptr;

    bent.take = [&](size_t bytes, size_t align, void **blocks, size_t count) {
        size_t taken = cairn_source_take(bent.below(), bytes, align, blocks, count);

        block = static_cast<char *>(blocks[0]);
        std::memset(block, 0, bytes);
        return taken;
    };
    bent.give = [&](size_t bytes, void *const *blocks, size_t count) {
        const auto *data = reinterpret_cast<const unsigned char *>(block);

        // A word is 8 bytes; 100 bytes leave half a word at the end.
        EXPECT_NE(std::string(data, data + 100).find_last_not_of('\0'), std::string::npos);
        EXPECT_GE(std::string(data, data + 100).find_last_not_of('\0'), 96u);
        cairn_source_give(bent.below(), bytes, blocks, count);
    };
    EXPECT_EQ(Broken(cairn_law_writable, bent, {100, 4, 1, 1}), "holds");
}

TEST(LawAnyOrder, CatchesASourceThatOnlyTakesBackTheLastBlock)
{
    Bendable bent;
    std::vector<void *> stack;

    bent.take = [&](size_t bytes, size_t align, void **blocks, size_t count) {
        size_t taken = cairn_source_take(bent.below(), bytes, align, blocks, count);

        stack.insert(stack.end(), blocks, blocks + taken);
        return taken;
    };
    // What does not come back in the order of a stack is lost.
    bent.give = [&](size_t bytes, void *const *blocks, size_t count) {
        for (size_t i = count; i > 0 && !stack.empty(); i--)
            if (blocks[i - 1] == stack.back()) {
                stack.pop_back();
                cairn_source_give(bent.below(), bytes, &blocks[i - 1], 1);
            }
    };
    EXPECT_EQ(Broken(cairn_law_any_order, bent, {2048, 16, 100, 1}),
              "blocks that were given back cannot be taken again");
}

TEST(LawAnyOrder, CatchesASourceThatTakesBackOnlyTheGroupsItGave)
{
    Bendable bent;
    std::vector<size_t> groups;

    bent.take = [&](size_t bytes, size_t align, void **blocks, size_t count) {
        groups.push_back(count);
        return cairn_source_take(bent.below(), bytes, align, blocks, count);
    };
    bent.give = [&](size_t bytes, void *const *blocks, size_t count) {
        for (size_t &group : groups)
            if (group == count && count > 0) {
                group = 0;
                cairn_source_give(bent.below(), bytes, blocks, count);
                return;
            }
    };
    EXPECT_EQ(Broken(cairn_law_any_order, bent, {2048, 16, 100, 1}),
              "blocks that were given back cannot be taken again");
}

TEST(LawErrno, CatchesATakeAGiveAndAFailureThatChangeIt)
{
    for (int culprit = 0; culprit < 3; culprit++) {
        Bendable bent;

        bent.take = [&](size_t bytes, size_t align, void **blocks, size_t count) {
            size_t taken = cairn_source_take(bent.below(), bytes, align, blocks, count);

            if (culprit == 0 || (culprit == 1 && taken == 0))
                errno = ENOMEM;
            return taken;
        };
        bent.give = [&](size_t bytes, void *const *blocks, size_t count) {
            if (culprit == 2)
                errno = 0;
            cairn_source_give(bent.below(), bytes, blocks, count);
        };
        EXPECT_EQ(Broken(cairn_law_errno_untouched, bent), "errno was changed") << culprit;
    }
}

TEST(LawErrno, PutsBackTheErrnoOfItsCaller)
{
    Bendable healthy;

    errno = EXDEV;
    EXPECT_EQ(Broken(cairn_law_errno_untouched, healthy), "holds");
    EXPECT_EQ(errno, EXDEV);
}

TEST(LawZeroed, CatchesADirtyBlockWhenZeroesWerePromised)
{
    Bendable bent;

    EXPECT_EQ(Broken(cairn_law_zeroed_if_promised, bent), "holds") << "nothing was promised";
    bent.ops.traits = CAIRN_SOURCE_ZEROED;
    EXPECT_EQ(Broken(cairn_law_zeroed_if_promised, bent),
              "a block does not read as zero, as the traits promise");
}

TEST(LawZeroed, HoldsWhenBlocksAreClearedAndCatchesOneDirtyByte)
{
    for (size_t dirty_idx = 0; dirty_idx <= 48; dirty_idx++) {
        Bendable bent;

        bent.ops.traits = CAIRN_SOURCE_ZEROED;
        bent.take = [&](size_t bytes, size_t align, void **blocks, size_t count) {
            size_t taken = cairn_source_take(bent.below(), bytes, align, blocks, count);

            for (size_t i = 0; i < taken; i++)
                std::memset(blocks[i], 0, bytes);
            if (dirty_idx < bytes)
                static_cast<char *>(blocks[0])[dirty_idx] = 1;
            return taken;
        };
        EXPECT_EQ(Broken(cairn_law_zeroed_if_promised, bent),
                  dirty_idx == 48 ? "holds"
                                  : "a block does not read as zero, as the traits promise");
    }
}

TEST(LawZeroed, CatchesABlockThatIsTheSameThroughoutButNotZero)
{
    Bendable bent;

    bent.ops.traits = CAIRN_SOURCE_ZEROED;
    bent.take = [&](size_t bytes, size_t align, void **blocks, size_t count) {
        size_t taken = cairn_source_take(bent.below(), bytes, align, blocks, count);

        for (size_t i = 0; i < taken; i++)
            std::memset(blocks[i], 0xdd, bytes);
        return taken;
    };
    EXPECT_EQ(Broken(cairn_law_zeroed_if_promised, bent),
              "a block does not read as zero, as the traits promise");
}

TEST(LawRetryable, CatchesASourceThatLosesWhatAFailedTakeHadGathered)
{
    Bendable bent;

    bent.take = [&](size_t bytes, size_t align, void **blocks, size_t count) {
        size_t taken = cairn_source_take(bent.below(), bytes, align, blocks, count);

        return taken < count && taken > 0 ? taken - 1 : taken;
    };
    // 256 KiB hold 128 blocks: the hand is larger, so the source runs dry.
    EXPECT_EQ(Broken(cairn_law_retryable, bent, {2048, 16, 100, 3}),
              "gave fewer blocks after it had run dry");
}

TEST(LawRetryable, CatchesADrySourceThatInventsBlocks)
{
    Bendable bent;
    void *last = nullptr;

    bent.take = [&](size_t bytes, size_t align, void **blocks, size_t count) {
        size_t taken = cairn_source_take(bent.below(), bytes, align, blocks, count);

        if (taken > 0)
            last = blocks[0];
        else
            blocks[taken++] = last;
        return taken;
    };
    EXPECT_EQ(Broken(cairn_law_retryable, bent, {2048, 16, 100, 1}),
              "a dry source gave blocks that overlap or are not aligned");
}

TEST(LawRetryable, CatchesSumsThatWrap)
{
    Bendable bent;

    bent.take = [&](size_t bytes, size_t align, void **blocks, size_t count) {
        size_t rounded = (bytes + 15) / 16 * 16; // 0 for SIZE_MAX

        return cairn_source_take(bent.below(), rounded > 0 ? rounded : 16, align, blocks, count);
    };
    bent.give = [&](size_t bytes, void *const *blocks, size_t count) {
        cairn_source_give(bent.below(), (bytes + 15) / 16 * 16, blocks, count);
    };
    EXPECT_EQ(Broken(cairn_law_retryable, bent), "gave a block larger than the address space");
}

TEST(LawRetryable, CatchesASourceThatIgnoresHighAlignments)
{
    Bendable bent;

    bent.take = [&](size_t bytes, size_t, void **blocks, size_t count) {
        return cairn_source_take(bent.below(), bytes, 4096, blocks, count);
    };
    EXPECT_EQ(Broken(cairn_law_retryable, bent, {4096, 4096, 8, 1}),
              "gave a block with an impossible alignment");
}

TEST(EveryLaw, CatchesAnAnswerThatIsWrongInItself)
{
    const Law laws[] = {cairn_law_aligned,   cairn_law_disjoint,          cairn_law_writable,
                        cairn_law_any_order, cairn_law_errno_untouched,   cairn_law_retryable,
                        cairn_laws_hold,     cairn_law_zeroed_if_promised};

    for (Law law : laws) {
        Bendable bent;

        bent.ops.traits = CAIRN_SOURCE_ZEROED;

        bent.take = [&](size_t bytes, size_t align, void **blocks, size_t count) {
            return cairn_source_take(bent.below(), bytes, align, blocks, count) + 1;
        };
        EXPECT_EQ(Broken(law, bent), "took more blocks than asked");
        bent.take = [&](size_t, size_t, void **blocks, size_t count) {
            blocks[count] = blocks;
            return count;
        };
        EXPECT_EQ(Broken(law, bent), "wrote behind the array of blocks");
        bent.take = [&](size_t bytes, size_t align, void **blocks, size_t count) {
            size_t taken = cairn_source_take(bent.below(), bytes, align, blocks, count);

            blocks[count - 1] = nullptr;
            return taken;
        };
        EXPECT_EQ(Broken(law, bent), "counted a NULL as a block");
        bent.take = [&](size_t, size_t, void **, size_t) { return size_t{0}; };
        EXPECT_EQ(Broken(law, bent), "gave fewer blocks than the shape promises");
    }
}

TEST(AllLaws, ContainEachOfThem)
{
    // One fault each that a single law sees: none may be missing from the whole.
    Bendable scribbling, touching_errno, dirty, wrapping;

    scribbling.give = [&, out = static_cast<char *>(nullptr)](size_t, void *const *blocks,
                                                              size_t count) mutable {
        if (out != nullptr)
            *out ^= 1;
        if (count > 0)
            out = static_cast<char *>(blocks[0]) + 48; // the first byte of its neighbour
    };
    touching_errno.give = [&](size_t bytes, void *const *blocks, size_t count) {
        errno = EINTR;
        cairn_source_give(touching_errno.below(), bytes, blocks, count);
    };
    dirty.ops.traits = CAIRN_SOURCE_ZEROED;
    wrapping.take = [&](size_t bytes, size_t align, void **blocks, size_t count) {
        return bytes == SIZE_MAX ? 1
                                 : cairn_source_take(wrapping.below(), bytes, align, blocks, count);
    };
    EXPECT_NE(Broken(cairn_laws_hold, scribbling), "holds");
    EXPECT_EQ(Broken(cairn_laws_hold, touching_errno), "errno was changed");
    EXPECT_NE(Broken(cairn_laws_hold, dirty).find("read as zero"), std::string::npos);
    EXPECT_NE(Broken(cairn_laws_hold, wrapping).find("address space"), std::string::npos);
}

using SourceLawsDeathTest = ::testing::Test;

TEST(SourceLawsDeathTest, AShapeThatMakesNoSenseIsMisuse)
{
    Bendable healthy;

    EXPECT_DEATH(Broken(cairn_law_aligned, healthy, {48, 16, 0, 1}), "bad block_count");
    EXPECT_DEATH(Broken(cairn_law_aligned, healthy, {48, 16, 257, 1}), "bad block_count");
    EXPECT_DEATH(Broken(cairn_law_aligned, healthy, {0, 16, 1, 1}), "bad block_bytes");
    EXPECT_DEATH(Broken(cairn_law_aligned, healthy, {48, 12, 1, 1}), "bad align_bytes");
}

} // namespace
