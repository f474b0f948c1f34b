/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/*
 * Preloaded behind the allocator under test: before main, each program appends one line to the file named
 * by CAIRN_TEST_WITNESS, "pid program object", the object being the one that malloc was bound to. So a test
 * can prove that a program really ran on the allocator it was meant to run on. Allocates nothing itself.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void program_name(char *name, size_t capacity)
{
    ssize_t length = readlink("/proc/self/exe", name, capacity - 1);
    name[length > 0 ? length : 0] = '\0';
}

__attribute__((constructor)) static void bear_witness(void)
{
    const char *path = getenv("CAIRN_TEST_WITNESS");
    if (path == NULL) return;
    Dl_info object = {0};
    char program[1024];
    char line[4096];
    program_name(program, sizeof program);
    int known = dladdr((void *)(uintptr_t)&malloc, &object);
    int length = snprintf(line, sizeof line, "%d %s %s\n", (int)getpid(), program,
                          known && object.dli_fname != NULL ? object.dli_fname : "unknown");
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0 || length <= 0) return;
    ssize_t written = write(fd, line, (size_t)length);
    (void)written;
    close(fd);
}
