/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/*
 * Preloaded behind the allocator under test: before main, each program appends one line to the file
 * named by CAIRN_TEST_WITNESS, "pid program object", the object being the one that calls of malloc
 * go to. So a test can prove that a program really ran on the allocator it was meant to run on.
 *
 * The address of malloc would not do: in a program that is not position-independent it is that of a
 * stub in the program itself. What the loader put into our own jump slot is the function that a
 * call reaches.
 */
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void program_name(char *name, size_t capacity)
{
    ssize_t length = readlink("/proc/self/exe", name, capacity - 1);
    name[length > 0 ? length : 0] = '\0';
}

/* The value of a tag of our own dynamic section, as an address when the loader has left it an
   offset. */
static uintptr_t tag_value(const struct link_map *self, ElfW(Sxword) tag)
{
    for (const ElfW(Dyn) *entry = self->l_ld; entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag != tag)
            continue;
        uintptr_t value = (uintptr_t)entry->d_un.d_ptr;
        return tag != DT_PLTRELSZ && value < self->l_addr ? value + self->l_addr : value;
    }
    return 0;
}

/* Where our own calls of malloc go. Bound before this runs: the library is linked with -z now. */
static void *called_malloc(const struct link_map *self)
{
    const ElfW(Rela) *slots = (const ElfW(Rela) *)tag_value(self, DT_JMPREL);
    const ElfW(Sym) *symbols = (const ElfW(Sym) *)tag_value(self, DT_SYMTAB);
    const char *names = (const char *)tag_value(self, DT_STRTAB);
    size_t count = tag_value(self, DT_PLTRELSZ) / sizeof *slots;
    for (size_t i = 0; slots != NULL && i < count; i++) {
        if (strcmp(names + symbols[ELF64_R_SYM(slots[i].r_info)].st_name, "malloc") != 0)
            continue;
        return *(void **)(self->l_addr + slots[i].r_offset);
    }
    return NULL;
}

static const char *object_of_malloc(void)
{
    void *volatile slot_is_needed = malloc(1);
    free(slot_is_needed);
    Dl_info object;
    struct link_map *self = NULL;
    if (dladdr1((void *)(uintptr_t)&object_of_malloc, &object, (void **)&self, RTLD_DL_LINKMAP) ==
        0)
        return "unknown";
    void *function = called_malloc(self);
    return function != NULL && dladdr(function, &object) != 0 ? object.dli_fname : "unknown";
}

__attribute__((constructor)) static void bear_witness(void)
{
    const char *path = getenv("CAIRN_TEST_WITNESS");
    if (path == NULL)
        return;
    char program[1024];
    char line[4096];
    program_name(program, sizeof program);
    int length =
        snprintf(line, sizeof line, "%d %s %s\n", (int)getpid(), program, object_of_malloc());
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0 || length <= 0)
        return;
    ssize_t written = write(fd, line, (size_t)length);
    (void)written;
    close(fd);
}
