// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// CAIRN_CONF as a user meets it: what is understood takes effect, what is not is said in one line,
// and a program with raised privileges reads none of it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/process.h"
#include "tests/support/stack.h"

namespace cairn_test {
namespace {

// Options are read at the first allocation, and statistics printed by exit(): bash has both.
Outcome RunWithConf(const std::string &conf,
                    const std::vector<std::string> &argv = {"/bin/bash", "-c", "exit 0"})
{
    Command command;
    command.argv = argv;
    command.environment = {"CAIRN_CONF=" + conf};
    return RunOnStack(command);
}

// The line that an unknown key or value earns.
void ExpectOneLineNaming(const Outcome &outcome, const std::string &wrong,
                         const std::string &suggested)
{
    EXPECT_EQ(outcome.exit_code, 0) << outcome;
    std::vector<std::string> lines = Lines(outcome.err);
    ASSERT_EQ(lines.size(), 1u) << outcome;
    EXPECT_EQ(lines[0].rfind("cairn: ", 0), 0u) << outcome;
    EXPECT_NE(lines[0].find("'" + wrong + "'"), std::string::npos) << outcome;
    EXPECT_NE(lines[0].find(suggested), std::string::npos) << outcome;
}

TEST(Conf, SaysNothingWhenAllIsUnderstood)
{
    for (const char *conf : {"", "percpu:lock", "percpu:auto", "stats:0", "percpu:lock,stats:0",
                             "pages:mmap", "pages:brk", "fence:freely", "fence:never",
                             "percpu:rseq", "cpu:getcpu", "shards:3", "retain_mib:0"}) {
        Outcome outcome = RunWithConf(conf);
        EXPECT_TRUE(outcome.ok()) << conf << ": " << outcome;
        EXPECT_EQ(outcome.err, "") << conf;
    }
}

TEST(Conf, NamesTheNearestKeyForAnUnknownOne)
{
    ExpectOneLineNaming(RunWithConf("perpcu:lock"), "perpcu", "'percpu'");
    ExpectOneLineNaming(RunWithConf("stat:1"), "stat", "'stats'");
    ExpectOneLineNaming(RunWithConf("limit:5"), "limit", "'limit_mib'");
}

TEST(Conf, NamesTheValuesForAnUnknownOne)
{
    ExpectOneLineNaming(RunWithConf("percpu:rwlock"), "rwlock", "lock");
    ExpectOneLineNaming(RunWithConf("pages:sbrk"), "sbrk", "brk");
    ExpectOneLineNaming(RunWithConf("stats:yes"), "yes", "number");
    ExpectOneLineNaming(RunWithConf("shards:-1"), "-1", "number");
}

TEST(Conf, UsesTheRestOfALineWithAMistake)
{
    Outcome outcome = RunWithConf("nonsense:1,stats:1");
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_GT(Lines(outcome.err).size(), 3u) << "statistics were asked for: " << outcome;
}

TEST(Conf, SurvivesAnyText)
{
    const std::string texts[] = {":",
                                 ",",
                                 ":::,,,",
                                 "percpu",
                                 "percpu:",
                                 ":lock",
                                 "percpu:lock,",
                                 ",percpu:lock",
                                 std::string(100000, 'x'),
                                 std::string(5000, ','),
                                 "\x01\xff:\x80",
                                 "shards:99999999999999999999999999",
                                 "limit_mib:18446744073709551616",
                                 "a:b:c",
                                 "percpu:lock:lock",
                                 " percpu : lock "};
    for (const std::string &text : texts) {
        Outcome outcome = RunWithConf(text);
        EXPECT_EQ(outcome.exit_code, 0) << text.substr(0, 80) << ": " << outcome;
        EXPECT_EQ(outcome.signal, 0) << text.substr(0, 80) << ": " << outcome;
    }
}

TEST(Conf, PrintsStatisticsAtExitWhenAsked)
{
    Outcome outcome = RunWithConf("stats:1", {"/bin/bash", "-c", "exit 7"});
    EXPECT_EQ(outcome.exit_code, 7) << outcome;
    EXPECT_NE(outcome.err.find("cairn"), std::string::npos) << outcome;
    EXPECT_EQ(outcome.out, "");
}

// Programs of coreutils close their standard error before the last destructor runs.
TEST(Conf, PrintsStatisticsOfAProgramThatClosesItsStandardErrorAtExit)
{
    Outcome outcome = RunWithConf("stats:1", {"/bin/ls", "/"});
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_NE(outcome.err.find("cairn"), std::string::npos) << outcome;
}

// A cap on memory is a promise: reached, it gives NULL; it is never exceeded.
TEST(Conf, CapsMemory)
{
    const char *script = "data = []\n"
                         "try:\n"
                         "    for i in range(400): data.append(bytearray(1 << 20))\n"
                         "except MemoryError:\n"
                         "    n = len(data); del data; print('refused after', n)\n";
    if (FindProgram("/usr/bin/python3").empty())
        GTEST_SKIP() << "no python3";
    Outcome outcome = RunWithConf("limit_mib:100", {"/usr/bin/python3", "-S", "-c", script});
    ASSERT_TRUE(outcome.ok()) << outcome;
    EXPECT_EQ(outcome.out.rfind("refused after ", 0), 0u) << outcome;
    EXPECT_LT(std::stoi(outcome.out.substr(14)), 100) << outcome;
    EXPECT_GT(std::stoi(outcome.out.substr(14)), 40) << outcome;
}

// A copy of the probe with the set-user-id bit; it must not see a line of ours.
class SecureProgram : public testing::Test {
  protected:
    void SetUp() override
    {
        if (geteuid() != 0)
            GTEST_SKIP() << "only root can make a program set-user-id";
        probe_ = scratch_.File("probe");
        WriteFile(probe_, ReadFile(DataFile("tests/preload/secure_probe_on_" + Stack())));
        ASSERT_EQ(chmod(scratch_.path().c_str(), 0755), 0);
        ASSERT_EQ(chmod(probe_.c_str(), 04755), 0);
    }
    static std::string Stack()
    {
        return StackName() == "libcairn_reference.so" ? "reference" : "cairn";
    }
    Outcome RunAs(uid_t user)
    {
        Command command;
        command.argv = {probe_};
        command.environment = {"CAIRN_CONF=stats:1,nonsense:1"};
        command.before_exec = [=] {
            if (user != 0 && setuid(user) != 0)
                _exit(126);
        };
        return RunCommand(command);
    }

  private:
    ScratchDirectory scratch_{ScratchDirectory::kShortPath}; // where any user may look
    std::string probe_;
};

TEST_F(SecureProgram, IgnoresTheEnvironment)
{
    constexpr uid_t kNobody = 65534;
    Outcome outcome = RunAs(kNobody);
    if (outcome.exit_code != 0)
        GTEST_SKIP() << "the program cannot be run as another user here: " << outcome;
    if (outcome.out != "secure 1\n")
        GTEST_SKIP() << "set-user-id has no effect here: " << outcome;
    EXPECT_EQ(outcome.err, "");
}

TEST_F(SecureProgram, ReadsTheEnvironmentWhenItsPrivilegesAreItsCallers)
{
    Outcome outcome = RunAs(0);
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_EQ(outcome.out, "secure 0\n");
    EXPECT_NE(outcome.err.find("nonsense"), std::string::npos) << outcome;
}

} // namespace
} // namespace cairn_test
