// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// Memory that really runs out, by RLIMIT_AS. Two cases: the limit is there from the start (the
// suite runs itself again under it), and it comes later, when an allocator may own address space
// already. While memory is out nothing is reported, for a report would allocate; what was seen is
// judged afterwards.
#include "tests/conformance/surface.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <new>

namespace conformance {
namespace {

constexpr size_t kLimit = size_t{256} << 20;
constexpr size_t kBlock = size_t{3} << 20;
constexpr size_t kBlocksInTheLimit = kLimit / kBlock;

void SetAddressSpaceLimit(size_t bytes)
{
    rlimit limit{};
    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_AS, &limit);
}

void RemoveAddressSpaceLimit()
{
    rlimit limit{};
    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_AS, &limit);
}

// Runs the body in a child process and passes its failures on.
template <typename Body> void InChild(Body body)
{
    fflush(nullptr);
    pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        alarm(120);
        body();
        fflush(nullptr);
        _exit(testing::Test::HasFailure() ? 1 : 0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

struct Exhaustion {
    std::array<void *, 2 * kBlocksInTheLimit> blocks{};
    size_t count = 0;
    int error = 0;      // errno of the first refusal
    bool intact = true; // blocks kept their content
    bool again = false; // a block could be had after one was freed
};

void TakeAll(const EntryPoint &entry, Exhaustion &seen)
{
    while (seen.count < seen.blocks.size()) {
        errno = 0;
        void *block = entry.get(kBlock);
        if (block == nullptr)
            break;
        Fill(block, kBlock, seen.count);
        seen.blocks[seen.count++] = block;
    }
    seen.error = errno;
}

void SwapOne(const EntryPoint &entry, Exhaustion &seen)
{
    if (seen.count == 0)
        return;
    free(seen.blocks[--seen.count]);
    void *block = entry.get(kBlock);
    seen.again = block != nullptr;
    free(block);
}

void GiveAll(Exhaustion &seen)
{
    for (size_t i = 0; i < seen.count; i++) {
        seen.intact = seen.intact && Holds(seen.blocks[i], kBlock, i);
        free(seen.blocks[i]);
    }
}

Exhaustion Exhaust(const EntryPoint &entry)
{
    Exhaustion seen;
    TakeAll(entry, seen);
    SwapOne(entry, seen);
    GiveAll(seen);
    return seen;
}

void ExpectRecovery(const EntryPoint &entry)
{
    RemoveAddressSpaceLimit();
    void *block = entry.get(2 * kLimit);
    EXPECT_NE(block, nullptr) << entry.name << " did not recover when the limit was raised";
    free(block);
}

// Tests of this suite are run by AddressSpaceLimit.HoldsFromTheStart, in a process of their own.
class UnderALimit : public testing::Test {
  protected:
    void SetUp() override
    {
        if (std::getenv("CAIRN_TEST_UNDER_A_LIMIT") == nullptr)
            GTEST_SKIP() << "run by AddressSpaceLimit";
    }
};

TEST_F(UnderALimit, EveryEntryPointReturnsNullInTheEndAndRecovers)
{
    for (const EntryPoint &entry : EntryPoints()) {
        InChild([&] {
            Exhaustion seen = Exhaust(entry);
            ExpectRecovery(entry);
            EXPECT_GE(seen.count, kBlocksInTheLimit / 2)
                << entry.name << " gave up long before the limit";
            EXPECT_LT(seen.count, kBlocksInTheLimit) << entry.name << " went beyond the limit";
            EXPECT_EQ(seen.error, ENOMEM) << entry.name;
            EXPECT_TRUE(seen.intact) << entry.name;
            EXPECT_TRUE(seen.again) << entry.name << ": what was freed could not be had again";
        });
    }
}

// Takes blocks, linked through their first word, until there are no more; returns the bytes taken.
size_t ExhaustWithSmallBlocks(size_t size, int &error)
{
    void **chain = nullptr;
    size_t taken = 0;
    errno = 0;
    for (void *block = malloc(size); block != nullptr && taken < 2 * kLimit; block = malloc(size)) {
        *static_cast<void ***>(block) = chain;
        chain = static_cast<void **>(block);
        taken += size;
    }
    error = errno;
    while (chain != nullptr) {
        void **next = static_cast<void **>(*chain);
        free(chain);
        chain = next;
    }
    return taken;
}

TEST_F(UnderALimit, SmallBlocksRunOutToo)
{
    const size_t sizes[] = {16, 200, 3000, 30000};
    for (size_t size : sizes) {
        InChild([&] {
            int error = 0, second_error = 0;
            size_t taken = ExhaustWithSmallBlocks(size, error);
            size_t second = ExhaustWithSmallBlocks(size, second_error);
            RemoveAddressSpaceLimit();
            EXPECT_EQ(error, ENOMEM) << size;
            EXPECT_EQ(second_error, ENOMEM) << size;
            EXPECT_LT(taken, kLimit) << size;
            EXPECT_GT(taken, kLimit / 4) << size;
            EXPECT_GT(second, taken / 2) << "memory of blocks of " << size << " bytes was lost";
        });
    }
}

TEST_F(UnderALimit, OneSizeCanHaveWhatAnotherHasFreed)
{
    InChild([] {
        int error = 0;
        ExhaustWithSmallBlocks(64, error);
        size_t after = ExhaustWithSmallBlocks(100000, error);
        RemoveAddressSpaceLimit();
        EXPECT_GT(after, kLimit / 4) << "memory stayed with the small blocks";
    });
}

TEST_F(UnderALimit, ReallocKeepsTheOldBlock)
{
    InChild([] {
        void *block = malloc(kBlock);
        Fill(block, kBlock, 7);
        errno = 0;
        void *grown = realloc(Opaque(block), kLimit);
        int error = errno;
        RemoveAddressSpaceLimit();
        EXPECT_EQ(grown, nullptr);
        EXPECT_EQ(error, ENOMEM);
        EXPECT_TRUE(Holds(block, kBlock, 7));
        grown = realloc(Opaque(block), kLimit);
        EXPECT_NE(grown, nullptr);
        free(grown);
    });
}

TEST_F(UnderALimit, OperatorNewThrowsOrReturnsNull)
{
    InChild([] {
        bool thrown = false;
        try {
            ::operator delete(::operator new(Opaque(kLimit)));
        } catch (const std::bad_alloc &) {
            thrown = true;
        }
        void *quiet = ::operator new(kLimit, std::nothrow);
        RemoveAddressSpaceLimit();
        EXPECT_TRUE(thrown);
        EXPECT_EQ(quiet, nullptr);
        ::operator delete(::operator new(Opaque(kLimit)));
    });
}

TEST(AddressSpaceLimit, HoldsFromTheStart)
{
    InChild([] {
        alarm(250); // for all of them: it outlives exec, and each has its own
        SetAddressSpaceLimit(kLimit);
        setenv("CAIRN_TEST_UNDER_A_LIMIT", "1", 1);
        for (const char *name :
             {"XML_OUTPUT_FILE", "GTEST_OUTPUT", "TEST_SHARD_INDEX", "TEST_TOTAL_SHARDS"}) {
            unsetenv(name);
        }
        execl("/proc/self/exe", "conformance", "--gtest_filter=UnderALimit.*", "--gtest_brief=1",
              nullptr);
        ADD_FAILURE() << "exec failed";
    });
}

// An allocator may serve requests from address space that it owned before, so there is no bound to
// check; but what it gives must be good, and what it refuses must be refused well.
TEST(AddressSpaceLimit, MayComeLater)
{
    for (const EntryPoint &entry : EntryPoints()) {
        InChild([&] {
            SetAddressSpaceLimit(AddressSpaceKib() * 1024 + 20 * kBlock);
            Exhaustion seen = Exhaust(entry);
            ExpectRecovery(entry);
            EXPECT_GE(seen.count, 4u) << entry.name;
            EXPECT_TRUE(seen.intact) << entry.name;
            EXPECT_TRUE(seen.again) << entry.name << ": what was freed could not be had again";
            if (seen.count + 1 < seen.blocks.size()) {
                EXPECT_EQ(seen.error, ENOMEM) << entry.name;
            }
        });
    }
}

TEST(AddressSpaceLimit, MayLeaveNoRoomAtAll)
{
    for (const EntryPoint &entry : EntryPoints()) {
        InChild([&] {
            void *kept = entry.get(1000);
            Fill(kept, 1000, 1);
            SetAddressSpaceLimit(4096);
            void *block = entry.get(kLimit);
            int error = errno;
            void *small = entry.get(100);
            free(small);
            ExpectRecovery(entry);
            if (block == nullptr) {
                EXPECT_EQ(error, ENOMEM) << entry.name;
            }
            EXPECT_TRUE(Holds(kept, 1000, 1));
            free(block);
            free(kept);
        });
    }
}

} // namespace
} // namespace conformance
