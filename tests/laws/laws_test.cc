// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// The laws that a layer of a malloc keeps, asked of whatever layers are linked. A failure names the
// layer and the law.
//
//     pages    struct cairn_os: fresh memory reads as zero, is aligned, disjoint, and goes back in parts
//     runs     struct cairn_runs_ops: runs are disjoint, in the chunks that were fed, and counted
//     classes  the table's invariants
//     seams    every source between two layers: the laws of <cairn/source.h>
//     caches   blocks that are freed come back, and all of them reach the layer below on a flush

#include <cairn/classes.h>
#include <cairn/source_laws.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

extern "C" {
#include "tests/laws/layers.h"
}

namespace {

// Printed with each failure; CAIRN_TEST_SEED repeats a run.
uint64_t Seed()
{
    const char *given = std::getenv("CAIRN_TEST_SEED");
    static const uint64_t seed =
        given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    return seed;
}

class Laws : public testing::Test {
  protected:
    void SetUp() override
    {
        ASSERT_EQ(layers_start(), 0) << "the layers cannot be built";
    }
    testing::ScopedTrace trace_{__FILE__, __LINE__, "seed " + std::to_string(Seed())};
};

// ---- pages --------------------------------------------------------------------------------------

bool IsZero(const char *memory, size_t bytes)
{
    for (size_t idx = 0; idx < bytes; idx += 64)
        if (memory[idx] != 0)
            return false;
    return memory[bytes - 1] == 0;
}

class PagesLayer : public Laws {
  protected:
    char *Map(size_t pages)
    {
        return static_cast<char *>(os_.ops->map(os_.self, pages * Page(), true));
    }
    size_t Page()
    {
        return os_.ops->page_bytes(os_.self);
    }
    cairn_os os_ = cairn_stack_pages();
};

TEST_F(PagesLayer, HasAPageSizeThatIsAPowerOfTwo)
{
    EXPECT_EQ(Page() & (Page() - 1), 0u);
    EXPECT_GE(Page(), 4096u);
    EXPECT_LE(Page(), 65536u);
}

TEST_F(PagesLayer, MapsFreshMemoryThatReadsAsZeroAndIsAligned)
{
    for (int round = 0; round < 3; round++) { // the second time it was written before
        std::vector<char *> maps;
        for (size_t pages : {1, 3, 16, 64}) {
            char *memory = Map(pages);
            ASSERT_NE(memory, nullptr) << "layer pages: map() refuses " << pages << " pages";
            EXPECT_EQ(reinterpret_cast<uintptr_t>(memory) % Page(), 0u) << "layer pages: alignment";
            EXPECT_TRUE(IsZero(memory, pages * Page())) << "layer pages: map() is not zero";
            std::memset(memory, 0x5a, pages * Page());
            maps.push_back(memory);
        }
        size_t idx = 0;
        for (size_t pages : {1, 3, 16, 64})
            EXPECT_EQ(os_.ops->unmap(os_.self, maps[idx++], pages * Page()), 0);
    }
}

TEST_F(PagesLayer, MappingsAreDisjoint)
{
    std::map<char *, char *> maps;
    for (int idx = 0; idx < 20; idx++) {
        char *memory = Map(2);
        ASSERT_NE(memory, nullptr);
        maps[memory] = memory + 2 * Page();
    }
    EXPECT_EQ(maps.size(), 20u) << "layer pages: one address twice";
    char *before = nullptr;
    for (auto [base, end] : maps) {
        EXPECT_GE(base, before) << "layer pages: mappings overlap";
        before = end;
        EXPECT_EQ(os_.ops->unmap(os_.self, base, 2 * Page()), 0);
    }
}

TEST_F(PagesLayer, PartsOfAMappingGoBackAlone)
{
    char *memory = Map(8);
    ASSERT_NE(memory, nullptr);
    std::memset(memory, 1, 8 * Page());
    EXPECT_EQ(os_.ops->unmap(os_.self, memory, 2 * Page()), 0);
    EXPECT_EQ(os_.ops->unmap(os_.self, memory + 6 * Page(), 2 * Page()), 0);
    for (size_t idx = 2 * Page(); idx < 6 * Page(); idx += 64)
        ASSERT_EQ(memory[idx], 1) << "layer pages: unmap() of a part changes another";
    EXPECT_EQ(os_.ops->unmap(os_.self, memory + 2 * Page(), 4 * Page()), 0);
}

TEST_F(PagesLayer, APurgeThatSucceedsLeavesZeros)
{
    char *memory = Map(4);
    ASSERT_NE(memory, nullptr);
    std::memset(memory, 1, 4 * Page());
    bool is_purged = os_.ops->purge(os_.self, memory + Page(), 2 * Page()) == 0;
    EXPECT_TRUE(!is_purged || IsZero(memory + Page(), 2 * Page()))
        << "layer pages: purge() leaves data";
    EXPECT_EQ(memory[0], 1) << "layer pages: purge() reaches too far";
    EXPECT_EQ(memory[3 * Page()], 1) << "layer pages: purge() reaches too far";
    EXPECT_EQ(os_.ops->unmap(os_.self, memory, 4 * Page()), 0);
}

TEST_F(PagesLayer, AResizeKeepsWhatIsThere)
{
    char *memory = Map(4);
    ASSERT_NE(memory, nullptr);
    std::memset(memory, 7, 4 * Page());
    size_t pages = 4;
    for (size_t wanted : {2, 9}) {
        auto *moved = static_cast<char *>(
            os_.ops->remap(os_.self, memory, pages * Page(), wanted * Page(), true));
        if (moved == nullptr)
            continue;
        EXPECT_TRUE(wanted <= pages || IsZero(moved + pages * Page(), (wanted - pages) * Page()))
            << "layer pages: remap() adds what is not zero";
        memory = moved;
        pages = wanted;
        EXPECT_EQ(memory[0], 7) << "layer pages: remap() loses data";
        EXPECT_EQ(memory[2 * Page() - 1], 7) << "layer pages: remap() loses data";
    }
    EXPECT_EQ(os_.ops->unmap(os_.self, memory, pages * Page()), 0);
}

TEST_F(PagesLayer, ErrnoIsLeftAlone)
{
    errno = 77;
    char *memory = Map(1);
    os_.ops->purge(os_.self, memory, Page());
    os_.ops->unmap(os_.self, memory, Page());
    EXPECT_EQ(os_.ops->map(os_.self, size_t{1} << 55, true), nullptr);
    EXPECT_EQ(errno, 77) << "layer pages breaks L8: errno is left alone";
}

// ---- runs ---------------------------------------------------------------------------------------

constexpr size_t kGranule = 16384;
constexpr size_t kChunk = 2 << 20;

// A run allocator of its own, over chunks of the test's.
class RunsLayer : public Laws {
  protected:
    RunsLayer()
    {
        cairn_runs_config config = {kGranule, kChunk, 8};
        state_bytes_ = cairn_stack_runs.state_bytes(&config);
        state_.reset(
            static_cast<char *>(std::aligned_alloc(4096, (state_bytes_ + 4095) & ~4095ul)));
        std::memset(state_.get(), 0, state_bytes_);
        EXPECT_EQ(cairn_stack_runs.init(state_.get(), state_bytes_, &config), 0);
    }
    void Feed(bool is_zeroed)
    {
        void *chunk = std::aligned_alloc(kChunk, kChunk);
        if (is_zeroed)
            std::memset(chunk, 0, kChunk);
        chunks_.emplace_back(static_cast<char *>(chunk));
        cairn_stack_runs.feed(State(), chunk, is_zeroed);
    }
    bool IsInAChunk(char *run, size_t bytes)
    {
        for (auto &chunk : chunks_)
            if (run >= chunk.get() && run + bytes <= chunk.get() + kChunk)
                return true;
        return false;
    }
    // What the layer counts must be what the test counts.
    void ExpectLevels(size_t used, size_t chunks)
    {
        if (cairn_stack_runs.levels == nullptr)
            return;
        cairn_levels levels = *cairn_stack_runs.levels(State());
        ASSERT_EQ(levels.used_bytes, used) << "layer runs: used_bytes";
        ASSERT_EQ(levels.free_bytes, chunks * kChunk - used) << "layer runs: free_bytes";
        ASSERT_EQ(levels.chunk_count, chunks) << "layer runs: chunk_count";
    }
    void Check()
    {
        if (cairn_stack_runs.check != nullptr)
            cairn_stack_runs.check(State());
    }
    void *State()
    {
        return state_.get();
    }

