# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
# A synthetic history of a few hundred commits, made, packed, searched and cloned. All dates are given, so
# every hash is the same on every run.
set -eu
export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=c GIT_COMMITTER_EMAIL=c@example.org
git config --global gc.auto 0
git config --global init.defaultBranch main
git config --global pack.threads 2
git init -q repository
cd repository

# Most of the history through fast-import, for speed.
awk 'BEGIN {
    for (commit = 1; commit <= 400; commit++) {
        printf "commit refs/heads/main\ncommitter c <c@example.org> %d +0000\ndata <<END\nchange %d\nEND\n", 1000000000 + commit * 60, commit;
        for (file = commit % 7; file < 40; file += 7) {
            printf "M 644 inline folder%d/file%d.txt\ndata <<END\n", file % 5, file;
            for (line = 0; line < 120; line++) printf "line %d of file %d: %d\n", line, file, (line * file * int(commit / (1 + line % 9))) % 9973;
            printf "END\n";
        }
        printf "\n";
    }
}' | git fast-import --quiet
git checkout -q main

for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    export GIT_AUTHOR_DATE="11000000$((10 + i)) +0000" GIT_COMMITTER_DATE="11000000$((10 + i)) +0000"
    echo "more $i" >> folder1/file1.txt
    mkdir -p new && seq 1 $((i * 500)) > "new/file$i"
    git add -A
    git commit -q -m "commit $i"
    git branch "branch$i" HEAD~$((i * 3))
done

git checkout -q branch7
seq 1 300 > side && git add side
git commit -q -m side
git merge -q -m merged main
git log --oneline | sed -n '1p;200p;$p'
git log --stat -n 50 | cksum
git log -p -n 100 | cksum
git blame folder1/file1.txt | cksum
git diff main~200 main --stat -M | tail -n 1
git grep -c "line 7 " | cksum
git repack -q -a -d -f --depth=20 --window=20
git gc -q --prune=now
git fsck --full 2>&1 | sort | cksum
git clone -q . ../clone
git -C ../clone rev-list --objects --all | sort | cksum
git archive HEAD | cksum
git rev-parse HEAD
