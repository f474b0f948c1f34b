// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Over a source: chunks come and go, failures change nothing, nothing is lost.

#include <set>

#include <gtest/gtest.h>

#include <cairn/buffer.h>
#include <cairn/counted.h>
#include <cairn/failing.h>
#include <cairn/source_laws.h>

#include "components/source/source_testing.h"
#include "buddy_fixture.h"

namespace {

using buddy_fixture::OverSource;
using buddy_fixture::Placed;
using buddy_fixture::Region;
using buddy_fixture::Seed;

constexpr std::size_t kGranule = 64;
constexpr std::size_t kChunk = 16 * kGranule;

// buddy over failing over counted over buffer.
class Chunks : public ::testing::Test {
  protected:
    void SetUp() override
    {
        Start(0);
    }

    void Start(std::size_t keep_count, std::size_t chunk_count_max = 4, int protection = PROT_NONE)
    {
        region_.reset(new Region(64 * kChunk, kChunk, protection));
        source_testing::Init(&buffer_, region_->At(0), 64 * kChunk);
        source_testing::Init(&counted_, cairn_buffer_as_source(&buffer_));
        source_testing::Init(&failing_, cairn_counted_as_source(&counted_));
        config_ = OverSource(cairn_failing_as_source(&failing_), kChunk, chunk_count_max, kGranule);
        config_.chunk_keep_count = keep_count;
        buddy_.reset(new Placed(config_));
    }

    void TearDown() override
    {
        cairn_buddy_check(buddy_->get());
        cairn_buddy_fini(buddy_->get());
        EXPECT_TRUE(buddy_->state().IsIntact());
        cairn_failing_fini(&failing_);
        EXPECT_EQ(cairn_counted_counts(&counted_).bytes_outstanding, 0u) << "L6";
        cairn_counted_fini(&counted_);
        cairn_buffer_fini(&buffer_);
    }

    void *Alloc(std::size_t granules, std::size_t align_granules = 1)
    {
        void *run = cairn_buddy_alloc(buddy_->get(), granules * kGranule, align_granules * kGranule,
                                      nullptr);

        cairn_buddy_check(buddy_->get());
        return run;
    }
    void Free(void *run, std::size_t granules)
    {
        cairn_buddy_free(buddy_->get(), run, granules * kGranule);
        cairn_buddy_check(buddy_->get());
    }
    std::size_t Held() const
    {
        return buddy_->stats().chunk_count;
    }
    std::size_t Outstanding() const
    {
        return cairn_counted_counts(&counted_).bytes_outstanding / kChunk;
    }

