/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * percpu_single_step.h - what percpu_single_step.cc compiles.
 */

#ifndef CAIRN_PERCPU_SINGLE_STEP_H
#define CAIRN_PERCPU_SINGLE_STEP_H

#include <cstddef>
#include <cstdint>

struct cairn_percpu_shard;
struct cairn_rseq_view;

extern "C" __attribute__((visibility("hidden"))) uint64_t cairn_single_step_aborts;

void *cairn_single_step_pop(const cairn_rseq_view *view, size_t class_idx);
bool cairn_single_step_push(const cairn_rseq_view *view, size_t class_idx, void *block);
bool cairn_single_step_stop(const cairn_rseq_view *view, uint32_t id, cairn_percpu_shard *stopped);

#endif
