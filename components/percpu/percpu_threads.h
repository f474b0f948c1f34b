/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * percpu_threads.h - threads over one set of caches, and a flag per token that tells when two have
 * the same one.
 */

#ifndef CAIRN_PERCPU_THREADS_H
#define CAIRN_PERCPU_THREADS_H

#include "percpu_testing.h"

#include <array>
#include <climits>
#include <memory>
#include <thread>

namespace percpu_testing {

constexpr unsigned CLASSES = 3;
constexpr unsigned SHARDS = 4;

/* One set of caches, for threads that allocate, free, and pass tokens to each other. */
class ThreadsFixture {
  public:
    ThreadsFixture(Mode mode, size_t tokens_per_class, unsigned shard_count = SHARDS,
                   size_t cache_bytes = 4096, cairn_percpu_fence fence = CAIRN_PERCPU_FENCE_FREELY)
        : tokens({16, 128, 1024}, tokens_per_class),
          caches(tokens, shard_count, cache_bytes, cache_bytes, false, mode,
                 {2 * cache_bytes, &pressure, fence})
    {
        for (auto &flags : held_)
            flags = std::make_unique<std::atomic<char>[]>(tokens_per_class);
    }

    virtual ~ThreadsFixture() = default;

    /* How a token is taken and given: a test may override it. */
    virtual void *take(unsigned class_idx)
    {
        return cairn_percpu_alloc(caches, class_idx);
    }

    virtual void give(unsigned class_idx, void *token)
    {
        cairn_percpu_free(caches, class_idx, token);
    }

    void *alloc(unsigned class_idx)
    {
        void *token = take(class_idx);
        if (token != nullptr && flag(class_idx, token).exchange(1, std::memory_order_relaxed) != 0)
            broken++;
        return token;
    }

    void free(unsigned class_idx, void *token)
    {
        if (flag(class_idx, token).exchange(0, std::memory_order_relaxed) != 1)
            broken++;
        give(class_idx, token);
    }

    /* Another id before each call, or now and then another CPU. */
    void go_anywhere(std::mt19937_64 &random)
    {
        static const int ids[] = {-1, -2, 0, 1, 2, 3, 4, 5, 6, 7, 63, 4095, INT_MAX};
        if (caches.is_locked())
            Caches::id() = ids[random() % (sizeof(ids) / sizeof(ids[0]))];
        else if (random() % 512 == 0)
            percpu_testing::pin(static_cast<unsigned>(random() % 64));
    }

    /* One thread's work; `choose_id` sets the id before each call. */
    template <typename ChooseId> void work(uint64_t thread_seed, int steps, ChooseId choose_id)
    {
        std::mt19937_64 random(thread_seed);
        std::vector<void *> mine[CLASSES];
        for (int step = 0; step < steps; step++) {
            unsigned class_idx = random() % CLASSES;
            auto &hand = mine[class_idx];
            bool wants = random() % 100 < (step / 200 % 2 != 0 ? 70u : 30u);
            choose_id(random);
            if (wants) {
                if (void *token = alloc(class_idx))
                    hand.push_back(token);
                else
                    refused++;
            } else if (!hand.empty()) {
                free(class_idx, hand.back());
                hand.pop_back();
            }
            if (!hand.empty() && random() % 4 == 0) { // freed, in the end, by another thread
                hand.back() = exchange_[class_idx][random() % EXCHANGE].exchange(hand.back());
                if (hand.back() == nullptr)
                    hand.pop_back();
            }
        }
        for (unsigned class_idx = 0; class_idx < CLASSES; class_idx++)
            for (void *token : mine[class_idx])
                free(class_idx, token);
    }

    /* Leaves a token for the next thread. */
    void pass(unsigned class_idx, void *token, size_t place)
    {
        token = exchange_[class_idx][place % EXCHANGE].exchange(token);
        if (token != nullptr)
            free(class_idx, token);
    }

    void work(uint64_t thread_seed, int steps)
    {
        work(thread_seed, steps, [this](std::mt19937_64 &random) { go_anywhere(random); });
    }

    /* Ends: everything comes back, each token once. */
    void expect_conserved()
    {
        for (unsigned class_idx = 0; class_idx < CLASSES; class_idx++)
            for (auto &place : exchange_[class_idx])
                if (void *token = place.exchange(nullptr))
                    free(class_idx, token);
        EXPECT_EQ(tokens.outstanding_bytes(), caches.waiting_bytes());
        cairn_percpu_check(caches);
        cairn_percpu_fini(caches);
        EXPECT_EQ(tokens.outstanding_bytes(), 0u);
        EXPECT_EQ(tokens.broken, 0u);
        EXPECT_EQ(broken, 0u);
    }

    /* The source asks for what is idle. */
    void press()
    {
        cairn_add_relaxed(&pressure, 1u);
    }

    uint32_t pressure = 0;
    TokenSource tokens;
    Caches caches;
    std::atomic<uint64_t> broken{0};
    std::atomic<uint64_t> refused{0};

  private:
    static constexpr unsigned EXCHANGE = 16;

    std::atomic<char> &flag(unsigned class_idx, void *token)
    {
        size_t token_class = 0, idx = 0;
        if (!tokens.find(token, &token_class, &idx) || token_class != class_idx)
            abort();
        return held_[class_idx][idx];
    }

    std::unique_ptr<std::atomic<char>[]> held_[CLASSES];
    std::array<std::array<std::atomic<void *>, EXCHANGE>, CLASSES> exchange_{};
};

template <typename Body> void run_threads(unsigned count, Body body)
{
    std::vector<std::thread> threads;
    for (unsigned number = 0; number < count; number++)
        threads.emplace_back([=] { body(number); });
    for (auto &thread : threads)
        thread.join();
}

} // namespace percpu_testing

#endif