    std::unique_ptr<Region> region_;
    cairn_buffer buffer_;
    cairn_counted counted_;
    cairn_failing failing_;
    cairn_buddy_config config_;
    std::unique_ptr<Placed> buddy_;
};

using ChunksDeathTest = Chunks;

TEST_F(Chunks, NothingIsTakenBeforeItIsNeeded)
{
    EXPECT_EQ(Outstanding(), 0u);
    EXPECT_EQ(buddy_->stats().held_bytes, 0u);
    EXPECT_EQ(buddy_->stats().largest_free_bytes, 0u);
    EXPECT_FALSE(cairn_buddy_owns(buddy_->get(), region_->At(0)));
}

TEST_F(Chunks, AChunkIsTakenWhenNeededAndGivenBackWhenEmpty)
{
    void *run = Alloc(3);

    EXPECT_EQ(Outstanding(), 1u);
    EXPECT_EQ(buddy_->stats().held_bytes, kChunk);
    EXPECT_TRUE(cairn_buddy_owns(buddy_->get(), run));
    void *other = Alloc(8);
    EXPECT_EQ(Outstanding(), 1u);
    Free(run, 3);
    EXPECT_EQ(Outstanding(), 1u);
    Free(other, 8);
    EXPECT_EQ(Outstanding(), 0u);
    EXPECT_FALSE(cairn_buddy_owns(buddy_->get(), run));
    EXPECT_EQ(cairn_buddy_run_bytes(buddy_->get(), run), 0u);
}

TEST_F(Chunks, MergingNeverCrossesChunks)
{
    Start(4);
    void *first = Alloc(16);
    void *second = Alloc(16);

    EXPECT_EQ(static_cast<char *>(second) - static_cast<char *>(first), std::ptrdiff_t{kChunk});
    Free(first, 16);
    Free(second, 16);
    EXPECT_EQ(buddy_->stats().largest_free_bytes, kChunk);
    EXPECT_EQ(buddy_->stats().free_bytes, 2 * kChunk);
    EXPECT_EQ(Alloc(17), nullptr);
    EXPECT_EQ(Outstanding(), 2u) << "what never fits is not asked for";
}

TEST_F(Chunks, ResizeStaysWithinItsChunk)
{
    Start(4);
    void *first = Alloc(8);
    void *second = Alloc(16);

    Free(second, 16);
    EXPECT_FALSE(cairn_buddy_resize(buddy_->get(), first, 8 * kGranule, 17 * kGranule));
    EXPECT_TRUE(cairn_buddy_resize(buddy_->get(), first, 8 * kGranule, 16 * kGranule));
    cairn_buddy_check(buddy_->get());
    Free(first, 16);
}

TEST_F(Chunks, AsManyEmptyChunksAreKeptAsConfigured)
{
    Start(2);
    void *runs[4] = {Alloc(16), Alloc(16), Alloc(16), Alloc(16)};

    for (void *run : runs)
        Free(run, 16);
    EXPECT_EQ(Outstanding(), 2u);
    EXPECT_EQ(Held(), 2u);
    void *run = Alloc(1);
    EXPECT_EQ(cairn_counted_counts(&counted_).take_calls, 4u) << "a kept chunk is used again";
    Free(run, 1);
    EXPECT_EQ(Outstanding(), 2u);
}

TEST_F(Chunks, NoMoreThanTheMaximumIsTaken)
{
    std::set<void *> runs = {Alloc(16), Alloc(16), Alloc(16), Alloc(16)};
    std::vector<char> before = buddy_->state().Bytes();

    EXPECT_EQ(runs.size(), 4u);
    EXPECT_EQ(Alloc(1), nullptr);
    EXPECT_EQ(cairn_counted_counts(&counted_).take_calls, 4u) << "nor asked for";
    EXPECT_EQ(before, buddy_->state().Bytes());
    Free(*runs.begin(), 16);
    EXPECT_NE(Alloc(16), nullptr);
    for (void *run : runs)
        Free(run, 16);
}

TEST_F(Chunks, BlocksAreNaturallyAlignedUnasked)
{
    for (std::size_t granules = 1; granules <= 16; granules *= 2) {
        void *single = Alloc(1);
        void *run = Alloc(granules);

        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(run) % (granules * kGranule), 0u);
        Free(run, granules);
        Free(single, 1);
    }
    EXPECT_EQ(Alloc(1, 32), nullptr) << "no alignment beyond a chunk";
}

TEST_F(Chunks, KeepsTheLaws)
{
    TearDown();
    Start(1, 40, PROT_READ | PROT_WRITE);
    cairn_source source = cairn_buddy_as_source(buddy_->get());

    EXPECT_STREQ(source.ops->name, "buddy");
    EXPECT_EQ(source.ops->traits, static_cast<unsigned>(CAIRN_SOURCE_NATURAL_ALIGN));
    for (std::size_t block : {1, 64, 65, 300, 512, 1000, 1024}) {
        for (std::size_t align : {1, 64, 256, 1024}) {
            cairn_law_shape shape = {block, align, 30, Seed()};

            EXPECT_EQ(cairn_laws_hold(source, &shape), nullptr) << block << " " << align;
            cairn_buddy_check(buddy_->get());
        }
    }
    EXPECT_LE(Outstanding(), 1u);
}

