/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/*
 * loader plugin PATH     loads and unloads a library that allocates, 300 times; blocks cross the border
 * loader allocator PATH  loads an allocator at run time, beside the one in use, and uses both
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOADS = 300 };

static void *load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    return library;
}

static uintptr_t find(void *library, const char *name)
{
    void *symbol = dlsym(library, name);
    if (symbol == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    return (uintptr_t)symbol;
}

static int use_plugin(const char *path)
{
    char *outlived = NULL;
    size_t outlived_size = 0;
    for (size_t i = 0; i < LOADS; i++) {
        void *library = load(path);
        char *(*make)(size_t) = (char *(*)(size_t))find(library, "plugin_make");
        void (*drop)(char *) = (void (*)(char *))find(library, "plugin_drop");
        if (outlived != NULL && outlived[outlived_size - 1] != 'p')
            return 1;
        drop(outlived);
        outlived_size = 10 + 500 * i;
        outlived = make(outlived_size);
        if (outlived == NULL)
            return 1;
        free(make(100));
        drop(strdup("a string of the program's"));
        dlclose(library);
    }
    free(outlived);
    printf("%d loads\n", LOADS);
    return 0;
}

static int use_allocator(const char *path)
{
    void *library = load(path);
    void *(*their_malloc)(size_t) = (void *(*)(size_t))find(library, "malloc");
    void (*their_free)(void *) = (void (*)(void *))find(library, "free");
    for (size_t i = 0; i < 5000; i++) {
        size_t size = 1 + i * 37 % 50000;
        char *theirs = their_malloc(size);
        char *ours = malloc(size);
        if (theirs == NULL || ours == NULL || theirs == ours)
            return 1;
        memset(theirs, 't', size);
        memset(ours, 'o', size);
        if (theirs[size - 1] != 't')
            return 1;
        their_free(theirs);
        free(ours);
    }
    puts("both work");
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    if (strcmp(argv[1], "plugin") == 0)
        return use_plugin(argv[2]);
    if (strcmp(argv[1], "allocator") == 0)
        return use_allocator(argv[2]);
    return 2;
}
