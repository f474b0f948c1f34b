// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
#include "tests/conformance/surface.h"

#include <dlfcn.h>
#include <malloc.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

extern "C" {
__attribute__((weak)) void free_sized(void *block, size_t size);
__attribute__((weak)) void free_aligned_sized(void *block, size_t alignment, size_t size);
}

namespace conformance {
namespace {

template <typename Function> Function Find(const char *name, Function linked)
{
    if (linked != nullptr)
        return linked;
    return reinterpret_cast<Function>(reinterpret_cast<uintptr_t>(dlsym(RTLD_DEFAULT, name)));
}

void *PosixMemalign(size_t alignment, size_t size)
{
    void *block = nullptr;
    int error = posix_memalign(&block, alignment, size);
    if (error != 0)
        errno = error;
    return error == 0 ? block : nullptr;
}

template <typename Function> void *AddressOf(Function function)
{
    return reinterpret_cast<void *>(reinterpret_cast<uintptr_t>(function));
}

std::string ObjectOf(void *address)
{
    Dl_info info{};
    return dladdr(address, &info) != 0 && info.dli_fname != nullptr ? info.dli_fname : "unknown";
}

uint64_t Word(uint64_t seed, size_t index)
{
    uint64_t word = (seed + index) * 0x9e3779b97f4a7c15u;
    return word ^ (word >> 29);
}

// The distance of the words that are looked at: every one of a small block, one in each cache line
// of a larger one, one in each page of the largest.
size_t Stride(size_t size)
{
    if (size <= size_t{8} << 10)
        return sizeof(uint64_t);
    return size <= size_t{1} << 20 ? 64 : 4096;
}

template <typename Visit> void VisitWords(size_t size, Visit visit)
{
    size_t stride = Stride(size);
    for (size_t offset = 0; offset + sizeof(uint64_t) <= size; offset += stride) {
        visit(offset, sizeof(uint64_t));
    }
    size_t tail = size % sizeof(uint64_t);
    if (size >= sizeof(uint64_t))
        visit(size - sizeof(uint64_t) - tail, sizeof(uint64_t));
    if (tail != 0)
        visit(size - tail, tail);
}

size_t StatmKib(int field)
{
    std::ifstream statm("/proc/self/statm");
    size_t pages = 0;
    for (int i = 0; i <= field; i++)
        statm >> pages;
    return pages * static_cast<size_t>(sysconf(_SC_PAGESIZE)) / 1024;
}

} // namespace

const std::vector<EntryPoint> &EntryPoints()
{
    static const std::vector<EntryPoint> all = {
        {"malloc", [](size_t size) { return malloc(size); }},
        {"calloc(1, n)", [](size_t size) { return calloc(1, size); }},
        {"calloc(n, 1)", [](size_t size) { return calloc(size, 1); }},
        {"realloc(NULL, n)", [](size_t size) { return realloc(nullptr, size); }},
        {"reallocarray(NULL, n, 1)", [](size_t size) { return reallocarray(nullptr, size, 1); }},
        {"aligned_alloc(16, n)", [](size_t size) { return aligned_alloc(16, size); }},
        {"aligned_alloc(4096, n)", [](size_t size) { return aligned_alloc(4096, size); }},
        {"posix_memalign(8, n)", [](size_t size) { return PosixMemalign(8, size); }},
        {"posix_memalign(64, n)", [](size_t size) { return PosixMemalign(64, size); }},
        {"memalign(256, n)", [](size_t size) { return memalign(256, size); }},
        {"valloc", [](size_t size) { return valloc(size); }},
        {"pvalloc", [](size_t size) { return pvalloc(size); }},
    };
    return all;
}

FreeFunction FindCfree()
{
    return Find<FreeFunction>("cfree", nullptr);
}

FreeSizedFunction FindFreeSized()
{
    return Find<FreeSizedFunction>("free_sized", Opaque(&free_sized));
}

FreeAlignedSizedFunction FindFreeAlignedSized()
{
    return Find<FreeAlignedSizedFunction>("free_aligned_sized", Opaque(&free_aligned_sized));
}

std::vector<Binding> Bindings()
{
    const std::pair<const char *, void *> functions[] = {
        {"malloc", AddressOf(&malloc)},
        {"free", AddressOf(&free)},
        {"calloc", AddressOf(&calloc)},
        {"realloc", AddressOf(&realloc)},
        {"reallocarray", AddressOf(&reallocarray)},
        {"aligned_alloc", AddressOf(&aligned_alloc)},
        {"posix_memalign", AddressOf(&posix_memalign)},
        {"memalign", AddressOf(&memalign)},
        {"valloc", AddressOf(&valloc)},
        {"pvalloc", AddressOf(&pvalloc)},
        {"malloc_usable_size", AddressOf(&malloc_usable_size)},
        {"malloc_trim", AddressOf(&malloc_trim)},
        {"malloc_info", AddressOf(&malloc_info)},
        {"malloc_stats", AddressOf(&malloc_stats)},
        {"mallinfo2", AddressOf(&mallinfo2)},
        {"mallopt", AddressOf(&mallopt)},
        {"cfree", AddressOf(FindCfree())},
        {"free_sized", AddressOf(FindFreeSized())},
        {"free_aligned_sized", AddressOf(FindFreeAlignedSized())},
    };
    std::vector<Binding> result;
    for (const auto &[name, address] : functions) {
        if (address != nullptr)
            result.push_back({name, ObjectOf(address)});
    }
    return result;
}

bool IsAligned(const void *block, size_t alignment)
{
    return reinterpret_cast<uintptr_t>(block) % alignment == 0;
}

void Fill(void *block, size_t size, uint64_t seed)
{
    char *bytes = static_cast<char *>(block);
    VisitWords(size, [&](size_t offset, size_t length) {
        uint64_t word = Word(seed, offset);
        std::memcpy(bytes + offset, &word, length);
    });
}

bool HoldsPrefix(const void *block, size_t prefix, size_t size, uint64_t seed)
{
    const char *bytes = static_cast<const char *>(block);
    bool holds = true;
    VisitWords(size, [&](size_t offset, size_t length) {
        if (offset + length > prefix)
            return;
        uint64_t word = Word(seed, offset);
        holds = holds && std::memcmp(bytes + offset, &word, length) == 0;
    });
    return holds;
}

bool Holds(const void *block, size_t size, uint64_t seed)
{
    return HoldsPrefix(block, size, size, seed);
}

bool IsZero(const void *block, size_t size)
{
    const char *bytes = static_cast<const char *>(block);
    return size == 0 || (bytes[0] == 0 && std::memcmp(bytes, bytes + 1, size - 1) == 0);
}

bool HeapIsSmall()
{
    return getenv("CAIRN_TEST_SMALL_HEAP") != nullptr;
}

size_t Scaled(size_t count)
{
    return HeapIsSmall() ? count / 10 : count;
}

size_t ResidentKib()
{
    return StatmKib(1);
}

size_t AddressSpaceKib()
{
    return StatmKib(0);
}

} // namespace conformance
