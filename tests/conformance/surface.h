// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// The libc allocation surface as the conformance suite sees it, and the few helpers every file of
// it uses. Nothing here knows which allocator is behind the names: the same suite runs on any
// malloc.
#ifndef CAIRN_TESTS_CONFORMANCE_SURFACE_H_
#define CAIRN_TESTS_CONFORMANCE_SURFACE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/random.h"

namespace conformance {

// Values the compiler must not see through: it would warn about, or remove, what is tested here.
template <typename T> T Opaque(T value)
{
    asm volatile("" : "+r"(value) : : "memory");
    return value;
}

// One way to ask for memory. `get` follows malloc: NULL and errno on failure; the errno of the call
// is kept for posix_memalign too, which returns its error instead.
struct EntryPoint {
    std::string name;
    std::function<void *(size_t)> get;
};

// Every way to get a block of a given size from nothing.
const std::vector<EntryPoint> &EntryPoints();

// Functions that headers do not declare any more, or not yet; null where the process has none.
using FreeFunction = void (*)(void *);
using FreeSizedFunction = void (*)(void *, size_t);
using FreeAlignedSizedFunction = void (*)(void *, size_t, size_t);
FreeFunction FindCfree();
FreeSizedFunction FindFreeSized();
FreeAlignedSizedFunction FindFreeAlignedSized();

// The file of the object that a function of the surface was bound to.
struct Binding {
    std::string function;
    std::string object;
};
std::vector<Binding> Bindings();

bool IsAligned(const void *block, size_t alignment);

// Writes a pattern that depends on the seed; Holds says whether it is still there, HoldsPrefix
// whether its beginning is. Of large blocks only the edges and one word of each line or page are
// written and read.
void Fill(void *block, size_t size, uint64_t seed);
bool Holds(const void *block, size_t size, uint64_t seed);
bool HoldsPrefix(const void *block, size_t prefix, size_t size, uint64_t seed);

bool IsZero(const void *block, size_t size);

// The heap ends at a few dozen MiB (CAIRN_TEST_SMALL_HEAP, which `is_capped` of cairn_malloc()
// sets): tests hold a tenth of what they hold elsewhere.
bool HeapIsSmall();
size_t Scaled(size_t count);

// Resident memory of this process, and the size of its address space, in KiB.
size_t ResidentKib();
size_t AddressSpaceKib();

using cairn_test::Random;
using cairn_test::test_seed;

} // namespace conformance

#endif
