// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// memory.h - zeroed, lazily committed memory for the state blocks and ranges of a benchmark.

#ifndef CAIRN_BENCH_MEMORY_H
#define CAIRN_BENCH_MEMORY_H

#include <sys/mman.h>

#include <cstddef>
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

#endif
