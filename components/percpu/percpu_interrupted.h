/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * percpu_interrupted.h - sequences whose gaps can be stretched, one file for each sequence
 * (percpu_gap_*.cc).
 *
 * A file that includes this defines CAIRN_INTERRUPTED, as pop, and gets in each gap n
 *
 *     for (loops = cairn_interruptions_of_pop.loops[n]; loops != 0; loops--) ;
 *
 * in instructions that leave the flags alone, for a gap may lie between a comparison and its jump.
 * %r13 keeps %rcx; %r12 tells the abort handler in which gap it happened, and is anything when the
 * sequence begins: hence a number that is unlikely by chance.
 */

#ifndef CAIRN_PERCPU_INTERRUPTED_H
#define CAIRN_PERCPU_INTERRUPTED_H

#include <cstddef>
#include <cstdint>

struct cairn_interruptions {
    volatile uint32_t loops[32];
    uint64_t aborts[32];
};

extern "C" {
__attribute__((visibility("hidden"))) extern cairn_interruptions cairn_interruptions_of_pop,
    cairn_interruptions_of_push, cairn_interruptions_of_stop;
}

#if defined(CAIRN_INTERRUPTED) && defined(__x86_64__)

#define CAIRN_TEXT_OF_(token)  #token
#define CAIRN_TEXT_OF(token)   CAIRN_TEXT_OF_(token)
#define CAIRN_INTERRUPTED_NAME "cairn_interruptions_of_" CAIRN_TEXT_OF(CAIRN_INTERRUPTED)

#define CAIRN_RSEQ_GAP(number)                                                                     \
    "movq %%rcx, %%r13\n\t"                                                                        \
    "movl $0x5eed0000 + " #number ", %%r12d\n\t"                                                   \
    "movl " CAIRN_INTERRUPTED_NAME " + 4 * " #number "(%%rip), %%ecx\n\t"                          \
    "jrcxz 8f\n"                                                                                   \
    "7:\n\t"                                                                                       \
    "loop 7b\n"                                                                                    \
    "8:\n\t"                                                                                       \
    "movq %%r13, %%rcx\n\t"                                                                        \
    "movl $0, %%r12d\n\t"

#define CAIRN_RSEQ_ABORTED                                                                         \
    "leal -0x5eed0000(%%r12), %%eax\n\t"                                                           \
    "cmpl $32, %%eax\n\t"                                                                          \
    "jae 9f\n\t"                                                                                   \
    "leaq " CAIRN_INTERRUPTED_NAME " + 128(%%rip), %%r13\n\t"                                      \
    "lock incq (%%r13, %%rax, 8)\n\t"                                                              \
    "xorl %%r12d, %%r12d\n"                                                                        \
    "9:\n\t"

#define CAIRN_RSEQ_CLOBBERS "r12", "r13",

static_assert(offsetof(cairn_interruptions, aborts) == 128, "as above");

#endif

#if defined(__x86_64__)
constexpr bool CAIRN_INTERRUPTED_EXISTS = true;
#else
constexpr bool CAIRN_INTERRUPTED_EXISTS = false;
#endif

#include <cairn/percpu/rseq.h>

/* The stretched sequences. */
void *cairn_interrupted_pop(const cairn_rseq_view *view, size_t class_idx);
bool cairn_interrupted_push(const cairn_rseq_view *view, size_t class_idx, void *block);
bool cairn_interrupted_stop(const cairn_rseq_view *view, uint32_t id, cairn_percpu_shard *stopped);

#endif
