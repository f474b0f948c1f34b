// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Filters of system calls.

#ifndef CAIRN_TESTS_SUPPORT_FILTER_H
#define CAIRN_TESTS_SUPPORT_FILTER_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include <cerrno>
#include <cstddef>
#include <vector>

// From now on, in this thread and in what it starts, the kernel answers these system calls so.
// False: no filter may be set here.
inline bool answer(const std::vector<long> &numbers, unsigned verdict)
{
    std::vector<sock_filter> program = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
    for (long number : numbers) {
        program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<__u32>(number), 0, 1));
        program.push_back(BPF_STMT(BPF_RET | BPF_K, verdict));
    }
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    sock_fprog filter = {static_cast<unsigned short>(program.size()), program.data()};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

// This system call fails with EPERM; or with `error`, where 0 is that it does nothing and says it
// did.
inline bool deny(long number, unsigned error = EPERM)
{
    return answer({number}, SECCOMP_RET_ERRNO | error);
}

#endif
