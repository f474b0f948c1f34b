/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * vfork.S - the instructions of vfork and clone that C has no words for, by architecture; vfork.c
 * and clone.c say what for.
 *
 *     vfork             has_left = cairn_vfork_begin()
 *                       return address -> register           the child will overwrite the stack
 *                       system call
 *                       child:    go to the return address, 0
 *                       parent:   return cairn_vfork_end(result, has_left)
 *
 *     clone             cairn_clone(), under the name that programs know
 *     cairn_clone_raw   function and argument -> the child's stack, or registers
 *                       system call
 *                       child:    exit(function(argument))
 *                       parent:   return the result
 *
 * Shadow stacks. A child of vfork shares its parent's, each with a pointer of its own. The child
 * therefore jumps to its return address instead of returning: what it does not pop, its calls do
 * not overwrite, and the parent can return by it. Where indirect jumps must land on a marked
 * instruction, compilers put one behind each call of vfork. clone has no such trouble: its child
 * never returns.
 *
 * Under a sanitizer, vfork is the sanitizer's (libc/sanitizer.h): it has to know of what the child
 * leaves on the stack.
 *
 * A file of its own, for what is assembled inside a C file is unknown to link-time optimisation. On
 * other architectures it is empty: libc's vfork and clone remain, and lock mode needs no others.
 */

#include "composed/libc/export.h"

#define FUNCTION(name)                                                                             \
    .pushsection .text.name, "ax", %progbits; .balign 16; .globl name; .type name, %function; name:
#define END(name) .size name, . - name; .popsection

#if defined(__x86_64__)

/* The system call changes %rax, %rcx and %r11. 56: clone, 58: vfork, 60: exit. */

FUNCTION(vfork)
    .cfi_startproc
    endbr64
    movq __interceptor_vfork@GOTPCREL(%rip), %rax
    testq %rax, %rax
    jne 2f
    subq $8, %rsp /* to a multiple of 16 */
    .cfi_adjust_cfa_offset 8
    call cairn_vfork_begin
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    movl %eax, %esi
    popq %rdi
    .cfi_adjust_cfa_offset -8
    .cfi_register %rip, %rdi
    movl $58, %eax
    syscall
    testq %rax, %rax
    jne 1f
    jmp *%rdi
1:
    pushq %rdi
    .cfi_adjust_cfa_offset 8
    .cfi_offset %rip, -8
    movq %rax, %rdi
    jmp cairn_vfork_end
2:
    jmp *%rax
    .cfi_endproc
END(vfork)

FUNCTION(clone)
    .cfi_startproc
    endbr64
    jmp cairn_clone
    .cfi_endproc
END(clone)

/* %rdi function, %rsi stack, %edx flags, %rcx argument, %r8 and %r9 and 8(%rsp): where to write the
   child's id in the parent, thread pointer, where in the child. */
FUNCTION(cairn_clone_raw)
    .cfi_startproc
    endbr64
    andq $-16, %rsi
    subq $16, %rsi
    movq %rdi, (%rsi)
    movq %rcx, 8(%rsi)
    movl %edx, %edi
    movq %r8, %rdx
    movq 8(%rsp), %r10
    movq %r9, %r8
    movl $56, %eax
    syscall
    testq %rax, %rax
    je 1f
    ret
1:
    .cfi_undefined %rip
    xorl %ebp, %ebp /* the outermost frame */
    popq %rax
    popq %rdi
    call *%rax
    movl %eax, %edi
    movl $60, %eax
    syscall
    hlt
    .cfi_endproc
END(cairn_clone_raw)

#elif defined(__aarch64__)

/* The system call changes x0 alone. 93: exit, 220: clone. hint 34: bti c; hint 40: chkfeat x16,
   which clears bit 0 where there is a guarded control stack. */

FUNCTION(vfork)
    .cfi_startproc
    hint #34
    adrp x16, :got:__interceptor_vfork
    ldr x16, [x16, :got_lo12:__interceptor_vfork]
    cbnz x16, 3f
    stp x29, x30, [sp, #-16]!
    .cfi_def_cfa_offset 16
    .cfi_offset x29, -16
    .cfi_offset x30, -8
    bl cairn_vfork_begin
    mov w9, w0
    ldp x29, x30, [sp], #16
    .cfi_def_cfa_offset 0
    .cfi_restore x29
    .cfi_restore x30
    mov x0, #0x4111 /* CLONE_VFORK | CLONE_VM | SIGCHLD, on the same stack */
    mov x1, #0
    mov x2, #0
    mov x3, #0
    mov x4, #0
    mov x8, #220
    svc #0
    cbnz x0, 1f
    mov x16, #1
    hint #40
    cbz x16, 2f
    ret
2:
    br x30
1:
    mov w1, w9
    b cairn_vfork_end
3:
    br x16
    .cfi_endproc
END(vfork)

FUNCTION(clone)
    .cfi_startproc
    hint #34
    b cairn_clone
    .cfi_endproc
END(clone)

/* x0 function, x1 stack, w2 flags, x3 argument, x4 to x6: where to write the child's id in the
   parent, thread pointer, where in the child. */
FUNCTION(cairn_clone_raw)
    .cfi_startproc
    hint #34
    mov x10, x0
    mov x11, x3
    and x1, x1, #-16
    mov w0, w2
    mov x2, x4
    mov x3, x5
    mov x4, x6
    mov x8, #220
    svc #0
    cbz x0, 1f
    ret
1:
    .cfi_undefined x30
    mov x29, #0 /* the outermost frame */
    mov x0, x11
    blr x10
    mov x8, #93
    svc #0
    brk #0
    .cfi_endproc
END(cairn_clone_raw)

#endif

    .hidden cairn_vfork_begin
    .hidden cairn_vfork_end
    .hidden cairn_clone
    .hidden cairn_clone_raw
    .weak __interceptor_vfork

/* What compilers say of their objects: no executable stack, and, where asked for, that indirect
   jumps find their marks. */
    .section .note.GNU-stack, "", %progbits

#if defined(__x86_64__) && defined(__CET__)
#define FEATURE_KIND 0xc0000002
#define FEATURES     __CET__
#elif defined(__aarch64__) && defined(__ARM_FEATURE_BTI_DEFAULT)
#define FEATURE_KIND 0xc0000000
#define FEATURES     1
#endif

#if defined(FEATURES)
    .section .note.gnu.property, "a", %note
    .balign 8
    .long 4, 16, 5
    .asciz "GNU"
    .long FEATURE_KIND, 4, FEATURES, 0
#endif
