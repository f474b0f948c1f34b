/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* file.c - the half of reader.h that opens a trace: checks its header and finds its blocks. */

#include "bench/trace/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static __attribute__((format(printf, 3, 4))) bool refuse(struct trace_file *file, const char *path,
                                                         const char *format, ...)
{
    va_list arguments;
    int length = snprintf(file->message, sizeof(file->message), "%.300s: ", path);

    va_start(arguments, format);
    vsnprintf(file->message + length, sizeof(file->message) - (size_t)length, format, arguments);
    va_end(arguments);
    return false;
}

static bool map_file(struct trace_file *file, const char *path)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    void *mapping = MAP_FAILED;

    if (descriptor < 0)
        return refuse(file, path, "%s", strerror(errno));
    if (fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0)
        mapping = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    close(descriptor);
    if (mapping == MAP_FAILED)
        return refuse(file, path, "is not a trace (no regular file, or an empty one)");
    file->bytes = mapping;
    file->file_bytes = (uint64_t)status.st_size;
    return true;
}

static bool check_header(struct trace_file *file, const char *path)
{
    struct trace_header *header = &file->header;
    size_t known_bytes = file->file_bytes < sizeof(*header) ? file->file_bytes : sizeof(*header);

    memcpy(header, file->bytes, known_bytes);
    if (known_bytes < sizeof(header->magic) ||
        memcmp(header->magic, TRACE_MAGIC, sizeof(header->magic)) != 0)
        return refuse(file, path, "is not a trace (its first bytes are not '%s')", TRACE_MAGIC);
    if (known_bytes < sizeof(*header))
        return refuse(file, path, "is cut off within its header");
    if (header->version != TRACE_VERSION)
        return refuse(file, path, "is of version %u, and this program reads version %d",
                      header->version, TRACE_VERSION);
    if (header->command_bytes > TRACE_COMMAND_BYTES ||
        header->header_checksum != trace_header_checksum(header) || header->ticks_per_second == 0 ||
        header->page_bytes == 0)
        return refuse(file, path, "is damaged: the checksum of its header is wrong");
    return true;
}

const struct trace_thread *trace_thread_at(const struct trace_file *file, uint32_t idx)
{
    return (const struct trace_thread *)file->threads.memory + idx;
}

static struct trace_thread *find_thread(struct trace_file *file, const struct trace_block *block)
{
    struct trace_thread *threads = file->threads.memory;

    for (uint32_t idx = file->thread_count; idx-- > 0;)
        if (threads[idx].number == block->thread)
            return &threads[idx];
    region_reserve(&file->threads, (file->thread_count + (size_t)1) * sizeof(*threads));
    threads = file->threads.memory;
    threads[file->thread_count].number = block->thread;
    threads[file->thread_count].system_thread = block->system_thread;
    return &threads[file->thread_count++];
}

static void add_block(struct trace_file *file, const struct trace_block *block, uint64_t offset,
                      uint32_t used_bytes)
{
    struct trace_thread *thread = find_thread(file, block);
    struct trace_block_ref *blocks;

    region_reserve(&file->blocks, (file->block_count + (size_t)1) * sizeof(*blocks));
    blocks = file->blocks.memory;
    blocks[file->block_count] =
        (struct trace_block_ref){.offset = offset, .used_bytes = used_bytes};
    file->block_count++;
    if (thread->last_block != 0)
        blocks[thread->last_block - 1].next = file->block_count;
    else
        thread->first_block = file->block_count;
    thread->last_block = file->block_count;
    thread->events += trace_events(block->progress);
    file->used_bytes += used_bytes;
}

static bool is_block(const struct trace_block *block)
{
    return block->magic == TRACE_BLOCK_MAGIC && block->capacity_bytes >= TRACE_PAGE_BYTES &&
           block->capacity_bytes % TRACE_PAGE_BYTES == 0 && block->capacity_bytes <= 1u << 30 &&
           trace_used_bytes(block->progress) <= block->capacity_bytes - sizeof(*block) &&
           trace_events(block->progress) <= trace_used_bytes(block->progress);
}

/* Takes the block if it is sound; returns where the next one may begin. */
static uint64_t take_block(struct trace_file *file, uint64_t offset)
{
    const struct trace_block *block = (const void *)(file->bytes + offset);
    uint64_t rest_bytes = file->file_bytes - offset;
    uint32_t used_bytes;

    if (rest_bytes < sizeof(*block) || !is_block(block)) {
        file->skipped_pages++;
        return offset + TRACE_PAGE_BYTES;
    }
    used_bytes = trace_used_bytes(block->progress);
    if (used_bytes > rest_bytes - sizeof(*block)) {
        file->torn_blocks++;
        used_bytes = (uint32_t)(rest_bytes - sizeof(*block));
    } else if (block->closed != 0 && block->checksum != trace_block_checksum(block)) {
        file->damaged_blocks++;
        return offset + block->capacity_bytes;
    }
    file->open_blocks += block->closed == 0;
    add_block(file, block, offset, used_bytes);
    return offset + block->capacity_bytes;
}

bool trace_open(struct trace_file *file, const char *path)
{
    memset(file, 0, sizeof(*file));
    if (!map_file(file, path))
        return false;
    if (!check_header(file, path)) {
        trace_close(file);
        return false;
    }
    for (uint64_t offset = TRACE_PAGE_BYTES; offset < file->file_bytes;)
        offset = take_block(file, offset);
    return true;
}

void trace_close(struct trace_file *file)
{
    if (file->bytes != NULL)
        munmap((void *)(uintptr_t)file->bytes, file->file_bytes);
    file->bytes = NULL;
    region_release(&file->threads);
    region_release(&file->blocks);
}

const char *trace_function_name(unsigned function)
{
    static const char *const names[TRACE_FUNCTION_END] = {
        [TRACE_MALLOC] = "malloc",
        [TRACE_CALLOC] = "calloc",
        [TRACE_REALLOC] = "realloc",
        [TRACE_REALLOCARRAY] = "reallocarray",
        [TRACE_POSIX_MEMALIGN] = "posix_memalign",
        [TRACE_ALIGNED_ALLOC] = "aligned_alloc",
        [TRACE_MEMALIGN] = "memalign",
        [TRACE_VALLOC] = "valloc",
        [TRACE_PVALLOC] = "pvalloc",
        [TRACE_FREE] = "free",
        [TRACE_FREE_SIZED] = "free_sized",
        [TRACE_FREE_ALIGNED_SIZED] = "free_aligned_sized",
        [TRACE_CFREE] = "cfree",
    };

    return function < TRACE_FUNCTION_END && names[function] != NULL ? names[function] : "nothing";
}