// A scenario that asks for chunks in several ways; true when every alloc that did not get its
// chunk was said to fail.
std::size_t PlayScenario(cairn_buddy *buddy, const Placed &placed)
{
    std::vector<std::pair<void *, std::size_t>> runs;
    std::size_t refused = 0;

    for (std::size_t i = 0; i < 40; i++) {
        std::size_t bytes = (i * 7 % 16 + 1) * kGranule;
        std::vector<char> before = placed.state().Bytes();
        void *run = cairn_buddy_alloc(buddy, bytes, kGranule, nullptr);

        cairn_buddy_check(buddy);
        if (run != nullptr) {
            runs.push_back({run, bytes});
        } else {
            EXPECT_EQ(before, placed.state().Bytes()) << "a failure changes nothing";
            refused++;
        }
        if (i % 3 == 2 && !runs.empty()) {
            cairn_buddy_free(buddy, runs.front().first, runs.front().second);
            runs.erase(runs.begin());
        }
    }
    for (auto &run : runs)
        cairn_buddy_free(buddy, run.first, run.second);
    cairn_buddy_check(buddy);
    return refused;
}

TEST_F(Chunks, EveryTakeOfTheSourceMayFail)
{
    for (std::uint64_t count : {std::uint64_t{1}, std::uint64_t{3}, UINT64_MAX}) {
        std::uint64_t seen = 1;

        for (std::uint64_t from = 0; from < seen; from++) {
            TearDown();
            Start(1, 40);
            cairn_failing_plan(&failing_, from, count);
            std::size_t refused = PlayScenario(buddy_->get(), *buddy_);
            seen = cairn_failing_seen(&failing_);
            EXPECT_EQ(refused > 0, from < seen) << from;
        }
        EXPECT_GT(seen, 5u);
    }
}

TEST_F(Chunks, AFailedTakeMayBeTriedAgain)
{
    cairn_failing_plan(&failing_, 0, 2);
    EXPECT_EQ(Alloc(1), nullptr);
    EXPECT_EQ(Alloc(1), nullptr);
    void *run = Alloc(1);
    EXPECT_NE(run, nullptr);
    Free(run, 1);
}

// A source of one chunk at a time, at any address: nothing is ever touched there.
struct Places {
    std::vector<std::uintptr_t> next;
    std::set<std::uintptr_t> out;

    static std::size_t Take(void *self, std::size_t, std::size_t, void **blocks, std::size_t)
    {
        Places *places = static_cast<Places *>(self);

        if (places->next.empty())
            return 0;
        blocks[0] = reinterpret_cast<void *>(places->next.back());
        places->out.insert(places->next.back());
        places->next.pop_back();
        return 1;
    }
    static void Give(void *self, std::size_t, void *const *blocks, std::size_t)
    {
        Places *places = static_cast<Places *>(self);

        EXPECT_EQ(places->out.erase(reinterpret_cast<std::uintptr_t>(blocks[0])), 1u);
    }
};

const cairn_source_ops kPlaces = {"places", 0, Places::Take, Places::Give};
const cairn_source_ops kZeroedPlaces = {"places", CAIRN_SOURCE_ZEROED, Places::Take, Places::Give};

// Regions that overlap in the low bits of their addresses, dense and sparse.
std::vector<std::uintptr_t> Addresses(std::size_t count, std::size_t chunk_bytes, int pattern)
{
    std::vector<std::uintptr_t> places;
    std::mt19937_64 random(Seed());
    std::set<std::uintptr_t> seen;

    while (places.size() < count) {
        std::uintptr_t i = places.size() + 1;
        std::uintptr_t chunk = pattern == 0   ? i
                               : pattern == 1 ? (i % 4 << 30) + i / 4
                               : pattern == 2 ? i << 20
                                              : random() % (std::uintptr_t{1} << 34) + 1;
        if (seen.insert(chunk).second)
            places.push_back(chunk * chunk_bytes);
        else if (pattern != 3)
            ADD_FAILURE() << "equal addresses";
    }
    return places;
}

