/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * pages_kernel.c - the pages of a stack come from the kernel.
 */

#include <cairn/stack.h>

struct cairn_os cairn_stack_pages(void)
{
    return cairn_os_linux();
}
