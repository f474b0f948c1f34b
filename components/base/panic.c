/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * panic.c - the last line that a misused allocator prints.
 *
 * Composed on the stack and written with one write(2), so that lines of several threads do not mix
 * and nothing here can call back into an allocator. The signal is raised by the thread itself, so
 * that debuggers and core dumps show the caller; a program can neither block nor ignore it, nor
 * return from it.
 */

#include <cairn/base/check.h>
#include <cairn/base/syscall.h>

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

enum { LINE_BYTES = 256 };

struct line {
    char text[LINE_BYTES];
    size_t used;
};

static void add_text(struct line *line, const char *text)
{
    while (*text != '\0' && line->used < LINE_BYTES - 1)
        line->text[line->used++] = *text++;
}

static void add_hex(struct line *line, uintptr_t value)
{
    char digits[2 * sizeof(value) + 1];
    size_t at = sizeof(digits) - 1;

    digits[at] = '\0';
    do {
        digits[--at] = "0123456789abcdef"[value & 15];
        value >>= 4;
    } while (value != 0);
    add_text(line, "0x");
    add_text(line, &digits[at]);
}

/* To this thread, unblocked. */
static void raise_abort(void)
{
    uint64_t mask = (uint64_t)1 << (SIGABRT - 1);
    long pid = cairn_syscall1(SYS_getpid, 0);
    long tid = cairn_syscall1(SYS_gettid, 0);

    cairn_syscall4(SYS_rt_sigprocmask, SIG_UNBLOCK, &mask, 0, sizeof(mask));
    cairn_syscall3(SYS_tgkill, pid, tid, SIGABRT);
}

/* First as the program wants it, then, if its handler returned or it ignores the signal, with the
   default action. The trap is for the init process of a container, which no signal of its own
   ends. */
static CAIRN_NORETURN void abort_thread(void)
{
    /* The kernel's struct sigaction, which is at most this long; zero is SIG_DFL, no flags, empty
       mask. */
    const uint64_t default_action[4] = {0};

    raise_abort();
    cairn_syscall4(SYS_rt_sigaction, SIGABRT, default_action, 0, sizeof(uint64_t));
    raise_abort();
    __builtin_trap();
}

void (*cairn_panic_hook)(void);

CAIRN_WEAK void cairn_panic(const char *what, const void *pointer, const char *where)
{
    struct line line;

    line.used = 0;
    add_text(&line, "cairn: ");
    add_text(&line, what);
    if (pointer != NULL) {
        add_text(&line, " (pointer ");
        add_hex(&line, (uintptr_t)pointer);
        add_text(&line, ")");
    }
    add_text(&line, " in ");
    add_text(&line, where);
    line.text[line.used++] = '\n';
    cairn_syscall3(SYS_write, 2, line.text, line.used);
    if (cairn_panic_hook != NULL)
        cairn_panic_hook();
    abort_thread();
}
