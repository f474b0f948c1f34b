/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * symbols_test.cc - what the archives ask of whoever links them: of libc, only what copies and
 * clears memory.
 *
 * Reads the symbol tables of all archives below the working directory (which Bazel fills with those
 * that the target names) or below $CAIRN_ARCHIVES.
 */

#include <cairn/base/config.h>

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace {

using std::string;

struct Symbols {
    std::set<string> defined;
    std::set<string> undefined;
    std::set<string> thread_local_ones;
};

template <typename T> T read_at(const string &bytes, size_t offset)
{
    T value;

    EXPECT_LE(offset + sizeof(value), bytes.size());
    memcpy(&value, bytes.data() + offset, sizeof(value));
    return value;
}

void add_symbol(Symbols *symbols, const string &name, const Elf64_Sym &symbol)
{
    if (name.empty() || ELF64_ST_TYPE(symbol.st_info) == STT_FILE)
        return;
    if (ELF64_ST_TYPE(symbol.st_info) == STT_TLS)
        symbols->thread_local_ones.insert(name);
    if (symbol.st_shndx == SHN_UNDEF)
        symbols->undefined.insert(name);
    else if (ELF64_ST_BIND(symbol.st_info) != STB_LOCAL)
        symbols->defined.insert(name);
}

/* An object file. */
void add_object(Symbols *symbols, const string &object)
{
    auto header = read_at<Elf64_Ehdr>(object, 0);

    ASSERT_EQ(memcmp(header.e_ident, ELFMAG, SELFMAG), 0);
    for (size_t i = 0; i < header.e_shnum; i++) {
        auto section = read_at<Elf64_Shdr>(object, header.e_shoff + i * sizeof(Elf64_Shdr));

        if (section.sh_type != SHT_SYMTAB)
            continue;
        auto names =
            read_at<Elf64_Shdr>(object, header.e_shoff + section.sh_link * sizeof(Elf64_Shdr));

        for (size_t at = 0; at < section.sh_size; at += sizeof(Elf64_Sym)) {
            auto symbol = read_at<Elf64_Sym>(object, section.sh_offset + at);

            add_symbol(symbols, object.data() + names.sh_offset + symbol.st_name, symbol);
        }
    }
}

/* An archive: "!<arch>\n", then members of a 60-byte header with the size in decimal at 48, and
   even length. */
size_t add_archive(Symbols *symbols, const std::filesystem::path &path)
{
    std::ifstream file(path, std::ios::binary);
    string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    size_t object_count = 0;

    EXPECT_EQ(bytes.substr(0, 8), "!<arch>\n") << path;
    for (size_t at = 8; at + 60 <= bytes.size();) {
        size_t size = strtoul(bytes.substr(at + 48, 10).c_str(), NULL, 10);

        if (bytes[at] != '/') { /* those are indices */
            add_object(symbols, bytes.substr(at + 60, size));
            object_count++;
        }
        at += 60 + size + size % 2;
    }
    return object_count;
}

class ArenaSymbols : public testing::Test {
  protected:
    void SetUp() override
    {
        const char *root = getenv("CAIRN_ARCHIVES");
        namespace fs = std::filesystem;

        for (const fs::directory_entry &entry : fs::recursive_directory_iterator(
                 root != NULL ? root : ".", fs::directory_options::follow_directory_symlink))
            if (entry.path().extension() == ".a")
                object_count_ += add_archive(&symbols_, entry.path());
        ASSERT_GE(object_count_, 10u) << "the archives were not found";
        ASSERT_EQ(symbols_.defined.count("cairn_arena_alloc"), 1u);
    }

    bool is_instrumented() const
    {
        for (const string &name : symbols_.undefined)
            for (const char *prefix : {"__asan_", "__ubsan_", "__tsan_", "__gcov_", "__sanitizer_"})
                if (name.rfind(prefix, 0) == 0)
                    return true;
        return false;
    }

    Symbols symbols_;
    size_t object_count_ = 0;
};

TEST_F(ArenaSymbols, OfLibcOnlyWhatCopiesAndClearsMemory)
{
    /* Of the others one is weak, and may be absent: it tells locks that there is one thread. One is
       the compiler's own: it counts bits where the processor's instruction may not be assumed. */
    const std::set<string> allowed = {"memcpy",
                                      "memmove",
                                      "memset",
                                      "memcmp",
                                      "__libc_single_threaded",
                                      "__popcountdi2",
                                      "_GLOBAL_OFFSET_TABLE_"};

    if (is_instrumented())
        GTEST_SKIP() << "instrumented";
    EXPECT_GT(symbols_.undefined.count("memset"), 0u) << "the symbols were not read";
    for (const string &name : symbols_.undefined)
        EXPECT_TRUE(allowed.count(name) == 1 || name.rfind("cairn_", 0) == 0) << name;
}

TEST_F(ArenaSymbols, NoThreadLocalVariableInARelease)
{
    if (CAIRN_DEBUG)
        GTEST_SKIP() << "the lock order is asserted with one";
    EXPECT_EQ(symbols_.thread_local_ones, std::set<string>());
}

} // namespace
