/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * os_linux.c - the Linux kernel: each system call that moves memory, once.
 *
 * Raw system calls, so that nothing lies between (no interposer, no PLT before relocation is done,
 * no errno); only the break goes through libc, which remembers where it is and would not notice
 * otherwise. It goes by the name that glibc uses itself and that no library replaces; a libc
 * without that name is asked by the public one. A libc whose sbrk always refuses (musl) is answered
 * like a kernel that refuses.
 *
 * The allow-list for a seccomp filter: mmap, munmap, mprotect, madvise, mremap, brk; and futex
 * where there are threads. Any of them but mmap may be denied (EPERM, ENOSYS): less memory goes
 * back then, nothing else changes.
 */

#include <cairn/os.h>

#include <cairn/base/clock.h>
#include <cairn/base/syscall.h>

#include <errno.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { HUGE_SLOW_US = 1000 }; /* a huge page takes 0.1 ms, its small ones 1.5 (docs/kernel.md) */

/* Kernel addresses are below this; -errno, taken as an address, is above. */
static void *address_or_null(long result)
{
    return result < 0 && result >= -4095 ? NULL : (void *)result;
}

static size_t page_bytes(void *self)
{
    (void)self;
    return (size_t)getauxval(AT_PAGESZ);
}

static int rights(bool is_accessible)
{
    return is_accessible ? PROT_READ | PROT_WRITE : PROT_NONE;
}

static void *map(void *self, size_t length_bytes, bool is_accessible)
{
    (void)self;
    return address_or_null(cairn_syscall6(SYS_mmap, 0, (long)length_bytes, rights(is_accessible),
                                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static int unmap(void *self, void *base, size_t length_bytes)
{
    (void)self;
    return (int)cairn_syscall2(SYS_munmap, base, length_bytes);
}

/* Where a filter forbids mprotect, memory is opened by mapping it anew. Not after -ENOMEM: mmap may
   fail half-way then. */
static int protect(void *self, void *base, size_t length_bytes, bool is_accessible)
{
    long result = cairn_syscall3(SYS_mprotect, base, length_bytes, rights(is_accessible));

    (void)self;
    if (result == 0 || result == -ENOMEM || !is_accessible)
        return (int)result;
    result = cairn_syscall6(SYS_mmap, (long)base, (long)length_bytes, rights(true),
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    return result == (long)base ? 0 : (int)result;
}

static void mark_metadata(void *self, void *base, size_t length_bytes)
{
    (void)self;
    cairn_syscall3(SYS_madvise, base, length_bytes, MADV_NOHUGEPAGE);
    cairn_syscall3(SYS_madvise, base, length_bytes, MADV_DONTDUMP);
}

static int purge(void *self, void *base, size_t length_bytes)
{
    (void)self;
    return (int)cairn_syscall3(SYS_madvise, base, length_bytes, MADV_DONTNEED);
}

static int make_huge(void *self, void *base, size_t length_bytes, void *first, bool is_once)
{
    long result = cairn_syscall3(SYS_madvise, base, length_bytes, MADV_HUGEPAGE);
    uint64_t from_us;
    bool is_slow;

    (void)self;
    if (result != 0)
        return (int)result;
    from_us = cairn_clock_us();
    *(volatile char *)first = 0;
    is_slow = cairn_clock_us() - from_us >= HUGE_SLOW_US;
    if (is_once)
        cairn_syscall3(SYS_madvise, base, length_bytes, MADV_NOHUGEPAGE);
    return is_slow ? -EAGAIN : 0;
}

static void *remap(void *self, void *base, size_t old_bytes, size_t new_bytes, bool may_move)
{
    (void)self;
    return address_or_null(
        cairn_syscall4(SYS_mremap, base, old_bytes, new_bytes, may_move ? MREMAP_MAYMOVE : 0));
}

/* Where libc has it (glibc): sbrk by a name that no program defines. NULL elsewhere. */
extern CAIRN_WEAK CAIRN_EXPORT void *__sbrk(intptr_t delta_bytes);

/* Where a filter answered an earlier call of libc with an error, glibc keeps that as the break:
   there is none from then on. */
static void *libc_sbrk(intptr_t delta_bytes)
{
    int saved = errno;
    void *old_break = __sbrk != NULL ? __sbrk(delta_bytes) : sbrk(delta_bytes);

    errno = saved;
    return address_or_null((long)old_break);
}

/* The kernel is asked first: a filter that answers with an error instead of the old break makes
   glibc believe that the break has moved. libc then moves it to where it is. Not named after the
   call: libc's declaration is in scope. */
static void *move_break(void *self, intptr_t delta_bytes)
{
    char *old_break = libc_sbrk(0);
    char *wanted = old_break + delta_bytes;

    (void)self;
    if (delta_bytes == 0 || old_break == NULL)
        return old_break;
    if (cairn_syscall1(SYS_brk, wanted) != (long)wanted)
        return NULL;
    return libc_sbrk(delta_bytes);
}

static uint64_t now_ms(void *self)
{
    (void)self;
    return cairn_clock_ms();
}

static const struct cairn_os_ops linux_ops = {
    .name = "linux",
    .page_bytes = page_bytes,
    .map = map,
    .unmap = unmap,
    .protect = protect,
    .mark_metadata = mark_metadata,
    .purge = purge,
    .make_huge = make_huge,
    .remap = remap,
    .sbrk = move_break,
    .now_ms = now_ms,
};

struct cairn_os cairn_os_linux(void)
{
    struct cairn_os os = {&linux_ops, NULL};

    cairn_clock_init();
    return os;
}
