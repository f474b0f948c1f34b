/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * layers.h - a stack of layers, built beside the program's malloc, and each of its seams as a
 * source. layers.c is compiled for each stack; laws_test.cc asks every seam for the laws.
 */

#ifndef CAIRN_TESTS_LAWS_LAYERS_H
#define CAIRN_TESTS_LAWS_LAYERS_H

#include <cairn/stack.h>

CAIRN_BEGIN_DECLS

enum layer { LAYER_PAGES, LAYER_SLABS, LAYER_BLOCKS, LAYER_CACHES, LAYER_COUNT };

/* Builds the stack once. 0 or -errno. */
int layers_start(void);

/* What a layer gives to the one above it, through the adapters of its edge. */
struct cairn_source layers_source(enum layer layer);

/* The blocks of the caches: how many classes, and their sizes. */
unsigned layers_class_count(void);
size_t layers_block_bytes(unsigned class_idx);

size_t layers_granule_bytes(void);
size_t layers_chunk_bytes(void);

/* Gives back all that is cached and kept, as a trim does. */
void layers_flush(void);

/* Bytes that are out of the run allocator. */
size_t layers_used_bytes(void);

/* Every layer's check. */
void layers_check(void);

/* Around a fork, as the frontend does it. */
bool layers_close(void);
void layers_reopen(void);

CAIRN_END_DECLS

#endif
