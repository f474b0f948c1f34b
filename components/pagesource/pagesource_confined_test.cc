// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// In child processes, because it cannot be taken back: a filter that kills at any system call
// beyond the list, one that denies some, and a process that has all the mappings it may have.

#include <cairn/pagesource.h>

#include <gtest/gtest.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <vector>

namespace {

constexpr size_t kMiB = 1 << 20;

class Confined : public testing::TestWithParam<enum cairn_pagesource_policy> {
  protected:
    void SetUp() override
    {
        struct cairn_pagesource_config config = {};
        config.policy = GetParam();
        ASSERT_EQ(0, cairn_pagesource_init(&source, &config));
    }

    struct cairn_pagesource source;
};

// Ends a child: 0 when everything held, else the number of the line.
#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            _exit(__LINE__ % 251 + 1);                                                             \
    } while (0)

// Answers `others` to every system call but the listed ones, and `denied` to those in `deny`.
void filter(std::vector<long> allow, std::vector<long> deny, unsigned denied, unsigned others)
{
    std::vector<struct sock_filter> code = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    for (long number : deny) {
        code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(number), 0, 1));
        code.push_back(BPF_STMT(BPF_RET | BPF_K, denied));
    }
    for (long number : allow) {
        code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(number), 0, 1));
        code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    }
    code.push_back(BPF_STMT(BPF_RET | BPF_K, others));
    struct sock_fprog program = {static_cast<unsigned short>(code.size()), code.data()};
    REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    REQUIRE(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

void exercise(struct cairn_pagesource *source)
{
    for (size_t length : {size_t{4096}, size_t{65536}, 3 * kMiB, 9 * kMiB, 40 * kMiB}) {
        void *block = cairn_pagesource_alloc(source, length, 65536, nullptr);
        REQUIRE(block != nullptr);
        void *resized = cairn_pagesource_resize(source, block, length, 2 * length, 1, true);
        if (resized != nullptr)
            cairn_pagesource_free(source, resized, 2 * length);
        else
            cairn_pagesource_free(source, block, length);
        cairn_pagesource_check(source);
        cairn_pagesource_purge(source);
    }
    void *reserved = cairn_pagesource_reserve(source, kMiB);
    REQUIRE(reserved != nullptr);
    cairn_pagesource_unreserve(source, reserved, kMiB);
    cairn_pagesource_check(source);
}

TEST_P(Confined, MakesNoSystemCallBeyondItsList)
{
    auto child = [this] {
        filter(
            {SYS_mmap, SYS_munmap, SYS_mprotect, SYS_madvise, SYS_mremap, SYS_brk, SYS_exit_group},
            {}, 0, SECCOMP_RET_KILL_PROCESS);
        exercise(&source);
        cairn_pagesource_fini(&source);
        _exit(0);
    };
    EXPECT_EXIT(child(), testing::ExitedWithCode(0), "");
}

TEST_P(Confined, WorksWhenAConfinedDeniesEverythingButMmap)
{
    auto child = [this](std::vector<long> deny) {
        filter({}, deny, SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW);
        exercise(&source);
        cairn_pagesource_fini(&source);
        _exit(0);
    };
    for (std::vector<long> deny : {std::vector<long>{SYS_madvise},
                                   {SYS_mremap},
                                   {SYS_munmap},
                                   {SYS_mprotect},
                                   {SYS_madvise, SYS_mremap, SYS_munmap, SYS_mprotect}})
        EXPECT_EXIT(child(deny), testing::ExitedWithCode(0), "");
}

TEST(Confined, AFullMapTableLosesNothing)
{
    auto child = [] {
        static struct cairn_pagesource source;
        struct cairn_pagesource_config config = {};
        config.policy = CAIRN_PAGESOURCE_MMAP;
        config.map_threshold_bytes = config.map_threshold_max_bytes = kMiB;
        config.retain_min_bytes = kMiB;
        REQUIRE(cairn_pagesource_init(&source, &config) == 0);
        char *first = static_cast<char *>(cairn_pagesource_alloc(&source, 24 * kMiB, 1, nullptr));
        char *middle = first + 8 * kMiB;
        REQUIRE(first != nullptr);
        size_t area = 70000 * 4096, holes = 0;
        char *field = static_cast<char *>(
            mmap(nullptr, area, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
        while (holes < 35000 && mprotect(field + 8192 * holes, 4096, PROT_READ) == 0)
            holes++;
        if (holes == 35000)
            _exit(0); // a machine that allows more mappings: nothing to see
        cairn_pagesource_free(&source, middle, 8 * kMiB);
        cairn_pagesource_check(&source);
        REQUIRE(cairn_pagesource_stats(&source).unmap_pending_bytes == 8 * kMiB);
        REQUIRE(cairn_pagesource_alloc(&source, 8 * kMiB, 1, nullptr) == middle);
        cairn_pagesource_free(&source, middle, 8 * kMiB);
        munmap(field, area);
        cairn_pagesource_purge(&source);
        REQUIRE(cairn_pagesource_stats(&source).mapped_bytes == 16 * kMiB);
        REQUIRE(cairn_pagesource_stats(&source).unmap_pending_bytes == 0);
        cairn_pagesource_free(&source, first, 8 * kMiB);
        cairn_pagesource_free(&source, middle + 8 * kMiB, 8 * kMiB);
        cairn_pagesource_fini(&source);
        _exit(0);
    };
    EXPECT_EXIT(child(), testing::ExitedWithCode(0), "");
}

INSTANTIATE_TEST_SUITE_P(Policies, Confined,
                         testing::Values(CAIRN_PAGESOURCE_AUTO, CAIRN_PAGESOURCE_BRK,
                                         CAIRN_PAGESOURCE_MMAP));

} // namespace