TEST(ChunksTable, ChunksAtAnyAddressesAreFoundAndForgotten)
{
    constexpr std::size_t count = 300;

    for (int pattern = 0; pattern < 4; pattern++) {
        Places places;
        std::vector<void *> runs;
        std::mt19937_64 random(Seed());

        places.next = Addresses(3 * count, 4096, pattern);
        Placed buddy(OverSource({&kPlaces, &places}, 4096, count, 2048));
        for (int i = 0; i < 4000 && !places.next.empty(); i++) {
            if (runs.size() < count && (random() % 2 == 0 || runs.empty())) {
                runs.push_back(cairn_buddy_alloc(buddy.get(), 4096, 1, nullptr));
                ASSERT_NE(runs.back(), nullptr);
            } else {
                std::size_t at = random() % runs.size();
                cairn_buddy_free(buddy.get(), runs[at], 4096);
                ASSERT_FALSE(cairn_buddy_owns(buddy.get(), runs[at]));
                runs[at] = runs.back();
                runs.pop_back();
            }
            ASSERT_EQ(places.out.size(), runs.size());
            if (i % 16 == 0)
                cairn_buddy_check(buddy.get());
        }
        for (void *run : runs) {
            ASSERT_EQ(cairn_buddy_run_bytes(buddy.get(), run), 4096u);
            cairn_buddy_free(buddy.get(), run, 4096);
        }
        EXPECT_TRUE(places.out.empty());
        cairn_buddy_fini(buddy.get());
    }
}

TEST(ChunksTable, TheLowestSlotIsUsedAgain)
{
    Places places;

    places.next = Addresses(100, 4096, 3);
    Placed buddy(OverSource({&kPlaces, &places}, 4096, 64, 1024));
    std::vector<void *> runs;
    for (int i = 0; i < 10; i++)
        runs.push_back(cairn_buddy_alloc(buddy.get(), 4096, 1, nullptr));
    cairn_buddy_free(buddy.get(), runs[7], 4096);
    cairn_buddy_free(buddy.get(), runs[3], 4096);
    // The lowest free block is the one in the lower slot: two half chunks in slot 3, then slot 7.
    void *low = cairn_buddy_alloc(buddy.get(), 1024, 1, nullptr);
    void *high = cairn_buddy_alloc(buddy.get(), 4096, 1, nullptr);
    void *in_low = cairn_buddy_alloc(buddy.get(), 1024, 1, nullptr);
    EXPECT_EQ(static_cast<char *>(in_low) - static_cast<char *>(low), 1024);
    cairn_buddy_free(buddy.get(), high, 4096);
    high = cairn_buddy_alloc(buddy.get(), 3072, 1, nullptr);
    EXPECT_EQ(places.out.size(), 10u);
    // A run of two fits slot 3 and nowhere else but a new chunk.
    void *fits = cairn_buddy_alloc(buddy.get(), 2048, 1, nullptr);
    EXPECT_EQ(static_cast<char *>(fits) - static_cast<char *>(low), 2048);
    cairn_buddy_check(buddy.get());
    cairn_buddy_free(buddy.get(), fits, 2048);
    cairn_buddy_free(buddy.get(), high, 3072);
    cairn_buddy_free(buddy.get(), low, 1024);
    cairn_buddy_free(buddy.get(), in_low, 1024);
    for (std::size_t i : {0, 1, 2, 4, 5, 6, 8, 9})
        cairn_buddy_free(buddy.get(), runs[i], 4096);
    cairn_buddy_fini(buddy.get());
}

