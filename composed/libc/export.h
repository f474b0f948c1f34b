/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * export.h - the C library's names, or none of them where a sanitizer brings a malloc of its own.
 *
 * AddressSanitizer, HWAddressSanitizer, MemorySanitizer and ThreadSanitizer define malloc and its
 * kin in their runtime, and rely on it. A library that is compiled for one of them keeps its
 * functions, under names that nothing asks for:
 *
 *     compiled plain       malloc               free               cairn_malloc_is_active ...
 *     for a sanitizer      cairn_aside_malloc   cairn_aside_free   cairn_aside_is_active ...
 *
 * The second line includes what programs know cairn by, so that its weak names are NULL and say
 * that cairn is not there. A program that is built so over a cairn that is not: sanitizer.h.
 *
 * Included by frontend.h, and so by each file that defines such a name. Valid in assembly.
 */

#ifndef CAIRN_COMPOSED_EXPORT_H
#define CAIRN_COMPOSED_EXPORT_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_HWADDRESS__) || defined(__SANITIZE_THREAD__)
#define CAIRN_STANDS_ASIDE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(hwaddress_sanitizer) ||                      \
    __has_feature(memory_sanitizer) || __has_feature(thread_sanitizer)
#define CAIRN_STANDS_ASIDE 1
#endif
#endif

#if !defined(CAIRN_STANDS_ASIDE)
#define CAIRN_STANDS_ASIDE 0
#endif

#if CAIRN_STANDS_ASIDE && defined(__ASSEMBLER__)

#define vfork cairn_aside_vfork
#define clone cairn_aside_clone

#elif CAIRN_STANDS_ASIDE

#pragma redefine_extname malloc cairn_aside_malloc
#pragma redefine_extname free cairn_aside_free
#pragma redefine_extname calloc cairn_aside_calloc
#pragma redefine_extname realloc cairn_aside_realloc
#pragma redefine_extname reallocarray cairn_aside_reallocarray
#pragma redefine_extname free_sized cairn_aside_free_sized
#pragma redefine_extname free_aligned_sized cairn_aside_free_aligned_sized
#pragma redefine_extname cfree cairn_aside_cfree
#pragma redefine_extname aligned_alloc cairn_aside_aligned_alloc
#pragma redefine_extname memalign cairn_aside_memalign
#pragma redefine_extname posix_memalign cairn_aside_posix_memalign
#pragma redefine_extname valloc cairn_aside_valloc
#pragma redefine_extname pvalloc cairn_aside_pvalloc
#pragma redefine_extname malloc_usable_size cairn_aside_malloc_usable_size
#pragma redefine_extname malloc_trim cairn_aside_malloc_trim
#pragma redefine_extname mallinfo cairn_aside_mallinfo
#pragma redefine_extname mallinfo2 cairn_aside_mallinfo2
#pragma redefine_extname mallopt cairn_aside_mallopt
#pragma redefine_extname malloc_info cairn_aside_malloc_info
#pragma redefine_extname malloc_stats cairn_aside_malloc_stats
#pragma redefine_extname cairn_malloc_is_active cairn_aside_is_active
#pragma redefine_extname cairn_malloc_stats cairn_aside_stats
#pragma redefine_extname cairn_malloc_stats_print cairn_aside_stats_print
#pragma redefine_extname cairn_malloc_trim cairn_aside_trim
#pragma redefine_extname cairn_malloc_tick cairn_aside_tick
#pragma redefine_extname cairn_malloc_set cairn_aside_set
#pragma redefine_extname cairn_malloc_check cairn_aside_check

#endif

#endif
