/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * cpu_rseq.c - the area in which the kernel shows each thread its CPU: libc's, or our own where
 * libc made none.
 *
 * The kernel keeps one area per thread: the first that is registered. A second registration fails.
 * So libc's is used where it exists, and it is only ever read: its fields belong to the kernel,
 * which kills those who write them.
 *
 * Libc's area. glibc 2.35 and later say where it is: __rseq_offset and __rseq_size. They are weak
 * here, so that this file links with any libc. __rseq_size is 0 when glibc did not register
 * (glibc.pthread.rseq=0, seccomp, an old kernel, valgrind, qemu); its cpu_id then reads -2.
 *
 * Our own area is a thread-local variable, registered by each thread at its first call. It is never
 * unregistered, and it need not be. The kernel writes the area when the thread returns to user
 * mode, so it must stay mapped as long as the thread runs in user mode:
 *
 *     glibc   static thread-local storage lies in the thread's stack block. That is unmapped or
 *             given to another thread only once the kernel has cleared the thread's tid, which it
 *             does inside exit(2), after which the thread never sees user mode again. The next
 *             thread on the block gets the area initialised anew: cpu_id is -1, and it registers
 *             for itself.
 *     musl    a detached thread unmaps its own stack block and then calls exit(2): between the two
 *             it runs in user mode with the area gone, and a pre-emption there would kill the
 *             process. So not on musl: libc is taken to be glibc only when it has
 *             gnu_get_libc_version or __rseq_size, and others use getcpu.
 *     dlclose of the object that holds this file would leave registered areas behind in storage that another object
 *             may get, and, in libc's areas too, the address of a descriptor: such an object is linked to stay
 *             (-z nodelete, percpu.h).
 *
 * fork: the child inherits the registration together with the area. vfork, CLONE_VM: the kernel
 * drops it for the child, which then reads the last id of its parent: a hint out of date, as any
 * may be. Where that is not enough, the parent gives its area up before and takes it again after:
 * suspend and resume, below. Meanwhile both read -1.
 *
 * Threads. Safe, and signal-safe: a handler that registers between our test and our system call
 * makes the latter answer -EBUSY, which means that this very area is already registered.
 */

#include "cpu_internal.h"

#include <cairn/base/check.h>
#include <cairn/base/syscall.h>
#include <cairn/percpu/rseq.h>

#include <errno.h>
#include <string.h>

/* As <sys/rseq.h> declares them, but weak: their address is NULL where libc has none. */
extern const ptrdiff_t __rseq_offset CAIRN_WEAK;
extern const unsigned int __rseq_size CAIRN_WEAK;
extern const char *gnu_get_libc_version(void) CAIRN_WEAK;

/* The kernel's first struct rseq, the size that every kernel with rseq accepts. */
struct rseq_area {
    uint32_t cpu_id_start;
    int32_t cpu_id;
    uint64_t rseq_cs;
    uint32_t flags;
    uint32_t node_id;
    uint32_t mm_cid;
    uint32_t end;
} __attribute__((aligned(32)));

CAIRN_STATIC_ASSERT(sizeof(struct rseq_area) == 32, "the kernel knows no smaller area");
CAIRN_STATIC_ASSERT(offsetof(struct rseq_area, cpu_id) == 4, "cpu_arch.h reads it at 4");
CAIRN_STATIC_ASSERT(offsetof(struct rseq_area, mm_cid) == 24, "the kernel's layout");

enum { RSEQ_UNREGISTER = 1 }; /* a flag of the system call */

enum { CPU_ID_END = offsetof(struct rseq_area, cpu_id) + sizeof(int32_t) };

static __thread struct rseq_area own_area __attribute__((tls_model("initial-exec"))) = {
    .cpu_id = -1,
};

/* Sequences of a process in lock mode arm this one, find no id, and take the slow path. */
static __thread struct rseq_area unregistered_area
    __attribute__((tls_model("initial-exec"))) = {.cpu_id = -1};

/* The kernel refused it; or this thread suspended it, and neither a signal handler nor a child of
   vfork(), with which it shares this variable, is to register it meanwhile. */
static __thread bool own_refused __attribute__((tls_model("initial-exec")));

ptrdiff_t cairn_cpu_rseq_unregistered(void)
{
    return (ptrdiff_t)((uintptr_t)&unregistered_area - cpu_thread_pointer());
}

bool cairn_cpu_rseq_libc(ptrdiff_t *rseq_offset)
{
    if (!CPU_HAS_RSEQ || &__rseq_offset == NULL || &__rseq_size == NULL)
        return false;
    if (__rseq_size < CPU_ID_END || cpu_rseq_load_id(__rseq_offset) < 0)
        return false;
    *rseq_offset = __rseq_offset;
    return true;
}

/* __rseq_size as well, for a static program need not contain the function. */
static bool libc_is_glibc(void)
{
    return gnu_get_libc_version != NULL || &__rseq_size != NULL;
}

/* True when the kernel has this thread's area. */
static bool register_own(void)
{
    long result;

    if (!CPU_HAS_RSEQ || !libc_is_glibc())
        return false;
    result = cairn_syscall4(CPU_RSEQ_SYSCALL, &own_area, sizeof(own_area), 0, CPU_RSEQ_SIGNATURE);
    return result == 0 || result == -EBUSY;
}

bool cairn_cpu_rseq_own(ptrdiff_t *rseq_offset)
{
    if (own_refused)
        return false;
    *rseq_offset = (ptrdiff_t)((uintptr_t)&own_area - cpu_thread_pointer());
    if (cpu_rseq_load_id(*rseq_offset) >= 0)
        return true;
    if (!register_own() || cpu_rseq_load_id(*rseq_offset) < 0) {
        own_refused = true;
        return false;
    }
    CAIRN_ASSERT(((uintptr_t)&own_area & 31) == 0);
    return true;
}

/* The kernel wants the length that the area was registered with. glibc since 2.35 names the bytes
   in use, and registers no less than the kernel's first struct. */
static size_t area_bytes(bool is_own)
{
    if (is_own || &__rseq_size == NULL || __rseq_size < sizeof(struct rseq_area))
        return sizeof(struct rseq_area);
    return __rseq_size;
}

static bool ask_kernel(ptrdiff_t rseq_offset, bool is_own, int flags)
{
    return cairn_syscall4(CPU_RSEQ_SYSCALL, cairn_rseq_at(rseq_offset), area_bytes(is_own), flags,
                          CPU_RSEQ_SIGNATURE) == 0;
}

/* An area of ours that is not registered yet must not be registered by other code meanwhile. */
bool cairn_cpu_rseq_suspend(ptrdiff_t rseq_offset, bool is_own)
{
    if (!CPU_HAS_RSEQ || (is_own && own_refused))
        return false;
    own_refused = is_own;
    if (cpu_rseq_load_id(rseq_offset) < 0)
        return is_own;
    if (ask_kernel(rseq_offset, is_own, RSEQ_UNREGISTER))
        return true;
    own_refused = false;
    return false;
}

bool cairn_cpu_rseq_resume(ptrdiff_t rseq_offset, bool is_own)
{
    own_refused = false;
    /* Some kernels would read what was armed last, by the child perhaps. */
    memset(cairn_rseq_at(rseq_offset) + RSEQ_CS, 0, sizeof(uint64_t));
    return ask_kernel(rseq_offset, is_own, 0);
}
