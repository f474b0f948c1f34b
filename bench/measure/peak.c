/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * peak.c - where the bytes of a program were when most of them were resident. A library to preload
 * beside any malloc.
 *
 *     every 500 microseconds,
 *     and at exit:              resident > peak + 64 KiB ? -> ask the malloc -> keep the answer
 *     at exit:                  one line of JSON on stderr, in KiB
 *
 * cairn is asked by cairn_malloc_stats(), glibc by mallinfo2(). Of another malloc only what is
 * resident is known. `rest` is what no other number tells: code, stacks, the malloc's own tables,
 * less blocks that the program never wrote to.
 */

#include <cairn/malloc.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PERIOD_US = 500, STEP_KIB = 64 };

struct places {
    long resident;
    long blocks;     /* that the program holds, by their usable size */
    long cached;     /* free, in caches */
    long slabs_free; /* free, in slabs and bins */
    long runs_free;  /* free granules that may be resident */
    long pages_free; /* kept by the page source, or mapped and unused */
};

static struct places peak;
static size_t (*ask_cairn)(struct cairn_malloc_stats *stats, size_t stats_bytes);
static bool is_glibc;
static atomic_bool is_over;
static pthread_t watcher;

/* Without stdio, which may allocate. */
static long resident_kib(void)
{
    char text[128];
    char *behind;
    int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, text, sizeof(text) - 1);

    if (file >= 0)
        close(file);
    if (length <= 0)
        return 0;
    text[length] = '\0';
    (void)strtol(text, &behind, 10);
    return strtol(behind, NULL, 10) * (sysconf(_SC_PAGESIZE) / 1024);
}

static void ask(struct places *places)
{
    if (ask_cairn != NULL) {
        struct cairn_malloc_stats stats;

        ask_cairn(&stats, sizeof(stats));
        places->blocks = (long)(stats.allocated_bytes / 1024);
        places->cached = (long)(stats.cached_bytes / 1024);
        places->slabs_free = (long)(stats.slab_free_bytes / 1024);
        places->runs_free = (long)(stats.run_dirty_bytes / 1024);
        places->pages_free = (long)(stats.page_free_bytes / 1024);
    } else if (is_glibc) {
        struct mallinfo2 info = mallinfo2();

        places->blocks = (long)((info.uordblks + info.hblkhd) / 1024);
        places->slabs_free = (long)((info.fordblks - info.keepcost) / 1024);
        places->pages_free = (long)(info.keepcost / 1024);
    }
}

static void look(void)
{
    long now = resident_kib();

    if (now > peak.resident + STEP_KIB) {
        peak.resident = now;
        ask(&peak);
    }
}

static void *watch(void *unused)
{
    while (!atomic_load(&is_over)) {
        look();
        usleep(PERIOD_US);
    }
    return unused;
}

/* Another malloc that is preloaded has no mallinfo2, or its own. */
static bool is_malloc_of_glibc(void)
{
    void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);

    return libc != NULL && dlsym(libc, "malloc") == dlsym(RTLD_DEFAULT, "malloc");
}

static __attribute__((constructor)) void begin(void)
{
    *(void **)&ask_cairn = dlsym(RTLD_DEFAULT, "cairn_malloc_stats");
    is_glibc = is_malloc_of_glibc();
    if (pthread_create(&watcher, NULL, watch, NULL) != 0)
        abort();
}

static __attribute__((destructor)) void end(void)
{
    long told;

    atomic_store(&is_over, true);
    pthread_join(watcher, NULL);
    look();
    told = peak.blocks + peak.cached + peak.slabs_free + peak.runs_free + peak.pages_free;
    fprintf(stderr,
            "{\"resident\": %ld, \"blocks\": %ld, \"cached\": %ld, \"slabs_free\": %ld, "
            "\"runs_free\": %ld, \"pages_free\": %ld, \"rest\": %ld}\n",
            peak.resident, peak.blocks, peak.cached, peak.slabs_free, peak.runs_free,
            peak.pages_free, peak.resident - told);
}
