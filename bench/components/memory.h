// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// memory.h - what the suites share: zeroed, lazily committed memory; a source that invents
// addresses; one object for all threads of a row; page faults as a counter.

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

using benchmark::State;

// Stops the run: a benchmark of a component that could not be built would measure nothing.
inline void Require(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "bench: %s failed\n", what);
    exit(1);
}

struct Memory {
    explicit Memory(size_t bytes)
        : bytes(bytes), base(mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))
    {
        Require(base != MAP_FAILED, "mmap");
    }
    ~Memory()
    {
        munmap(base, bytes);
    }
    Memory(const Memory &) = delete;
    Memory &operator=(const Memory &) = delete;
    // The first multiple of a power of two in it.
    void *aligned(size_t align_bytes) const
    {
        uintptr_t start = reinterpret_cast<uintptr_t>(base);
        return reinterpret_cast<void *>((start + align_bytes - 1) & ~(align_bytes - 1));
    }

    size_t bytes;
    void *base;
};

// Makes the compiler compute a pointer or a number, with all memory as it stands. In place of
// benchmark::DoNotOptimize(), whose version 1.7.1 also says that the value changes: with both the
// address and the undefined-behaviour sanitizer, GCC 12 goes on with another value then.
template <typename Value> inline void Keep(Value value)
{
    asm volatile("" : : "r"(value) : "memory");
}

// Addresses at which nothing lies, never dry, one atomic addition a batch: for layers that do not
// touch blocks, so that only the layer is measured.
struct Invented {
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

// One object for all threads of a row, there while it runs.
template <typename Object> struct Shared {
    static inline Object *object;
    static void Of(benchmark::internal::Benchmark *row)
    {
        row->Setup([](const State &) { object = new Object; });
        row->Teardown([](const State &) { delete object; });
    }
};

inline void BesideOthers(benchmark::internal::Benchmark *row)
{
    row->Threads(1)->Threads(2)->Threads(8)->UseRealTime();
}

// An argument of the row.
inline size_t Arg(const State &state, size_t idx = 0)
{
    return static_cast<size_t>(state.range(idx));
}

template <typename Number> void Tell(State &state, const char *name, Number number)
{
    state.counters[name] = static_cast<double>(number);
}

template <typename Number> void TellEach(State &state, const char *name, Number number)
{
    state.counters[name] =
        benchmark::Counter(static_cast<double>(number), benchmark::Counter::kAvgIterations);
}

inline void TellRatio(State &state, const char *name, size_t part, size_t whole)
{
    Tell(state, name, whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole));
}

// Minor page faults of this thread since it was made, in the report.
class Faults {
  public:
    explicit Faults(State &state) : state_(state), before_(Now())
    {
    }
    ~Faults()
    {
        TellEach(state_, "faults", Now() - before_);
    }

  private:
    static long Now()
    {
        rusage usage;
        getrusage(RUSAGE_THREAD, &usage);
        return usage.ru_minflt;
    }
    State &state_;
    long before_;
};

#endif
