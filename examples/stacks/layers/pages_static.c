/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* Pages of one static buffer. Only what is used becomes resident. */

#include <cairn/os_buffer.h>
#include <cairn/stack.h>

static _Alignas(2 << 20) char memory[256 << 20];

struct cairn_os cairn_stack_pages(void)
{
    static struct cairn_os_buffer buffer;
    const struct cairn_os_buffer_config config = {memory, sizeof(memory)};

    if (cairn_os_buffer_init(&buffer, &config) != 0)
        __builtin_trap();
    return cairn_os_buffer_as_os(&buffer);
}
