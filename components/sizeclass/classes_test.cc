// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include <cairn/classes.h>
#include <cairn/slabs.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace {

const cairn_class_table &kClasses = cairn_classes_default;

size_t block_of(size_t size_bytes)
{
    return kClasses.block_bytes[cairn_class_of(&kClasses, size_bytes)];
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

TEST(Classes, TheDefaultTableKeepsAllInvariants)
{
    cairn_class_table_check(&kClasses);
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

/* Each change breaks one invariant, and the check says so. */
TEST(Classes, TheCheckFindsEachBrokenInvariant)
{
    const struct {
        const char *what;
        void (*change)(cairn_class_table &table);
    } kChanges[] = {
        {"no classes", [](cairn_class_table &table) { table.count = 0; }},
        {"too many classes",
         [](cairn_class_table &table) { table.count = CAIRN_CLASS_COUNT_MAX + 1; }},
        {"a first class above 16", [](cairn_class_table &table) { table.block_bytes[0] = 24; }},
        {"a last class below 32 KiB", [](cairn_class_table &table) { table.count--; }},
        {"a size twice", [](cairn_class_table &table) { table.block_bytes[3] = 32; }},
        {"a size that is no multiple of 16",
         [](cairn_class_table &table) { table.block_bytes[5] = 72; }},
        {"a large size that is no multiple of 128",
         [](cairn_class_table &table) { table.block_bytes[40] += 16; }},
        {"a power of two that is no class",
         [](cairn_class_table &table) { table.block_bytes[2] = 24 + 16; }},
        {"a fine entry too high", [](cairn_class_table &table) { table.fine[9]++; }},
        {"a fine entry too low", [](cairn_class_table &table) { table.fine[9]--; }},
        {"a coarse entry too high", [](cairn_class_table &table) { table.coarse[99]++; }},
        {"an entry beyond the classes", [](cairn_class_table &table) { table.coarse[256] = 73; }},
    };

    for (const auto &change : kChanges) {
        cairn_class_table table = kClasses;
        change.change(table);
        EXPECT_DEATH(cairn_class_table_check(&table), "cairn") << change.what;
    }
}

/* The first class in the table with both properties, by looking at all. */
unsigned aligned_class_by_search(size_t size_bytes, size_t align_bytes)
{
    for (unsigned i = 0; i < kClasses.count; i++)
        if (kClasses.block_bytes[i] >= size_bytes && kClasses.block_bytes[i] % align_bytes == 0)
            return i;
    return kClasses.count;
}

TEST(Classes, EverySizeAndAlignmentGetsTheSmallestClassThatServesBoth)
{
    for (size_t align = 1; align <= size_t{CAIRN_CLASS_BYTES_MAX} * 4; align *= 2)
        for (size_t size = 0; size <= CAIRN_CLASS_BYTES_MAX + 9; size++)
            ASSERT_EQ(cairn_class_of_aligned(&kClasses, size, align),
                      aligned_class_by_search(size, align))
                << size << " aligned to " << align;
}

TEST(Classes, NoClassServesImpossibleSizesAndAlignments)
{
    EXPECT_EQ(cairn_class_of_aligned(&kClasses, SIZE_MAX, 1), kClasses.count);
    EXPECT_EQ(cairn_class_of_aligned(&kClasses, 1, SIZE_MAX / 2 + 1), kClasses.count);
    EXPECT_EQ(cairn_class_of_aligned(&kClasses, SIZE_MAX, SIZE_MAX / 2 + 1), kClasses.count);
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

/* What the generator prints, and its complaint; "" for what is not printed. */
struct Generated {
    std::string table;
    std::string complaint;
};

Generated generate(const std::string &options)
{
    std::string complaint = testing::TempDir() + "/complaint";
    Generated generated;
    generated.table = output_of(beside("generate_classes") + " " + options + " 2>" + complaint);
    std::ifstream file(complaint);
    std::getline(file, generated.complaint);
    return generated;
}

std::string file_of(const std::string &text)
{
    std::string path = testing::TempDir() + "/numbers";
    std::ofstream(path) << text;
    return path;
}

/* The block sizes of a printed table. */
std::vector<unsigned> sizes_of(const std::string &table)
{
    size_t begin = table.find(".block_bytes = {") + 16;
    std::string numbers = table.substr(begin, table.find('}', begin) - begin);
    std::replace(numbers.begin(), numbers.end(), ',', ' ');
    std::istringstream words(numbers);
    return {std::istream_iterator<unsigned>(words), std::istream_iterator<unsigned>()};
}

TEST(Generator, WritesTheTableInTheTree)
{
    std::ifstream file(beside("classes_table.c"), std::ios::binary);
    std::stringstream table;

    table << file.rdbuf();
    ASSERT_FALSE(table.str().empty()) << "no " << beside("classes_table.c");
    EXPECT_EQ(generate("").table, table.str());
}

TEST(Generator, TakesAListOfSizesWithComments)
{
    std::string list = "# powers of two\n16 32 64 128\n256 512 1024 # and on\n"
                       "2048 4096 8192 16384 32768\n";
    Generated generated = generate("--name mine --sizes " + file_of(list));

    EXPECT_NE(generated.table.find("cairn_class_table mine = {"), std::string::npos);
    EXPECT_EQ(sizes_of(generated.table), (std::vector<unsigned>{16, 32, 64, 128, 256, 512, 1024,
                                                                2048, 4096, 8192, 16384, 32768}));
}

TEST(Generator, SaysWhatIsWrongWithAList)
{
    const std::string kRest = " 64 128 256 512 1024 2048 4096 8192 16384 32768";
    const std::pair<std::string, std::string> kLists[] = {
        {"16 32 32" + kRest, "32 after 32: sizes must ascend"},
        {"16 32 40" + kRest, "40 is no multiple of 16"},
        {"16 48" + kRest, "32 is missing"},
        {"16 32 64 128 256 512 1024 1040 2048 4096 8192 16384 32768", "1040 is no multiple of 128"},
        {"16 32" + kRest + " 65536", "65536 is above the largest class"},
        {"0 8 16 32" + kRest, "0 is no size of a class"},
        {"16 x", "'x' is neither a number"},
        {"", "16 is missing"},
    };

    for (const auto &[list, complaint] : kLists) {
        Generated generated = generate("--sizes " + file_of(list));
        EXPECT_EQ(generated.table, "") << list;
        EXPECT_NE(generated.complaint.find(complaint), std::string::npos) << generated.complaint;
    }
    EXPECT_NE(generate("--sizes /nonexistent").complaint.find("cannot be read"), std::string::npos);
    EXPECT_NE(generate("--count 0").complaint.find("--count is a number"), std::string::npos);
    EXPECT_NE(generate("--count 11 --histogram " + file_of("24 1 1")).complaint.find("too few"),
              std::string::npos);
}

/* What blocks that are live take in slabs of 16 KiB granules, and half a slab per class in use. */
double cost_of(const std::vector<unsigned> &sizes, const std::map<unsigned, unsigned> &live)
{
    std::set<unsigned> used;
    double cost = 0;

    for (const auto &[size, count] : live) {
        unsigned block = *std::lower_bound(sizes.begin(), sizes.end(), size);
        struct cairn_slab_geometry geometry;
        EXPECT_EQ(cairn_slab_geometry(&geometry, block, 16384), 0);
        cost += static_cast<double>(count) * geometry.slab_bytes / geometry.block_count;
        if (used.insert(block).second)
            cost += geometry.slab_bytes / 2;
    }
    return cost;
}

/* No class can be taken out, put in or moved without costing more: for histograms of random
   sizes. */
TEST(Generator, NoNeighbourOfTheTableItFindsIsCheaper)
{
    std::random_device device;
    const unsigned seed = device();
    std::mt19937 random(seed);
    SCOPED_TRACE(seed);

    for (int round = 0; round < 5; round++) {
        std::map<unsigned, unsigned> live;
        std::string lines;
        for (int i = 0; i < 20; i++)
            live[1 + random() % (random() % 2 == 0 ? 1000 : 32768)] = random() % 3000;
        for (const auto &[size, count] : live)
            lines += std::to_string(size) + " 10 " + std::to_string(count) + "\n";
        const unsigned count = 14 + random() % 10;
        std::vector<unsigned> sizes = sizes_of(
            generate("--count " + std::to_string(count) + " --histogram " + file_of(lines)).table);
        const double cost = cost_of(sizes, live);
        ASSERT_LE(sizes.size(), count);
        ASSERT_GE(sizes.size(), 12u);
        for (size_t at = 0; at + 1 < sizes.size(); at++) {
            unsigned step = sizes[at] < 1024 ? 16 : 128;
            if ((sizes[at] & (sizes[at] - 1)) == 0)
                continue; // a power of two must stay
            std::vector<unsigned> other = sizes;
            other.erase(other.begin() + static_cast<ptrdiff_t>(at));
            EXPECT_GE(cost_of(other, live), cost * (1 - 1e-9));
            for (int way : {-1, 1}) {
                other = sizes;
                other[at] += static_cast<unsigned>(way) * step;
                std::sort(other.begin(), other.end());
                EXPECT_GE(cost_of(other, live), cost * (1 - 1e-9)) << sizes[at];
            }
        }
    }
}

} // namespace
