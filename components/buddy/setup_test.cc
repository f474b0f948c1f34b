// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Configurations: which are valid, how much state they need, and where that state may lie.

#include <cerrno>
#include <limits>

#include <gtest/gtest.h>

#include <sys/wait.h>

#include <cairn/buffer.h>

#include "buddy_fixture.h"

namespace {

using buddy_fixture::Guarded;
using buddy_fixture::Hard;
using buddy_fixture::OverRange;
using buddy_fixture::OverSource;
using buddy_fixture::Placed;
using buddy_fixture::Region;

const cairn_source_ops kNoOps = {"none", 0, nullptr, nullptr};
const cairn_source kNoSource = {&kNoOps, nullptr};

// Neither size nor init takes it, and init writes nothing.
void ExpectInvalid(const cairn_buddy_config &config, const char *why)
{
    Guarded state(1 << 16, Hard::kBack);

    SCOPED_TRACE(why);
    EXPECT_EQ(cairn_buddy_state_bytes(&config), 0u);
    EXPECT_EQ(buddy_fixture::Init(state.buddy(), state.size(), config), -EINVAL);
    EXPECT_EQ(state.Bytes(), std::vector<char>(state.size(), 0));
}

void Ignore(int)
{
}

void *Address(std::uintptr_t address)
{
    return reinterpret_cast<void *>(address);
}

TEST(BuddySetup, InvalidRangesAreRefused)
{
    constexpr std::uintptr_t base = 1 << 20;

    ExpectInvalid(OverRange(Address(base), 4096, 0), "no granule");
    ExpectInvalid(OverRange(Address(base), 4096, 8), "a small granule");
    ExpectInvalid(OverRange(Address(base), 4096, 48), "an odd granule");
    ExpectInvalid(OverRange(Address(base), 4096, 64, 96), "an odd alignment");
    ExpectInvalid(OverRange(Address(base), 4096, 64, 24), "an odd alignment below the granule");
    ExpectInvalid(OverRange(Address(base), 0, 64), "no length");
    ExpectInvalid(OverRange(Address(base), 63, 64), "less than a granule");
    ExpectInvalid(OverRange(Address(base + 1), 64, 64), "a granule, but not aligned");
    ExpectInvalid(OverRange(Address(base + 1), 126, 64), "almost a granule after aligning");
    ExpectInvalid(OverRange(Address(base), SIZE_MAX, 64), "beyond the address space");
    ExpectInvalid(OverRange(Address(UINTPTR_MAX), 0, 64), "no place to align the base to");
    ExpectInvalid(OverRange(Address(base), ((std::size_t{1} << 31) + 1) * 16, 16),
                  "2^31 + 1 granules");
    ExpectInvalid(OverRange(Address((std::size_t{1} << 40) + 16), (std::size_t{1} << 31) * 16, 16,
                            std::size_t{1} << 40),
                  "2^31 + 1 indices");
}

TEST(BuddySetup, InvalidSourcesAreRefused)
{
    cairn_buddy_config config = OverSource(kNoSource, 4096, 4, 64);

    EXPECT_NE(cairn_buddy_state_bytes(&config), 0u);
    config.source.ops = nullptr;
    EXPECT_NE(cairn_buddy_state_bytes(&config), 0u) << "fed by hand";
    ExpectInvalid(OverSource({nullptr, nullptr}, 0, 4, 64), "no chunk, by hand");
    ExpectInvalid(OverSource(kNoSource, 0, 4, 64), "no chunk");
    ExpectInvalid(OverSource(kNoSource, 4097, 4, 64), "an odd chunk");
    ExpectInvalid(OverSource(kNoSource, 32, 4, 64), "a chunk below the granule");
    ExpectInvalid(OverSource(kNoSource, 4096, 0, 64), "no chunks");
    ExpectInvalid(OverSource(kNoSource, 16, (std::size_t{1} << 31) + 1, 16), "2^31 + 1 chunks");
    ExpectInvalid(OverSource(kNoSource, 32, (std::size_t{1} << 30) + 1, 16), "2^31 + 2 granules");
    ExpectInvalid(OverSource(kNoSource, 4096, SIZE_MAX, 16), "too many chunks");
    ExpectInvalid(OverSource(kNoSource, std::size_t{1} << 36, 1, 16), "2^32 granules in a chunk");
    ExpectInvalid(OverSource(kNoSource, std::size_t{1} << 63, 1, 16), "2^59 granules in a chunk");
}

TEST(BuddySetup, TooLittleStateIsRefused)
{
    Region region(1 << 20, 4096);
    cairn_buddy_config config = OverRange(region.At(0), 1 << 16, 64);
    std::size_t needed = cairn_buddy_state_bytes(&config);
    Guarded state(needed, Hard::kBack);

    EXPECT_EQ(buddy_fixture::Init(state.buddy(), needed - 1, config), -EINVAL);
    EXPECT_EQ(buddy_fixture::Init(state.buddy(), 0, config), -EINVAL);
    EXPECT_EQ(state.Bytes(), std::vector<char>(needed, 0));
    EXPECT_EQ(buddy_fixture::Init(state.buddy(), needed, config), 0);
}

// The formula of the documentation, written down a second time.
std::size_t BitmapWords(std::size_t bits)
{
    std::size_t words = (bits + 63) / 64;

    return words <= 1 ? words : words + BitmapWords(words);
}

std::size_t StateBytes(std::size_t head_bytes, std::size_t granules, unsigned top,
                       std::size_t slots)
{
    std::size_t words = 3 * ((granules + 63) / 64);
    std::size_t hash = 1;

    for (unsigned order = 0; order <= top; order++)
        words += BitmapWords(granules >> order);
    while (slots != 0 && hash < 2 * slots)
        hash *= 2;
    words += slots == 0 ? 0 : BitmapWords(slots) + 2 * slots;
    return (head_bytes + 32 * (top + 1) + 8 * words + (slots == 0 ? 0 : 4 * hash) + 63) / 64 * 64;
}

// Of one granule: the head, one descriptor, four words.
std::size_t HeadBytes()
{
    for (std::size_t head = 64; head < 1024; head += 8) {
        bool fits = true;

        for (std::size_t granules : {1, 65, 129, 193, 257, 321, 385, 449, 577}) {
            cairn_buddy_config config = OverRange(Address(1 << 20), granules * 16, 16);
            unsigned top = 0;

            while (std::size_t{2} << top <= granules)
                top++;
            fits = fits && cairn_buddy_state_bytes(&config) == StateBytes(head, granules, top, 0);
        }
        if (fits)
            return head;
    }
    return 0;
}

TEST(BuddySetup, StateBytesFollowsTheFormula)
{
    std::size_t head = HeadBytes();

    ASSERT_NE(head, 0u);
    for (std::size_t granules = 1; granules < 40000; granules += 1 + granules / 50) {
        cairn_buddy_config config = OverRange(Address(1 << 20), granules * 16, 16);
        unsigned top = 0;

        while (std::size_t{2} << top <= granules)
            top++;
        EXPECT_EQ(cairn_buddy_state_bytes(&config), StateBytes(head, granules, top, 0)) << granules;
    }
    for (unsigned top = 0; top < 20; top++) {
        for (std::size_t slots = 1; slots << top < (1u << 22); slots += 1 + slots / 3) {
            cairn_buddy_config config = OverSource(kNoSource, std::size_t{16} << top, slots, 16);

            EXPECT_EQ(cairn_buddy_state_bytes(&config), StateBytes(head, slots << top, top, slots));
        }
    }
}

TEST(BuddySetup, ALargeStateIsAboutFiveBitsPerGranule)
{
    cairn_buddy_config config =
        OverRange(Address(std::size_t{1} << 40), std::size_t{1} << 40, 4096);
    double bits = static_cast<double>(cairn_buddy_state_bytes(&config)) * 8 / (1 << 28);

    EXPECT_GT(bits, 5.0);
    EXPECT_LT(bits, 5.1);
}

bool SaysZeroed(void *, const void *)
{
    return true;
}

TEST(BuddySetup, TheLargestBuddyTouchesLittleOfItsState)
{
    constexpr std::size_t granules = std::size_t{1} << 31;
    cairn_buddy_config config = OverRange(Address(std::size_t{1} << 46), granules * 4096, 4096);
    std::size_t bytes;

    config.chunk_is_zeroed = SaysZeroed;
    bytes = cairn_buddy_state_bytes(&config);
    ASSERT_GT(bytes, granules / 8 * 5);
    Region state(bytes, 4096, PROT_READ | PROT_WRITE);
    cairn_buddy *buddy = static_cast<cairn_buddy *>(state.At(0));
    ASSERT_EQ(buddy_fixture::Init(buddy, bytes, config), 0);
    EXPECT_EQ(cairn_buddy_stats(buddy).largest_free_bytes, granules * 4096);
    std::vector<void *> runs;
    for (std::size_t order = 0; order < 10; order++)
        runs.push_back(cairn_buddy_alloc(buddy, std::size_t{4096} << order, 1, nullptr));
    EXPECT_EQ(runs[0], config.base);
    for (std::size_t order = 0; order < 10; order++)
        cairn_buddy_free(buddy, runs[order], std::size_t{4096} << order);
    EXPECT_EQ(cairn_buddy_stats(buddy).largest_free_bytes, granules * 4096);
    EXPECT_GE(cairn_buddy_stats(buddy).steps_max, 31u);

    std::vector<unsigned char> resident(bytes / buddy_fixture::PageBytes() + 1);
    ASSERT_EQ(mincore(buddy, bytes, resident.data()), 0);
    std::size_t pages = 0;
    for (unsigned char page : resident)
        pages += page & 1;
    EXPECT_LT(pages, 200u);
}

TEST(BuddySetup, GranulesAtTheEndOfTheLargestIndexSpaceAreReached)
{
    constexpr std::size_t align = std::size_t{1} << 43; // 2^31 granules of 4096
    cairn_buddy_config config =
        OverRange(Address(align + align - 100 * 4096), 100 * 4096, 4096, align);
    std::size_t bytes = cairn_buddy_state_bytes(&config);

    ASSERT_NE(bytes, 0u);
    Region state(bytes, 4096, PROT_READ | PROT_WRITE);
    cairn_buddy *buddy = static_cast<cairn_buddy *>(state.At(0));
    ASSERT_EQ(buddy_fixture::Init(buddy, bytes, config), 0);
    EXPECT_EQ(cairn_buddy_alloc(buddy, 64 * 4096, 64 * 4096, nullptr),
              Address(2 * align - 64 * 4096));
    EXPECT_EQ(cairn_buddy_alloc(buddy, 4096, align, nullptr), nullptr) << "no such place in it";
    EXPECT_EQ(cairn_buddy_alloc(buddy, 36 * 4096, 1, nullptr), nullptr);
    EXPECT_EQ(cairn_buddy_alloc(buddy, 32 * 4096, 1, nullptr), Address(2 * align - 96 * 4096));
    EXPECT_EQ(cairn_buddy_alloc(buddy, 4 * 4096, 1, nullptr), config.base);
    EXPECT_EQ(cairn_buddy_stats(buddy).free_bytes, 0u);
    EXPECT_FALSE(cairn_buddy_owns(buddy, Address(2 * align - 101 * 4096)));
    EXPECT_FALSE(cairn_buddy_owns(buddy, Address(2 * align)));
}

TEST(BuddySetup, AlignmentsUpToTheConfigsHoldForAddressesWhateverTheBase)
{
    Region region(1 << 20, 1 << 16);

    for (std::size_t offset = 0; offset < 64 * 40; offset += 8) {
        Placed buddy(OverRange(region.At(offset), 64 * 100, 64, 64 * 32));

        for (std::size_t align = 1; align <= 64 * 64; align *= 2) {
            void *run = cairn_buddy_alloc(buddy.get(), 65, align, nullptr);

            EXPECT_EQ(run != nullptr, align <= 64 * 32) << offset << " " << align;
            EXPECT_EQ(reinterpret_cast<std::uintptr_t>(run) % align, 0u);
        }
        cairn_buddy_check(buddy.get());
    }
}

TEST(BuddySetupDeathTest, AStateThatIsNotAlignedPanics)
{
    Region region(1 << 20, 4096);
    cairn_buddy_config config = OverRange(region.At(0), 1 << 16, 64);
    Guarded state(8192, Hard::kFront);

    EXPECT_DEATH(Ignore(buddy_fixture::Init(reinterpret_cast<cairn_buddy *>(state.data() + 32),
                                            8000, config)),
                 "cairn: the state of a buddy is not aligned to 64");
}

TEST(BuddySetupDeathTest, AStateInItsOwnRangePanics)
{
    Guarded memory(1 << 16, Hard::kFront);
    cairn_buddy_config config = OverRange(memory.data(), 4096 * 4, 64);

    EXPECT_DEATH(Ignore(buddy_fixture::Init(reinterpret_cast<cairn_buddy *>(memory.data() + 4096),
                                            1 << 14, config)),
                 "cairn: the state of a buddy lies in its range");
    EXPECT_EQ(buddy_fixture::Init(reinterpret_cast<cairn_buddy *>(memory.data() + 4096 * 4),
                                  1 << 14, config),
              0)
        << "right behind the range is fine";
}

TEST(BuddySetupDeathTest, EndingWithARunInUsePanics)
{
    Region region(1 << 20, 4096);
    Placed buddy(OverRange(region.At(0), 1 << 16, 64));
    void *run = cairn_buddy_alloc(buddy.get(), 1, 1, nullptr);

    EXPECT_DEATH(cairn_buddy_fini(buddy.get()), "cairn: a buddy ended with runs in use");
    cairn_buddy_free(buddy.get(), run, 1);
    cairn_buddy_fini(buddy.get());
}

// State and range in one file, mapped where the kernel likes.
class Shared {
  public:
    static constexpr std::size_t kStateBytes = 1 << 16;
    static constexpr std::size_t kRangeBytes = 1 << 20;

