// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include <cairn/base/clock.h>

#include <gtest/gtest.h>

#include <elf.h>
#include <link.h>
#include <sys/auxv.h>
#include <time.h>

#include <cstring>

namespace {

// The least that a shared library is: one symbol without a place, one that is missing, one that is
// there.
struct Image {
    ElfW(Ehdr) header = {};
    ElfW(Phdr) parts[3] = {};
    ElfW(Dyn) dynamic[6] = {};
    ElfW(Sym) symbols[4] = {};
    char names[32] = "\0gone\0here\0last";
    uint32_t hash[2] = {1, 4};
    uint32_t gnu_hash[10] = {2, 2, 1, 0, 0, 0,
                             2, 0, 8, 9}; // two buckets; the chain of symbol 2 ends with symbol 3

    static constexpr uintptr_t kWanted = 0x700000; // where it was linked to lie

    Image()
    {
        memcpy(header.e_ident, ELFMAG, SELFMAG);
        header.e_phoff = offsetof(Image, parts);
        header.e_phentsize = sizeof(ElfW(Phdr));
        header.e_phnum = 3;
        parts[0].p_type = PT_NOTE;
        parts[1].p_type = PT_LOAD;
        parts[1].p_vaddr = kWanted;
        parts[2].p_type = PT_DYNAMIC;
        parts[2].p_offset = offsetof(Image, dynamic);
        Entry(0, DT_STRTAB, offsetof(Image, names));
        Entry(1, DT_SYMTAB, offsetof(Image, symbols));
        symbols[1].st_name = 1;
        symbols[1].st_shndx = SHN_UNDEF;
        symbols[2].st_name = 6;
        symbols[3].st_name = 11;
        symbols[2].st_shndx = symbols[3].st_shndx = 1;
        symbols[2].st_value = kWanted + 8;
        symbols[3].st_value = kWanted + 16;
    }
    void Entry(size_t idx, ElfW(Sxword) tag, size_t offset)
    {
        dynamic[idx].d_tag = tag;
        dynamic[idx].d_un.d_ptr = kWanted + offset;
    }
    // How far into the image the symbol points; -1: not found.
    ptrdiff_t Find(const char *name) const
    {
        const void *found = cairn_clock_find_symbol(this, name);
        return found == nullptr
                   ? -1
                   : static_cast<const char *>(found) - reinterpret_cast<const char *>(this);
    }
};

TEST(Clock, FindsSymbolsCountedByEitherTableOfHashes)
{
    for (bool is_gnu : {false, true}) {
        Image image;
        if (is_gnu)
            image.Entry(2, DT_GNU_HASH, offsetof(Image, gnu_hash));
        else
            image.Entry(2, DT_HASH, offsetof(Image, hash));
        EXPECT_EQ(8, image.Find("here"));
        EXPECT_EQ(16, image.Find("last"));
        EXPECT_EQ(-1, image.Find("gone")) << "not defined there";
        EXPECT_EQ(-1, image.Find("her"));
        EXPECT_EQ(-1, image.Find("heree"));
    }
}

TEST(Clock, FindsNothingBeyondTheEndOfTheTable)
{
    Image image;
    image.Entry(2, DT_HASH, offsetof(Image, hash));
    image.hash[1] = 3;
    EXPECT_EQ(-1, image.Find("last"));
    image.Entry(2, DT_GNU_HASH, offsetof(Image, gnu_hash));
    image.gnu_hash[8] = 7;
    EXPECT_EQ(-1, image.Find("last"));
    EXPECT_EQ(8, image.Find("here"));
    image.gnu_hash[6] = 0;
    EXPECT_EQ(-1, image.Find("here")) << "all buckets are empty";
}

TEST(Clock, FindsNothingInWhatIsNoImage)
{
    Image image;
    EXPECT_EQ(-1, image.Find("here")) << "no table of hashes";
    image.Entry(2, DT_HASH, offsetof(Image, hash));
    image.dynamic[1].d_tag = DT_DEBUG;
    EXPECT_EQ(-1, image.Find("here")) << "no table of symbols";
    image.parts[2].p_type = PT_NOTE;
    EXPECT_EQ(-1, image.Find("here"));
    image.header.e_ident[1] = 'e';
    EXPECT_EQ(-1, image.Find("here"));
}

TEST(Clock, AgreesWithLibcWhereTheKernelOffersIt)
{
    struct timespec now = {};
    cairn_clock_init();
    cairn_clock_init();
    if (getauxval(AT_SYSINFO_EHDR) == 0) {
        EXPECT_EQ(0u, cairn_clock_ms());
        return;
    }
    uint64_t before = cairn_clock_ms();
    ASSERT_EQ(0, clock_gettime(CLOCK_MONOTONIC_COARSE, &now));
    uint64_t libc =
        static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1000000;
    uint64_t after = cairn_clock_ms();
    EXPECT_GT(before, 0u);
    EXPECT_LE(before, libc);
    EXPECT_LE(libc, after);
}

} // namespace
