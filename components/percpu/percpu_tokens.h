/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * percpu_tokens.h - a source of tokens, zeroed state, a seed.
 *
 * A token is an address that nothing lies at: shards and depot must not follow it. The source knows
 * of each token whether it is out, so a token that comes back twice, or was never handed out, is
 * seen at once.
 */

#ifndef CAIRN_PERCPU_TOKENS_H
#define CAIRN_PERCPU_TOKENS_H

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <random>
#include <vector>

#include <sys/mman.h>

#include <cairn/source.h>

#include "tests/support/random.h"

namespace percpu_testing {

inline uint64_t seed()
{
    return cairn_test::test_seed();
}

/* Thread-safe; serves the sizes it was made with, lowest address first. */
class TokenSource {
  public:
    TokenSource(std::vector<uint32_t> block_bytes, size_t tokens_per_class)
        : block_bytes_(std::move(block_bytes)), classes_(block_bytes_.size())
    {
        for (Class &one : classes_) {
            one.out.assign(tokens_per_class, 0);
            for (size_t idx = tokens_per_class; idx-- > 0;)
                one.free.push_back(idx);
        }
    }

    cairn_source source()
    {
        return {&ops_, this};
    }

    const uint32_t *block_bytes() const
    {
        return block_bytes_.data();
    }

    unsigned class_count() const
    {
        return static_cast<unsigned>(block_bytes_.size());
    }

    /* Which class and which number a token is: false for an address that is none. */
    bool find(const void *token, size_t *class_idx, size_t *idx) const
    {
        uintptr_t address = reinterpret_cast<uintptr_t>(token);
        *class_idx = (address >> CLASS_SHIFT) - 1;
        *idx = (address & ((uintptr_t(1) << CLASS_SHIFT) - 1)) / STEP - 1;
        return *class_idx < classes_.size() && *idx < classes_[*class_idx].out.size() &&
               token == address_of(*class_idx, *idx);
    }

    static void *address_of(size_t class_idx, size_t idx)
    {
        return reinterpret_cast<void *>(((class_idx + 1) << CLASS_SHIFT) + (idx + 1) * STEP);
    }

    /* Of each class. */
    size_t count() const
    {
        return classes_[0].out.size();
    }

    size_t outstanding(size_t class_idx)
    {
        std::lock_guard<std::mutex> guard(mutex);
        return classes_[class_idx].out.size() - classes_[class_idx].free.size();
    }

    /* The tokens that the source holds itself. */
    std::vector<void *> at_home(size_t class_idx)
    {
        std::lock_guard<std::mutex> guard(mutex);
        std::vector<void *> tokens;
        for (size_t idx : classes_[class_idx].free)
            tokens.push_back(address_of(class_idx, idx));
        return tokens;
    }

    size_t outstanding_bytes()
    {
        size_t bytes = 0;
        for (size_t class_idx = 0; class_idx < classes_.size(); class_idx++)
            bytes += outstanding(class_idx) * block_bytes_[class_idx];
        return bytes;
    }

    /* Takes with these numbers, from now, get `served` blocks at most. */
    void fail(uint64_t from, uint64_t how_many, size_t served = 0)
    {
        takes = 0;
        fail_from_ = from;
        fail_count_ = how_many;
        fail_served_ = served;
    }

    std::atomic<uint64_t> takes{0};
    std::atomic<uint64_t> tokens_taken{0};
    std::atomic<uint64_t> gives{0};
    std::atomic<uint64_t> broken{0}; /* blocks given that were not out, sizes never served */
    std::function<void()> during_take;
    std::mutex mutex;

  private:
    static constexpr unsigned CLASS_SHIFT = 40;
    static constexpr uintptr_t STEP = 64;

    struct Class {
        std::vector<size_t> free; /* last one first */
        std::vector<char> out;
    };

    bool class_of(size_t bytes, size_t *class_idx)
    {
        for (*class_idx = 0; *class_idx < block_bytes_.size(); ++*class_idx)
            if (block_bytes_[*class_idx] == bytes)
                return true;
        broken++;
        return false;
    }

    size_t take(size_t bytes, void **blocks, size_t count)
    {
        uint64_t number = takes++;
        size_t class_idx, taken = 0;
        if (number >= fail_from_ && number - fail_from_ < fail_count_)
            count = count < fail_served_ ? count : fail_served_;
        if (!class_of(bytes, &class_idx))
            return 0;
        if (during_take)
            during_take();
        std::lock_guard<std::mutex> guard(mutex);
        Class &one = classes_[class_idx];
        for (; taken < count && !one.free.empty(); taken++) {
            one.out[one.free.back()] = 1;
            blocks[taken] = address_of(class_idx, one.free.back());
            one.free.pop_back();
        }
        tokens_taken += taken;
        return taken;
    }

    void give(size_t bytes, void *const *blocks, size_t count)
    {
        size_t wanted, class_idx, idx;
        gives++;
        if (!class_of(bytes, &wanted))
            return;
        std::lock_guard<std::mutex> guard(mutex);
        for (size_t at = 0; at < count; at++) {
            if (!find(blocks[at], &class_idx, &idx) || class_idx != wanted ||
                classes_[class_idx].out[idx] == 0) {
                broken++;
                continue;
            }
            classes_[class_idx].out[idx] = 0;
            classes_[class_idx].free.push_back(idx);
        }
    }

    static size_t take_op(void *self, size_t bytes, size_t, void **blocks, size_t count)
    {
        return static_cast<TokenSource *>(self)->take(bytes, blocks, count);
    }

    static void give_op(void *self, size_t bytes, void *const *blocks, size_t count)
    {
        static_cast<TokenSource *>(self)->give(bytes, blocks, count);
    }

    std::vector<uint32_t> block_bytes_;
    std::vector<Class> classes_;
    uint64_t fail_from_ = UINT64_MAX;
    uint64_t fail_count_ = 0;
    size_t fail_served_ = 0;
    const cairn_source_ops ops_ = {"tokens", CAIRN_SOURCE_THREAD_SAFE, take_op, give_op};
};

/* Exactly `bytes` of zeroes, page aligned at the start or ending at a page that cannot be
   touched. */
class State {
  public:
    explicit State(size_t bytes, bool at_end = false)
    {
        size_t rounded = (bytes + PAGE - 1) / PAGE * PAGE;
        mapped_ = rounded + 2 * PAGE;
        base_ = static_cast<char *>(
            mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        if (base_ == MAP_FAILED || mprotect(base_ + PAGE, rounded, PROT_READ | PROT_WRITE) != 0)
            abort();
        memory = base_ + PAGE + (at_end ? rounded - bytes : 0);
    }

    ~State()
    {
        munmap(base_, mapped_);
    }

    State(const State &) = delete;
    State &operator=(const State &) = delete;

    static constexpr size_t PAGE = 65536; /* a multiple of every page size in use */
    char *memory;

  private:
    char *base_;
    size_t mapped_;
};

} // namespace percpu_testing

#endif
