// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// For tests and benchmarks: buffers and adapters in one expression. What cannot be made ends the
// test.

#ifndef CAIRN_SOURCE_TESTING_H
#define CAIRN_SOURCE_TESTING_H

#include <cairn/buffer.h>
#include <cairn/counted.h>
#include <cairn/failing.h>
#include <cairn/locked.h>

#include <cstddef>
#include <cstdlib>

namespace source_testing {

inline void Require(int result)
{
    if (result != 0)
        std::abort();
}

inline void Init(cairn_buffer *buffer, void *base, std::size_t length_bytes)
{
    const cairn_buffer_config config = {base, length_bytes};
    Require(cairn_buffer_init(buffer, &config));
}

inline void Init(cairn_counted *counted, cairn_source below)
{
    const cairn_counted_config config = {below};
    Require(cairn_counted_init(counted, &config));
}

inline void Init(cairn_failing *failing, cairn_source below)
{
    const cairn_failing_config config = {below};
    Require(cairn_failing_init(failing, &config));
}

inline void Init(cairn_locked *locked, cairn_source below, cairn_lock_rank rank)
{
    const cairn_locked_config config = {below, rank};
    Require(cairn_locked_init(locked, &config));
}

} // namespace source_testing

#endif
