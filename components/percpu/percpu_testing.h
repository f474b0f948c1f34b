/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * percpu_testing.h - what the tests of this component share: a source of tokens, zeroed state, a seed, caches in each
 * mode.
 *
 * A token is an address that nothing lies at: shards and depot must not follow it. The source knows of each token
 * whether it is out, so a token that comes back twice, or was never handed out, is seen at once.
 *
 * "CPU k" of a test is id k in lock mode, where the ids come from a function, and the k-th CPU that the process may run
 * on in rseq mode, where they come from the kernel.
 */

#ifndef CAIRN_PERCPU_TESTING_H
#define CAIRN_PERCPU_TESTING_H

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include <sched.h>
#include <sys/mman.h>

#include <cairn/percpu.h>
#include <gtest/gtest.h>

namespace percpu_testing {

inline uint64_t seed()
{
    static const uint64_t value = [] {
        const char *wish = getenv("CAIRN_TEST_SEED");
        uint64_t chosen = wish != nullptr ? strtoull(wish, nullptr, 0) : std::random_device()();
        printf("CAIRN_TEST_SEED=%llu\n", static_cast<unsigned long long>(chosen));
        fflush(stdout);
        return chosen;
    }();
    return value;
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

    size_t outstanding(size_t class_idx)
    {
        std::lock_guard<std::mutex> guard(mutex);
        return classes_[class_idx].out.size() - classes_[class_idx].free.size();
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
    std::mutex mutex; /* held across fork by the test */

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

/* Exactly `bytes` of zeroes, page aligned at the start or ending at a page that cannot be touched. */
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

/* Numbers of the CPUs that this process could run on at its start. */
inline const std::vector<unsigned> &cpus()
{
    static const std::vector<unsigned> numbers = [] {
        std::vector<unsigned> found;
        cpu_set_t mask;
        CPU_ZERO(&mask);
        sched_getaffinity(0, sizeof(mask), &mask);
        for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
            if (CPU_ISSET(cpu, &mask))
                found.push_back(cpu);
        return found;
    }();
    return numbers;
}

/* tid 0: the calling thread. */
inline void pin(unsigned k, int tid = 0)
{
    cpu_set_t mask;
    CPU_ZERO(&mask);
    CPU_SET(cpus()[k % cpus().size()], &mask);
    sched_setaffinity(tid, sizeof(mask), &mask);
}

inline void unpin()
{
    cpu_set_t mask;
    CPU_ZERO(&mask);
    for (unsigned cpu : cpus())
        CPU_SET(cpu, &mask);
    sched_setaffinity(0, sizeof(mask), &mask);
}

struct Mode {
    const char *name;
    cairn_percpu_mode mode;
    bool by_cpu_id;
};

inline void PrintTo(const Mode &mode, std::ostream *out)
{
    *out << mode.name;
}

constexpr Mode LOCK = {"lock", CAIRN_PERCPU_LOCK, false};
constexpr Mode RSEQ_BY_CPU = {"rseq_by_cpu", CAIRN_PERCPU_RSEQ, true};
constexpr Mode RSEQ_BY_CID = {"rseq_by_cid", CAIRN_PERCPU_RSEQ, false};

/* A percpu over a token source. */
class Caches {
  public:
    explicit Caches(TokenSource &tokens, unsigned shard_count, size_t class_cache_bytes = 0,
                    size_t depot_class_bytes = 0, bool state_at_end = false, Mode mode = LOCK)
        : config_(make_config(tokens, shard_count, class_cache_bytes, depot_class_bytes, mode)),
          state_(config_.state_bytes, state_at_end), percpu_(new cairn_percpu())
    {
        config_.state = state_.memory;
        if (cairn_percpu_init(percpu_, &config_) != 0)
            abort();
        if (mode.mode == CAIRN_PERCPU_LOCK)
            cairn_cpu_init_callback(&percpu_->cpu, current_id, nullptr);
    }

    ~Caches()
    {
        delete percpu_;
    }

    Caches(const Caches &) = delete;
    Caches &operator=(const Caches &) = delete;

    operator cairn_percpu *()
    {
        return percpu_;
    }

    cairn_percpu *operator->()
    {
        return percpu_;
    }

    bool is_locked() const
    {
        return percpu_->mode == CAIRN_PERCPU_LOCK;
    }

    /* The calling thread's next calls come from CPU k; by concurrency id it makes no difference. */
    void on(unsigned k)
    {
        id() = static_cast<int>(k);
        if (config_.by_cpu_id)
            pin(k);
    }

    unsigned shard_of(unsigned k)
    {
        return is_locked() ? k % percpu_->shard_count : cpus()[k % cpus().size()];
    }

    /* As shard.h has it: histories, then the struct, then slots. */
    cairn_percpu_history *histories(unsigned shard_idx)
    {
        return reinterpret_cast<cairn_percpu_history *>(percpu_->shards +
                                                        shard_idx * percpu_->shard_bytes);
    }

    cairn_percpu_shard *shard(unsigned shard_idx)
    {
        return reinterpret_cast<cairn_percpu_shard *>(histories(shard_idx) +
                                                      CAIRN_PERCPU_CLASSES_MAX);
    }

    /* From here on: of the shard of CPU k. */
    uint32_t &word(unsigned k, unsigned class_idx)
    {
        return shard(shard_of(k))->words[class_idx];
    }

    struct Array {
        unsigned count;
        unsigned limit;
    };

    Array array(unsigned k, unsigned class_idx)
    {
        uint32_t word = __atomic_load_n(&this->word(k, class_idx), __ATOMIC_RELAXED);
        unsigned count = word == 0 ? 0 : (word & 0xffff) - percpu_->classes[class_idx].slots_offset;
        return {count, count + (word >> CAIRN_RSEQ_ROOM_SHIFT)};
    }

    /* What a word is for so many blocks and such a limit. */
    uint32_t word_for(unsigned class_idx, unsigned count, unsigned limit)
    {
        return (percpu_->classes[class_idx].slots_offset + count) | (limit - count)
                                                                        << CAIRN_RSEQ_ROOM_SHIFT;
    }

    /* Where blocks of a class lie in a shard, the oldest first. */
    void **slots(unsigned k, unsigned class_idx)
    {
        return reinterpret_cast<void **>(shard(shard_of(k)) + 1) +
               percpu_->classes[class_idx].slots_offset;
    }

    /* The most that may wait, as percpu_admin.c states it. */
    size_t bound_bytes(unsigned shards)
    {
        size_t bytes = 0;
        for (unsigned idx = 0; idx < percpu_->class_count; idx++)
            bytes += percpu_->classes[idx].block_bytes *
                     (size_t(shards) * percpu_->classes[idx].capacity +
                      percpu_->depot.lines[idx].capacity);
        return bytes;
    }

    size_t waiting_bytes()
    {
        cairn_percpu_stats_type stats = cairn_percpu_stats(percpu_);
        return stats.cached_bytes + stats.depot_bytes;
    }

    using cairn_percpu_stats_type = struct cairn_percpu_stats;

    /* The id that the calling thread's next calls will see. */
    static int &id()
    {
        static thread_local int value = 0;
        return value;
    }

  private:
    static int current_id(void *)
    {
        return id();
    }

    static cairn_percpu_config make_config(TokenSource &tokens, unsigned shard_count,
                                           size_t class_cache_bytes, size_t depot_class_bytes,
                                           Mode mode)
    {
        cairn_percpu_config config = {};
        config.mode = mode.mode;
        config.by_cpu_id = mode.by_cpu_id;
        if (mode.mode == CAIRN_PERCPU_RSEQ && shard_count != 0)
            shard_count = std::max(shard_count, cairn_cpu_possible_count());
        config.block_bytes = tokens.block_bytes();
        config.class_count = tokens.class_count();
        config.shard_count = shard_count;
        config.class_cache_bytes = class_cache_bytes;
        config.depot_class_bytes = depot_class_bytes;
        config.source = tokens.source();
        config.state_bytes = cairn_percpu_state_bytes(&config);
        return config;
    }

    cairn_percpu_config config_;
    State state_;
    cairn_percpu *percpu_;
};

/* NULL when a mode can be had here, else why not. */
inline const char *absent(Mode mode)
{
    TokenSource tokens({64}, 0);
    Caches caches(tokens, 0, 0, 0, false, mode);
    auto stats = cairn_percpu_stats(caches);
    if (stats.mode != mode.mode)
        return stats.reason;
    if (mode.mode == CAIRN_PERCPU_RSEQ && !mode.by_cpu_id && !stats.by_cid)
        return "this kernel has no concurrency ids";
    return nullptr;
}

/* Tests that hold in more than one mode. */
class InModes : public ::testing::TestWithParam<Mode> {
  protected:
    void SetUp() override
    {
        if (const char *reason = absent(GetParam()))
            GTEST_SKIP() << reason;
        Caches::id() = 0;
    }

    void TearDown() override
    {
        unpin();
    }

    static Caches make(TokenSource &tokens, unsigned shard_count, size_t class_cache_bytes = 0,
                       size_t depot_class_bytes = 0, bool state_at_end = false)
    {
        return Caches(tokens, shard_count, class_cache_bytes, depot_class_bytes, state_at_end,
                      GetParam());
    }

    static bool is_locked()
    {
        return GetParam().mode == CAIRN_PERCPU_LOCK;
    }

    /* Can this test have so many CPUs? */
    static bool has_cpus(unsigned count)
    {
        return is_locked() || cpus().size() >= count;
    }
};

#define NEEDS_CPUS(count)                                                                          \
    if (!has_cpus(count))                                                                          \
    GTEST_SKIP() << "needs " #count " CPUs"

inline std::string mode_name(const ::testing::TestParamInfo<Mode> &info)
{
    return info.param.name;
}

inline std::vector<void *> alloc_many(cairn_percpu *percpu, unsigned class_idx, size_t count)
{
    std::vector<void *> blocks;
    while (blocks.size() < count)
        blocks.push_back(cairn_percpu_alloc(percpu, class_idx));
    return blocks;
}

inline void free_all(cairn_percpu *percpu, unsigned class_idx, const std::vector<void *> &blocks)
{
    for (void *block : blocks)
        cairn_percpu_free(percpu, class_idx, block);
}

inline void expect_ends_clean(Caches &caches, TokenSource &tokens)
{
    cairn_percpu_check(caches);
    cairn_percpu_fini(caches);
    EXPECT_EQ(tokens.outstanding_bytes(), 0u);
    EXPECT_EQ(tokens.broken, 0u);
}

} // namespace percpu_testing

#endif
