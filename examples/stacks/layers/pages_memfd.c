/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* Pages of a file in memory: what is mapped shows as /memfd:heap in /proc/PID/maps. All but the
   mapping is the kernel's way; the data segment is not used. */

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cairn/stack.h>

static int file = -1;
static off_t file_bytes;

static void *map_file(void *self, size_t length_bytes, bool is_accessible)
{
    off_t offset = __atomic_fetch_add(&file_bytes, (off_t)length_bytes, __ATOMIC_RELAXED);
    int rights = is_accessible ? PROT_READ | PROT_WRITE : PROT_NONE;
    int saved = errno; /* the program's */
    void *base = MAP_FAILED;

    (void)self;
    if (ftruncate(file, offset + (off_t)length_bytes) == 0)
        base = mmap(NULL, length_bytes, rights, MAP_PRIVATE, file, offset);
    errno = saved;
    return base == MAP_FAILED ? NULL : base;
}

/* What lies behind a mapping in the file is another's. */
static void *keep_length(void *self, void *base, size_t old_bytes, size_t new_bytes, bool may_move)
{
    (void)self, (void)base, (void)old_bytes, (void)new_bytes, (void)may_move;
    return NULL;
}

/* The data segment is not of the file. */
static void *no_break(void *self, intptr_t delta_bytes)
{
    (void)self, (void)delta_bytes;
    return NULL;
}

struct cairn_os cairn_stack_pages(void)
{
    static struct cairn_os_ops ops;
    struct cairn_os os = cairn_os_linux();

    if (file < 0)
        file = memfd_create("heap", MFD_CLOEXEC);
    ops = *os.ops;
    ops.name = "memfd";
    ops.map = map_file;
    ops.remap = keep_length;
    ops.sbrk = no_break;
    return (struct cairn_os){&ops, os.self};
}
