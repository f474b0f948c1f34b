// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// What a tree is made of in these tests: a root that ends where memory ends, empty tags that cannot
// be written, and a source of leaves that counts them.

#ifndef CAIRN_PAGEMAP_TABLE_SOURCE_H
#define CAIRN_PAGEMAP_TABLE_SOURCE_H

#include <cairn/base/syscall.h>
#include <cairn/pagemap.h>
#include <cairn/source.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <utility>
#include <vector>

#include <sys/mman.h>
#include <sys/syscall.h>

// Zeros, and behind them what cannot be touched.
class Zeros {
  public:
    explicit Zeros(size_t bytes, int protection = PROT_READ | PROT_WRITE)
        : bytes_(bytes),
          base_(mmap(nullptr, bytes + kGuardBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
    {
        if (base_ == MAP_FAILED || mprotect(base_, bytes_, protection) != 0)
            std::abort();
    }
    ~Zeros()
    {
        munmap(base_, bytes_ + kGuardBytes);
    }
    Zeros(const Zeros &) = delete;
    Zeros &operator=(const Zeros &) = delete;

    void *base() const
    {
        return base_;
    }

  private:
    static constexpr size_t kGuardBytes = 65536;
    size_t bytes_;
    void *base_;
};

class Tables {
  public:
    explicit Tables(unsigned granule_shift = 14)
        : root_(CAIRN_PAGEMAP_ROOT_BYTES(granule_shift)),
          empty_(CAIRN_PAGEMAP_EMPTY_BYTES, PROT_READ)
    {
    }
    void *root() const
    {
        return root_.base();
    }
    void *empty() const
    {
        return empty_.base();
    }

  private:
    Zeros root_;
    Zeros empty_;
};

class LeafSource {
  public:
    cairn_source source()
    {
        return {&ops, this};
    }
    size_t outstanding_bytes() const
    {
        return outstanding_bytes_;
    }
    size_t outstanding_leaves() const
    {
        return outstanding_bytes_ / sizeof(cairn_pagemap_leaf);
    }

    cairn_source_ops ops = {"leaves", CAIRN_SOURCE_ZEROED | CAIRN_SOURCE_THREAD_SAFE, &Take, &Give};
    std::function<void()> on_take; // called within the next take
    std::atomic<bool> is_dry{false};
    std::vector<void *> stock; // mapped by the test, given first, the last one first

  private:
    void *Next(size_t block_bytes)
    {
        void *block = MAP_FAILED;

        if (is_dry)
            return block;
        if (!stock.empty()) {
            block = stock.back();
            stock.pop_back();
            return block;
        }
        // By a bare system call: ThreadSanitizer takes the zeros for writes of this thread, whose
        // order it cannot see, because a load that depends on another is ordered by that alone.
        long result = cairn_syscall6(SYS_mmap, 0, static_cast<long>(block_bytes),
                                     PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return result < 0 ? MAP_FAILED : reinterpret_cast<void *>(result);
    }

    static size_t Take(void *self, size_t block_bytes, size_t align_bytes, void **blocks,
                       size_t count)
    {
        auto *source = static_cast<LeafSource *>(self);
        const int errno_before = errno; // law L8
        size_t taken = 0;

        if (source->on_take)
            std::exchange(source->on_take, nullptr)();
        for (; align_bytes <= 4096 && taken < count; taken++) {
            void *block = source->Next(block_bytes);

            if (block == MAP_FAILED)
                break;
            source->outstanding_bytes_ += block_bytes;
            blocks[taken] = block;
        }
        errno = errno_before;
        return taken;
    }

    static void Give(void *self, size_t block_bytes, void *const *blocks, size_t count)
    {
        for (size_t i = 0; i < count; i++)
            cairn_syscall2(SYS_munmap, blocks[i], block_bytes);
        static_cast<LeafSource *>(self)->outstanding_bytes_ -= block_bytes * count;
    }

    std::atomic<size_t> outstanding_bytes_{0};
};

#endif