    struct Free {
        void operator()(char *memory)
        {
            std::free(memory);
        }
    };
    size_t state_bytes_;
    std::unique_ptr<char, Free> state_;
    std::vector<std::unique_ptr<char, Free>> chunks_;
};

TEST_F(RunsLayer, HasNothingBeforeItIsFed)
{
    EXPECT_EQ(cairn_stack_runs.alloc(State(), kGranule, kGranule, nullptr), nullptr);
    ExpectLevels(0, 0);
    EXPECT_TRUE(cairn_stack_runs.shed == nullptr || cairn_stack_runs.shed(State(), 0) == nullptr);
}

// Until the chunk is used up, so that every run has neighbours.
TEST_F(RunsLayer, RunsTakenInARowAreDisjoint)
{
    constexpr size_t kBytes = 2 * kGranule;
    std::vector<char *> runs;
    Feed(false);
    while (void *run = cairn_stack_runs.alloc(State(), kBytes, kGranule, nullptr))
        runs.push_back(static_cast<char *>(run));
    EXPECT_GE(runs.size(), 2u) << "layer runs: a chunk has room for one run";
    std::sort(runs.begin(), runs.end());
    for (size_t idx = 1; idx < runs.size(); idx++)
        ASSERT_LE(runs[idx - 1] + kBytes, runs[idx]) << "layer runs breaks L2: runs overlap";
    for (char *run : runs)
        cairn_stack_runs.free(State(), run, kBytes);
    Check();
}

// Random runs against a list of them.
TEST_F(RunsLayer, RunsAreDisjointAlignedCountedAndInTheirChunks)
{
    std::mt19937_64 random(Seed());
    std::map<char *, size_t> out;
    size_t used = 0;
    for (int idx = 0; idx < 4; idx++)
        Feed(false);
    for (int step = 0; step < 4000; step++) {
        if (random() % 2 == 0) {
            size_t bytes = (1 + random() % 40) * kGranule;
            size_t align = kGranule << random() % 5;
            auto *run = static_cast<char *>(cairn_stack_runs.alloc(State(), bytes, align, nullptr));
            if (run == nullptr)
                continue;
            ASSERT_EQ(reinterpret_cast<uintptr_t>(run) % align, 0u)
                << "layer runs breaks L1: aligned";
            ASSERT_TRUE(IsInAChunk(run, bytes)) << "layer runs: a run outside of the chunks";
            auto next = out.lower_bound(run);
            ASSERT_TRUE(next == out.end() || run + bytes <= next->first)
                << "layer runs breaks L2: runs overlap";
            ASSERT_TRUE(next == out.begin() ||
                        std::prev(next)->first + std::prev(next)->second <= run)
                << "layer runs breaks L2: runs overlap";
            out[run] = bytes;
            used += bytes;
        } else if (!out.empty()) {
            auto run = std::next(out.begin(), static_cast<ptrdiff_t>(random() % out.size()));
            cairn_stack_runs.free(State(), run->first, run->second);
            used -= run->second;
            out.erase(run);
        }
        ASSERT_NO_FATAL_FAILURE(ExpectLevels(used, 4));
        if (step % 100 == 0)
            Check();
    }
    for (auto [run, bytes] : out)
        cairn_stack_runs.free(State(), run, bytes);
    ExpectLevels(0, 4);
    if (cairn_stack_runs.shed == nullptr)
        return;
    EXPECT_EQ(cairn_stack_runs.levels(State())->empty_chunk_count, 4u)
        << "layer runs breaks L6: chunks are not empty again";
    for (int idx = 0; idx < 4; idx++)
        EXPECT_NE(cairn_stack_runs.shed(State(), 0), nullptr) << "layer runs: shed() keeps a chunk";
    ExpectLevels(0, 0);
}

TEST_F(RunsLayer, ARunThatIsSaidToBeZeroIs)
{
    std::mt19937_64 random(Seed());
    Feed(true);
    std::vector<std::pair<char *, size_t>> out;
    for (int step = 0; step < 300; step++) {
        size_t bytes = (1 + random() % 8) * kGranule;
        bool is_zeroed = false;
        auto *run =
            static_cast<char *>(cairn_stack_runs.alloc(State(), bytes, kGranule, &is_zeroed));
        if (run != nullptr) {
            ASSERT_TRUE(!is_zeroed || IsZero(run, bytes)) << "layer runs: a wrong promise of zeros";
            std::memset(run, 1, bytes);
            out.emplace_back(run, bytes);
        }
        if (!out.empty() && (run == nullptr || random() % 3 == 0)) {
            size_t at = random() % out.size();
            cairn_stack_runs.free(State(), out[at].first, out[at].second);
            out.erase(out.begin() + static_cast<ptrdiff_t>(at));
        }
    }
}

TEST_F(RunsLayer, OwnsItsChunksAndNothingElse)
{
    if (cairn_stack_runs.owns == nullptr)
        GTEST_SKIP() << "this run allocator does not tell";
    Feed(false);
    EXPECT_TRUE(cairn_stack_runs.owns(State(), chunks_[0].get()));
    EXPECT_TRUE(cairn_stack_runs.owns(State(), chunks_[0].get() + kChunk - 1));
    EXPECT_FALSE(cairn_stack_runs.owns(State(), chunks_[0].get() + kChunk));
    EXPECT_FALSE(cairn_stack_runs.owns(State(), chunks_[0].get() - 1));
    EXPECT_FALSE(cairn_stack_runs.owns(State(), nullptr));
}

TEST_F(RunsLayer, StopsAtAFreeOfWhatIsNoRun)
{
    Feed(false);
    void *run = cairn_stack_runs.alloc(State(), 2 * kGranule, kGranule, nullptr);
    ASSERT_NE(run, nullptr);
    EXPECT_DEATH(cairn_stack_runs.free(State(), static_cast<char *>(run) + kGranule, kGranule), "")
        << "layer runs: frees the middle of a run";
    cairn_stack_runs.free(State(), run, 2 * kGranule);
    EXPECT_DEATH(cairn_stack_runs.free(State(), run, 2 * kGranule), "")
        << "layer runs: frees a run twice";
}

// ---- classes ------------------------------------------------------------------------------------

TEST(ClassesLayer, TheTableKeepsItsInvariants)
{
    cairn_class_table_check(&cairn_stack_classes);
}

// ---- the sources between the layers -------------------------------------------------------------

class Seams : public Laws {
  protected:
    void Hold(layer which, const char *name, size_t bytes, size_t align, size_t count)
    {
        cairn_law_shape shape = {bytes, align, count, Seed()};
        const char *broken = cairn_laws_hold(layers_source(which), &shape);
        EXPECT_EQ(broken, nullptr) << "layer " << name << " (" << layers_source(which).ops->name
                                   << ", blocks of " << bytes << ") breaks " << broken;
        layers_check();
    }
};

TEST_F(Seams, Pages)
{
    Hold(LAYER_PAGES, "pages", 5 * layers_granule_bytes(), 4096, 16);
    Hold(LAYER_PAGES, "pages", 2 * layers_granule_bytes(), 64 * layers_granule_bytes(), 4);
}

TEST_F(Seams, Slabs)
{
    for (size_t granules : {1, 3})
        Hold(LAYER_SLABS, "slabs", granules * layers_granule_bytes(), layers_granule_bytes(), 8);
}

TEST_F(Seams, BlocksOfEveryClass)
{
    for (unsigned idx = 0; idx < layers_class_count(); idx++)
        if (layers_block_bytes(idx) <= CAIRN_CLASS_BYTES_MAX)
            Hold(LAYER_BLOCKS, "classes", layers_block_bytes(idx),
                 layers_block_bytes(idx) == 8 ? 8 : 16, 64);
}

TEST_F(Seams, CachesOfEveryClass)
{
    for (unsigned idx = 0; idx < layers_class_count(); idx++)
        Hold(LAYER_CACHES, "caches", layers_block_bytes(idx), layers_block_bytes(idx) == 8 ? 8 : 16,
             64);
}

// ---- caches -------------------------------------------------------------------------------------

class CachesLayer : public Laws {
  protected:
    std::vector<void *> Take(unsigned class_idx, size_t count)
    {
        std::vector<void *> blocks(count);
        blocks.resize(cairn_source_take(layers_source(LAYER_CACHES), layers_block_bytes(class_idx),
                                        16, blocks.data(), count));
        return blocks;
    }
    void Give(unsigned class_idx, const std::vector<void *> &blocks)
    {
        cairn_source_give(layers_source(LAYER_CACHES), layers_block_bytes(class_idx), blocks.data(),
                          blocks.size());
    }
};

TEST_F(CachesLayer, AFlushGivesEverythingToTheLayerBelow)
{
    for (unsigned idx = 0; idx < layers_class_count(); idx++)
        Give(idx, Take(idx, 100));
    layers_flush();
    EXPECT_EQ(layers_used_bytes(), 0u) << "layer caches breaks L6: a flush leaves blocks behind";
}

// Each thread writes its own number into its blocks, and finds it there.
TEST_F(CachesLayer, ThreadsNeverShareABlock)
{
    std::vector<std::thread> threads;
    for (uint64_t number = 1; number <= 4; number++)
        threads.emplace_back([this, number] {
            std::mt19937_64 random(Seed() + number);
            std::vector<std::pair<unsigned, uint64_t *>> held;
            for (int step = 0; step < 20000; step++) {
                unsigned class_idx =
                    static_cast<unsigned>(random() % std::min(20u, layers_class_count()));
                if (held.size() < 200 && random() % 2 == 0) {
                    auto blocks = Take(class_idx, 1);
                    ASSERT_EQ(blocks.size(), 1u);
                    held.emplace_back(class_idx, static_cast<uint64_t *>(blocks[0]));
                    *held.back().second = number;
                } else if (!held.empty()) {
                    size_t at = random() % held.size();
                    ASSERT_EQ(*held[at].second, number) << "layer caches breaks L2: a block twice";
                    Give(held[at].first, {held[at].second});
                    held[at] = held.back();
                    held.pop_back();
                }
            }
            for (auto [class_idx, block] : held)
                Give(class_idx, {block});
        });
    for (auto &thread : threads)
        thread.join();
    layers_check();
}

TEST_F(CachesLayer, ServeTheThreadThatClosedThem)
{
    ASSERT_TRUE(layers_close());
    auto blocks = Take(3, 10);
    EXPECT_EQ(blocks.size(), 10u) << "layer caches: nothing while closed";
    Give(3, blocks);
    layers_reopen();
    layers_check();
}

} // namespace
