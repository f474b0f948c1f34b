/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * clock.c - finds the clock in the vDSO and reads it.
 *
 *     ELF header -> program headers -> PT_LOAD: where the image lies, less where it wants to lie
 *                                      PT_DYNAMIC -> DT_STRTAB, DT_SYMTAB, DT_HASH or DT_GNU_HASH
 *
 * The table of symbols does not say how long it is; the tables of hashes do. The old one says it in
 * its second word. In the newer one it is where the chain of the last bucket ends. The vDSO has a
 * dozen symbols, so they are walked, not hashed.
 *
 * Source: System V ABI, chapter 5; vdso(7); the GNU hash section as described by Ulrich Drepper.
 */

#include <cairn/base/clock.h>

#include <cairn/base/atomic.h>

#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <time.h>

typedef int clock_function(clockid_t clock, struct timespec *now);

struct image {
    uintptr_t bias; /* what an address in the image lacks */
    const ElfW(Dyn) * dynamic;
    const ElfW(Sym) * symbols;
    const char *names;
    const uint32_t *hash;
    const uint32_t *gnu_hash;
};

static clock_function *read_clock; /* NULL: there is none */

static bool is_same(const char *a, const char *b)
{
    for (; *a == *b; a++, b++)
        if (*a == '\0')
            return true;
    return false;
}

static void read_headers(struct image *image, const ElfW(Ehdr) * header)
{
    uintptr_t base = (uintptr_t)header;
    bool is_loaded = false;

    for (size_t idx = 0; idx < header->e_phnum; idx++) {
        const ElfW(Phdr) *part =
            (const ElfW(Phdr) *)(base + header->e_phoff + idx * header->e_phentsize);

        if (part->p_type == PT_LOAD && !is_loaded) {
            image->bias = base + part->p_offset - part->p_vaddr;
            is_loaded = true;
        }
        if (part->p_type == PT_DYNAMIC)
            image->dynamic = (const ElfW(Dyn) *)(base + part->p_offset);
    }
}

static void read_dynamic(struct image *image)
{
    for (const ElfW(Dyn) *entry = image->dynamic; entry->d_tag != DT_NULL; entry++) {
        uintptr_t address = image->bias + entry->d_un.d_ptr;

        if (entry->d_tag == DT_STRTAB)
            image->names = (const char *)address;
        else if (entry->d_tag == DT_SYMTAB)
            image->symbols = (const ElfW(Sym) *)address;
        else if (entry->d_tag == DT_HASH)
            image->hash = (const uint32_t *)address;
        else if (entry->d_tag == DT_GNU_HASH)
            image->gnu_hash = (const uint32_t *)address;
    }
}

/* {bucket count, first symbol, words of the filter, shift}, filter, buckets, chains; a chain ends
   with an odd word. */
static size_t count_gnu(const uint32_t *table)
{
    const uint32_t *buckets = table + 4 + table[2] * (sizeof(ElfW(Addr)) / sizeof(*table));
    const uint32_t *chains = buckets + table[0];
    size_t last = 0;

    for (size_t idx = 0; idx < table[0]; idx++)
        last = buckets[idx] > last ? buckets[idx] : last;
    if (last < table[1])
        return table[1];
    while ((chains[last - table[1]] & 1) == 0)
        last++;
    return last + 1;
}

static size_t count_symbols(const struct image *image)
{
    if (image->symbols == NULL || image->names == NULL)
        return 0;
    if (image->hash != NULL)
        return image->hash[1];
    return image->gnu_hash != NULL ? count_gnu(image->gnu_hash) : 0;
}

const void *cairn_clock_find_symbol(const void *image, const char *name)
{
    struct image found = {0, NULL, NULL, NULL, NULL, NULL};
    const unsigned char *magic = image;
    size_t symbol_count;

    if (magic[0] != ELFMAG0 || magic[1] != ELFMAG1 || magic[2] != ELFMAG2 || magic[3] != ELFMAG3)
        return NULL;
    read_headers(&found, image);
    if (found.dynamic == NULL)
        return NULL;
    read_dynamic(&found);
    symbol_count = count_symbols(&found);
    for (size_t idx = 0; idx < symbol_count; idx++) {
        const ElfW(Sym) *symbol = &found.symbols[idx];

        if (symbol->st_shndx != SHN_UNDEF && is_same(found.names + symbol->st_name, name))
            return (const void *)(found.bias + symbol->st_value);
    }
    return NULL;
}

void cairn_clock_init(void)
{
    const void *image = (const void *)getauxval(AT_SYSINFO_EHDR);
    const void *found;

    if (image == NULL || cairn_load_relaxed(&read_clock) != NULL)
        return;
    found = cairn_clock_find_symbol(image, "__vdso_clock_gettime");
    if (found == NULL)
        found = cairn_clock_find_symbol(image, "__kernel_clock_gettime");
    cairn_store_relaxed(&read_clock, (clock_function *)(uintptr_t)found);
}

static bool read(clockid_t clock, struct timespec *now)
{
    clock_function *function = cairn_load_relaxed(&read_clock);

    return function != NULL && function(clock, now) == 0;
}

uint64_t cairn_clock_ms(void)
{
    struct timespec now = {0, 0};

    if (!read(CLOCK_MONOTONIC_COARSE, &now))
        return 0;
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

uint64_t cairn_clock_us(void)
{
    struct timespec now = {0, 0};

    if (!read(CLOCK_MONOTONIC, &now))
        return 0;
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}
