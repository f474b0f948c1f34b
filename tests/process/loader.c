/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/*
 * loader plugin PATH     loads and unloads a library that allocates, 300 times; blocks cross the border
 * loader allocator PATH  loads an allocator at run time, beside the one in use, and uses both
 * loader unload PATH TAKE GIVE   uses two functions of a library in a thread that lives on when the library is closed
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOADS = 300, UNLOADS = 30 };

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

/* What a thread does with a library. */
static struct {
    void *(*take)(size_t);
    void (*give)(void *);
    enum { BEGUN, USED, CLOSED } state;
} user;

/* The kernel may look at what the last restartable sequence left behind whenever a thread has lost
   its CPU: so this one keeps it, as far as it can, until the library is closed. */
static void *use_and_live_on(void *nothing)
{
    user.give(user.take(100));
    __atomic_store_n(&user.state, USED, __ATOMIC_RELEASE);
    while (__atomic_load_n(&user.state, __ATOMIC_ACQUIRE) != CLOSED)
        continue;
    usleep(100);
    return nothing;
}

static int unload(const char *path, const char *take, const char *give)
{
    for (int i = 0; i < UNLOADS; i++) {
        pthread_t thread;
        void *library = load(path);
        user.take = (void *(*)(size_t))find(library, take);
        user.give = (void (*)(void *))find(library, give);
        user.state = BEGUN;
        if (pthread_create(&thread, NULL, use_and_live_on, NULL) != 0)
            return 1;
        while (__atomic_load_n(&user.state, __ATOMIC_ACQUIRE) != USED)
            continue;
        dlclose(library);
        __atomic_store_n(&user.state, CLOSED, __ATOMIC_RELEASE);
        pthread_join(thread, NULL);
    }
    printf("%d unloads\n", UNLOADS);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "unload") == 0)
        return unload(argv[2], argv[3], argv[4]);
    if (argc != 3)
        return 2;
    if (strcmp(argv[1], "plugin") == 0)
        return use_plugin(argv[2]);
    if (strcmp(argv[1], "allocator") == 0)
        return use_allocator(argv[2]);
    return 2;
}
