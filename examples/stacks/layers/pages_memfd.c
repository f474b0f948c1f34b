/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* Pages of a file in memory: what is mapped shows as /memfd:heap in /proc/PID/maps. All but the
   mapping is the kernel's way. */

#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include <cairn/stack.h>

static int file = -1;
static off_t file_bytes;

static void *map_file(void *self, size_t length_bytes, bool is_accessible)
{
    off_t offset = __atomic_fetch_add(&file_bytes, (off_t)length_bytes, __ATOMIC_RELAXED);
    int rights = is_accessible ? PROT_READ | PROT_WRITE : PROT_NONE;
    void *base;

    (void)self;
    if (ftruncate(file, offset + (off_t)length_bytes) != 0)
        return NULL;
    base = mmap(NULL, length_bytes, rights, MAP_PRIVATE, file, offset);
    return base == MAP_FAILED ? NULL : base;
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
    return (struct cairn_os){&ops, os.self};
}
