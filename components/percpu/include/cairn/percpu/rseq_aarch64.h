/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * rseq_aarch64.h - the sequences of rseq.h in instructions of aarch64.
 *
 * The thread pointer is read by the compiler; `area` and `id` become addresses before the sequence.
 * struct rseq: cpu_id at 4, rseq_cs at 8. The order of a shard's arrays after its entry was resumed
 * is that of an address dependency: the entry is loaded, and everything else is at an address
 * computed from it; an entry is restored by a store with release.
 *
 * The signature, 0xd428bc00 as data, is the instruction brk #0x45e0; it stands before the abort
 * handler. The handler jumps to where the sequence goes in vain. It lies in another section,
 * perhaps far away: then the linker puts a veneer between, which may change x16 and x17.
 */

#ifndef CAIRN_PERCPU_RSEQ_AARCH64_H
#define CAIRN_PERCPU_RSEQ_AARCH64_H

#ifndef CAIRN_RSEQ_GAP
#define CAIRN_RSEQ_GAP(number) "" /* in each gap between two instructions */
#define CAIRN_RSEQ_ABORTED     "" /* at the start of the abort handler */
#define CAIRN_RSEQ_CLOBBERS       /* registers that these use, each with a comma behind it */
#endif

#define CAIRN_RSEQ_UNAVAILABLE_REASON ""

enum { CAIRN_RSEQ_AVAILABLE = 1, CAIRN_RSEQ_SLOTS_OFFSET = 128 * 4 + 4 * 8 };

CAIRN_STATIC_ASSERT(sizeof(struct cairn_percpu_shard) == CAIRN_RSEQ_SLOTS_OFFSET,
                    "the instructions know where slots begin");

CAIRN_STATIC_ASSERT(sizeof(struct cairn_percpu_entry) == 1 << 7, "... and where entries do");

/* One instruction a line. */
/* clang-format off */

/* 1: start, 2: just behind the commit, 3: descriptor, 4: abort handler. x9 is the shard, w10 the
   header. */
#define CAIRN_RSEQ_ARM(in_vain)                                                                    \
    ".pushsection __rseq_cs, \"aw?\", %%progbits\n\t"                                              \
    ".balign 32\n"                                                                                 \
    "3:\n\t"                                                                                       \
    ".long 0, 0\n\t"                                                                               \
    ".quad 1f, 2f - 1f, 4f\n\t"                                                                    \
    ".popsection\n\t"                                                                              \
    ".pushsection __rseq_failure, \"ax?\", %%progbits\n\t"                                         \
    ".inst 0xd428bc00\n"                                                                           \
    "4:\n\t" CAIRN_RSEQ_ABORTED                                                                    \
    "b %l[" #in_vain "]\n\t"                                                                       \
    ".popsection\n"                                                                                \
    "adrp x9, 3b\n\t"                                                                              \
    "add x9, x9, :lo12:3b\n\t"                                                                     \
    "str x9, [%[area], #8]\n"                                                                      \
    "1:\n\t" CAIRN_RSEQ_GAP(0)

#define CAIRN_RSEQ_SHARD                                                                           \
    "ldr w9, [%[area], #4]\n\t" CAIRN_RSEQ_GAP(1)                                                  \
    "tbnz w9, #31, %l[slow]\n\t" CAIRN_RSEQ_GAP(2)                                                 \
    "ldr w9, [%[id]]\n\t" CAIRN_RSEQ_GAP(3)                                                        \
    "add x9, %[entries], x9, lsl #7\n\t" CAIRN_RSEQ_GAP(4)                                         \
    "ldr x9, [x9]\n\t" CAIRN_RSEQ_GAP(5)                                                          \
    "ldr w10, [x9, %[class_idx], lsl #2]\n\t" CAIRN_RSEQ_GAP(6)

/* The newest block of a class on this CPU, or NULL: ask the slow path. There may be one all the
   same. */
CAIRN_HOT_INLINE void *cairn_rseq_pop(const struct cairn_rseq_view *view,
                                      const struct cairn_percpu_entry *entries, size_t class_idx)
{
    void *block;

    __asm__ volatile goto(
        CAIRN_RSEQ_ARM(slow) CAIRN_RSEQ_SHARD
        "and w11, w10, #0xffff\n\t" CAIRN_RSEQ_GAP(7)
        "add x11, x9, x11, lsl #3\n\t" CAIRN_RSEQ_GAP(8)
        "ldr %[block], [x11, #%c[slots] - 8]\n\t" CAIRN_RSEQ_GAP(9)
        "cbz %[block], %l[slow]\n\t" CAIRN_RSEQ_GAP(10)
        "mov w11, #0xffff\n\t" CAIRN_RSEQ_GAP(11)
        "add w10, w10, w11\n\t" CAIRN_RSEQ_GAP(12)
        "str w10, [x9, %[class_idx], lsl #2]\n"
        "2:"
        : [block] "=&r"(block)
        : [area] "r"(cairn_rseq_at(view->area)), [id] "r"(cairn_rseq_at(view->id)),
          [entries] "r"(entries), [class_idx] "r"(class_idx),
          [slots] "i"(CAIRN_RSEQ_SLOTS_OFFSET)
        : CAIRN_RSEQ_CLOBBERS "x9", "x10", "x11", "x16", "x17", "cc", "memory"
        : slow);
    /* GCC before 14 may miss what an `asm goto` with a result does to the code behind it: GCC bug
       113921. */
    __asm__ volatile("");
    if (block == NULL)
        __builtin_unreachable(); /* or callers would test it again */
    return block;
slow:
    /* likewise, or the NULL may lie in a register that the sequence changes */
    __asm__ volatile("");
    return NULL;
}