    explicit Shared(int file)
    {
        map_ = static_cast<char *>(
            mmap(nullptr, kStateBytes + kRangeBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
        buddy_fixture::Require(map_ != MAP_FAILED, "map");
    }
    Shared(const Shared &) = delete;
    Shared &operator=(const Shared &) = delete;
    ~Shared()
    {
        munmap(map_, kStateBytes + kRangeBytes);
    }

    cairn_buddy *buddy() const
    {
        return reinterpret_cast<cairn_buddy *>(map_);
    }
    char *range() const
    {
        return map_ + kStateBytes;
    }

  private:
    char *map_;
};

class SharedFile {
  public:
    SharedFile() : file_(memfd_create("buddy", 0))
    {
        buddy_fixture::Require(
            file_ >= 0 && ftruncate(file_, Shared::kStateBytes + Shared::kRangeBytes) == 0, "file");
    }
    SharedFile(const SharedFile &) = delete;
    SharedFile &operator=(const SharedFile &) = delete;
    ~SharedFile()
    {
        close(file_);
    }
    int get() const
    {
        return file_;
    }

  private:
    int file_;
};

int InitShared(const Shared &shared)
{
    cairn_buddy_config config = OverRange(shared.range(), Shared::kRangeBytes, 256, 4096);

    return buddy_fixture::Init(shared.buddy(), Shared::kStateBytes, config);
}

TEST(BuddySetup, StateAndRangeWorkWhereverBothAreMapped)
{
    SharedFile file;
    Shared here(file.get());
    Shared there(file.get());

    ASSERT_NE(here.range(), there.range());
    ASSERT_EQ(InitShared(here), 0);
    char *first = static_cast<char *>(cairn_buddy_alloc(here.buddy(), 1000, 256, nullptr));
    char *second = static_cast<char *>(cairn_buddy_alloc(there.buddy(), 5000, 4096, nullptr));
    ASSERT_NE(first, nullptr);
    ASSERT_NE(second, nullptr);
    EXPECT_FALSE(cairn_buddy_owns(here.buddy(), second));
    EXPECT_TRUE(cairn_buddy_owns(there.buddy(), second));
    EXPECT_EQ(cairn_buddy_run_bytes(there.buddy(), there.range() + (first - here.range())), 1024u);
    EXPECT_TRUE(
        cairn_buddy_resize(here.buddy(), here.range() + (second - there.range()), 5000, 9000));
    cairn_buddy_free(there.buddy(), there.range() + (first - here.range()), 1000);
    cairn_buddy_free(here.buddy(), here.range() + (second - there.range()), 9000);
    cairn_buddy_check(here.buddy());
    cairn_buddy_check(there.buddy());
    EXPECT_EQ(cairn_buddy_stats(there.buddy()).largest_free_bytes, Shared::kRangeBytes);
}

TEST(BuddySetup, StateAndRangeMayBeCopiedTogether)
{
    std::size_t bytes = Shared::kStateBytes + Shared::kRangeBytes;
    SharedFile file;
    Shared here(file.get());
    Region copy(bytes, 1 << 21, PROT_READ | PROT_WRITE);

    ASSERT_EQ(InitShared(here), 0);
    char *run = static_cast<char *>(cairn_buddy_alloc(here.buddy(), 300, 256, nullptr));
    memcpy(copy.At(0), here.buddy(), bytes);
    cairn_buddy *copied = static_cast<cairn_buddy *>(copy.At(0));
    char *copied_run = static_cast<char *>(copy.At(Shared::kStateBytes)) + (run - here.range());
    cairn_buddy_free(copied, copied_run, 300);
    EXPECT_EQ(cairn_buddy_stats(copied).used_bytes, 0u);
    EXPECT_EQ(cairn_buddy_stats(here.buddy()).used_bytes, 512u);
    cairn_buddy_check(copied);
}

TEST(BuddySetup, AForkedChildContinuesInSharedMemory)
{
    SharedFile file;
    Shared shared(file.get());
    int status = 0;

    ASSERT_EQ(InitShared(shared), 0);
    char *kept = static_cast<char *>(cairn_buddy_alloc(shared.buddy(), 100, 1, nullptr));
    pid_t child = fork();
    if (child == 0) {
        Shared elsewhere(file.get());
        cairn_buddy_free(elsewhere.buddy(), elsewhere.range() + (kept - shared.range()), 100);
        void *run = cairn_buddy_alloc(shared.buddy(), 256 * 7, 1, nullptr);
        _exit(run == shared.range() ? 0 : 1);
    }
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
    EXPECT_EQ(cairn_buddy_run_bytes(shared.buddy(), shared.range()), 256u * 7);
    cairn_buddy_free(shared.buddy(), shared.range(), 256 * 7);
    cairn_buddy_check(shared.buddy());
    EXPECT_EQ(cairn_buddy_stats(shared.buddy()).used_bytes, 0u);
}

} // namespace
