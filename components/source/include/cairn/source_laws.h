/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * source_laws.h - the laws of <cairn/source.h> as functions that every provider's test runs.
 *
 * Plain C, no test framework: each function returns NULL when the law holds, or a static sentence
 * that says what was broken. `EXPECT_STREQ(cairn_law_aligned(source, &shape), nullptr)`.
 *
 * A law that holds gives back everything it took. A source that broke one is not called again, for
 * it may not survive that: what was taken stays out. Blocks are written over their whole length.
 */

#ifndef CAIRN_SOURCE_LAWS_H
#define CAIRN_SOURCE_LAWS_H

#include <cairn/source.h>

CAIRN_BEGIN_DECLS

enum { CAIRN_LAW_BLOCKS_MAX = 256 };

/* What to ask of the provider: a size and alignment that it serves, and how many it can surely give
   at once. */
struct cairn_law_shape {
    size_t block_bytes;
    size_t align_bytes;
    size_t block_count; /* 1 ... CAIRN_LAW_BLOCKS_MAX */
    uint64_t seed;      /* for the order of giving back; print it */
};

const char *cairn_law_aligned(struct cairn_source source, const struct cairn_law_shape *shape);
const char *cairn_law_disjoint(struct cairn_source source, const struct cairn_law_shape *shape);
const char *cairn_law_writable(struct cairn_source source, const struct cairn_law_shape *shape);
const char *cairn_law_any_order(struct cairn_source source, const struct cairn_law_shape *shape);
const char *cairn_law_errno_untouched(struct cairn_source source,
                                      const struct cairn_law_shape *shape);
const char *cairn_law_zeroed_if_promised(struct cairn_source source,
                                         const struct cairn_law_shape *shape);

/* L4: takes until the source is dry (at most CAIRN_LAW_BLOCKS_MAX blocks), gives everything back,
   takes again. */
const char *cairn_law_retryable(struct cairn_source source, const struct cairn_law_shape *shape);

/* All of the above in turn; the first broken law or NULL. */
const char *cairn_laws_hold(struct cairn_source source, const struct cairn_law_shape *shape);

CAIRN_END_DECLS

#endif
