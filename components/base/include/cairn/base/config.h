/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * config.h - build configuration as constants, so that both arms of every choice always compile.
 *
 * The only place where a build flag becomes a value. NDEBUG is what `bazel build -c opt` defines.
 */

#ifndef CAIRN_BASE_CONFIG_H
#define CAIRN_BASE_CONFIG_H

#ifdef NDEBUG
enum { CAIRN_DEBUG = 0 };
#else
enum { CAIRN_DEBUG = 1 };
#endif

#endif
