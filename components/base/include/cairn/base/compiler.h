/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * compiler.h - the words that GCC and Clang know and C11 does not.
 *
 * Valid in C11 and in C++17. cairn builds with GCC and Clang on Linux only, so there is no ladder
 * of vendors here.
 */

#ifndef CAIRN_BASE_COMPILER_H
#define CAIRN_BASE_COMPILER_H

#ifdef __cplusplus
#define CAIRN_BEGIN_DECLS                    extern "C" {
#define CAIRN_END_DECLS                      }
#define CAIRN_STATIC_ASSERT(condition, text) static_assert(condition, text)
#else
#define CAIRN_BEGIN_DECLS
#define CAIRN_END_DECLS
#define CAIRN_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif

#define CAIRN_LIKELY(x)   __builtin_expect(!!(x), 1)
#define CAIRN_UNLIKELY(x) __builtin_expect(!!(x), 0)

#define CAIRN_HOT_INLINE static inline __attribute__((always_inline))
/* For what a caller does now and then: cold code is made small instead of fast, so CAIRN_COLD is
   for what is done once in a while. */
#define CAIRN_NOINLINE      __attribute__((noinline))
#define CAIRN_COLD          __attribute__((noinline, cold))
#define CAIRN_NORETURN      __attribute__((noreturn))
#define CAIRN_NODISCARD     __attribute__((warn_unused_result))
#define CAIRN_NONNULL       __attribute__((nonnull))
#define CAIRN_WEAK          __attribute__((weak))
#define CAIRN_CACHE_ALIGNED __attribute__((aligned(64)))

/* Visible outside a shared library although everything is hidden by default. */
#define CAIRN_EXPORT __attribute__((visibility("default")))

/* Tells the core that this is a spinning wait. */
#if defined(__x86_64__)
#define CAIRN_CPU_RELAX() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define CAIRN_CPU_RELAX() __asm__ volatile("yield" ::: "memory")
#else
#define CAIRN_CPU_RELAX() __asm__ volatile("" ::: "memory")
#endif

/* What tells the calling thread from every other one; the child of fork() has that of its parent's
   thread. */
#if defined(__x86_64__)
#define CAIRN_THREAD_POINTER()                                                                     \
    __extension__({                                                                                \
        void *cairn_thread_pointer_;                                                               \
        __asm__("movq %%fs:0, %0" : "=r"(cairn_thread_pointer_));                                  \
        cairn_thread_pointer_;                                                                     \
    })
#else
#define CAIRN_THREAD_POINTER() __builtin_thread_pointer()
#endif

enum { CAIRN_CACHE_LINE_BYTES = 64 };

#endif
