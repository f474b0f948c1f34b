/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * version.h - which cairn this is: that of MODULE.bazel (tools/check version).
 */

#ifndef CAIRN_VERSION_H
#define CAIRN_VERSION_H

#define CAIRN_VERSION "0.1.0"

/* To compare in a condition: 1.2.3 is 10203. */
#define CAIRN_VERSION_NUMBER 100

#endif
