// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// memory.h - what the suites share: zeroed, lazily committed memory; a source that invents
// addresses; page faults as a counter.

#ifndef CAIRN_BENCH_COMPONENTS_MEMORY_H
#define CAIRN_BENCH_COMPONENTS_MEMORY_H

#include <benchmark/benchmark.h>
#include <cairn/source.h>

#include <sys/mman.h>
#include <sys/resource.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

class Memory {
  public:
    explicit Memory(size_t bytes)
        : bytes_(bytes), base_(mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))
    {
        if (base_ == MAP_FAILED) {
            perror("bench: mmap");
            exit(1);
        }
    }
    ~Memory()
    {
        munmap(base_, bytes_);
    }
    Memory(const Memory &) = delete;
    Memory &operator=(const Memory &) = delete;

    void *base() const
    {
        return base_;
    }
    size_t bytes() const
    {
        return bytes_;
    }

  private:
    size_t bytes_;
    void *base_;
};

// Stops the run: a benchmark of a component that could not be built would measure nothing.
inline void Require(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "bench: %s failed\n", what);
    exit(1);
}

// Makes the compiler compute a pointer or a number, with all memory as it stands. In place of
// benchmark::DoNotOptimize(), whose version 1.7.1 also says that the value changes: with both the
// address and the undefined-behaviour sanitizer, GCC 12 goes on with another value then.
template <typename Value> inline void Keep(Value value)
{
    asm volatile("" : : "r"(value) : "memory");
}

// Addresses at which nothing lies, never dry, one atomic addition a batch: for layers that do not
// touch blocks, so that only the layer is measured.
class Invented {
  public:
    static cairn_source Source()
    {
        static const cairn_source_ops ops = {"invented", CAIRN_SOURCE_THREAD_SAFE, Take, Give};
        return {&ops, nullptr};
    }
    static size_t Take(void *, size_t block_bytes, size_t, void **blocks, size_t count)
    {
        static std::atomic<uintptr_t> next{uintptr_t{1} << 40};
        uintptr_t base = next.fetch_add(block_bytes * count, std::memory_order_relaxed);
        for (size_t idx = 0; idx < count; idx++)
            blocks[idx] = reinterpret_cast<void *>(base + idx * block_bytes);
        return count;
    }
    static void Give(void *, size_t, void *const *, size_t)
    {
    }
};

// Minor page faults of this thread since it was made.
class Faults {
  public:
    Faults() : before_(Now())
    {
    }
    // Adds them to the report, per iteration.
    void Report(benchmark::State &state) const
    {
        state.counters["faults"] = benchmark::Counter(static_cast<double>(Now() - before_),
                                                      benchmark::Counter::kAvgIterations);
    }

  private:
    static long Now()
    {
        rusage usage;
        getrusage(RUSAGE_THREAD, &usage);
        return usage.ru_minflt;
    }
    long before_;
};

inline double Ratio(size_t part, size_t whole)
{
    return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

#endif
