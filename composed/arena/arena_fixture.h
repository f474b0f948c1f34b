/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * arena_fixture.h - for tests: a buffer with an arena in it, and a fixture for buffers of every
 * kind.
 */

#ifndef CAIRN_ARENA_FIXTURE_H
#define CAIRN_ARENA_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

#include <vector>

#include <cairn/arena.h>
#include <gtest/gtest.h>

namespace cairn_test {

/* Below the size at which slabs begin, and above it. */
constexpr size_t kSizes[] = {CAIRN_ARENA_BYTES_MIN, 65536, 262144, 1 << 20, 16 << 20};

class Buffer {
  public:
    explicit Buffer(size_t bytes) : bytes_(bytes), space_(bytes + kPage + 64, 0xa5)
    {
    }

    unsigned char *at(size_t misalign_bytes)
    {
        uintptr_t start = reinterpret_cast<uintptr_t>(space_.data());

        return space_.data() + (kPage - start % kPage) % kPage + misalign_bytes;
    }

    struct cairn_arena *arena()
    {
        return cairn_arena_init(at(0), bytes_);
    }

    size_t bytes() const
    {
        return bytes_;
    }

  private:
    static constexpr size_t kPage = 4096; /* so that a run of the tests is like every other */

    size_t bytes_;
    std::vector<unsigned char> space_;
};

class ArenaOfEverySize : public testing::TestWithParam<size_t> {
  protected:
    ArenaOfEverySize() : buffer_(GetParam()), arena_(buffer_.arena())
    {
    }

    struct cairn_arena_stats stats()
    {
        return cairn_arena_stats(arena_);
    }

    void TearDown() override
    {
        cairn_arena_check(arena_);
    }

    Buffer buffer_;
    struct cairn_arena *arena_;
};

} // namespace cairn_test

#endif
