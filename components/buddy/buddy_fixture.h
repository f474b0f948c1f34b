// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// What the tests of a buddy stand on: state between guard pages, memory that must not be touched, a
// seed.

#ifndef CAIRN_BUDDY_FIXTURE_H
#define CAIRN_BUDDY_FIXTURE_H

#include <cairn/buddy.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/random.h"

namespace buddy_fixture {

inline void Require(bool holds, const std::string &text)
{
    if (!holds)
        throw std::runtime_error(text);
}

inline std::uint64_t Seed()
{
    return cairn_test::test_seed();
}

inline std::size_t PageBytes()
{
    return static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

// Address space, aligned as asked. With PROT_NONE a read or a write of it is a crash.
class Region {
  public:
    Region(std::size_t bytes, std::size_t align_bytes, int protection = PROT_NONE)
        : length_(bytes + align_bytes + 2 * PageBytes())
    {
        map_ =
            mmap(nullptr, length_, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        Require(map_ != MAP_FAILED, "no address space");
        std::uintptr_t from = reinterpret_cast<std::uintptr_t>(map_) + PageBytes();
        base_ = (from + align_bytes - 1) & ~(align_bytes - 1);
    }
    Region(const Region &) = delete;
    Region &operator=(const Region &) = delete;
    ~Region()
    {
        munmap(map_, length_);
    }

    void *At(std::size_t offset) const
    {
        return reinterpret_cast<void *>(base_ + offset);
    }

  private:
    std::size_t length_;
    void *map_;
    std::uintptr_t base_;
};

enum class Hard { kFront, kBack };

// Zeroed bytes hard against a guard page at the front or at the back, with a canary in the slack
// at the other side.
class Guarded {
  public:
    Guarded(std::size_t bytes, Hard hard) : bytes_(bytes)
    {
        std::size_t page = PageBytes();
        std::size_t pages = (bytes + page - 1) / page * page;

        length_ = pages + 2 * page;
        map_ = static_cast<char *>(
            mmap(nullptr, length_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
        Require(map_ != MAP_FAILED, "no memory");
        Require(mprotect(map_ + page, pages, PROT_READ | PROT_WRITE) == 0, "mprotect");
        slack_ = hard == Hard::kBack ? map_ + page : map_ + page + bytes;
        slack_bytes_ = pages - bytes;
        data_ = hard == Hard::kBack ? map_ + page + slack_bytes_ : map_ + page;
        std::memset(slack_, 0xa5, slack_bytes_);
    }
    Guarded(const Guarded &) = delete;
    Guarded &operator=(const Guarded &) = delete;
    ~Guarded()
    {
        munmap(map_, length_);
    }

    bool IsIntact() const
    {
        for (std::size_t i = 0; i < slack_bytes_; i++) {
            if (static_cast<unsigned char>(slack_[i]) != 0xa5)
                return false;
        }
        return true;
    }

    char *data() const
    {
        return data_;
    }
    std::size_t size() const
    {
        return bytes_;
    }
    cairn_buddy *buddy() const
    {
        return reinterpret_cast<cairn_buddy *>(data_);
    }
    std::vector<char> Bytes() const
    {
        return std::vector<char>(data_, data_ + bytes_);
    }

  private:
    std::size_t bytes_;
    std::size_t length_;
    char *map_;
    char *slack_;
    std::size_t slack_bytes_;
    char *data_;
};

// A buddy in a state block of so many bytes.
inline int Init(cairn_buddy *buddy, std::size_t state_bytes, cairn_buddy_config config)
{
    config.state_bytes = state_bytes;
    return cairn_buddy_init(buddy, &config);
}

// A buddy in guarded state of exactly the size that it asks for.
class Placed {
  public:
    explicit Placed(const cairn_buddy_config &config, Hard hard = Hard::kBack)
        : state_(cairn_buddy_state_bytes(&config), hard)
    {
        Require(Init(state_.buddy(), state_.size(), config) == 0, "init");
    }

    cairn_buddy *get() const
    {
        return state_.buddy();
    }
    const Guarded &state() const
    {
        return state_;
    }
    struct cairn_buddy_stats stats() const
    {
        return cairn_buddy_stats(state_.buddy());
    }

  private:
    Guarded state_;
};

inline cairn_buddy_config OverRange(void *base, std::size_t length_bytes, std::size_t granule_bytes,
                                    std::size_t align_bytes = 0)
{
    cairn_buddy_config config = {};

    config.granule_bytes = granule_bytes;
    config.base = base;
    config.length_bytes = length_bytes;
    config.align_bytes = align_bytes;
    return config;
}

inline cairn_buddy_config OverSource(cairn_source source, std::size_t chunk_bytes,
                                     std::size_t chunk_count_max, std::size_t granule_bytes)
{
    cairn_buddy_config config = {};

    config.granule_bytes = granule_bytes;
    config.source = source;
    config.chunk_bytes = chunk_bytes;
    config.chunk_count_max = chunk_count_max;
    return config;
}

// Without a source: chunks are fed to it.
inline cairn_buddy_config ByHand(std::size_t chunk_bytes, std::size_t chunk_count_max,
                                 std::size_t granule_bytes)
{
    return OverSource({nullptr, nullptr}, chunk_bytes, chunk_count_max, granule_bytes);
}

} // namespace buddy_fixture

#endif
