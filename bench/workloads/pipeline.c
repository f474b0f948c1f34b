/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * pipeline.c - messages that go through a chain of threads, each of which makes them longer, as in
 * a server that wraps, encodes and frames.
 *
 *     malloc [head|0] ---> realloc [head|0|1111] ---> realloc [head|0|1111|22] ---> check, free
 *
 * A block is grown by threads that never made one of their own, and freed by the last, which reads
 * all sections.
 */

#include <string.h>

#include "bench/workloads/queue.h"

enum { STAGES_MOST = 64, BATCH = 32 };

static uint64_t stages;

struct message {
    uint64_t number;
    size_t bytes; /* with this head */
};

static struct queue queues[STAGES_MOST]; /* queue idx is before stage idx; the first is not used */

static size_t section_bytes(uint64_t number, uint64_t stage)
{
    struct rng rng = rng_of(number * STAGES_MOST + stage);

    return some_size(&rng);
}

static unsigned char section_fill(uint64_t number, uint64_t stage)
{
    return (unsigned char)(number * 31 + stage + 1);
}

/* The message with a section more, perhaps in another place. */
static struct message *add_section(struct message *old, uint64_t number, uint64_t stage)
{
    size_t old_bytes = old == NULL ? sizeof(struct message) : old->bytes;
    size_t added_bytes = section_bytes(number, stage);
    struct message *message = got(realloc(old, old_bytes + added_bytes));

    memset((char *)message + old_bytes, section_fill(number, stage), added_bytes);
    message->number = number;
    message->bytes = old_bytes + added_bytes;
    return message;
}

static void check(const struct message *message)
{
    const unsigned char *content = (const unsigned char *)message;
    size_t at = sizeof(*message);

    for (uint64_t stage = 0; stage < stages; stage++) {
        unsigned char fill = section_fill(message->number, stage);
        for (size_t end = at + section_bytes(message->number, stage); at < end; at++)
            if (content[at] != fill)
                fail("message %zu lost byte %zu of %zu", (size_t)message->number, at,
                     message->bytes);
    }
    if (at != message->bytes)
        fail("message %zu has %zu bytes and should have %zu", (size_t)message->number,
             message->bytes, at);
}

static void compose(void)
{
    void *messages[BATCH];
    uint64_t count;

    for (uint64_t number = 0; number < ops; number += count) {
        count = least_of(ops - number, BATCH);
        for (uint64_t idx = 0; idx < count; idx++)
            messages[idx] = add_section(NULL, number + idx, 0);
        queue_put(&queues[1], messages, count);
    }
}

static void pass_on(uint64_t stage)
{
    void *messages[BATCH];
    uint64_t count;

    while ((count = queue_take(&queues[stage], messages, BATCH)) > 0) {
        for (uint64_t idx = 0; idx < count; idx++) {
            struct message *message = messages[idx];
            messages[idx] = add_section(message, message->number, stage);
        }
        if (stage + 1 < stages) {
            queue_put(&queues[stage + 1], messages, count);
            continue;
        }
        for (uint64_t idx = 0; idx < count; idx++) {
            check(messages[idx]);
            free(messages[idx]);
        }
    }
}

static void work(size_t stage)
{
    if (stage == 0)
        compose();
    else
        pass_on(stage);
}

int main(int argument_count, char **arguments)
{
    begin(argument_count, arguments,
          "messages that pass through a chain of threads, each of which makes them longer: "
          "realloc of what another thread made (ops: messages)",
          PARAMETERS(OPS(150000), PARAMETER(stages, 4, 2, STAGES_MOST), SIZES(16, 1024)));
    for (size_t stage = 1; stage < stages; stage++)
        queue_init(&queues[stage], ops);
    return run(stages, work);
}
