// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// new.cc - operator new and delete in every form, straight over the frontend.
//
// libstdc++'s own operators call malloc and free, so a program works without these; with them each
// call is one layer shorter. On exhaustion the new_handler is called until it frees something,
// throws, or there is none: then std::bad_alloc (nothrow forms: nullptr). The size and alignment
// that a sized delete passes are not needed: the map of addresses knows the class. None of this
// where a sanitizer has operators of its own (export.h), and its blocks where that is found out
// later (sanitizer.h).

#include <cstddef>
#include <cstdint>
#include <new>

#include "composed/malloc/frontend.h"
#include "composed/libc/sanitizer.h"

#if !CAIRN_STANDS_ASIDE

namespace {

constexpr std::size_t kMaxBytes = PTRDIFF_MAX;

void *Alloc(std::size_t size_bytes, std::size_t align_bytes)
{
    if (size_bytes > kMaxBytes || align_bytes > kMaxBytes)
        return nullptr;
    if (CAIRN_UNLIKELY(cairn_sanitizer_is_present()))
        return cairn_sanitizer_memalign(align_bytes, size_bytes);
    return align_bytes <= __STDCPP_DEFAULT_NEW_ALIGNMENT__
               ? cairn_frontend_alloc(size_bytes)
               : cairn_frontend_alloc_aligned(size_bytes, align_bytes);
}

void *AllocOrThrow(std::size_t size_bytes, std::size_t align_bytes)
{
    for (;;) {
        void *block = Alloc(size_bytes, align_bytes);
        if (__builtin_expect(block != nullptr, 1))
            return block;
        std::new_handler handler = std::get_new_handler();
        if (handler == nullptr)
            throw std::bad_alloc();
        handler();
    }
}

void *AllocOrNull(std::size_t size_bytes, std::size_t align_bytes) noexcept
{
    try {
        return AllocOrThrow(size_bytes, align_bytes);
    } catch (...) {
        return nullptr;
    }
}

void Free(void *block, const char *where) noexcept
{
    if (CAIRN_UNLIKELY(cairn_sanitizer_is_present()))
        cairn_sanitizer_free(block);
    else if (block != nullptr)
        cairn_frontend_free(block, where);
}

constexpr std::size_t kPlain = 1;

} // namespace

void *operator new(std::size_t size)
{
    return AllocOrThrow(size, kPlain);
}
void *operator new[](std::size_t size)
{
    return AllocOrThrow(size, kPlain);
}
void *operator new(std::size_t size, const std::nothrow_t &) noexcept
{
    return AllocOrNull(size, kPlain);
}
void *operator new[](std::size_t size, const std::nothrow_t &) noexcept
{
    return AllocOrNull(size, kPlain);
}

void *operator new(std::size_t size, std::align_val_t align)
{
    return AllocOrThrow(size, static_cast<std::size_t>(align));
}
void *operator new[](std::size_t size, std::align_val_t align)
{
    return AllocOrThrow(size, static_cast<std::size_t>(align));
}
void *operator new(std::size_t size, std::align_val_t align, const std::nothrow_t &) noexcept
{
    return AllocOrNull(size, static_cast<std::size_t>(align));
}
void *operator new[](std::size_t size, std::align_val_t align, const std::nothrow_t &) noexcept
{
    return AllocOrNull(size, static_cast<std::size_t>(align));
}

void operator delete(void *block) noexcept
{
    Free(block, "operator delete");
}
void operator delete[](void *block) noexcept
{
    Free(block, "operator delete[]");
}
void operator delete(void *block, const std::nothrow_t &) noexcept
{
    Free(block, "operator delete");
}
void operator delete[](void *block, const std::nothrow_t &) noexcept
{
    Free(block, "operator delete[]");
}
void operator delete(void *block, std::size_t) noexcept
{
    Free(block, "operator delete");
}
void operator delete[](void *block, std::size_t) noexcept
{
    Free(block, "operator delete[]");
}
void operator delete(void *block, std::align_val_t) noexcept
{
    Free(block, "operator delete");
}
void operator delete[](void *block, std::align_val_t) noexcept
{
    Free(block, "operator delete[]");
}
void operator delete(void *block, std::size_t, std::align_val_t) noexcept
{
    Free(block, "operator delete");
}
void operator delete[](void *block, std::size_t, std::align_val_t) noexcept
{
    Free(block, "operator delete[]");
}
void operator delete(void *block, std::align_val_t, const std::nothrow_t &) noexcept
{
    Free(block, "operator delete");
}
void operator delete[](void *block, std::align_val_t, const std::nothrow_t &) noexcept
{
    Free(block, "operator delete[]");
}

#endif
