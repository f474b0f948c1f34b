/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * address_bits.c - how far user addresses reach, by architecture.
 *
 * Linux hands out addresses beyond these only to a program that asks for one by a hint (mmap(2), five-level page
 * tables); cairn never does. An address beyond the map is simply not ours.
 */

#include <cairn/pagemap.h>

#if defined(__x86_64__)
enum { ADDRESS_BITS = 47 };
#else
enum { ADDRESS_BITS = 48 };
#endif

unsigned cairn_pagemap_address_bits(void)
{
    return ADDRESS_BITS;
}
