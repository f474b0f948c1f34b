// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// One heap, not two: all functions of the surface must come from the same allocator.
#include "tests/conformance/surface.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace conformance {
namespace {

TEST(Surface, EveryFunctionComesFromOneObject)
{
    std::vector<Binding> bindings = Bindings();
    ASSERT_FALSE(bindings.empty());
    for (const Binding &binding : bindings) {
        EXPECT_EQ(binding.object, bindings.front().object)
            << binding.function << " is not of the same object as " << bindings.front().function;
    }
}

TEST(Surface, IsTheOneThatTheRunnerPreloaded)
{
    const char *expected = std::getenv("CAIRN_EXPECTED_OBJECT");
    if (expected == nullptr)
        GTEST_SKIP() << "nobody preloaded a library for this run";
    EXPECT_TRUE(std::filesystem::equivalent(Bindings().front().object, expected))
        << "malloc is of " << Bindings().front().object << ", not of " << expected;
}

TEST(Surface, FreesWhatAnyEntryPointGave)
{
    for (const EntryPoint &entry : EntryPoints()) {
        for (size_t size :
             {size_t{1}, size_t{100}, size_t{5000}, size_t{100000}, size_t{3} << 20}) {
            void *block = entry.get(size);
            ASSERT_NE(block, nullptr) << entry.name << ", size " << size;
            Fill(block, size, size);
            EXPECT_TRUE(Holds(block, size, size)) << entry.name << ", size " << size;
            free(block);
        }
    }
}

TEST(Surface, ReallocatesWhatAnyEntryPointGave)
{
    for (const EntryPoint &entry : EntryPoints()) {
        for (size_t size :
             {size_t{1}, size_t{100}, size_t{5000}, size_t{100000}, size_t{3} << 20}) {
            void *block = entry.get(size);
            ASSERT_NE(block, nullptr) << entry.name << ", size " << size;
            Fill(block, size, size);
            block = realloc(block, 2 * size);
            ASSERT_NE(block, nullptr) << entry.name << ", size " << size;
            EXPECT_TRUE(Holds(block, size, size)) << entry.name << ", size " << size;
            free(block);
        }
    }
}

TEST(Cfree, FreesABlockWhereOldProgramsStillCallIt)
{
    FreeFunction cfree = FindCfree();
    if (cfree == nullptr)
        GTEST_SKIP() << "this libc has no cfree";
    for (size_t size : {size_t{16}, size_t{5000}, size_t{3} << 20}) {
        void *block = malloc(size);
        ASSERT_NE(block, nullptr);
        cfree(block);
    }
    cfree(nullptr);
}

TEST(FreeSized, FreesABlockOfTheSizeAskedFor)
{
    FreeSizedFunction free_by_size = FindFreeSized();
    if (free_by_size == nullptr)
        GTEST_SKIP() << "no free_sized (C23) in this process";
    for (size_t size = 0; size < 70000; size += 1 + size / 16) {
        void *block = malloc(size);
        ASSERT_NE(block, nullptr);
        free_by_size(block, size);
        free_by_size(calloc(1, size), size);
    }
    free_by_size(malloc(size_t{5} << 20), size_t{5} << 20);
    free_by_size(nullptr, 0);
    free_by_size(nullptr, 123);
}

TEST(FreeAlignedSized, FreesABlockOfTheSizeAndAlignmentAskedFor)
{
    FreeAlignedSizedFunction free_by_size = FindFreeAlignedSized();
    if (free_by_size == nullptr)
        GTEST_SKIP() << "no free_aligned_sized (C23) in this process";
    for (size_t alignment = 16; alignment <= size_t{2} << 20; alignment *= 2) {
        for (size_t size : {alignment, 3 * alignment}) {
            void *block = aligned_alloc(alignment, size);
            ASSERT_NE(block, nullptr) << alignment << ", " << size;
            free_by_size(block, alignment, size);
        }
    }
    free_by_size(nullptr, 64, 64);
}

} // namespace
} // namespace conformance