TEST(ChunksTable, AHugeSpaceOfSlotsCostsWhatItUses)
{
    Places places;
    cairn_buddy_config config =
        OverSource({&kPlaces, &places}, std::size_t{1} << 22, std::size_t{1} << 20, 65536);
    std::size_t bytes = cairn_buddy_state_bytes(&config);

    places.next = Addresses(64, std::size_t{1} << 22, 0);
    Region state(bytes, 4096, PROT_READ | PROT_WRITE);
    cairn_buddy *buddy = static_cast<cairn_buddy *>(state.At(0));
    ASSERT_EQ(buddy_fixture::Init(buddy, bytes, config), 0);
    std::vector<void *> runs;
    for (int i = 0; i < 64; i++)
        runs.push_back(cairn_buddy_alloc(buddy, std::size_t{1} << 22, 1, nullptr));
    EXPECT_EQ(places.out.size(), 64u);
    cairn_buddy_check(buddy);

    std::vector<unsigned char> resident(bytes / buddy_fixture::PageBytes() + 1);
    ASSERT_EQ(mincore(buddy, bytes, resident.data()), 0);
    std::size_t pages = 0;
    for (unsigned char page : resident)
        pages += page & 1;
    EXPECT_LT(pages, 100u);
    for (void *run : runs)
        cairn_buddy_free(buddy, run, std::size_t{1} << 22);
    cairn_buddy_fini(buddy);
}

bool AnswerIsZeroed(void *self, const void *)
{
    return *static_cast<bool *>(self);
}

TEST(ChunksZeroed, IsAskedAboutEachChunk)
{
    Places places;
    bool answer = true;
    bool is_zeroed = false;

    places.next = Addresses(9, 4096, 0);
    cairn_buddy_config config = OverSource({&kPlaces, &places}, 4096, 8, 1024);
    config.chunk_is_zeroed = AnswerIsZeroed;
    config.chunk_is_zeroed_self = &answer;
    Placed buddy(config);
    void *first = cairn_buddy_alloc(buddy.get(), 4096, 1, &is_zeroed);
    EXPECT_TRUE(is_zeroed);
    answer = false;
    void *second = cairn_buddy_alloc(buddy.get(), 1024, 1, &is_zeroed);
    EXPECT_FALSE(is_zeroed);
    EXPECT_EQ(buddy.stats().free_dirty_bytes, 3072u);
    cairn_buddy_free(buddy.get(), first, 4096);
    answer = true; // the slot of a dirty chunk that left
    first = cairn_buddy_alloc(buddy.get(), 4096, 1, &is_zeroed);
    EXPECT_TRUE(is_zeroed);
    cairn_buddy_free(buddy.get(), first, 4096);
    cairn_buddy_free(buddy.get(), second, 1024);
    EXPECT_EQ(buddy.stats().free_dirty_bytes, 0u);
    cairn_buddy_fini(buddy.get());
}

TEST(ChunksZeroed, ASourceThatPromisesItNeedNotBeAsked)
{
    for (const cairn_source_ops *ops : {&kPlaces, &kZeroedPlaces}) {
        Places places;
        bool is_zeroed = ops == &kPlaces;

        places.next = Addresses(1, 4096, 0);
        Placed buddy(OverSource({ops, &places}, 4096, 8, 1024));
        void *run = cairn_buddy_alloc(buddy.get(), 1024, 1, &is_zeroed);
        EXPECT_EQ(is_zeroed, ops == &kZeroedPlaces);
        cairn_buddy_free(buddy.get(), run, 1024);
    }
}

TEST(ChunksTableDeathTest, ASourceThatBreaksItsLawsIsFoundOut)
{
    Places places;
    Placed buddy(OverSource({&kPlaces, &places}, 4096, 8, 1024));

    places.next = {0x10800};
    EXPECT_DEATH((void)cairn_buddy_alloc(buddy.get(), 1, 1, nullptr),
                 "cairn: a chunk that is not aligned \\(pointer 0x10800\\)");
    places.next = {0x10000, 0x10000};
    ASSERT_NE(cairn_buddy_alloc(buddy.get(), 4096, 1, nullptr), nullptr);
    EXPECT_DEATH((void)cairn_buddy_alloc(buddy.get(), 1, 1, nullptr),
                 "cairn: a chunk that is held already \\(pointer 0x10000\\)");
}

} // namespace
