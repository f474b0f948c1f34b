// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// The shared library as a file: what it needs, what it offers, and what it must not drag into a
// process.
#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "tests/support/process.h"
#include "tests/support/stack.h"

namespace cairn_test {
namespace {

// A 64-bit ELF file, read through its section headers.
class ElfFile {
  public:
    explicit ElfFile(const std::string &path) : bytes_(ReadFile(path))
    {
        header_ = At<Elf64_Ehdr>(0);
        sections_ = header_ != nullptr ? At<Elf64_Shdr>(header_->e_shoff) : nullptr;
    }
    bool good() const
    {
        return sections_ != nullptr && std::memcmp(bytes_.data(), ELFMAG, SELFMAG) == 0;
    }

    std::vector<std::string> Needed() const
    {
        return DynamicStrings(DT_NEEDED);
    }
    std::vector<std::string> Soname() const
    {
        return DynamicStrings(DT_SONAME);
    }
    // The tag's value; 0 where there is none.
    Elf64_Xword DynamicValue(Elf64_Sxword tag) const
    {
        for (const Elf64_Dyn &entry : Entries<Elf64_Dyn>(SHT_DYNAMIC)) {
            if (entry.d_tag == tag)
                return entry.d_un.d_val;
        }
        return 0;
    }
    bool HasDynamicTag(Elf64_Sxword tag) const
    {
        for (const Elf64_Dyn &entry : Entries<Elf64_Dyn>(SHT_DYNAMIC)) {
            if (entry.d_tag == tag)
                return true;
        }
        return false;
    }
    std::set<std::string> Exports() const
    {
        std::set<std::string> names;
        for (const Elf64_Sym &symbol : Entries<Elf64_Sym>(SHT_DYNSYM)) {
            bool global = ELF64_ST_BIND(symbol.st_info) != STB_LOCAL;
            bool visible = ELF64_ST_VISIBILITY(symbol.st_other) == STV_DEFAULT;
            bool defined = symbol.st_shndx != SHN_UNDEF && symbol.st_shndx != SHN_ABS;
            if (global && visible && defined)
                names.insert(String(SHT_DYNSYM, symbol.st_name));
        }
        return names;
    }
    Elf64_Xword ThreadLocalBytes() const
    {
        const Elf64_Phdr *program = At<Elf64_Phdr>(header_->e_phoff);
        for (int i = 0; i < header_->e_phnum; i++) {
            if (program[i].p_type == PT_TLS)
                return program[i].p_memsz;
        }
        return 0;
    }
    bool HasWritableAndExecutableSegment() const
    {
        const Elf64_Phdr *program = At<Elf64_Phdr>(header_->e_phoff);
        for (int i = 0; i < header_->e_phnum; i++) {
            if ((program[i].p_flags & PF_W) != 0 && (program[i].p_flags & PF_X) != 0)
                return true;
        }
        return false;
    }

  private:
    template <typename T> const T *At(size_t offset) const
    {
        if (offset + sizeof(T) > bytes_.size())
            return nullptr;
        return reinterpret_cast<const T *>(bytes_.data() + offset);
    }
    const Elf64_Shdr *Section(Elf64_Word type) const
    {
        for (int i = 0; i < header_->e_shnum; i++) {
            if (sections_[i].sh_type == type)
                return &sections_[i];
        }
        return nullptr;
    }
    template <typename T> std::vector<T> Entries(Elf64_Word type) const
    {
        const Elf64_Shdr *section = Section(type);
        if (section == nullptr)
            return {};
        const T *first = At<T>(section->sh_offset);
        return std::vector<T>(first, first + section->sh_size / sizeof(T));
    }
    std::string String(Elf64_Word type, size_t offset) const
    {
        return bytes_.data() + sections_[Section(type)->sh_link].sh_offset + offset;
    }
    std::vector<std::string> DynamicStrings(Elf64_Sxword tag) const
    {
        std::vector<std::string> strings;
        for (const Elf64_Dyn &entry : Entries<Elf64_Dyn>(SHT_DYNAMIC)) {
            if (entry.d_tag == tag)
                strings.push_back(String(SHT_DYNAMIC, entry.d_un.d_val));
        }
        return strings;
    }

