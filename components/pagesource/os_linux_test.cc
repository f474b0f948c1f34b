// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// The table of system calls, against the kernel that runs the test.

#include <cairn/os.h>

#include <gtest/gtest.h>

#include <dlfcn.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "tests/support/filter.h"

static int sbrk_calls;

// As a library that stands before libc would do it.
extern "C" void *sbrk(intptr_t delta) noexcept
{
    using Function = void *(intptr_t);
    sbrk_calls++;
    return reinterpret_cast<Function *>(dlsym(RTLD_NEXT, "sbrk"))(delta);
}

namespace {

class OsLinux : public testing::Test {
  protected:
    char *map(size_t pages, bool is_accessible = true)
    {
        return static_cast<char *>(os.ops->map(os.self, pages * page, is_accessible));
    }
    int unmap(void *base, size_t pages)
    {
        return os.ops->unmap(os.self, base, pages * page);
    }
    bool is_resident(char *at) const
    {
        unsigned char state = 0;
        EXPECT_EQ(0, mincore(at, page, &state));
        return (state & 1) != 0;
    }

    struct cairn_os os = cairn_os_linux();
    size_t page = os.ops->page_bytes(os.self);
};

TEST_F(OsLinux, KnowsThePageSize)
{
    EXPECT_EQ(static_cast<size_t>(sysconf(_SC_PAGESIZE)), page);
    EXPECT_STREQ("linux", os.ops->name);
}

TEST_F(OsLinux, MapsZeroedMemoryThatCostsNothingUntilTouched)
{
    char *base = map(4);
    ASSERT_NE(nullptr, base);
    EXPECT_FALSE(is_resident(base + page));
    base[page] = 1;
    EXPECT_TRUE(is_resident(base + page));
    EXPECT_EQ(0, base[2 * page - 1]);
    EXPECT_EQ(0, unmap(base, 4));
    EXPECT_DEATH(base[page] = 1, "");
    EXPECT_EQ(nullptr, os.ops->map(os.self, size_t{1} << 60, true));
}

TEST_F(OsLinux, MapsAddressSpaceThatIsOpenedLater)
{
    char *base = map(3, false);
    ASSERT_NE(nullptr, base);
    EXPECT_DEATH(base[page] = 1, "");
    EXPECT_EQ(0, os.ops->protect(os.self, base + page, page, true));
    os.ops->mark_metadata(os.self, base + page, page);
    EXPECT_EQ(0, base[page]);
    base[page] = 1;
    EXPECT_DEATH(base[page - 1] = 1, "");
    EXPECT_DEATH(base[2 * page] = 1, "");
    EXPECT_EQ(0, unmap(base, 3));
}

TEST_F(OsLinux, PurgedMemoryReadsAsZeroAndIsGone)
{
    char *base = map(4);
    memset(base, 7, 4 * page);
    EXPECT_EQ(0, os.ops->purge(os.self, base + page, 2 * page));
    EXPECT_FALSE(is_resident(base + page));
    EXPECT_FALSE(is_resident(base + 2 * page));
    EXPECT_EQ(7, base[page - 1]);
    EXPECT_EQ(0, base[page]);
    EXPECT_EQ(0, base[3 * page - 1]);
    EXPECT_EQ(7, base[3 * page]);
    unmap(base, 4);
    EXPECT_EQ(-ENOMEM, os.ops->purge(os.self, base, page));
}

TEST_F(OsLinux, ForbidsAndAllowsAccess)
{
    char *base = map(2);
    base[page] = 3;
    EXPECT_EQ(0, os.ops->protect(os.self, base + page, page, false));
    EXPECT_DEATH(base[page] = 1, "");
    EXPECT_EQ(0, os.ops->protect(os.self, base + page, page, true));
    EXPECT_EQ(3, base[page]);
    unmap(base, 2);
    EXPECT_EQ(-ENOMEM, os.ops->protect(os.self, base, page, true));
}

TEST_F(OsLinux, ResizesInPlaceOrMovesWithTheContents)
{
    char *base = map(8);
    memset(base, 5, 4 * page);
    ASSERT_EQ(0, unmap(base + 2 * page, 1));
    EXPECT_EQ(base, os.ops->remap(os.self, base, 2 * page, 3 * page, false));
    EXPECT_EQ(nullptr, os.ops->remap(os.self, base, 3 * page, 4 * page, false));
    EXPECT_EQ(5, base[0]);
    char *moved = static_cast<char *>(os.ops->remap(os.self, base, 2 * page, 64 * page, true));
    ASSERT_NE(nullptr, moved);
    EXPECT_EQ(5, moved[0]);
    EXPECT_EQ(5, moved[2 * page - 1]);
    EXPECT_EQ(0, moved[2 * page]);
    if (moved != base) {
        EXPECT_DEATH(base[0] = 1, "");
    }
    unmap(moved, 64);
    unmap(base + 2 * page, 6);
}

TEST_F(OsLinux, MovesTheBreakTogetherWithLibc)
{
    sbrk_calls = 0;
    char *before = static_cast<char *>(sbrk(0));
    EXPECT_EQ(before, os.ops->sbrk(os.self, 0));
    EXPECT_EQ(before, os.ops->sbrk(os.self, 3 * static_cast<intptr_t>(page)));
    EXPECT_EQ(before + 3 * page, sbrk(0)) << "libc knows";
    before[3 * page - 1] = 1;
    EXPECT_EQ(before + 3 * page, os.ops->sbrk(os.self, -3 * static_cast<intptr_t>(page)));
    EXPECT_EQ(before, sbrk(0));
    EXPECT_EQ(nullptr, os.ops->sbrk(os.self, INTPTR_MAX));
    EXPECT_EQ(nullptr, os.ops->sbrk(os.self, INTPTR_MIN));
    EXPECT_EQ(3, sbrk_calls) << "by a name that is not replaced: only those of this test";
}

// A filter that is installed by another thread while libc moves the break makes glibc take -ENOSYS
// for the break, for ever.
TEST_F(OsLinux, HasNoBreakWhereAFilterMadeLibcForgetIt)
{
    auto forget = [this] {
        if (os.ops->sbrk(os.self, 0) == nullptr)
            _exit(1);
        if (!deny(SYS_brk, ENOSYS))
            _exit(0); // no filter may be set here
        (void)sbrk(4096);
        _exit(os.ops->sbrk(os.self, 0) == nullptr && os.ops->sbrk(os.self, 4096) == nullptr ? 0
                                                                                            : 2);
    };
    EXPECT_EXIT(forget(), testing::ExitedWithCode(0), "");
}

TEST_F(OsLinux, KnowsTheTimeWhereTheKernelTellsItWithoutACall)
{
    struct timespec now = {};
    uint64_t before = os.ops->now_ms(os.self);
    ASSERT_EQ(0, clock_gettime(CLOCK_MONOTONIC_COARSE, &now));
    uint64_t libc =
        static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1000000;
    if (getauxval(AT_SYSINFO_EHDR) != 0) {
        EXPECT_LE(before, libc);
        EXPECT_LE(libc, os.ops->now_ms(os.self));
    }
}

TEST_F(OsLinux, LeavesErrnoAlone)
{
    char *base = map(2);
    errno = 4242;
    EXPECT_EQ(nullptr, os.ops->map(os.self, size_t{1} << 60, true));
    os.ops->mark_metadata(os.self, base + 1, page);
    EXPECT_EQ(-EINVAL, os.ops->unmap(os.self, base + 1, page));
    EXPECT_EQ(-EINVAL, os.ops->protect(os.self, base + 1, page, false));
    EXPECT_EQ(-EINVAL, os.ops->purge(os.self, base + 1, page));
    EXPECT_EQ(nullptr, os.ops->remap(os.self, base + 1, page, page, true));
    EXPECT_EQ(nullptr, os.ops->sbrk(os.self, INTPTR_MAX));
    EXPECT_NE(nullptr, os.ops->sbrk(os.self, 0));
    unmap(base, 2);
    EXPECT_EQ(page, os.ops->page_bytes(os.self));
    EXPECT_EQ(4242, errno);
}

} // namespace
