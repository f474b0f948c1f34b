/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * misuse_test.cc - what happens to those who do not keep to the rules: one line, and the end.
 */

#include <cairn/arena.h>

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "arena_fixture.h"

namespace {

using cairn_test::Buffer;
using ArenaOfEverySizeDeathTest = cairn_test::ArenaOfEverySize;

INSTANTIATE_TEST_SUITE_P(Buffers, ArenaOfEverySizeDeathTest, testing::ValuesIn(cairn_test::kSizes));

TEST_P(ArenaOfEverySizeDeathTest, FreeingTwicePanics)
{
    for (size_t size : {1, 40, 3000}) {
        void *block = cairn_arena_alloc(arena_, size);

        cairn_arena_free(arena_, block);
        EXPECT_DEATH(cairn_arena_free(arena_, block), "cairn: .*pointer 0x") << size;
        EXPECT_DEATH(cairn_arena_realloc(arena_, block, 1), "not a block in use of this arena");
        EXPECT_DEATH(cairn_arena_usable_bytes(arena_, block), "not a block in use of this arena");
    }
}

TEST_P(ArenaOfEverySizeDeathTest, FreeingTwicePanicsWhileItsSlabIsInUse)
{
    void *neighbour = cairn_arena_alloc(arena_, 40);
    void *block = cairn_arena_alloc(arena_, 40);

    cairn_arena_free(arena_, block);
    EXPECT_DEATH(cairn_arena_free(arena_, block), "cairn: .*pointer 0x");
    EXPECT_DEATH(cairn_arena_realloc(arena_, block, 1), "not a block in use of this arena");
    EXPECT_DEATH(cairn_arena_usable_bytes(arena_, block), "not a block in use of this arena");
    cairn_arena_free(arena_, neighbour);
}

TEST_P(ArenaOfEverySizeDeathTest, APointerIntoABlockPanics)
{
    for (size_t size : {40, 3000}) {
        auto *block = static_cast<unsigned char *>(cairn_arena_alloc(arena_, size));

        for (size_t offset : {1, 8, 16, 32}) {
            EXPECT_DEATH(cairn_arena_free(arena_, block + offset), "cairn: .*pointer 0x") << offset;
            EXPECT_DEATH(cairn_arena_usable_bytes(arena_, block + offset), "not a block in use");
        }
        EXPECT_DEATH(cairn_arena_realloc(arena_, block + 16, 9), "not a block in use");
        cairn_arena_free(arena_, block);
    }
}

TEST_P(ArenaOfEverySizeDeathTest, APointerFromElsewherePanics)
{
    int local = 0;
    Buffer other_buffer(1 << 20);
    struct cairn_arena *other = other_buffer.arena();
    void *foreign = cairn_arena_alloc(other, 40);
    unsigned char *memory = static_cast<unsigned char *>(cairn_arena_alloc(arena_, 1));

    for (void *pointer : {static_cast<void *>(&local), foreign, static_cast<void *>(arena_),
                          static_cast<void *>(memory - 64), reinterpret_cast<void *>(uintptr_t{16}),
                          reinterpret_cast<void *>(UINTPTR_MAX)}) {
        EXPECT_DEATH(cairn_arena_free(arena_, pointer), "not a block in use of this arena");
        EXPECT_DEATH(cairn_arena_usable_bytes(arena_, pointer), "not a block in use of this arena");
    }
    EXPECT_DEATH(cairn_arena_usable_bytes(arena_, NULL), "not a block in use of this arena");
    cairn_arena_free(arena_, memory);
}

TEST_P(ArenaOfEverySizeDeathTest, ABlockFromBeforeAResetPanics)
{
    void *block = cairn_arena_alloc(arena_, 500);

    cairn_arena_reset(arena_);
    EXPECT_DEATH(cairn_arena_free(arena_, block), "not a block in use of this arena");
}

/* True when the check dies of one flipped bit. */
bool check_dies_of(struct cairn_arena *arena, unsigned char *byte)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); /* sanitizers */
        close(STDERR_FILENO);
        alarm(5);
        *byte ^= 1;
        cairn_arena_check(arena);
        _exit(0);
    }
    waitpid(child, &status, 0);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

TEST(ArenaDeathTest, CheckSeesMostFlippedBitsOfTheState)
{
    Buffer buffer(CAIRN_ARENA_BYTES_MIN);
    struct cairn_arena *arena = buffer.arena();
    size_t state_bytes = cairn_arena_stats(arena).state_bytes;
    size_t used_count = 0;
    size_t seen_count = 0;

    ASSERT_NE(cairn_arena_alloc(arena, 100), nullptr);
    ASSERT_NE(cairn_arena_alloc(arena, 1000), nullptr);
    for (size_t offset = 0; offset < state_bytes; offset += 8) {
        uint64_t word;

        memcpy(&word, buffer.at(offset), sizeof(word));
        if (word == 0)
            continue;
        used_count++;
        seen_count += check_dies_of(arena, buffer.at(offset));
    }
    EXPECT_GT(used_count, 50u);
    EXPECT_GT(seen_count, used_count / 2) << used_count;
    RecordProperty("used_words", std::to_string(used_count));
    RecordProperty("seen_words", std::to_string(seen_count));
}

} // namespace
