// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include <cairn/os_buffer.h>
#include <cairn/pagesource.h>
#include <cairn/source_laws.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr size_t kPage = CAIRN_OS_BUFFER_PAGE_BYTES;

class OsBuffer : public testing::Test {
  protected:
    explicit OsBuffer(size_t pages = 64) : memory_(pages * kPage + 2 * kPage)
    {
        const cairn_os_buffer_config config = {memory_.data(), memory_.size()};
        EXPECT_EQ(cairn_os_buffer_init(&buffer_, &config), 0);
        os_ = cairn_os_buffer_as_os(&buffer_);
    }
    char *Map(size_t pages)
    {
        return static_cast<char *>(os_.ops->map(os_.self, pages * kPage, true));
    }
    void Unmap(char *base, size_t pages)
    {
        EXPECT_EQ(os_.ops->unmap(os_.self, base, pages * kPage), 0);
    }
    static bool IsZero(const char *base, size_t pages)
    {
        return base[0] == 0 && std::memcmp(base, base + 1, pages * kPage - 1) == 0;
    }

    std::vector<char> memory_;
    cairn_os_buffer buffer_ = {};
    cairn_os os_ = {};
};

TEST_F(OsBuffer, RefusesNothingAndTooLittle)
{
    std::vector<char> small(2 * kPage);
    cairn_os_buffer buffer;
    cairn_os_buffer_config config = {nullptr, 1 << 20};
    EXPECT_EQ(cairn_os_buffer_init(&buffer, &config), -EINVAL);
    config.base = small.data();
    for (config.length_bytes = 0; config.length_bytes <= kPage; config.length_bytes += 512)
        EXPECT_EQ(cairn_os_buffer_init(&buffer, &config), -EINVAL) << config.length_bytes;
}

TEST_F(OsBuffer, GivesOutEveryPageOnceAndNoMore)
{
    std::vector<char *> pages;
    while (char *page = Map(1)) {
        ASSERT_GE(page, memory_.data());
        ASSERT_LE(page + kPage, memory_.data() + memory_.size());
        ASSERT_TRUE(pages.empty() || page == pages.back() + kPage);
        pages.push_back(page);
    }
    EXPECT_GE(pages.size(), 64u);
    EXPECT_EQ(cairn_os_buffer_mapped_bytes(&buffer_), pages.size() * kPage);
    for (char *page : pages)
        Unmap(page, 1);
    EXPECT_EQ(cairn_os_buffer_mapped_bytes(&buffer_), 0u);
    EXPECT_NE(Map(pages.size()), nullptr);
    EXPECT_EQ(Map(1), nullptr);
}

TEST_F(OsBuffer, PagesThatWereUsedBeforeReadAsZero)
{
    char *first = Map(8);
    std::memset(first, 1, 8 * kPage);
    Unmap(first, 8);
    char *again = Map(8);
    EXPECT_EQ(again, first);
    EXPECT_TRUE(IsZero(again, 8));
}

TEST_F(OsBuffer, RefusesSizesThatItNeverHas)
{
    EXPECT_EQ(Map(1000), nullptr);
    EXPECT_EQ(os_.ops->map(os_.self, SIZE_MAX - kPage + 1, true), nullptr);
    EXPECT_EQ(cairn_os_buffer_mapped_bytes(&buffer_), 0u) << "a refusal changes nothing";
}

TEST_F(OsBuffer, ResizesInPlaceWhereThereIsRoom)
{
    char *first = Map(4);
    char *second = Map(4);
    std::memset(first, 1, 4 * kPage);
    EXPECT_EQ(os_.ops->remap(os_.self, first, 4 * kPage, 5 * kPage, true), nullptr);
    EXPECT_EQ(os_.ops->remap(os_.self, first, 4 * kPage, 2 * kPage, true), first);
    EXPECT_EQ(os_.ops->remap(os_.self, second, 4 * kPage, 6 * kPage, false), second);
    EXPECT_TRUE(IsZero(second + 4 * kPage, 2));
    EXPECT_EQ(os_.ops->remap(os_.self, first, 2 * kPage, 4 * kPage, true), first);
    EXPECT_TRUE(IsZero(first + 2 * kPage, 2)) << "what was given up reads as zero again";
    EXPECT_EQ(first[2 * kPage - 1], 1);
    EXPECT_EQ(os_.ops->remap(os_.self, second, 6 * kPage, 1000 * kPage, true), nullptr);
    EXPECT_EQ(cairn_os_buffer_mapped_bytes(&buffer_), 10 * kPage);
}

