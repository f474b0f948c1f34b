/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * rseq_x86_64.h - the sequences of rseq.h in instructions of x86-64.
 *
 * %fs is the thread pointer; `area` and `id` are distances from it. struct rseq: cpu_id at 4,
 * rseq_cs at 8.
 *
 * Each use emits a descriptor (section __rseq_cs) and an abort handler (section __rseq_failure):
 * four bytes of signature, which the kernel insists on, dressed as the operand of an undefined
 * instruction so that disassemblers stay in step, then a jump to where the sequence goes in vain.
 * No register that the caller named was changed by then.
 *
 * The question marks after the sections' flags: where a sequence lies in a function of which the
 * linker keeps one copy of several (C++), its descriptor goes with it.
 *
 * `volatile` is implied for an `asm goto`, but GCC 12 forgets it where there is a result, and
 * deletes a pop whose block is only compared with NULL (GCC bug 98619).
 *
 * CAIRN_RSEQ_GAP(n) stands in every gap between two instructions of a sequence. It is empty, but in
 * the tests that stretch each gap in turn and count the aborts.
 */

#ifndef CAIRN_PERCPU_RSEQ_X86_64_H
#define CAIRN_PERCPU_RSEQ_X86_64_H

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

/* 1: start, 2: just behind the commit, 3: descriptor, 4: abort handler. */
#define CAIRN_RSEQ_ARM(in_vain)                                                                    \
    ".pushsection __rseq_cs, \"aw?\", @progbits\n\t"                                               \
    ".balign 32\n"                                                                                 \
    "3:\n\t"                                                                                       \
    ".long 0, 0\n\t"                                                                               \
    ".quad 1f, 2f - 1f, 4f\n\t"                                                                    \
    ".popsection\n\t"                                                                              \
    ".pushsection __rseq_failure, \"ax?\", @progbits\n\t"                                          \
    ".byte 0x0f, 0xb9, 0x3d\n\t"                                                                   \
    ".long 0x53053053\n"                                                                           \
    "4:\n\t" CAIRN_RSEQ_ABORTED                                                                    \
    "jmp %l[" #in_vain "]\n\t"                                                                     \
    ".popsection\n"                                                                                \
    "leaq 3b(%%rip), %%rax\n\t"                                                                    \
    "movq %%rax, %%fs:8(%[area])\n"                                                                \
    "1:\n\t" CAIRN_RSEQ_GAP(0)

/* %rdx: the shard of this thread's id; %ecx: the header. */
#define CAIRN_RSEQ_SHARD                                                                           \
    "cmpl $0, %%fs:4(%[area])\n\t" CAIRN_RSEQ_GAP(1)                                               \
    "js %l[slow]\n\t" CAIRN_RSEQ_GAP(2)                                                            \
    "movl %%fs:(%[id]), %%eax\n\t" CAIRN_RSEQ_GAP(3)                                               \
    "shll $7, %%eax\n\t" CAIRN_RSEQ_GAP(4)                                                         \
    "movq (%[entries], %%rax), %%rdx\n\t" CAIRN_RSEQ_GAP(5)                                        \
    "movl %c[headers](%%rdx, %[class_idx], 4), %%ecx\n\t" CAIRN_RSEQ_GAP(6)

/* The newest block of a class on this CPU, or NULL: ask the slow path. There may be one all the
   same. */
