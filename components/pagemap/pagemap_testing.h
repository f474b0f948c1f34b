// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// For tests: a pagemap from what its configuration has, in one expression.

#ifndef CAIRN_PAGEMAP_TESTING_H
#define CAIRN_PAGEMAP_TESTING_H

#include <cairn/pagemap.h>

#include <cstddef>

namespace pagemap_testing {

inline int InitTree(cairn_pagemap *map, std::size_t granule_bytes, void *root, void *empty,
                    cairn_source leaves)
{
    cairn_pagemap_config config = {};
    config.granule_bytes = granule_bytes;
    config.root = root;
    config.empty = empty;
    config.leaves = leaves;
    return cairn_pagemap_init(map, &config);
}

inline int InitWindow(cairn_pagemap *map, void *base, std::size_t window_bytes,
                      std::size_t granule_bytes, void *state, std::size_t state_bytes)
{
    cairn_pagemap_config config = {};
    config.shape = CAIRN_PAGEMAP_WINDOW;
    config.granule_bytes = granule_bytes;
    config.base = base;
    config.window_bytes = window_bytes;
    config.state = state;
    config.state_bytes = state_bytes;
    return cairn_pagemap_init(map, &config);
}

} // namespace pagemap_testing

#endif
