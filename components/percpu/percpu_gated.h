/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * percpu_gated.h - caches behind a gate, as a malloc has them, so that a thread can fork among
 * others.
 *
 *     fast path (no gate) -> NULL or false -> enter the gate, slow function, leave
 *     fork:  close the gate, close the caches | fork | child: forget the others, repair | reopen, open the gate
 */

#ifndef CAIRN_PERCPU_GATED_H
#define CAIRN_PERCPU_GATED_H

#include "percpu_threads.h"

#include <algorithm>

#include <sys/wait.h>
#include <unistd.h>

#include <cairn/base/gate.h>

namespace percpu_testing {

class Gate {
  public:
    /* Runs `body` inside, when it is open. */
    template <typename Body> void pass(Body body)
    {
        int ticket;
        while ((ticket = cairn_gate_enter(&gate_)) == CAIRN_GATE_CLOSED)
            cairn_gate_wait(&gate_, 1000);
        body();
        cairn_gate_leave(&gate_, ticket);
    }

    void *alloc(Caches &caches, unsigned class_idx)
    {
        void *block = caches.is_locked() ? cairn_percpu_try_alloc(caches, class_idx)
                                         : cairn_percpu_pop(caches, class_idx);
        if (block == nullptr)
            pass([&] { block = cairn_percpu_alloc_slow(caches, class_idx); });
        return block;
    }

    void free(Caches &caches, unsigned class_idx, void *block)
    {
        if (caches.is_locked() ? !cairn_percpu_try_free(caches, class_idx, block, "test")
                               : !cairn_percpu_push(caches, class_idx, block))
            pass([&] { cairn_percpu_free_slow(caches, class_idx, block, "test"); });
    }

    /* Forks. `handler` runs while all is closed, before the fork, and after it in parent and
       child. */
    template <typename Handler> pid_t fork(Caches &caches, Handler handler)
    {
        cairn_gate_close(&gate_);
        cairn_percpu_close(caches);
        handler();
        pid_t child = ::fork();
        if (child == 0) {
            cairn_gate_forget_others(&gate_);
            cairn_percpu_repair(caches);
        }
        handler();
        cairn_percpu_reopen(caches);
        cairn_gate_open(&gate_);
        return child;
    }

    pid_t fork(Caches &caches)
    {
        return fork(caches, [] {});
    }

  private:
    cairn_gate gate_ = {};
};

/* What shards, depot and source hold must be tokens, each there once, and none of `mine`. NULL, or
   what is wrong. */
inline const char *wrong_with(TokenSource &tokens, Caches &caches,
                              const std::vector<void *> &mine = {})
{
    std::vector<std::vector<char>> known(caches->class_count);
    auto all_new = [&](size_t class_idx, void *const *blocks, size_t count) {
        size_t token_class, idx;
        return std::all_of(blocks, blocks + count, [&](void *block) {
            return tokens.find(block, &token_class, &idx) &&
                   (token_class == class_idx || class_idx == SIZE_MAX) &&
                   known[token_class][idx]++ == 0;
        });
    };

    for (unsigned class_idx = 0; class_idx < caches->class_count; class_idx++)
        known[class_idx].resize(tokens.count());
    if (!all_new(SIZE_MAX, mine.data(), mine.size()))
        return "not a new token, held";
    for (unsigned class_idx = 0; class_idx < caches->class_count; class_idx++) {
        std::vector<void *> home = tokens.at_home(class_idx);
        const cairn_depot_bin &bin = caches->depot.bins[class_idx];
        if (!all_new(class_idx, home.data(), home.size()))
            return "not a new token, in the source";
        if (!all_new(class_idx, caches->depot.slots + bin.slots_offset, bin.count))
            return "not a new token, in the depot";
        for (unsigned shard_idx = 0; shard_idx < caches->shard_count; shard_idx++) {
            uint32_t header = caches.shard(shard_idx)->array_headers[class_idx];
            unsigned base = caches->classes[class_idx].slots_offset;
            void **slots = reinterpret_cast<void **>(caches.shard(shard_idx) + 1) + base;
            if (header != 0 && !all_new(class_idx, slots, (header & 0xffff) - base))
                return "not a new token, in a shard";
        }
    }
    return nullptr;
}

/* The same behind a gate, so that one of the threads can fork. */
class GatedFixture : public ThreadsFixture {
  public:
    using ThreadsFixture::ThreadsFixture;

    void *take(unsigned class_idx) override
    {
        return gate.alloc(caches, class_idx);
    }

    void give(unsigned class_idx, void *token) override
    {
        gate.free(caches, class_idx, token);
    }

    /* The child checks what it got, works, and ends. Others' tokens may be flagged either way
       there, so it uses no flags. */
    void fork_and_check(const std::vector<void *> &mine)
    {
        pid_t child = gate.fork(caches, [this] { use(); });
        EXPECT_EQ(status_of(child, [&] { return work_in_child(mine); }), 0);
    }

  private:
    /* As the fork handlers of others may: enough to refill and flush. */
    void use()
    {
        std::vector<void *> held;
        for (int round = 0; round < 150; round++) {
            Caches::id() = round % 5 - 1;
            if (void *token = cairn_percpu_alloc(caches, 1))
                held.push_back(token);
        }
        free_all(caches, 1, held);
    }

    const char *work_in_child(const std::vector<void *> &mine)
    {
        if (const char *wrong = wrong_with(tokens, caches, mine))
            return wrong;
        cairn_percpu_check(caches);
        std::vector<void *> held = mine;
        for (int round = 0; round < 1000; round++) {
            Caches::id() = round % 5 - 1;
            if (void *token = cairn_percpu_alloc(caches, 1))
                held.push_back(token);
        }
        if (const char *wrong = wrong_with(tokens, caches, held))
            return wrong;
        for (size_t at = mine.size(); at < held.size(); at++)
            cairn_percpu_free(caches, 1, held[at]);
        cairn_percpu_check(caches);
        cairn_percpu_flush(caches);
        if (caches.waiting_bytes() != 0)
            return "something waits after the flush";
        return tokens.broken == 0 ? nullptr : "a token came back that was not out";
    }

  public:
    Gate gate;
};

} // namespace percpu_testing

#endif
