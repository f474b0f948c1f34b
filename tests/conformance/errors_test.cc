// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// Requests that cannot be met: NULL, ENOMEM, and nothing changed.
#include "tests/conformance/surface.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <cerrno>
#include <cstdlib>

namespace conformance {
namespace {

// Too large for any object, and so near the top that rounding up wraps around.
const size_t kBeyondAnyObject[] = {size_t{PTRDIFF_MAX} + 1,
                                   size_t{PTRDIFF_MAX} + 2,
                                   size_t{PTRDIFF_MAX} + 4096,
                                   SIZE_MAX / 2 + 65536,
                                   SIZE_MAX - (size_t{1} << 32),
                                   SIZE_MAX - 65536,
                                   SIZE_MAX - 65535,
                                   SIZE_MAX - 4096,
                                   SIZE_MAX - 4095,
                                   SIZE_MAX - 64,
                                   SIZE_MAX - 16,
                                   SIZE_MAX - 15,
                                   SIZE_MAX - 8,
                                   SIZE_MAX - 1,
                                   SIZE_MAX};

// Allowed to ask for, but beyond the 47 bits of address space that a process has.
const size_t kBeyondTheAddressSpace[] = {size_t{1} << 47,
                                         size_t{1} << 48,
                                         size_t{1} << 56,
                                         size_t{1} << 62,
                                         size_t{PTRDIFF_MAX} - 4096,
                                         size_t{PTRDIFF_MAX} - 1,
                                         size_t{PTRDIFF_MAX}};

void ExpectRefused(const EntryPoint &entry, size_t size)
{
    errno = 0;
    void *block = entry.get(Opaque(size));
    EXPECT_EQ(block, nullptr) << entry.name << " with " << size;
    EXPECT_EQ(errno, ENOMEM) << entry.name << " with " << size;
    free(block);
}

TEST(EveryEntryPoint, RefusesSizesBeyondPtrdiffMax)
{
    for (const EntryPoint &entry : EntryPoints()) {
        for (size_t size : kBeyondAnyObject)
            ExpectRefused(entry, size);
    }
}

TEST(EveryEntryPoint, RefusesSizesBeyondTheAddressSpace)
{
    for (const EntryPoint &entry : EntryPoints()) {
        for (size_t size : kBeyondTheAddressSpace)
            ExpectRefused(entry, size);
    }
}

TEST(EveryEntryPoint, WorksAfterARefusal)
{
    for (const EntryPoint &entry : EntryPoints()) {
        for (size_t size : kBeyondAnyObject) {
            ExpectRefused(entry, size);
            void *block = entry.get(1000);
            ASSERT_NE(block, nullptr) << entry.name;
            Fill(block, 1000, size);
            EXPECT_TRUE(Holds(block, 1000, size)) << entry.name;
            free(block);
        }
    }
}

TEST(EveryEntryPoint, TakesNoMemoryForARefusal)
{
    for (const EntryPoint &entry : EntryPoints())
        ExpectRefused(entry, SIZE_MAX);
    size_t before = ResidentKib();
    for (int round = 0; round < 3000; round++) {
        for (const EntryPoint &entry : EntryPoints())
            ExpectRefused(entry, size_t{PTRDIFF_MAX} - 4096);
    }
    EXPECT_LT(ResidentKib(), before + 16 * 1024);
}

TEST(Calloc, RefusesProductsThatOverflow)
{
    const std::pair<size_t, size_t> products[] = {{SIZE_MAX, 2},
                                                  {2, SIZE_MAX},
                                                  {SIZE_MAX / 2 + 1, 2},
                                                  {size_t{1} << 32, size_t{1} << 32},
                                                  {SIZE_MAX / 3, 4},
                                                  {SIZE_MAX, SIZE_MAX},
                                                  {size_t{1} << 63, 2},
                                                  {(size_t{1} << 33) + 1, size_t{1} << 31},
                                                  {size_t{PTRDIFF_MAX}, 2},
                                                  {size_t{PTRDIFF_MAX} / 2 + 1, 2}};
    for (auto [count, size] : products) {
        errno = 0;
        void *block = calloc(Opaque(count), Opaque(size));
        EXPECT_EQ(block, nullptr) << count << " x " << size;
        EXPECT_EQ(errno, ENOMEM) << count << " x " << size;
        free(block);
        errno = 0;
        block = reallocarray(Opaque(static_cast<void *>(nullptr)), Opaque(count), Opaque(size));
        EXPECT_EQ(block, nullptr) << count << " x " << size;
        EXPECT_EQ(errno, ENOMEM) << count << " x " << size;
        free(block);
    }
}

TEST(PosixMemalign, ReturnsEnomemAndLeavesThePointerAlone)
{
    int here = 0;
    for (size_t alignment = 8; alignment <= 1 << 20; alignment *= 2) {
        for (size_t size : kBeyondAnyObject) {
            void *block = &here;
            EXPECT_EQ(posix_memalign(&block, alignment, Opaque(size)), ENOMEM)
                << alignment << ", " << size;
            EXPECT_EQ(block, &here) << alignment << ", " << size;
        }
    }
}

TEST(AlignedAlloc, RefusesASizeThatOverflowsWithTheAlignmentAdded)
{
    for (size_t alignment = 16; alignment <= size_t{1} << 62; alignment *= 2) {
        for (size_t size :
             {SIZE_MAX - alignment, SIZE_MAX - alignment + 1, SIZE_MAX - 2 * alignment + 2}) {
            errno = 0;
            void *block = aligned_alloc(Opaque(alignment), Opaque(size));
            EXPECT_EQ(block, nullptr) << alignment << ", " << size;
            EXPECT_TRUE(errno == ENOMEM || errno == EINVAL)
                << alignment << ", " << size << ": " << errno;
            free(block);
        }
    }
}

} // namespace
} // namespace conformance