CAIRN_HOT_INLINE void *cairn_rseq_pop(const struct cairn_rseq_view *view,
                                      const struct cairn_percpu_entry *entries, size_t class_idx)
{
    void *block;

    __asm__ volatile goto(
        CAIRN_RSEQ_ARM(slow) CAIRN_RSEQ_SHARD
        "movzwl %%cx, %%eax\n\t" CAIRN_RSEQ_GAP(7)
        "movq %c[slots] - 8(%%rdx, %%rax, 8), %[block]\n\t" CAIRN_RSEQ_GAP(8)
        "testq %[block], %[block]\n\t" CAIRN_RSEQ_GAP(9)
        "je %l[slow]\n\t" CAIRN_RSEQ_GAP(10)
        "addl $0xffff, %%ecx\n\t" CAIRN_RSEQ_GAP(11)
        "movl %%ecx, %c[headers](%%rdx, %[class_idx], 4)\n"
        "2:"
        : [block] "=&a"(block)
        : [area] "r"(view->area), [id] "r"(view->id), [entries] "r"(entries),
          [class_idx] "r"(class_idx), [slots] "i"(CAIRN_RSEQ_SLOTS_OFFSET), [headers] "i"(0)
        : CAIRN_RSEQ_CLOBBERS "rcx", "rdx", "cc", "memory"
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

/* The body of a push, for a class that is counted from `first`: the header of the first class is
   that of number `first`. */
#define CAIRN_RSEQ_PUSH(first)                                                                     \
    __asm__ volatile goto(                                                                         \
        CAIRN_RSEQ_ARM(slow) CAIRN_RSEQ_SHARD                                                      \
        "movzwl %%cx, %%eax\n\t" CAIRN_RSEQ_GAP(7)                                                 \
        "addl $0xffff0001, %%ecx\n\t" CAIRN_RSEQ_GAP(8) /* no carry: no room */                    \
        "jnc %l[slow]\n\t" CAIRN_RSEQ_GAP(9)                                                       \
        "cmpq %[block], %c[slots] - 8(%%rdx, %%rax, 8)\n\t" CAIRN_RSEQ_GAP(10)                     \
        "je %l[slow]\n\t" CAIRN_RSEQ_GAP(11)                                                       \
        "cmpq %[block], %c[slots] - 16(%%rdx, %%rax, 8)\n\t" CAIRN_RSEQ_GAP(12)                    \
        "je %l[slow]\n\t" CAIRN_RSEQ_GAP(13)                                                       \
        "movq %[block], %c[slots](%%rdx, %%rax, 8)\n\t" CAIRN_RSEQ_GAP(14)                         \
        "movl %%ecx, %c[headers](%%rdx, %[class_idx], 4)\n"                                        \
        "2:"                                                                                       \
        :                                                                                          \
        : [area] "r"(view->area), [id] "r"(view->id), [entries] "r"(entries),                      \
          [class_idx] "r"(class_idx), [block] "r"(block),                                          \
          [slots] "i"(CAIRN_RSEQ_SLOTS_OFFSET), [headers] "i"(-4 * (first))                        \
        : CAIRN_RSEQ_CLOBBERS "rax", "rcx", "rdx", "cc", "memory"                                  \
        : slow)

/* True when the block is in; false when there is no room, or it is one of the two newest of its
   array already, or by chance. */
CAIRN_HOT_INLINE bool cairn_rseq_push(const struct cairn_rseq_view *view,
                                      const struct cairn_percpu_entry *entries, size_t class_idx,
                                      void *block)
{
    CAIRN_RSEQ_PUSH(0);
    return true;
slow:
    return false;
}

/* The same for a class that is counted from 1, as kinds of the pagemap are. */
CAIRN_HOT_INLINE bool cairn_rseq_push_from_1(const struct cairn_rseq_view *view,
                                             const struct cairn_percpu_entry *entries,
                                             size_t class_idx, void *block)
{
    CAIRN_RSEQ_PUSH(1);
    return true;
slow:
    return false;
}

/* Puts the stopped shard into the entry of `id`, if this thread has that id. True when it did; it
   may fail at any time. */
CAIRN_HOT_INLINE bool cairn_rseq_stop(const struct cairn_rseq_view *view, uint32_t id,
                             struct cairn_percpu_shard *stopped)
{
    __asm__ volatile goto(
        CAIRN_RSEQ_ARM(moved)
        "cmpl $0, %%fs:4(%[area])\n\t" CAIRN_RSEQ_GAP(1)
        "js %l[moved]\n\t" CAIRN_RSEQ_GAP(2)
        "cmpl %[expected], %%fs:(%[id])\n\t" CAIRN_RSEQ_GAP(3)
        "jne %l[moved]\n\t" CAIRN_RSEQ_GAP(4)
        "movq %[stopped], (%[entry])\n"
        "2:"
        :
        : [area] "r"(view->area), [id] "r"(view->id), [expected] "r"(id),
          [stopped] "r"(stopped), [entry] "r"(&view->entries[id].shard)
        : CAIRN_RSEQ_CLOBBERS "rax", "cc", "memory"
        : moved);
    return true;
moved:
    return false;
}

/* clang-format on */

#endif