    std::string bytes_;
    const Elf64_Ehdr *header_;
    const Elf64_Shdr *sections_;
};

class SharedLibrary : public testing::Test {
  protected:
    void SetUp() override
    {
        if (!StackIsOurs())
            GTEST_SKIP() << "the shape of the file is promised for our libraries only";
        ASSERT_TRUE(file_.good()) << LibraryUnderTest();
    }
    ElfFile file_{LibraryUnderTest().empty() ? "/proc/self/exe" : LibraryUnderTest()};
};

const std::set<std::string> kMallocFamily = {"malloc",
                                             "free",
                                             "calloc",
                                             "realloc",
                                             "reallocarray",
                                             "aligned_alloc",
                                             "posix_memalign",
                                             "memalign",
                                             "valloc",
                                             "pvalloc",
                                             "malloc_usable_size",
                                             "malloc_trim",
                                             "malloc_stats",
                                             "malloc_info",
                                             "mallinfo",
                                             "mallinfo2",
                                             "mallopt",
                                             "free_sized",
                                             "free_aligned_sized"};

// Names that other libcs and old programs know the family by; and vfork and clone, which a stack
// may have to wrap.
const std::set<std::string> kMayBeExported = {
    "cfree",           "__libc_malloc", "__libc_free",    "__libc_calloc",    "__libc_realloc",
    "__libc_memalign", "__libc_valloc", "__libc_pvalloc", "__posix_memalign", "_init",
    "_fini",           "vfork",         "clone"};

bool IsOperatorNewOrDelete(const std::string &name)
{
    for (const char *prefix : {"_Znw", "_Zna", "_Zdl", "_Zda"}) {
        if (name.rfind(prefix, 0) == 0)
            return true;
    }
    return false;
}

TEST_F(SharedLibrary, NeedsNothingButTheCLibrary)
{
    for (const std::string &needed : file_.Needed()) {
        EXPECT_TRUE(needed.rfind("libc.so", 0) == 0 || needed.rfind("ld-linux", 0) == 0) << needed;
    }
    EXPECT_FALSE(file_.Needed().empty()) << "no DT_NEEDED was read: is the reader at fault?";
}

TEST_F(SharedLibrary, OffersTheWholeFamily)
{
    std::set<std::string> exports = file_.Exports();
    for (const std::string &name : kMallocFamily)
        EXPECT_EQ(exports.count(name), 1u) << name;
}

TEST_F(SharedLibrary, OffersNothingElse)
{
    for (const std::string &name : file_.Exports()) {
        bool known = kMallocFamily.count(name) + kMayBeExported.count(name) > 0;
        EXPECT_TRUE(known || IsOperatorNewOrDelete(name) || name.rfind("cairn_", 0) == 0) << name;
    }
}

TEST_F(SharedLibrary, OffersAllOperatorsOrNone)
{
    const char *operators[] = {"_Znwm",
                               "_ZnwmRKSt9nothrow_t",
                               "_ZnwmSt11align_val_t",
                               "_ZnwmSt11align_val_tRKSt9nothrow_t",
                               "_Znam",
                               "_ZnamRKSt9nothrow_t",
                               "_ZnamSt11align_val_t",
                               "_ZnamSt11align_val_tRKSt9nothrow_t",
                               "_ZdlPv",
                               "_ZdlPvm",
                               "_ZdlPvRKSt9nothrow_t",
                               "_ZdlPvSt11align_val_t",
                               "_ZdlPvmSt11align_val_t",
                               "_ZdlPvSt11align_val_tRKSt9nothrow_t",
                               "_ZdaPv",
                               "_ZdaPvm",
                               "_ZdaPvRKSt9nothrow_t",
                               "_ZdaPvSt11align_val_t",
                               "_ZdaPvmSt11align_val_t",
                               "_ZdaPvSt11align_val_tRKSt9nothrow_t"};
    std::set<std::string> exports = file_.Exports();
    size_t expected = exports.count("_Znwm");
    for (const char *name : operators)
        EXPECT_EQ(exports.count(name), expected) << name;
}

TEST_F(SharedLibrary, TakesNoNoticeableShareOfStaticThreadStorage)
{
    EXPECT_LE(file_.ThreadLocalBytes(), 256u)
        << "a program may dlopen many libraries like this one";
}

TEST_F(SharedLibrary, HasNoTextRelocationsAndNothingWritableToExecute)
{
    EXPECT_FALSE(file_.HasDynamicTag(DT_TEXTREL));
    EXPECT_FALSE(file_.HasWritableAndExecutableSegment());
}

TEST_F(SharedLibrary, StaysWhenItIsClosed)
{
    EXPECT_NE(file_.DynamicValue(DT_FLAGS_1) & DF_1_NODELETE, 0u)
        << "threads that go on would have descriptors of restartable sequences in it";
}

TEST_F(SharedLibrary, BindsItselfAtOnce)
{
    EXPECT_TRUE(file_.HasDynamicTag(DT_FLAGS_1) || file_.HasDynamicTag(DT_BIND_NOW))
        << "lazy binding would enter the loader in the middle of malloc";
    EXPECT_EQ(file_.Soname().size(), 1u);
}

} // namespace
} // namespace cairn_test
