/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/*
 * space MODE: what a process's address space is used for, and how far it goes.
 *
 *   smaps                         one small block, then prints /proc/self/smaps
 *   limit as|data MIB BYTES       limits itself to MIB more than it has, starts a thread, loads a library, takes blocks until
 *                                 there are no more, frees them, does all of it again; prints the count of each time
 *   take BYTES                    the same under the limit that it was started with, without thread and library
 *   lock current|future           mlockall(), then works; prints VmLck in KiB; exit code 77: that is not allowed
 *   many COUNT BYTES ALIGN        so many blocks, untouched; prints how many it got
 *   beyond                        blocks that no machine has
 */
#include "tests/memory/self.h"

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>

static void *work(void *unused)
{
    char *volatile block = malloc(1000);

    self_expect(block != NULL, "no block in a thread");
    free(block);
    return unused;
}

static void start_thread_and_load(void)
{
    pthread_t thread;
    void *library;

    self_expect(pthread_create(&thread, NULL, work, NULL) == 0, "no thread");
    pthread_join(thread, NULL);
    library = dlopen("libm.so.6", RTLD_NOW);
    self_expect(library != NULL, "no library");
    dlclose(library);
}

static size_t take_all(size_t bytes)
{
    struct chain chain = {NULL, 0};
    size_t count;

    chain_take(&chain, malloc, bytes, SIZE_MAX);
    self_expect(errno == ENOMEM, "errno is not ENOMEM");
    count = chain.count;
    chain_free(&chain);
    return count;
}

static void take_twice(size_t bytes)
{
    size_t first = take_all(bytes);
    size_t second = take_all(bytes);

    printf("%zu %zu\n", first, second);
    fflush(stdout);
}

static void limit(const char *kind, size_t more_mib, size_t bytes)
{
    free(malloc(100));
    self_limit(kind, more_mib << 20);
    start_thread_and_load();
    take_twice(bytes);
    malloc_trim(0);
    start_thread_and_load();
}

/* Locked memory is resident: a malloc that reserved more than that must not be asked. */
static void lock(const char *when)
{
    const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    struct chain chain = {NULL, 0};
    char *big;

    free(malloc(1000));
    self_expect(self_kib("VmSize") < 256 << 10, "too large to be locked");
    (void)setrlimit(RLIMIT_MEMLOCK, &all);
    if (mlockall(strcmp(when, "future") == 0 ? MCL_CURRENT | MCL_FUTURE : MCL_CURRENT) != 0)
        _exit(77);
    for (size_t bytes = 16; bytes < 400000; bytes += bytes / 2)
        chain_take(&chain, malloc, bytes, chain.count + 3);
    big = malloc(5000000);
    self_expect(big != NULL, "no large block");
    memset(big, 1, 5000000);
    printf("%ld\n", self_kib("VmLck"));
    free(big);
    chain_free(&chain);
}

static void many(size_t count, size_t bytes, size_t align_bytes)
{
    size_t got = 0;

    while (got < count) {
        char *block = align_bytes > 1 ? aligned_alloc(align_bytes, bytes) : malloc(bytes);

        if (block == NULL)
            break;
        self_expect(((uintptr_t)block & (align_bytes - 1)) == 0, "not aligned");
        got++;
    }
    printf("%zu\n", got);
}

static void beyond(void)
{
    char *kept = malloc(3000000);

    memset(kept, 7, 3000000);
    for (unsigned shift = 45; shift < 64; shift++)
        for (int less = -1; less <= 1; less++) {
            volatile size_t bytes = ((size_t)1 << shift) - (size_t)less;

            errno = 0;
            self_expect(malloc(bytes) == NULL && errno == ENOMEM, "malloc");
            self_expect(calloc(1, bytes) == NULL, "calloc");
            self_expect(realloc(kept, bytes) == NULL && errno == ENOMEM, "realloc");
            self_expect(aligned_alloc(4096, bytes) == NULL, "aligned_alloc");
            self_expect(memalign((size_t)1 << (shift < 63 ? shift : 62), 10) == NULL || shift < 47,
                        "memalign");
        }
    self_expect(kept[0] == 7 && kept[2999999] == 7, "the block has changed");
    puts("refused");
}

int main(int count, char **arguments)
{
    const char *mode = count > 1 ? arguments[1] : "";
    size_t numbers[6] = {0};

    for (int idx = 2; idx < count && idx < 6; idx++)
        numbers[idx] = strtoul(arguments[idx], NULL, 0);
    if (strcmp(mode, "smaps") == 0) {
        free(malloc(100));
        self_print("/proc/self/smaps");
    } else if (strcmp(mode, "limit") == 0) {
        limit(arguments[2], numbers[3], numbers[4]);
    } else if (strcmp(mode, "take") == 0) {
        take_twice(numbers[2]);
    } else if (strcmp(mode, "lock") == 0) {
        lock(arguments[2]);
    } else if (strcmp(mode, "many") == 0) {
        many(numbers[2], numbers[3], numbers[4]);
    } else if (strcmp(mode, "beyond") == 0) {
        beyond();
    } else {
        return 2;
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