TEST_F(OsBuffer, HasNoBreakNoPurgeAndNoClock)
{
    char *page = Map(1);
    EXPECT_EQ(os_.ops->sbrk(os_.self, 0), nullptr);
    EXPECT_EQ(os_.ops->purge(os_.self, page, kPage), -ENOSYS);
    EXPECT_EQ(os_.ops->protect(os_.self, page, kPage, false), 0);
    EXPECT_EQ(os_.ops->now_ms(os_.self), 0u);
    EXPECT_EQ(os_.ops->page_bytes(os_.self), kPage);
}

TEST_F(OsBuffer, StopsAtMemoryOfOthers)
{
    EXPECT_DEATH(os_.ops->unmap(os_.self, memory_.data() + memory_.size(), kPage),
                 "memory is not of this buffer");
}

class LargeOsBuffer : public OsBuffer {
  protected:
    LargeOsBuffer() : OsBuffer(4096)
    {
    }
};

TEST_F(LargeOsBuffer, ThreadsNeverShareAPage)
{
    std::vector<std::thread> threads;
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE(seed);
    for (unsigned number = 1; number <= 4; number++)
        threads.emplace_back([this, number, seed] {
            std::mt19937 random(seed + number);
            std::vector<std::pair<char *, size_t>> held;
            for (int step = 0; step < 3000; step++) {
                size_t pages = 1 + random() % 20;
                char *base = held.size() < 40 ? Map(pages) : nullptr;
                if (base != nullptr) {
                    ASSERT_TRUE(IsZero(base, pages)) << "clean";
                    std::memset(base, static_cast<int>(number), pages * kPage);
                    held.emplace_back(base, pages);
                } else if (!held.empty()) {
                    auto [old, count] = held.back();
                    ASSERT_EQ(old[0], static_cast<char>(number));
                    ASSERT_EQ(std::memcmp(old, old + 1, count * kPage - 1), 0) << "mine alone";
                    Unmap(old, count);
                    held.pop_back();
                }
            }
            for (auto [base, pages] : held)
                Unmap(base, pages);
        });
    for (auto &thread : threads)
        thread.join();
    EXPECT_EQ(cairn_os_buffer_mapped_bytes(&buffer_), 0u);
}

TEST_F(LargeOsBuffer, AMappingOfWholeUnitsBeginsAtOneWhereThatCanBeHad)
{
    constexpr size_t kUnit = CAIRN_OS_BUFFER_UNIT_BYTES / kPage;
    std::vector<char *> units;
    char *low = Map(3);
    while (char *unit = Map(kUnit))
        units.push_back(unit);
    ASSERT_GE(units.size(), 4096 / kUnit - 1);
    for (size_t idx = 0; idx + 1 < units.size(); idx++)
        EXPECT_EQ(reinterpret_cast<uintptr_t>(units[idx]) % CAIRN_OS_BUFFER_UNIT_BYTES, 0u) << idx;
    Unmap(units[1], kUnit);
    EXPECT_EQ(Map(kUnit), units[1]) << "between two others";
    Unmap(units[1] + kPage * kUnit / 2, kUnit / 2);
    Unmap(units[2], kUnit / 2);
    EXPECT_EQ(Map(kUnit), units[1] + kPage * kUnit / 2) << "not aligned rather than not at all";
    EXPECT_EQ(Map(kUnit), nullptr);
    EXPECT_LT(low, units[0]);
}

TEST_F(LargeOsBuffer, APageSourceOverItKeepsTheLawsAndGivesAllBack)
{
    auto source = std::make_unique<struct cairn_pagesource>();
    cairn_pagesource_config config = {};
    config.os = os_;
    ASSERT_EQ(cairn_pagesource_init(source.get(), &config), 0);
    cairn_law_shape shape = {65536, 65536, 16, std::random_device{}()};
    const char *broken = cairn_laws_hold(cairn_pagesource_as_source(source.get()), &shape);
    EXPECT_EQ(broken, nullptr) << broken << ", seed " << shape.seed;
    cairn_pagesource_check(source.get());
    cairn_pagesource_fini(source.get());
    EXPECT_EQ(cairn_os_buffer_mapped_bytes(&buffer_), 0u);
}

} // namespace
