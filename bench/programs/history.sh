# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: 2026 The cairn authors
#
# history.sh SCRATCH COMMITS: a repository is written, packed and read. Every date and name in it is fixed, so that its
# last commit always has the same name, which is printed.
set -eu
repository=$1/history.git
commits=$2
rm -rf "$repository"
export HOME="$1" GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
git init --quiet --bare --initial-branch=main "$repository"
cd "$repository"
git config pack.threads 1
git config gc.auto 0

# One file of 300 lines changes with each commit, of which there are twenty in all.
awk -v commits="$commits" '
    function chance(below) { state = (state * 421 + 1663) % 7875; return state % below }
    BEGIN {
        state = 2026
        for (commit = 1; commit <= commits; commit++) {
            file = commit % 20
            for (change = 0; change < 12; change++) words[file, chance(300)] = "changed by " commit " to " chance(5000)
            print "commit refs/heads/main"
            print "committer A Writer <writer@example.org> " 1700000000 + commit * 60 " +0000"
            print "data <<END\nChange file " file " for the " commit "th time\nEND"
            print "M 100644 inline folder" file % 4 "/file" file ".txt\ndata <<END"
            for (line = 0; line < 300; line++) print "line " line " of file " file ": " words[file, line]
            print "END"
        }
    }' | git fast-import --quiet

git repack -adfq --window=20
echo "commits $(git rev-list --count main), changed lines $(git log -p --stat main | grep -c '^[+-]line')"
echo "blamed $(git blame -s main -- folder1/file1.txt | cut -c1-8 | sort -u | wc -l)"
git fsck --full --no-progress
git rev-parse main
