/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * percpu_stepped.h - what percpu_stepped.cc compiles.
 */

#ifndef CAIRN_PERCPU_STEPPED_H
#define CAIRN_PERCPU_STEPPED_H

#include <cstddef>
#include <cstdint>

struct cairn_percpu_shard;
struct cairn_rseq_view;

extern "C" __attribute__((visibility("hidden"))) uint64_t cairn_stepped_aborts;

void *cairn_stepped_pop(const cairn_rseq_view *view, size_t class_idx);
bool cairn_stepped_push(const cairn_rseq_view *view, size_t class_idx, void *block);
bool cairn_stepped_stop(const cairn_rseq_view *view, uint32_t id, cairn_percpu_shard *nothing);

#endif
