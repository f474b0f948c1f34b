/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * parse.c - something to compile, never to run: calculators and sorted tables, stamped out for many
 * types. MANY says how many: gcc -DMANY=TEN or -DMANY=THREE.
 */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PASTE(a, b) a##b
#define NAME(a, b)  PASTE(a, b)

#define THREE(stamp, id) stamp(id##0) stamp(id##1) stamp(id##2)
#define TEN(stamp, id)                                                                             \
    stamp(id##0) stamp(id##1) stamp(id##2) stamp(id##3) stamp(id##4) stamp(id##5) stamp(id##6)     \
        stamp(id##7) stamp(id##8) stamp(id##9)

#define STAMP(id)                                                                                  \
    struct NAME(entry_, id) {                                                                      \
        struct NAME(entry_, id) * next;                                                            \
        char name[32];                                                                             \
        double value[(0x##id & 7) + 1];                                                            \
    };                                                                                             \
    struct NAME(table_, id) {                                                                      \
        struct NAME(entry_, id) * buckets[64];                                                     \
        const char *text;                                                                          \
    };                                                                                             \
    static struct NAME(entry_, id) *                                                               \
        NAME(find_, id)(struct NAME(table_, id) * table, const char *name, size_t length)          \
    {                                                                                              \
        unsigned hash = 5381;                                                                      \
        struct NAME(entry_, id) * entry;                                                           \
        for (size_t idx = 0; idx < length; idx++)                                                  \
            hash = hash * 33 + (unsigned char)name[idx];                                           \
        for (entry = table->buckets[hash % 64]; entry != NULL; entry = entry->next)                \
            if (strlen(entry->name) == length && memcmp(entry->name, name, length) == 0)           \
                return entry;                                                                      \
        entry = calloc(1, sizeof(*entry));                                                         \
        if (entry == NULL)                                                                         \
            return NULL;                                                                           \
        memcpy(entry->name, name, length < 31 ? length : 31);                                      \
        entry->next = table->buckets[hash % 64];                                                   \
        table->buckets[hash % 64] = entry;                                                         \
        return entry;                                                                              \
    }                                                                                              \
    static double NAME(value_, id)(struct NAME(table_, id) * table, int depth)                     \
    {                                                                                              \
        const char *begin = table->text;                                                           \
        double value = 0;                                                                          \
        if (isdigit((unsigned char)*begin))                                                        \
            return strtod(begin, (char **)&table->text);                                           \
        while (isalnum((unsigned char)*table->text) || *table->text == '_')                        \
            table->text++;                                                                         \
        if (table->text > begin) {                                                                 \
            struct NAME(entry_, id) *entry =                                                       \
                NAME(find_, id)(table, begin, (size_t)(table->text - begin));                      \
            for (int idx = 0; entry != NULL && idx <= (0x##id & 7); idx++)                         \
                value += entry->value[idx] * (idx + 0x##id);                                       \
        } else if (*table->text++ == '-' && depth < 100) {                                         \
            value = -NAME(value_, id)(table, depth + 1);                                           \
        }                                                                                          \
        return value;                                                                              \
    }                                                                                              \
    void NAME(report_, id)(const char *text, double *values, size_t count);                        \
    void NAME(report_, id)(const char *text, double *values, size_t count)                         \
    {                                                                                              \
        struct NAME(table_, id) table = {{NULL}, text};                                            \
        for (size_t idx = 0; idx < count && *table.text != '\0'; idx++)                            \
            values[idx] = NAME(value_, id)(&table, 0) + (double)idx * 0x##id;                      \
        for (size_t gap = count / 2; gap > 0; gap /= 2)                                            \
            for (size_t idx = gap; idx < count; idx++)                                             \
                for (size_t at = idx; at >= gap && values[at] < values[at - gap]; at -= gap) {     \
                    double held = values[at];                                                      \
                    values[at] = values[at - gap];                                                 \
                    values[at - gap] = held;                                                       \
                }                                                                                  \
        printf("%s\n", "report " #id);                                                             \
    }

MANY(STAMP, 1)
MANY(STAMP, 2)
MANY(STAMP, 3)
