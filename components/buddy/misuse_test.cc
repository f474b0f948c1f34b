// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Each misuse ends in one line that names it. model_test and exhaustive_test try all the places and
// lengths.

#include <gtest/gtest.h>

#include <cairn/buffer.h>

#include "components/source/source_testing.h"
#include "buddy_fixture.h"

namespace {

using buddy_fixture::OverRange;
using buddy_fixture::OverSource;
using buddy_fixture::Placed;
using buddy_fixture::Region;

constexpr std::size_t kGranule = 64;
const char kNotHeld[] = "cairn: memory that this buddy does not hold .* in cairn_buddy_free";
const char kNoRun[] = "cairn: no run in use begins here \\(freed twice, or inside a run\\) "
                      "\\(pointer 0x[0-9a-f]+\\) in cairn_buddy_free";
const char kLength[] =
    "cairn: a run of another length \\(pointer 0x[0-9a-f]+\\) in cairn_buddy_free";

// The same misuses over a range and over a source.
class BuddyDeathTest : public ::testing::TestWithParam<bool> {
  protected:
    void SetUp() override
    {
        source_testing::Init(&buffer_, region_.At(0), 1 << 18);
        if (GetParam())
            buddy_.reset(
                new Placed(OverSource(cairn_buffer_as_source(&buffer_), 4096, 8, kGranule)));
        else
            buddy_.reset(new Placed(OverRange(region_.At(0), 4096, kGranule)));
        run_ = static_cast<char *>(Alloc(5));
        next_ = static_cast<char *>(Alloc(8));
    }

    void *Alloc(std::size_t granules)
    {
        return cairn_buddy_alloc(buddy_->get(), granules * kGranule, 1, nullptr);
    }
    void Free(void *run, std::size_t bytes)
    {
        cairn_buddy_free(buddy_->get(), run, bytes);
    }

