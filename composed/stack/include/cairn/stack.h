/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * stack.h - the names by which the layers of a malloc find each other.
 *
 *     malloc, free          composed/malloc
 *       | class
 *     caches                <cairn/stack/caches.h>
 *       | blocks  - - - - - CAIRN_EDGE_BLOCKS
 *     classes               cairn_stack_classes
 *       | slabs   - - - - - CAIRN_EDGE_SLABS
 *     runs                  cairn_stack_runs
 *       | pages   - - - - - CAIRN_EDGE_PAGES
 *     pages                 cairn_stack_pages()
 *
 * A layer of a malloc that cairn_malloc() makes (bazel/cairn_malloc.bzl) is a library that defines
 * one of these names, or supplies that header; such a library is linkstatic, as those beside this
 * header are. The layer that is linked is the layer that is used: nothing is chosen at run time.
 * What is called once in a batch goes through a table of functions; the caches alone are inlined
 * into malloc and free.
 *
 * Threads: all names but the caches' functions are constant, or called once.
 */

#ifndef CAIRN_STACK_H
#define CAIRN_STACK_H

#include <cairn/classes.h>
#include <cairn/os.h>
#include <cairn/runs.h>
#include <cairn/source.h>

CAIRN_BEGIN_DECLS

/* What is written by a macro, and linked statically: one instruction less for each use. */
#define CAIRN_STACK_LOCAL __attribute__((visibility("hidden")))

/* The pages layer: the system calls of the page source. Called once, before anything else; may not
   allocate. The page source asks `sbrk` before `map`: a layer that wants all memory to come through
   its `map` refuses `sbrk`. */
struct cairn_os cairn_stack_pages(void);

/* The runs layer. */
extern const struct cairn_runs_ops cairn_stack_runs;

/* The classes layer, written by cairn_size_classes(); by hand, its library must be linkstatic. */
extern const struct cairn_class_table cairn_stack_classes CAIRN_STACK_LOCAL;

/* Between which layers an adapter lies. An adapter sees each block come back at the size that it
   was taken with. At the edge of blocks it sees all blocks up to 128 KiB but those with an
   alignment that no class has; at the edge of slabs what the blocks up to 32 KiB are cut from.
   Larger blocks pass the edge of pages alone; past blocks and metadata pass none. */
enum cairn_stack_edge { CAIRN_EDGE_PAGES, CAIRN_EDGE_SLABS, CAIRN_EDGE_BLOCKS, CAIRN_EDGE_COUNT };

/* What lies above a source at an edge: the source itself, or an adapter. Written by cairn_malloc()
   from its `adapters`: each is a library NAME that defines

       struct cairn_source cairn_adapter_NAME(enum cairn_stack_edge edge,
                                              struct cairn_source below);

   which may not allocate; is called once for each edge where it is (and again, in the same way,
   where a start failed); and answers with a source that is as thread-safe as `below`. */
CAIRN_STACK_LOCAL struct cairn_source cairn_stack_adapt(enum cairn_stack_edge edge,
                                                        struct cairn_source below);

/* The source that an adapter answered with. Stops the program, naming the adapter, for one without
   functions. Called by what cairn_malloc() writes. */
CAIRN_STACK_LOCAL struct cairn_source cairn_stack_adapted(struct cairn_source source,
                                                          const char *adapter);

/* The name of the stack, for reports. Written by cairn_malloc(). */
extern const char cairn_stack_name[] CAIRN_STACK_LOCAL;

/* ---- the caches layer ---- */

struct cairn_caches_config {
    const uint32_t *block_bytes; /* per class; to be copied */
    unsigned class_count;
    struct cairn_source source;   /* THREAD_SAFE: of blocks of exactly those sizes */
    struct cairn_source metadata; /* ZEROED, THREAD_SAFE: of state, one block at a time */
    const uint32_t *pressure;     /* changes when the source would take more memory */
    /* True when the source has given the block, and not got it back: for caches that can say at
       once which call freed a block twice. */
    bool (*is_allocated)(void *self, unsigned class_idx, const void *block);
    void *is_allocated_self;
    /* The program's options of these names, by their number (<cairn/malloc.h>); 0: the default. */
    unsigned shards;
    unsigned percpu;
    unsigned cpu;
    unsigned fence;
};

struct cairn_caches_stats {
    const char *mode;   /* how they are guarded: "rseq", "lock", "none" */
    const char *reason; /* why so */
    const char *cpu;    /* how the current CPU is found */
    size_t shard_count;
    size_t cached_bytes;
};

/*
 * <cairn/stack/caches.h> defines struct cairn_caches, and these functions of it. `class_idx` is
 * below class_count; `where` names the program's call in a complaint. Fast functions may be called
 * beside a fork by threads that know nothing of it: they do not wait, and touch nothing while the
 * caches are closed.
 *
 *     int   cairn_caches_init(caches, const struct cairn_caches_config *)   0 or -errno, on zeroed memory
 *     void *cairn_caches_pop(caches, class_idx)                   inline, fast: a block, or NULL
 *     bool  cairn_caches_push_from_1(caches, kind, block)         inline, fast: class kind - 1; true: taken
 *     void *cairn_caches_try_alloc(caches, class_idx)             fast, after a pop in vain
 *     bool  cairn_caches_try_free(caches, class_idx, block, where)   fast, after a push in vain
 *     void *cairn_caches_alloc(caches, class_idx)                 after both in vain; NULL: no memory
 *     void  cairn_caches_free(caches, class_idx, block, where)    after both in vain; stops for a misuse
 *     void  cairn_caches_flush(caches, may_fence)                 gives what it can to the source
 *     void  cairn_caches_age(caches)                              some time passed: gives what was not needed in it
 *     void  cairn_caches_flush_idle(caches)                       gives what caches of idle CPUs hold, by all means
 *     bool  cairn_caches_close(caches)                            before a fork; false: a fast call did not end
 *     void  cairn_caches_repair(caches)                           in the child, while closed
 *     void  cairn_caches_reopen(caches)                           in parent and child
 *     bool  cairn_caches_suspend(caches)                          the thread's vfork child will share its thread
 *     void  cairn_caches_resume(caches)                           pointer; until the latter, if that was true
 *     struct cairn_caches_stats cairn_caches_stats(caches)
 *     void  cairn_caches_check(caches)                            walks all; stops for a broken invariant
 *
 * Before init, on zeroed memory, pop and push are in vain.
 */

CAIRN_END_DECLS

#endif
