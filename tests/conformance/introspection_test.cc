// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// The functions that report or tune. Programs call them blindly, so they must exist, be safe, and
// tell something true.
#include "tests/conformance/surface.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace conformance {
namespace {

std::vector<void *> Blocks(size_t count, size_t size)
{
    std::vector<void *> blocks;
    for (size_t i = 0; i < count; i++) {
        blocks.push_back(malloc(size));
        Fill(blocks.back(), size, i);
    }
    return blocks;
}

void ExpectIntactAndFree(const std::vector<void *> &blocks, size_t size)
{
    for (size_t i = 0; i < blocks.size(); i++) {
        EXPECT_TRUE(Holds(blocks[i], size, i)) << "block " << i;
        free(blocks[i]);
    }
}

TEST(MallocTrim, KeepsEveryLiveBlock)
{
    std::vector<void *> kept = Blocks(2000, 700);
    std::vector<void *> dropped = Blocks(Scaled(2000), 20000);
    ExpectIntactAndFree(dropped, 20000);
    for (size_t pad : {size_t{0}, size_t{1} << 20, SIZE_MAX}) {
        int released = malloc_trim(Opaque(pad));
        EXPECT_TRUE(released == 0 || released == 1) << released;
    }
    ExpectIntactAndFree(kept, 700);
}

TEST(MallocTrim, LeavesAnAllocatorThatWorks)
{
    for (int round = 0; round < 50; round++) {
        std::vector<void *> blocks = Blocks(200, 3000);
        malloc_trim(0);
        ExpectIntactAndFree(blocks, 3000);
        malloc_trim(0);
    }
}

TEST(Mallinfo2, SeesWhatTheProgramHolds)
{
    struct mallinfo2 before = mallinfo2();
    std::vector<void *> blocks = Blocks(1000, 20000);
    size_t large_bytes = Scaled(size_t{50} << 20);
    void *large = malloc(large_bytes);
    ASSERT_NE(Opaque(large), nullptr);
    struct mallinfo2 after = mallinfo2();
    size_t grown = (after.uordblks + after.hblkhd) - (before.uordblks + before.hblkhd);
    EXPECT_GE(grown, large_bytes + (size_t{10} << 20));
    EXPECT_LE(grown, size_t{200} << 20);
    free(large);
    ExpectIntactAndFree(blocks, 20000);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
TEST(Mallinfo, SeesWhatTheProgramHolds)
{
    struct mallinfo before = mallinfo();
    std::vector<void *> blocks = Blocks(1000, 20000);
    struct mallinfo after = mallinfo();
    int grown = (after.uordblks + after.hblkhd) - (before.uordblks + before.hblkhd);
    EXPECT_GE(grown, 10 << 20);
    ExpectIntactAndFree(blocks, 20000);
}
#pragma GCC diagnostic pop

TEST(Mallopt, MayBeCalledWithAnyOptionAndBreaksNothing)
{
    for (int option :
         {M_MXFAST, M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX}) {
        int accepted = mallopt(option, 64);
        EXPECT_TRUE(accepted == 0 || accepted == 1) << option;
    }
    int accepted = mallopt(-4711, 1);
    EXPECT_TRUE(accepted == 0 || accepted == 1);
    ExpectIntactAndFree(Blocks(1000, 300), 300);
}

// A reader for the little XML that malloc_info writes: tags must nest, attributes must be quoted.
class XmlChecker {
  public:
    explicit XmlChecker(const std::string &text) : text_(text)
    {
    }
    bool WellFormed()
    {
        while (position_ < text_.size()) {
            if (text_[position_] != '<') {
                if (open_.empty() && std::strchr(" \n\t\r", text_[position_]) == nullptr)
                    return false;
                position_++;
            } else if (!ReadTag()) {
                return false;
            }
        }
        return open_.empty() && elements_ > 0;
    }
    std::string root() const
    {
        return root_;
    }

  private:
    bool ReadTag()
    {
        size_t end = text_.find('>', position_);
        if (end == std::string::npos)
            return false;
        std::string tag = text_.substr(position_ + 1, end - position_ - 1);
        position_ = end + 1;
        if (tag.empty())
            return false;
        if (tag[0] == '?' || tag[0] == '!')
            return true;
        if (tag[0] == '/')
            return Close(tag.substr(1));
        return Open(tag);
    }
    bool Open(const std::string &tag)
    {
        std::string name = tag.substr(0, tag.find_first_of(" \t\n/"));
        size_t quotes = 0;
        for (char c : tag)
            quotes += c == '"' ? 1u : 0u;
        size_t assignments = 0;
        for (char c : tag)
            assignments += c == '=' ? 1u : 0u;
        if (name.empty() || quotes != 2 * assignments)
            return false;
        if (open_.empty() && elements_ > 0)
            return false;
        if (open_.empty())
            root_ = name;
        elements_++;
        if (tag.back() != '/')
            open_.push_back(name);
        return true;
    }
    bool Close(const std::string &name)
    {
        if (open_.empty() || open_.back() != name)
            return false;
        open_.pop_back();
        return true;
    }

    const std::string &text_;
    size_t position_ = 0;
    size_t elements_ = 0;
    std::string root_;
    std::vector<std::string> open_;
};

TEST(MallocInfo, WritesWellFormedXml)
{
    std::vector<void *> blocks = Blocks(1000, 300);
    char *text = nullptr;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    ASSERT_NE(stream, nullptr);
    EXPECT_EQ(malloc_info(0, stream), 0);
    ASSERT_EQ(fclose(stream), 0);
    std::string written(text, length);
    XmlChecker checker(written);
    EXPECT_TRUE(checker.WellFormed()) << written;
    EXPECT_EQ(checker.root(), "malloc") << written;
    free(text);
    ExpectIntactAndFree(blocks, 300);
}

TEST(MallocInfo, RefusesOptionsItDoesNotKnow)
{
    FILE *stream = tmpfile();
    ASSERT_NE(stream, nullptr);
    EXPECT_NE(malloc_info(1, stream), 0);
    EXPECT_EQ(ftell(stream), 0) << "it wrote something all the same";
    fclose(stream);
}

// Runs `write` with standard error in a file, and returns what came.
template <typename Write> std::string CapturedStandardError(Write write)
{
    FILE *file = tmpfile();
    int saved = dup(2);
    fflush(stderr);
    dup2(fileno(file), 2);
    write();
    fflush(stderr);
    dup2(saved, 2);
    close(saved);
    std::string text(static_cast<size_t>(lseek(fileno(file), 0, SEEK_END)), '\0');
    ssize_t got = pread(fileno(file), text.data(), text.size(), 0);
    fclose(file);
    return got == static_cast<ssize_t>(text.size()) ? text : "";
}

TEST(MallocStats, WritesToStandardError)
{
    EXPECT_NE(CapturedStandardError([] { malloc_stats(); }), "");
}

} // namespace
} // namespace conformance