/* True when the block is in; false when there is no room, or it is one of the two newest of its
   array already, or by chance. */
CAIRN_HOT_INLINE bool cairn_rseq_push(const struct cairn_rseq_view *view,
                                      const struct cairn_percpu_entry *entries, size_t class_idx,
                                      void *block)
{
    __asm__ volatile goto(
        CAIRN_RSEQ_ARM(slow) CAIRN_RSEQ_SHARD
        "lsr w12, w10, #16\n\t" CAIRN_RSEQ_GAP(7)
        "cbz w12, %l[slow]\n\t" CAIRN_RSEQ_GAP(8)
        "and w11, w10, #0xffff\n\t" CAIRN_RSEQ_GAP(9)
        "add x11, x9, x11, lsl #3\n\t" CAIRN_RSEQ_GAP(10)
        "ldr x12, [x11, #%c[slots] - 8]\n\t" CAIRN_RSEQ_GAP(11)
        "cmp x12, %[block]\n\t" CAIRN_RSEQ_GAP(12)
        "b.eq %l[slow]\n\t" CAIRN_RSEQ_GAP(13)
        "ldr x12, [x11, #%c[slots] - 16]\n\t" CAIRN_RSEQ_GAP(14)
        "cmp x12, %[block]\n\t" CAIRN_RSEQ_GAP(15)
        "b.eq %l[slow]\n\t" CAIRN_RSEQ_GAP(16)
        "str %[block], [x11, #%c[slots]]\n\t" CAIRN_RSEQ_GAP(17)
        "mov w12, #0xffff\n\t" CAIRN_RSEQ_GAP(18)
        "sub w10, w10, w12\n\t" CAIRN_RSEQ_GAP(19)
        "str w10, [x9, %[class_idx], lsl #2]\n"
        "2:"
        :
        : [area] "r"(cairn_rseq_at(view->area)), [id] "r"(cairn_rseq_at(view->id)),
          [entries] "r"(entries), [class_idx] "r"(class_idx), [block] "r"(block),
          [slots] "i"(CAIRN_RSEQ_SLOTS_OFFSET)
        : CAIRN_RSEQ_CLOBBERS "x9", "x10", "x11", "x12", "x16", "x17", "cc",
          "memory"
        : slow);
    return true;
slow:
    return false;
}

/* The same for a class that is counted from 1, as kinds of the pagemap are. */
CAIRN_HOT_INLINE bool cairn_rseq_push_from_1(const struct cairn_rseq_view *view,
                                             const struct cairn_percpu_entry *entries,
                                             size_t class_idx, void *block)
{
    return cairn_rseq_push(view, entries, class_idx - 1, block);
}

/* Puts the stopped shard into the entry of `id`, if this thread has that id. True when it did; it
   may fail at any time. */
CAIRN_HOT_INLINE bool cairn_rseq_stop(const struct cairn_rseq_view *view, uint32_t id,
                             struct cairn_percpu_shard *stopped)
{
    __asm__ volatile goto(
        CAIRN_RSEQ_ARM(moved)
        "ldr w9, [%[area], #4]\n\t" CAIRN_RSEQ_GAP(1)
        "tbnz w9, #31, %l[moved]\n\t" CAIRN_RSEQ_GAP(2)
        "ldr w9, [%[id]]\n\t" CAIRN_RSEQ_GAP(3)
        "cmp w9, %w[expected]\n\t" CAIRN_RSEQ_GAP(4)
        "b.ne %l[moved]\n\t" CAIRN_RSEQ_GAP(5)
        "str %[stopped], [%[entry]]\n"
        "2:"
        :
        : [area] "r"(cairn_rseq_at(view->area)), [id] "r"(cairn_rseq_at(view->id)),
          [expected] "r"(id), [stopped] "r"(stopped), [entry] "r"(&view->entries[id].shard)
        : CAIRN_RSEQ_CLOBBERS "x9", "x16", "x17", "cc", "memory"
        : moved);
    return true;
moved:
    return false;
}

/* clang-format on */

#endif
