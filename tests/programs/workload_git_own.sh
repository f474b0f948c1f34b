# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
# workload_git_own.sh HISTORY: init, add, log and gc on a copy of a real history (the project's own .git).
set -eu
export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=c GIT_COMMITTER_EMAIL=c@example.org
export GIT_AUTHOR_DATE="1100000000 +0000" GIT_COMMITTER_DATE="1100000000 +0000"
git config --global gc.auto 0
git config --global init.defaultBranch main
git config --global pack.threads 2
git config --global safe.directory '*'

git clone -q --no-hardlinks "$1" copy
cd copy
git log --oneline | wc -l
git log -p | cksum
git log --stat -M --format=%H | cksum
git rev-list --objects --all | sort | cksum
for file in $(git ls-files | sed -n '1~20p'); do git blame -s "$file"; done | cksum
git repack -q -a -d -f
git gc -q --prune=now
git fsck --full 2>&1 | sort | cksum

# The same files as a new history of one commit.
rm -rf .git
git init -q
git add -A
git commit -q -m all
git ls-tree -r HEAD | cksum
git rev-parse 'HEAD^{tree}'
