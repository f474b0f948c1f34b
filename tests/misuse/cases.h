/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/*
 * The misuses of an allocator that misuse.c commits and misuse_test.cc expects to be found.
 * X(name, call): the call in which the misuse is committed.
 */
#ifndef CAIRN_TESTS_MISUSE_MISUSES_H_
#define CAIRN_TESTS_MISUSE_MISUSES_H_

/* Recognised in the call itself, for blocks of every size. */
#define MISUSES_OF_EVERY_SIZE(X)                                                                   \
    X(free_next_word, free)                                                                        \
    X(free_middle, free)                                                                           \
    X(free_last_word, free)                                                                        \
    X(free_misaligned, free)                                                                       \
    X(realloc_middle, realloc)                                                                     \
    X(realloc_misaligned, realloc)                                                                 \
    X(realloc_middle_to_zero, realloc)                                                             \
    X(usable_size_of_middle, malloc_usable_size)                                                   \
    X(usable_size_of_misaligned, malloc_usable_size)                                               \
    X(free_middle_of_aligned, free)

/* Recognised at the latest when the block goes back to where it was cut from. */
#define MISUSES_FOUND_IN_TIME(X)                                                                   \
    X(double_free, free)                                                                           \
    X(double_free_after_others, free)                                                              \
    X(double_free_in_other_thread, free)                                                           \
    X(double_free_by_realloc, realloc)                                                             \
    X(double_free_of_aligned, free)                                                                \
    X(double_free_of_calloced, free)

/* Pointers that never came from the allocator. */
#define MISUSES_WITH_FOREIGN_POINTERS(X)                                                           \
    X(free_stack, free)                                                                            \
    X(free_static, free)                                                                           \
    X(free_literal, free)                                                                          \
    X(free_function, free)                                                                         \
    X(free_mapping, free)                                                                          \
    X(free_break, free)                                                                            \
    X(free_thread_local, free)                                                                     \
    X(free_low, free)                                                                              \
    X(free_non_canonical, free)                                                                    \
    X(free_kernel_address, free)                                                                   \
    X(free_minus_one, free)                                                                        \
    X(free_top_of_user_space, free)                                                                \
    X(realloc_stack, realloc)                                                                      \
    X(realloc_mapping, realloc)                                                                    \
    X(realloc_non_canonical, realloc)                                                              \
    X(usable_size_of_static, malloc_usable_size)                                                   \
    X(usable_size_of_mapping, malloc_usable_size)                                                  \
    X(usable_size_of_low, malloc_usable_size)                                                      \
    X(free_stack_before_any_call, free)                                                            \
    X(realloc_stack_before_any_call, realloc)

#endif