    Region region_{1 << 20, 4096};
    cairn_buffer buffer_;
    std::unique_ptr<Placed> buddy_;
    char *run_;
    char *next_;
};

TEST_P(BuddyDeathTest, AWrongLengthPanics)
{
    EXPECT_DEATH(Free(run_, 4 * kGranule), kLength);
    EXPECT_DEATH(Free(run_, 5 * kGranule + 1), kLength);
    EXPECT_DEATH(Free(run_, 0), kLength);
    EXPECT_DEATH(Free(run_, SIZE_MAX), kLength);
    EXPECT_DEATH(Free(next_, 16 * kGranule), kLength);
}

TEST_P(BuddyDeathTest, TwoRunsAsOnePanic)
{
    char *third = static_cast<char *>(Alloc(8));

    ASSERT_EQ(third, next_ + 8 * kGranule);
    EXPECT_DEATH(Free(next_, 16 * kGranule), kLength);
}

TEST_P(BuddyDeathTest, TheInsideOfARunPanics)
{
    EXPECT_DEATH(Free(run_ + kGranule, 4 * kGranule), kNoRun);
    EXPECT_DEATH(Free(run_ + 1, 5 * kGranule), kNoRun);
    EXPECT_DEATH(Free(run_ + kGranule / 2, 5 * kGranule), kNoRun);
}

TEST_P(BuddyDeathTest, FreeingTwicePanics)
{
    Free(run_, 5 * kGranule);
    EXPECT_DEATH(Free(run_, 5 * kGranule), kNoRun);
    EXPECT_DEATH(Free(run_, kGranule), kNoRun);
}

TEST_P(BuddyDeathTest, MemoryThatIsNotHeldPanics)
{
    int local = 0;

    EXPECT_DEATH(Free(&local, sizeof(local)), kNotHeld);
    EXPECT_DEATH(Free(nullptr, 1),
                 "cairn: memory that this buddy does not hold in cairn_buddy_free");
    EXPECT_DEATH(Free(region_.At(4096), kGranule), kNotHeld);
    EXPECT_DEATH(Free(buddy_->get(), kGranule), kNotHeld);
}

TEST_P(BuddyDeathTest, ResizeAsksTheSameQuestions)
{
    EXPECT_DEATH((void)cairn_buddy_resize(buddy_->get(), run_, kGranule, kGranule),
                 "cairn: a run of another length .* in cairn_buddy_resize");
    EXPECT_DEATH((void)cairn_buddy_resize(buddy_->get(), run_ + kGranule, kGranule, 0),
                 "cairn: no run in use begins here .* in cairn_buddy_resize");
    EXPECT_DEATH((void)cairn_buddy_resize(buddy_->get(), nullptr, kGranule, kGranule),
                 "cairn: memory that this buddy does not hold in cairn_buddy_resize");
}

TEST_P(BuddyDeathTest, GiveAsksThemToo)
{
    cairn_source source = cairn_buddy_as_source(buddy_->get());

    EXPECT_DEATH(cairn_source_give_one(source, kGranule, run_), kLength);
    cairn_source_give_one(source, 5 * kGranule, run_);
    EXPECT_DEATH(cairn_source_give_one(source, 5 * kGranule, run_), kNoRun);
}

TEST_P(BuddyDeathTest, EndingAPurgeOfAnythingElsePanics)
{
    cairn_buddy_stretch stretch = {};
    auto end = [&](void *base, std::size_t bytes) {
        cairn_buddy_stretch wrong = {base, bytes, 0, true};
        cairn_buddy_purge_end(buddy_->get(), &wrong, 1);
    };
    const char no_stretch[] =
        "cairn: no stretch being purged begins here .* in cairn_buddy_purge_end";

    ASSERT_EQ(cairn_buddy_purge_begin(buddy_->get(), 0, 1, &stretch, 1), 1u);
    char *base = static_cast<char *>(stretch.base);
    EXPECT_DEATH(end(run_, 5 * kGranule), no_stretch);
    EXPECT_DEATH(end(base + kGranule, stretch.length_bytes - kGranule), no_stretch);
    EXPECT_DEATH(end(base + 1, stretch.length_bytes), no_stretch);
    EXPECT_DEATH(end(base, stretch.length_bytes - kGranule), "a run of another length");
    EXPECT_DEATH(end(base, 0), "a run of another length");
    EXPECT_DEATH(end(&stretch, kGranule), "memory that this buddy does not hold");
    EXPECT_DEATH(Free(base, stretch.length_bytes), kNoRun);
    EXPECT_DEATH((void)cairn_buddy_resize(buddy_->get(), base, stretch.length_bytes, kGranule),
                 "no run in use begins here");
    Free(run_, 5 * kGranule);
    Free(next_, 8 * kGranule);
    EXPECT_DEATH(cairn_buddy_fini(buddy_->get()), "cairn: a buddy ended with runs in use");
    end(base, stretch.length_bytes);
    EXPECT_DEATH(end(base, stretch.length_bytes), GetParam() ? "does not hold" : no_stretch);
    EXPECT_EQ(buddy_->stats().purging_bytes, 0u);
}

TEST_P(BuddyDeathTest, FeedingWhatIsNoNewChunkPanics)
{
    auto feed = [&](std::size_t offset) {
        cairn_buddy_feed(buddy_->get(), region_.At(offset), true);
    };

    if (!GetParam()) {
        EXPECT_DEATH(feed(1 << 19),
                     "cairn: a buddy without a free slot is fed .* in cairn_buddy_feed");
        return;
    }
    EXPECT_DEATH(feed((1 << 19) + 2048),
                 "cairn: a chunk that is not aligned .* in cairn_buddy_feed");
    EXPECT_DEATH(cairn_buddy_feed(buddy_->get(), nullptr, true),
                 "cairn: a chunk that is not aligned");
    EXPECT_DEATH(feed(0), "cairn: a chunk that is held already .* in cairn_buddy_feed");
    for (std::size_t chunk = 0; chunk < 7; chunk++)
        feed((1 << 19) + chunk * 4096);
    EXPECT_DEATH(feed((1 << 19) + 3 * 4096), "cairn: a buddy without a free slot is fed");
}

// Around the border of a word of 64 granules, and at both ends of a chunk of 64.
TEST_P(BuddyDeathTest, AGranuleThatIsNoRunOfItsOwnPanics)
{
    std::vector<char *> granules;
    for (int idx = 0; idx < 51; idx++)
        granules.push_back(static_cast<char *>(Alloc(1)));
    for (char *granule : granules) {
        EXPECT_DEATH(Free(granule, 2 * kGranule), kLength);
        EXPECT_DEATH(Free(granule + 1, kGranule), kNoRun);
        Free(granule, kGranule);
        EXPECT_DEATH(Free(granule, kGranule), kNoRun) << "freed twice";
        EXPECT_EQ(Alloc(1), granule);
    }
    EXPECT_DEATH(Free(run_, kGranule), kLength);
    EXPECT_DEATH(Free(run_ + kGranule, kGranule), kNoRun);
    EXPECT_DEATH(Free(run_ - kGranule, kGranule), kNotHeld);
    EXPECT_DEATH(Free(nullptr, kGranule), "cairn: memory that this buddy does not hold");
    EXPECT_DEATH(Free(reinterpret_cast<void *>(kGranule), kGranule), kNotHeld);
}

TEST_P(BuddyDeathTest, AStateThatWasOverwrittenIsFoundByTheCheck)
{
    std::size_t at = buddy_->state().size() - 1;
    char *state = buddy_->state().data();

    for (; state[at] == 0; at--) // the padding
        continue;
    state[at] = static_cast<char>(state[at] ^ 4);
    EXPECT_DEATH(cairn_buddy_check(buddy_->get()), "cairn: (invariant broken|assertion failed): ");
    state[at] = static_cast<char>(state[at] ^ 4);
    cairn_buddy_check(buddy_->get());
}

std::string NameOf(const ::testing::TestParamInfo<bool> &over_source)
{
    return over_source.param ? "Source" : "Range";
}

INSTANTIATE_TEST_SUITE_P(Over, BuddyDeathTest, ::testing::Bool(), NameOf);

} // namespace
