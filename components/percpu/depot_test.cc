// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include "percpu_testing.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <thread>

#include <gtest/gtest.h>

namespace {

using percpu_testing::State;
using percpu_testing::TokenSource;

class Depot {
  public:
    explicit Depot(TokenSource &tokens, size_t class_cache_bytes = 0)
        : config(make_config(tokens, class_cache_bytes)), state(config.state_bytes, true),
          depot_(new cairn_depot())
    {
        config.state = state.memory;
        if (cairn_depot_init(depot_.get(), &config) != 0)
            abort();
    }

    operator cairn_depot *()
    {
        return depot_.get();
    }

    cairn_depot *operator->()
    {
        return depot_.get();
    }

    std::vector<void *> take(unsigned class_idx, size_t count)
    {
        std::vector<void *> blocks(count + 1, nullptr);
        blocks.resize(cairn_depot_take(depot_.get(), class_idx, blocks.data(), count));
        return blocks;
    }

    void give(unsigned class_idx, const std::vector<void *> &blocks)
    {
        cairn_depot_give(depot_.get(), class_idx, blocks.data(), blocks.size());
    }

    cairn_depot_config config;
    State state;

  private:
    static cairn_depot_config make_config(TokenSource &tokens, size_t class_cache_bytes)
    {
        cairn_depot_config config = {};
        config.block_bytes = tokens.block_bytes();
        config.class_count = tokens.class_count();
        config.class_cache_bytes = class_cache_bytes;
        config.source = tokens.source();
        config.state_bytes = cairn_depot_state_bytes(&config);
        return config;
    }

