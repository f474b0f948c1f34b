// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include <cairn/classes.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

namespace {

size_t block_of(size_t size_bytes)
{
    return cairn_class_block_bytes[cairn_class_of(size_bytes)];
}

TEST(Classes, ExamplesOfSizes)
{
    EXPECT_EQ(block_of(0), 8u);
    EXPECT_EQ(block_of(8), 8u);
    EXPECT_EQ(block_of(9), 16u);
    EXPECT_EQ(block_of(17), 32u);
    EXPECT_EQ(block_of(100), 112u);
    EXPECT_EQ(block_of(257), 288u);
    EXPECT_EQ(block_of(1024), 1024u);
    EXPECT_EQ(block_of(1025), 1152u);
    EXPECT_EQ(block_of(5000), 5120u);
    EXPECT_EQ(block_of(32768), 32768u);
}

TEST(Classes, EverySizeGetsTheSmallestClassThatHoldsIt)
{
    for (size_t size = 0; size <= CAIRN_CLASS_BYTES_MAX; size++) {
        unsigned class_idx = cairn_class_of(size);

        ASSERT_LT(class_idx, unsigned{CAIRN_CLASS_COUNT});
        ASSERT_GE(cairn_class_block_bytes[class_idx], size);
        ASSERT_TRUE(class_idx == 0 || cairn_class_block_bytes[class_idx - 1] < size) << size;
    }
}

TEST(Classes, LargerSizesNeverGetSmallerClasses)
{
    for (size_t size = 1; size <= CAIRN_CLASS_BYTES_MAX; size++)
        ASSERT_LE(cairn_class_of(size - 1), cairn_class_of(size)) << size;
}

TEST(Classes, TheBlockOfAClassIsOfThatClass)
{
    for (unsigned i = 0; i < CAIRN_CLASS_COUNT; i++)
        EXPECT_EQ(cairn_class_of(cairn_class_block_bytes[i]), i);
}

TEST(Classes, NoSizeWastesMoreThanAnEighth)
{
    for (size_t size = 1; size <= CAIRN_CLASS_BYTES_MAX; size++) {
        size_t waste = block_of(size) - size;

        if (size > 128)
            ASSERT_LE(waste * 8, block_of(size)) << size;
        else
            ASSERT_LT(waste, 16u) << size;
    }
}

TEST(Classes, BlocksAreMultiplesOfSixteenButTheFirst)
{
    EXPECT_EQ(cairn_class_block_bytes[0], 8u);
    for (unsigned i = 1; i < CAIRN_CLASS_COUNT; i++)
        EXPECT_EQ(cairn_class_block_bytes[i] % 16, 0u);
    EXPECT_EQ(cairn_class_block_bytes[CAIRN_CLASS_COUNT - 1], uint32_t{CAIRN_CLASS_BYTES_MAX});
}

TEST(Classes, EveryPowerOfTwoIsAClass)
{
    for (size_t bytes = 8; bytes <= CAIRN_CLASS_BYTES_MAX; bytes *= 2)
        EXPECT_EQ(block_of(bytes), bytes);
}

/* The first class in the table with both properties, by looking at all. */
unsigned aligned_class_by_search(size_t size_bytes, size_t align_bytes)
{
    for (unsigned i = 0; i < CAIRN_CLASS_COUNT; i++)
        if (cairn_class_block_bytes[i] >= size_bytes &&
            cairn_class_block_bytes[i] % align_bytes == 0)
            return i;
    return CAIRN_CLASS_COUNT;
}

TEST(Classes, EverySizeAndAlignmentGetsTheSmallestClassThatServesBoth)
{
    for (size_t align = 1; align <= size_t{CAIRN_CLASS_BYTES_MAX} * 4; align *= 2)
        for (size_t size = 0; size <= CAIRN_CLASS_BYTES_MAX + 9; size++)
            ASSERT_EQ(cairn_class_of_aligned(size, align), aligned_class_by_search(size, align))
                << size << " aligned to " << align;
}

TEST(Classes, NoClassServesImpossibleSizesAndAlignments)
{
    EXPECT_EQ(cairn_class_of_aligned(SIZE_MAX, 1), unsigned{CAIRN_CLASS_COUNT});
    EXPECT_EQ(cairn_class_of_aligned(1, SIZE_MAX / 2 + 1), unsigned{CAIRN_CLASS_COUNT});
    EXPECT_EQ(cairn_class_of_aligned(SIZE_MAX, SIZE_MAX / 2 + 1), unsigned{CAIRN_CLASS_COUNT});
}

std::string output_of(const std::string &command)
{
    std::string text;
    char part[4096];
    FILE *pipe = popen(command.c_str(), "r");

    if (pipe == nullptr)
        return text;
    while (size_t got = fread(part, 1, sizeof(part), pipe))
        text.append(part, got);
    return pclose(pipe) == 0 ? text : std::string();
}

/* A file of this component as the build lays it beside the test; CAIRN_SIZECLASS_DIR for builds
   without Bazel. */
std::string beside(const char *name)
{
    const char *dir = getenv("CAIRN_SIZECLASS_DIR");

    return std::string(dir != nullptr ? dir : "components/sizeclass") + "/" + name;
}

TEST(Classes, TheTableInTheTreeIsWhatTheGeneratorWrites)
{
    std::ifstream file(beside("classes_table.c"), std::ios::binary);
    std::stringstream table;

    table << file.rdbuf();
    ASSERT_FALSE(table.str().empty()) << "no " << beside("classes_table.c");
    EXPECT_EQ(output_of(beside("generate_classes")), table.str());
}

} // namespace
