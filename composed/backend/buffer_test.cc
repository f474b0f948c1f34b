// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// A backend over one small buffer: what it takes before the first block, and what is left for
// blocks.

#include "composed/backend/backend_fixture.h"

#include <cairn/os_buffer.h>
#include <cairn/stack/pages_buffer.h>

#include <cstdint>
#include <vector>

namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kUnit = CAIRN_OS_BUFFER_UNIT_BYTES;

// What one leaf of the pagemap covers.
constexpr uintptr_t kMapBytes = uintptr_t{1} << 32;

enum Where { kWithinBorders, kAcrossABorder };

// Address space of which a test takes any part as a buffer.
class Room {
  public:
    Room(size_t bytes, Where where) : bytes_(bytes)
    {
        uintptr_t before = where == kAcrossABorder ? bytes / 2 : 0;
        void *room = MAP_FAILED;
        for (uintptr_t border = 16; room == MAP_FAILED && border < 1024; border++)
            room = mmap(reinterpret_cast<void *>(border * kMapBytes - before), bytes,
                        PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
        EXPECT_NE(room, MAP_FAILED);
        room_ = static_cast<char *>(room);
    }
    ~Room()
    {
        munmap(room_, bytes_);
    }
    Room(const Room &) = delete;
    Room &operator=(const Room &) = delete;

    // `offset` bytes behind a multiple of 2 MiB.
    char *At(size_t offset)
    {
        return room_ + (0 - reinterpret_cast<uintptr_t>(room_)) % kUnit + offset;
    }

  private:
    size_t bytes_;
    char *room_;
};

// How many blocks of a granule a heap over this buffer serves.
size_t BlocksOf(char *base, size_t bytes)
{
    Tables tables;
    cairn_backend backend = {};
    cairn_backend_config config = Config(tables);
    cairn_os_buffer buffer = {};
    const cairn_os_buffer_config buffer_config = {base, bytes};
    std::vector<void *> blocks;

    EXPECT_EQ(cairn_os_buffer_init(&buffer, &buffer_config), 0);
    config.os = cairn_os_buffer_as_os(&buffer);
    config.policy = CAIRN_PAGESOURCE_AUTO; // there is no break
    if (cairn_backend_init(&backend, &config) != 0)
        return 0;
    while (void *block = cairn_backend_alloc(&backend, 16384, 1, nullptr))
        blocks.push_back(block);
    for (void *block : blocks)
        cairn_backend_free(&backend, block, "test");
    cairn_backend_trim(&backend);
    cairn_backend_fini(&backend);
    EXPECT_EQ(cairn_os_buffer_mapped_bytes(&buffer), 0u);
    return blocks.size();
}

TEST(BackendOverABuffer, ServesBlocksFromTheLeastBufferWhereverItLies)
{
    Room room(2 * kUnit + CAIRN_PAGES_BUFFER_MIN_BYTES, kWithinBorders);
    for (size_t offset = 0; offset < kUnit; offset += 16 * 4096 + 8)
        ASSERT_GE(BlocksOf(room.At(offset), CAIRN_PAGES_BUFFER_MIN_BYTES), kUnit / 16384)
            << offset << " behind a multiple of 2 MiB";
}

void ExpectToLose(size_t most_bytes, Room &room, size_t bytes)
{
    for (size_t offset : {size_t{0}, kMiB + 64})
        EXPECT_GE(BlocksOf(room.At(offset), bytes) * 16384 + most_bytes + kUnit, bytes)
            << bytes << ", " << offset << " behind a multiple of 2 MiB";
}

TEST(BackendOverABuffer, LosesNoMoreThanTheHeaderSays)
{
    Room room(2 * kUnit + 64 * kMiB, kWithinBorders);
    for (size_t bytes = 8 * kMiB; bytes <= 64 * kMiB; bytes += 3 * kMiB)
        ExpectToLose(CAIRN_PAGES_BUFFER_MIN_BYTES, room, bytes);
}

TEST(BackendOverABuffer, LosesMoreAcrossAMultipleOfFourGibibytes)
{
    for (size_t bytes = 8 * kMiB; bytes <= 64 * kMiB; bytes += 3 * kMiB / 2) {
        Room room(2 * kUnit + bytes, kAcrossABorder);
        ExpectToLose(CAIRN_PAGES_BUFFER_MIN_BYTES + CAIRN_PAGES_BUFFER_BORDER_BYTES, room, bytes);
    }
}

} // namespace
