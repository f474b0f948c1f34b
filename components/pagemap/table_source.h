// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// What a pagemap takes its tables from in these tests: zeroed memory that is reserved and not committed, with a
// limit that stands for RLIMIT_AS.

#ifndef CAIRN_PAGEMAP_TABLE_SOURCE_H
#define CAIRN_PAGEMAP_TABLE_SOURCE_H

#include <cairn/source.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <functional>

#include <sys/mman.h>

class TableSource {
  public:
    explicit TableSource(size_t limit_bytes = SIZE_MAX) : limit_bytes_(limit_bytes)
    {
    }

    cairn_source source()
    {
        return {&ops, this};
    }
    size_t outstanding_bytes() const
    {
        return outstanding_bytes_;
    }

    cairn_source_ops ops = {"tables", CAIRN_SOURCE_ZEROED | CAIRN_SOURCE_THREAD_SAFE, &Take, &Give};
    std::function<void()> on_take; // called within each take

  private:
    static size_t Take(void *self, size_t block_bytes, size_t align_bytes, void **blocks,
                       size_t count)
    {
        auto *source = static_cast<TableSource *>(self);
        const int errno_before = errno; // law L8
        size_t taken = 0;

        if (source->on_take)
            source->on_take();
        if (align_bytes > 4096 || block_bytes > source->limit_bytes_)
            return 0;
        for (; taken < count; taken++) {
            void *block = mmap(nullptr, block_bytes, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

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
            munmap(blocks[i], block_bytes);
        static_cast<TableSource *>(self)->outstanding_bytes_ -= block_bytes * count;
    }

    size_t limit_bytes_;
    std::atomic<size_t> outstanding_bytes_{0};
};

#endif
