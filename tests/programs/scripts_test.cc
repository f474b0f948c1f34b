// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// Interpreters and tools that run a script of ours from beginning to end.
#include "tests/programs/program.h"

#include <filesystem>

namespace cairn_test {
namespace {

TEST(Perl, GivesTheSameAnswers)
{
    SKIP_WITHOUT("perl");
    ExpectSameOnBoth({{"perl", Workload("workload.pl")},
                      {"PERL_HASH_SEED=0", "PERL_PERTURB_KEYS=0"},
                      120,
                      "",
                      0});
}

TEST(Bash, GivesTheSameAnswers)
{
    SKIP_WITHOUT("bash");
    ExpectSameOnBoth({{"bash", Workload("workload.sh")}, {}, 120, "", 0});
}

TEST(Node, GivesTheSameAnswers)
{
    SKIP_WITHOUT("node");
    ExpectSameOnBoth({{"node", Workload("workload.js")}, {}, 120, "", 0});
}

TEST(Git, MakesTheSameHistory)
{
    SKIP_WITHOUT("git");
    ExpectSameOnBoth({{"sh", Workload("workload_git.sh")}, {}, 200, "", 0});
}

// The checkout that this test was built from, where a symlink of the sandbox leads to it.
TEST(Git, WorksOnTheProjectsOwnHistory)
{
    SKIP_WITHOUT("git");
    std::string script = Workload("workload_git_own.sh");
    std::filesystem::path tree = std::filesystem::canonical(script).parent_path() / "../..";
    if (!std::filesystem::is_directory(tree / ".git"))
        GTEST_SKIP() << "not in a git checkout: " << tree;
    ExpectSameOnBoth({{"sh", script, (tree / ".git").lexically_normal()}, {}, 200, "", 0});
}

TEST(Sqlite, GivesTheSameAnswers)
{
    SKIP_WITHOUT("sqlite3");
    ExpectSameOnBoth(
        {{"sh", "-c", "sqlite3 -bail file.db < \"$0\"", Workload("workload.sql")}, {}, 200, "", 0});
}

TEST(Sqlite, WritesTheSameFile)
{
    SKIP_WITHOUT("sqlite3");
    const char *sql =
        "CREATE TABLE t (a, b); "
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "
        "INSERT INTO t SELECT i, hex(i * 12345) FROM n; CREATE INDEX x ON t (b); VACUUM;";
    ExpectSameOnBoth({{"sqlite3", "file.db", sql}, {}, 60, "file.db", 0});
}

TEST(Redis, ServesABenchmarkAndGivesTheSameAnswers)
{
    SKIP_WITHOUT("redis-server");
    SKIP_WITHOUT("redis-benchmark");
    SKIP_WITHOUT("redis-cli");
    ExpectSameOnBoth({{"sh", Workload("workload_redis.sh")}, {}, 200, "", 0});
}

TEST(Sort, SortsInThreads)
{
    const char *script =
        "awk 'BEGIN { for (i = 0; i < 400000; i++) print (i * 7919) % 1000003, \"row\" i }' "
        "| sort --parallel=4 -S 8M -k1,1n | cksum";
    ExpectSameOnBoth({{"sh", "-c", script}, {}, 60, "", 0});
}

} // namespace
} // namespace cairn_test
