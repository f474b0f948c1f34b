/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * percpu_testing.h - what the tests of this component share: caches over tokens, in each mode.
 *
 * "CPU k" of a test is id k in lock mode, where the ids come from a function, and the k-th CPU that
 * the process may run on in rseq mode, where they come from the kernel.
 */

#ifndef CAIRN_PERCPU_TESTING_H
#define CAIRN_PERCPU_TESTING_H

#include "percpu_state.h"
#include "percpu_tokens.h"

#include <algorithm>
#include <cstdio>
#include <ostream>
#include <string>

#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cairn/percpu.h>
#include <gtest/gtest.h>

namespace percpu_testing {

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

/* How a child ended that runs `body`, which returns NULL or what is wrong: 0 when all was well. */
template <typename Body> int status_of(pid_t child, Body body)
{
    if (child == 0) {
        alarm(60);
        const char *wrong = body();
        if (wrong != nullptr)
            fprintf(stderr, "in the child: %s\n", wrong);
        _exit(wrong != nullptr || ::testing::Test::HasFailure() ? 1 : 0);
    }
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return status;
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

/* What few tests ask for. */
struct More {
    size_t shard_cache_bytes = 0;
    const uint32_t *pressure = nullptr;
    cairn_percpu_fence fence = CAIRN_PERCPU_FENCE_ASKED;
};

/* A percpu over a token source. */
class Caches {
  public:
    explicit Caches(TokenSource &tokens, unsigned shard_count, size_t class_cache_bytes = 0,
                    size_t depot_class_bytes = 0, bool state_at_end = false, Mode mode = LOCK,
                    More more = {})
        : config_(
              make_config(tokens, shard_count, class_cache_bytes, depot_class_bytes, mode, more)),
          state_(config_.state_bytes, state_at_end), percpu_(new cairn_percpu())
    {
        config_.state = state_.memory;
        if (cairn_percpu_init(percpu_, &config_) != 0)
            abort();
        if (mode.mode == CAIRN_PERCPU_LOCK)
            init_cpu(CAIRN_CPU_CALLBACK);
    }

    /* Other ids than the configuration has: for lock mode. */
    void init_cpu(cairn_cpu_id_method method)
    {
        cairn_cpu_config config = {method, current_id, nullptr};
        if (cairn_cpu_init(&percpu_->cpu, &config) != 0)
            abort();
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

    /* As shard.h has it: the array headers as noted, histories, then the struct, then slots. */
    uint32_t *seen(unsigned shard_idx)
    {
        return reinterpret_cast<uint32_t *>(percpu_->shards + shard_idx * percpu_->shard_bytes);
    }

    cairn_percpu_history *histories(unsigned shard_idx)
    {
        return reinterpret_cast<cairn_percpu_history *>(seen(shard_idx) + CAIRN_PERCPU_CLASSES_MAX);
    }

    cairn_percpu_shard *shard(unsigned shard_idx)
    {
        return reinterpret_cast<cairn_percpu_shard *>(histories(shard_idx) +
                                                      CAIRN_PERCPU_CLASSES_MAX);
    }

    /* From here on: of the shard of CPU k. */
    uint32_t &header(unsigned k, unsigned class_idx)
    {
        return shard(shard_of(k))->array_headers[class_idx];
    }

    struct Array {
        unsigned count;
        unsigned limit;
    };

    Array array(unsigned k, unsigned class_idx)
    {
        uint32_t header = __atomic_load_n(&this->header(k, class_idx), __ATOMIC_RELAXED);
        unsigned count =
            header == 0 ? 0 : (header & 0xffff) - percpu_->classes[class_idx].slots_offset;
        return {count, count + (header >> CAIRN_RSEQ_FREE_SLOTS_SHIFT)};
    }

    /* All array headers of all shards. */
    std::vector<uint32_t> array_headers()
    {
        std::vector<uint32_t> all;
        for (unsigned shard_idx = 0; shard_idx < percpu_->shard_count; shard_idx++)
            for (unsigned class_idx = 0; class_idx < percpu_->class_count; class_idx++)
                all.push_back(
                    __atomic_load_n(&shard(shard_idx)->array_headers[class_idx], __ATOMIC_RELAXED));
        return all;
    }

    /* What an array header is for so many blocks and such a limit. */
    uint32_t header_for(unsigned class_idx, unsigned count, unsigned limit)
    {
        return (percpu_->classes[class_idx].slots_offset + count) |
               (limit - count) << CAIRN_RSEQ_FREE_SLOTS_SHIFT;
    }

    /* Where blocks of a class lie in a shard, the oldest first. */
    void **slots(unsigned k, unsigned class_idx)
    {
        return reinterpret_cast<void **>(shard(shard_of(k)) + 1) +
               percpu_->classes[class_idx].slots_offset;
    }

    /* The most that may wait, as percpu_init.c states it. */
    size_t bound_bytes(unsigned shards)
    {
        size_t bytes = 0;
        for (unsigned idx = 0; idx < percpu_->class_count; idx++)
            bytes += percpu_->classes[idx].block_bytes *
                     (size_t(shards) * percpu_->classes[idx].capacity +
                      percpu_->depot.bins[idx].capacity);
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
                                           Mode mode, More more)
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
        config.shard_cache_bytes = more.shard_cache_bytes;
        config.pressure = more.pressure;
        config.fence = more.fence;
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

/* Pages of so much memory that were touched. */
inline size_t resident_pages(const void *memory, size_t bytes)
{
    size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    std::vector<unsigned char> pages(bytes / page);
    EXPECT_EQ(mincore(const_cast<void *>(memory), pages.size() * page, pages.data()), 0);
    return static_cast<size_t>(
        std::count_if(pages.begin(), pages.end(), [](unsigned char one) { return one & 1; }));
}

} // namespace percpu_testing

#endif
