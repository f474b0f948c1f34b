/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* A program without a dynamic loader: nothing can be preloaded into it. */

int main(void)
{
    return 0;
}
