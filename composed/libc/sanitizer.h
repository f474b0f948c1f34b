/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * sanitizer.h - a malloc that gives way at run time, in a program that was built for a sanitizer
 * while cairn was not.
 *
 *     program   -fsanitize=address      calls malloc
 *     cairn     compiled plain          its malloc is found first      -> __interceptor_malloc
 *     runtime   of the sanitizer        __interceptor_malloc, which it also calls malloc
 *
 * The runtimes of AddressSanitizer, HWAddressSanitizer, MemorySanitizer, ThreadSanitizer and
 * LeakSanitizer look after blocks that they gave out, and no others; and they intercept memcpy,
 * mmap and more, from before they are ready to serve. So cairn does nothing of its own there: its
 * stack is never built, and the way past the stack leads here.
 *
 * Cost. Nothing as long as the stack is built: the question stands on ways that are taken without
 * it.
 *
 * Compiled for the sanitizer, cairn has no such names in the first place: export.h.
 */

#ifndef CAIRN_COMPOSED_SANITIZER_H
#define CAIRN_COMPOSED_SANITIZER_H

#include <stdbool.h>
#include <stddef.h>

#include <cairn/base/compiler.h>

CAIRN_BEGIN_DECLS

/* Private: the runtime's names. */
#define CAIRN_SANITIZER_INTERCEPTOR(name) __interceptor_##name

extern CAIRN_WEAK void *CAIRN_SANITIZER_INTERCEPTOR(malloc)(size_t size_bytes);
extern CAIRN_WEAK void CAIRN_SANITIZER_INTERCEPTOR(free)(void *block);

/* True when the process has a sanitizer that brings a malloc: everything is to be forwarded. The
   same from the first instruction to the last. */
static inline bool cairn_sanitizer_is_present(void)
{
    return CAIRN_UNLIKELY(&CAIRN_SANITIZER_INTERCEPTOR(malloc) != NULL) &&
           &CAIRN_SANITIZER_INTERCEPTOR(free) != NULL;
}

/* What the sanitizer makes of a call. Requires: it is present. errno: as the sanitizer leaves
   it. */
void *cairn_sanitizer_malloc(size_t size_bytes);
void *cairn_sanitizer_calloc(size_t count, size_t size_bytes);
void *cairn_sanitizer_realloc(void *block, size_t size_bytes);
void *cairn_sanitizer_memalign(size_t align_bytes, size_t size_bytes);
void cairn_sanitizer_free(void *block);

/* 0 where the sanitizer does not tell. */
size_t cairn_sanitizer_usable_bytes(void *block);

CAIRN_END_DECLS

#endif