    std::unique_ptr<cairn_depot> depot_;
};

TEST(Depot, KeepsABatchForTheNextTake)
{
    TokenSource tokens({64}, 100);
    Depot depot(tokens);
    std::vector<void *> batch = depot.take(0, 32);
    ASSERT_EQ(batch.size(), 32u);
    EXPECT_EQ(tokens.takes, 1u);
    depot.give(0, batch);
    EXPECT_EQ(cairn_depot_count(depot, 0), 32u);
    EXPECT_EQ(cairn_depot_bytes(depot), 32u * 64);
    EXPECT_EQ(depot.take(0, 32), batch); // in its order
    EXPECT_EQ(tokens.takes, 1u);
    depot.give(0, batch);
    cairn_depot_check(depot);
    cairn_depot_fini(depot);
    EXPECT_EQ(tokens.outstanding(0), 0u);
}

TEST(Depot, TakesTheNewestBatchFirstAndTheRestFromTheSource)
{
    TokenSource tokens({64}, 100);
    Depot depot(tokens);
    std::vector<void *> first = depot.take(0, 4), second = depot.take(0, 4);
    depot.give(0, first);
    depot.give(0, second);
    EXPECT_EQ(depot.take(0, 4), second);
    std::vector<void *> mixed = depot.take(0, 10);
    ASSERT_EQ(mixed.size(), 10u);
    EXPECT_TRUE(std::equal(first.begin(), first.end(), mixed.begin()));
    EXPECT_EQ(tokens.outstanding(0), 14u);
    depot.give(0, second);
    depot.give(0, mixed);
    cairn_depot_fini(depot);
    EXPECT_EQ(tokens.outstanding(0), 0u);
}

TEST(Depot, PassesOnWhatItHasNoRoomFor)
{
    TokenSource tokens({64}, 100);
    Depot depot(tokens, 64 * 10);
    ASSERT_EQ(depot->bins[0].capacity, 10u);
    std::vector<void *> blocks = depot.take(0, 25);
    depot.give(0, blocks);
    EXPECT_EQ(cairn_depot_count(depot, 0), 10u);
    EXPECT_EQ(tokens.outstanding(0), 10u);
    EXPECT_EQ(tokens.gives, 1u);
    cairn_depot_check(depot);
    EXPECT_EQ(cairn_depot_flush(depot), 10u);
    EXPECT_EQ(cairn_depot_flush(depot), 0u);
    EXPECT_EQ(tokens.outstanding(0), 0u);
    cairn_depot_fini(depot);
}

TEST(Depot, GivesBackWhatIsIdleForSoManyTicks)
{
    TokenSource tokens({64, 128}, 1000);
    Depot depot(tokens);
    depot.give(0, depot.take(0, 10));
    std::vector<void *> taken = depot.take(1, 10);
    depot.give(1, taken);
    cairn_depot_tick(depot);
    cairn_depot_tick(depot);
    EXPECT_EQ(cairn_depot_flush_idle(depot, 3), 0u);
    depot.give(1, depot.take(1, 5)); // in use
    cairn_depot_tick(depot);
    EXPECT_EQ(cairn_depot_flush_idle(depot, 3), 10u);
    EXPECT_EQ(cairn_depot_count(depot, 0), 0u);
    EXPECT_EQ(cairn_depot_count(depot, 1), 10u);
    depot.take(1, 10);
    depot.give(1, taken); // so is one that was emptied and filled
    cairn_depot_tick(depot);
    cairn_depot_tick(depot);
    EXPECT_EQ(cairn_depot_flush_idle(depot, 3), 0u);
    cairn_depot_check(depot);
    cairn_depot_fini(depot);
    EXPECT_EQ(tokens.outstanding_bytes(), 0u);
}

TEST(Depot, ClampsItsCapacities)
{
    TokenSource tokens({8, 64, 1024, 65536, 1u << 30}, 1); // of large blocks few
    Depot depot(tokens);
    const unsigned capacity[] = {1024, 1024, 64, 2, 2};
    size_t sum = 0;
    for (unsigned idx = 0; idx < 5; idx++) {
        EXPECT_EQ(depot->bins[idx].capacity, capacity[idx]);
        EXPECT_EQ(depot->bins[idx].slots_offset, sum);
        sum += capacity[idx];
    }
    EXPECT_EQ(depot.config.state_bytes, (sum * sizeof(void *) + 63) / 64 * 64);
    cairn_depot_check(depot);
    Depot tiny(tokens, 1), huge(tokens, SIZE_MAX);
    EXPECT_EQ(tiny->bins[0].capacity, 8u);
    EXPECT_EQ(huge->bins[4].capacity, 1024u);
}

TEST(Depot, AsksForTheAlignmentThatTheSizePromises)
{
    static size_t asked;
    auto take = [](void *, size_t, size_t align_bytes, void **, size_t) {
        asked = align_bytes;
        return size_t{0};
    };
    const cairn_source_ops ops = {"dry", CAIRN_SOURCE_THREAD_SAFE, take, nullptr};
    TokenSource tokens({8, 16, 24, 48, 64, 65536, 7}, 1);
    const size_t expected[] = {8, 16, 8, 16, 16, 16, 1};
    Depot depot(tokens);
    depot->source = {&ops, nullptr};
    for (unsigned idx = 0; idx < 7; idx++) {
        EXPECT_EQ(depot.take(idx, 3).size(), 0u);
        EXPECT_EQ(asked, expected[idx]);
    }
}

TEST(Depot, RefusesWhatItCannotWorkWith)
{
    TokenSource tokens({64, 128}, 10);
    Depot good(tokens);
    auto refused = [&](auto change) {
        auto depot = std::make_unique<cairn_depot>();
        cairn_depot_config config = good.config;
        change(config);
        return cairn_depot_init(depot.get(), &config) == -EINVAL;
    };
    const uint32_t with_zero[] = {64, 0};
    const cairn_source_ops not_safe = {"one thread", 0, nullptr, nullptr};
    EXPECT_FALSE(refused([](auto &) {}));
    EXPECT_TRUE(refused([](auto &c) { c.class_count = 0; }));
    EXPECT_TRUE(refused([](auto &c) { c.class_count = CAIRN_DEPOT_CLASSES_MAX + 1; }));
    EXPECT_TRUE(refused([](auto &c) { c.block_bytes = nullptr; }));
    EXPECT_TRUE(refused([&](auto &c) { c.block_bytes = with_zero; }));
    EXPECT_TRUE(refused([](auto &c) { c.state = nullptr; }));
    EXPECT_TRUE(refused([](auto &c) { c.state = static_cast<char *>(c.state) + 8; }));
    EXPECT_TRUE(refused([](auto &c) { c.state_bytes--; }));
    EXPECT_TRUE(refused([&](auto &c) { c.source.ops = &not_safe; }));
    EXPECT_TRUE(refused([](auto &c) { c.source.ops = nullptr; }));
    good.config.block_bytes = with_zero;
    EXPECT_EQ(cairn_depot_state_bytes(&good.config), 0u);
}

TEST(Depot, SurvivesEveryFailingTake)
{
    for (size_t served : {0u, 1u, 3u}) {
        bool reached = true;
        for (uint64_t fail_at = 0; reached; fail_at++) {
            TokenSource tokens({64, 512}, 1000);
            Depot depot(tokens, 2048);
            std::vector<void *> held[2];
            tokens.fail(fail_at, 1, served);
            for (size_t step = 0; step < 60; step++) {
                unsigned class_idx = static_cast<unsigned>(step % 2);
                std::vector<void *> got = depot.take(class_idx, 1 + step % 7);
                if (step % 3 == 2)
                    depot.give(class_idx, got);
                else
                    held[class_idx].insert(held[class_idx].end(), got.begin(), got.end());
                cairn_depot_check(depot);
                EXPECT_EQ(tokens.outstanding(class_idx),
                          held[class_idx].size() + cairn_depot_count(depot, class_idx));
            }
            reached = tokens.takes > fail_at;
            cairn_depot_fini(depot);
            EXPECT_EQ(tokens.outstanding(0), held[0].size());
            EXPECT_EQ(tokens.broken, 0u);
        }
    }
}

// Model: a stack of pointers per class, and how many the source has out.

TEST(Depot, AgreesWithAModel)
{
    std::mt19937_64 random(percpu_testing::seed());
    TokenSource tokens({16, 100, 4096}, 3000);
    Depot depot(tokens, 4096);
    std::vector<void *> model[3], held[3];
    for (int step = 0; step < 30000; step++) {
        unsigned class_idx = random() % 3;
        size_t count = 1 + random() % 80;
        auto &waits = model[class_idx];
        auto &hand = held[class_idx];
        if (random() % 2 == 0) {
            std::vector<void *> got = depot.take(class_idx, count);
            size_t known = std::min(count, waits.size());
            ASSERT_TRUE(
                std::equal(waits.end() - static_cast<long>(known), waits.end(), got.begin()));
            waits.resize(waits.size() - known);
            hand.insert(hand.end(), got.begin(), got.end());
        } else {
            count = std::min(count, hand.size());
            std::shuffle(hand.begin(), hand.end(), random);
            std::vector<void *> batch(hand.end() - static_cast<long>(count), hand.end());
            hand.resize(hand.size() - count);
            depot.give(class_idx, batch);
            batch.resize(std::min(count, depot->bins[class_idx].capacity - waits.size()));
            waits.insert(waits.end(), batch.begin(), batch.end());
        }
        ASSERT_EQ(cairn_depot_count(depot, class_idx), waits.size());
        ASSERT_EQ(tokens.outstanding(class_idx), waits.size() + hand.size());
        if (step % 1000 == 999) {
            ASSERT_EQ(cairn_depot_flush(depot),
                      model[0].size() + model[1].size() + model[2].size());
            for (auto &one : model)
                one.clear();
        }
        if (step % 20 == 0)
            cairn_depot_check(depot);
    }
    for (unsigned class_idx = 0; class_idx < 3; class_idx++)
        depot.give(class_idx, held[class_idx]);
    cairn_depot_fini(depot);
    EXPECT_EQ(tokens.outstanding_bytes(), 0u);
    EXPECT_EQ(tokens.broken, 0u);
}

TEST(Depot, ConservesTokensAmongThreads)
{
    TokenSource tokens({64, 256}, 20000);
    Depot depot(tokens, 16 * 1024);
    uint64_t seed = percpu_testing::seed();
    std::vector<std::thread> threads;
    std::atomic<bool> stop{false};
    for (unsigned number = 0; number < 4; number++)
        threads.emplace_back([&, number] {
            std::mt19937_64 random(seed + number);
            for (int step = 0; step < 40000; step++) {
                unsigned class_idx = random() % 2;
                std::vector<void *> batch = depot.take(class_idx, 1 + random() % 64);
                depot.give(class_idx, batch);
            }
        });
    std::thread watcher([&] {
        while (!stop) {
            cairn_depot_check(depot);
            cairn_depot_flush(depot);
            std::this_thread::yield();
        }
    });
    for (auto &thread : threads)
        thread.join();
    stop = true;
    watcher.join();
    EXPECT_EQ(tokens.outstanding_bytes(), cairn_depot_bytes(depot));
    cairn_depot_fini(depot);
    EXPECT_EQ(tokens.outstanding_bytes(), 0u);
    EXPECT_EQ(tokens.broken, 0u);
}

TEST(DepotDeath, CheckFindsBrokenInvariants)
{
    TokenSource tokens({64, 256}, 100);
    Depot depot(tokens);
    depot.give(0, depot.take(0, 10));
    cairn_depot_check(depot);
    EXPECT_DEATH((depot->bins[0].count = 2000, cairn_depot_check(depot)), "count <= bin->capacity");
    EXPECT_DEATH((depot->bins[1].capacity = 3, cairn_depot_check(depot)), "capacity >= ");
    EXPECT_DEATH((depot->bins[1].slots_offset--, cairn_depot_check(depot)), "slots_offset");
    EXPECT_DEATH((depot->slots[3] = nullptr, cairn_depot_check(depot)), "!= NULL");
    EXPECT_DEATH((depot->slots[3] = depot->slots[9], cairn_depot_check(depot)), "slots.before.");
}

TEST(Depot, AgeGivesBackWhatWasUnusedAndTheOlderHalfOfTheRest)
{
    TokenSource tokens({64, 128}, 1000);
    Depot depot(tokens);
    std::vector<void *> blocks = depot.take(0, 20);
    depot.give(0, blocks);
    depot.give(1, depot.take(1, 200));
    EXPECT_EQ(cairn_depot_age(depot), 10u + 100u) << "both were used";
    depot.give(0, depot.take(0, 3));
    EXPECT_EQ(cairn_depot_age(depot), 5u + 100u);
    EXPECT_EQ(cairn_depot_count(depot, 1), 0u);
    EXPECT_EQ(depot.take(0, 5), std::vector<void *>(blocks.begin() + 15, blocks.end()))
        << "the newest stay, in their order";
    depot.give(0, {blocks.begin() + 15, blocks.end()});
    cairn_depot_check(depot);
    for (size_t left : {2u, 0u, 0u}) {
        cairn_depot_age(depot);
        EXPECT_EQ(cairn_depot_count(depot, 0), left);
    }
    cairn_depot_fini(depot);
}

} // namespace
