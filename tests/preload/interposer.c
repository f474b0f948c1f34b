/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/*
 * Preloaded behind the allocator under test: stands before every function that the allocator
 * imports, as tracers, fake clocks and sanitizers do, and uses the heap before it calls the real
 * one. interposed.inc lists the functions, a line WRAP(name, idx) each, counted from 1; it is made
 * from the library itself.
 *
 * What a function takes and gives is not known here, so a wrapper is a few instructions: it saves
 * what can be an argument, calls use_the_heap(), and jumps to the real function, found once by
 * dlsym(). A thread that is within a wrapper already goes straight to it.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

static const char *const names[] = {
#define WRAP(name, idx) #name,
#include "tests/preload/interposed.inc"
#undef WRAP
};

enum { WRAPPED_COUNT = sizeof(names) / sizeof(names[0]) };

static void *real[WRAPPED_COUNT];
static unsigned long calls[WRAPPED_COUNT];

/* How many wrappers this thread is in. */
static __thread int depth __attribute__((tls_model("initial-exec")));

static void use_the_heap(void)
{
    volatile unsigned char *block = malloc(60000);

    if (block == NULL)
        return;
    block[0] = 1;
    block = realloc((void *)(uintptr_t)block, 200000);
    if (block != NULL && block[0] != 1)
        abort();
    free((void *)(uintptr_t)block);
    free(malloc(24));
}

void *interposer_enter(unsigned long idx);

/* Called by each wrapper. Returns where it goes on. */
__attribute__((used, visibility("hidden"))) void *interposer_enter(unsigned long idx)
{
    idx--;
    if (depth++ == 0) {
        __atomic_fetch_add(&calls[idx], 1, __ATOMIC_RELAXED);
        use_the_heap();
    }
    if (real[idx] == NULL)
        real[idx] = dlsym(RTLD_NEXT, names[idx]);
    depth--;
    return real[idx];
}

/* For the test: how many functions were called. */
__attribute__((visibility("default"))) int interposer_called(void);

int interposer_called(void)
{
    int called = 0;

    for (int idx = 0; idx < WRAPPED_COUNT; idx++)
        called += calls[idx] > 0;
    return called;
}

#if defined(__x86_64__)

/* rax: how many vector registers a variadic call uses. 8 registers below 8 vectors, and 8 bytes
   that align the stack. */
__asm__(".macro WRAPPER name, idx\n"
        ".globl \\name\n"
        ".type \\name, @function\n"
        "\\name:\n"
        "  push $\\idx\n"
        "  jmp interposer_common\n"
        ".endm\n"
        "interposer_common:\n"
        "  push %rax\n push %rdi\n push %rsi\n push %rdx\n push %rcx\n push %r8\n push %r9\n"
        "  sub $136, %rsp\n"
        "  movups %xmm0, (%rsp)\n movups %xmm1, 16(%rsp)\n movups %xmm2, 32(%rsp)\n"
        "  movups %xmm3, 48(%rsp)\n movups %xmm4, 64(%rsp)\n movups %xmm5, 80(%rsp)\n"
        "  movups %xmm6, 96(%rsp)\n movups %xmm7, 112(%rsp)\n"
        "  mov 192(%rsp), %rdi\n"
        "  call interposer_enter\n"
        "  mov %rax, 192(%rsp)\n"
        "  movups (%rsp), %xmm0\n movups 16(%rsp), %xmm1\n movups 32(%rsp), %xmm2\n"
        "  movups 48(%rsp), %xmm3\n movups 64(%rsp), %xmm4\n movups 80(%rsp), %xmm5\n"
        "  movups 96(%rsp), %xmm6\n movups 112(%rsp), %xmm7\n"
        "  add $136, %rsp\n"
        "  pop %r9\n pop %r8\n pop %rcx\n pop %rdx\n pop %rsi\n pop %rdi\n pop %rax\n"
        "  pop %r11\n"
        "  jmp *%r11\n");

#elif defined(__aarch64__)

__asm__(".macro WRAPPER name, idx\n"
        ".globl \\name\n"
        ".type \\name, %function\n"
        "\\name:\n"
        "  mov x16, #\\idx\n"
        "  b interposer_common\n"
        ".endm\n"
        "interposer_common:\n"
        "  sub sp, sp, #224\n"
        "  stp x0, x1, [sp]\n stp x2, x3, [sp, #16]\n stp x4, x5, [sp, #32]\n"
        "  stp x6, x7, [sp, #48]\n stp x8, x30, [sp, #64]\n"
        "  stp q0, q1, [sp, #96]\n stp q2, q3, [sp, #128]\n"
        "  stp q4, q5, [sp, #160]\n stp q6, q7, [sp, #192]\n"
        "  mov x0, x16\n"
        "  bl interposer_enter\n"
        "  mov x16, x0\n"
        "  ldp q6, q7, [sp, #192]\n ldp q4, q5, [sp, #160]\n"
        "  ldp q2, q3, [sp, #128]\n ldp q0, q1, [sp, #96]\n"
        "  ldp x8, x30, [sp, #64]\n ldp x6, x7, [sp, #48]\n"
        "  ldp x4, x5, [sp, #32]\n ldp x2, x3, [sp, #16]\n ldp x0, x1, [sp]\n"
        "  add sp, sp, #224\n"
        "  br x16\n");

#endif

#define WRAP(name, idx) __asm__("WRAPPER " #name ", " #idx);
#include "tests/preload/interposed.inc"
