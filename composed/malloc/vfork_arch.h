/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * vfork_arch.h - the wrapper around the system call, by architecture; vfork.c says what for. To be included once.
 *
 *     has_left = cairn_vfork_begin()
 *     return address -> register               the child will overwrite the stack
 *     system call
 *     child:    go to the return address, 0
 *     parent:   return cairn_vfork_end(result, has_left)
 *
 * Shadow stacks. Parent and child share one, each with a pointer of its own. The child therefore jumps to its return address
 * instead of returning: what it does not pop, its calls do not overwrite, and the parent can return by it. Where indirect
 * jumps must land on a marked instruction, compilers put one behind each call of vfork.
 */

#ifndef CAIRN_COMPOSED_MALLOC_VFORK_ARCH_H
#define CAIRN_COMPOSED_MALLOC_VFORK_ARCH_H

/* One instruction a line. */
/* clang-format off */

#if defined(__x86_64__)

/* The system call changes %rax, %rcx and %r11. 58: vfork. */
__asm__(
    ".pushsection .text.vfork, \"ax\", @progbits\n\t"
    ".globl vfork\n\t"
    ".type vfork, @function\n\t"
    ".balign 16\n"
    "vfork:\n\t"
    ".cfi_startproc\n\t"
    "endbr64\n\t"
    "subq $8, %rsp\n\t" /* to a multiple of 16 */
    ".cfi_adjust_cfa_offset 8\n\t"
    "call cairn_vfork_begin\n\t"
    "addq $8, %rsp\n\t"
    ".cfi_adjust_cfa_offset -8\n\t"
    "movl %eax, %esi\n\t"
    "popq %rdi\n\t"
    ".cfi_adjust_cfa_offset -8\n\t"
    ".cfi_register %rip, %rdi\n\t"
    "movl $58, %eax\n\t"
    "syscall\n\t"
    "testq %rax, %rax\n\t"
    "jne 1f\n\t"
    "jmp *%rdi\n"
    "1:\n\t"
    "pushq %rdi\n\t"
    ".cfi_adjust_cfa_offset 8\n\t"
    ".cfi_offset %rip, -8\n\t"
    "movq %rax, %rdi\n\t"
    "jmp cairn_vfork_end\n\t"
    ".cfi_endproc\n\t"
    ".size vfork, . - vfork\n\t"
    ".popsection\n");

#elif defined(__aarch64__)

/* The system call changes x0 alone. 220: clone, of CLONE_VFORK | CLONE_VM | SIGCHLD, on the same stack. hint 34: bti c;
   hint 40: chkfeat x16, which clears bit 0 where there is a guarded control stack. */
__asm__(
    ".pushsection .text.vfork, \"ax\", %progbits\n\t"
    ".globl vfork\n\t"
    ".type vfork, %function\n\t"
    ".balign 16\n"
    "vfork:\n\t"
    ".cfi_startproc\n\t"
    "hint #34\n\t"
    "stp x29, x30, [sp, #-16]!\n\t"
    ".cfi_def_cfa_offset 16\n\t"
    ".cfi_offset x29, -16\n\t"
    ".cfi_offset x30, -8\n\t"
    "bl cairn_vfork_begin\n\t"
    "mov w9, w0\n\t"
    "ldp x29, x30, [sp], #16\n\t"
    ".cfi_def_cfa_offset 0\n\t"
    ".cfi_restore x29\n\t"
    ".cfi_restore x30\n\t"
    "mov x0, #0x4111\n\t"
    "mov x1, #0\n\t"
    "mov x2, #0\n\t"
    "mov x3, #0\n\t"
    "mov x4, #0\n\t"
    "mov x8, #220\n\t"
    "svc #0\n\t"
    "cbnz x0, 1f\n\t"
    "mov x16, #1\n\t"
    "hint #40\n\t"
    "cbz x16, 2f\n\t"
    "ret\n"
    "2:\n\t"
    "br x30\n"
    "1:\n\t"
    "mov w1, w9\n\t"
    "b cairn_vfork_end\n\t"
    ".cfi_endproc\n\t"
    ".size vfork, . - vfork\n\t"
    ".popsection\n");

#endif

/* clang-format on */

#endif
