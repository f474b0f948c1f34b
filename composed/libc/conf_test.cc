// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include "composed/libc/conf.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace {

std::string g_warnings;

void Collect(void *, const char *line, size_t line_bytes)
{
    g_warnings.append(line, line_bytes);
}

cairn_conf_values Parse(const std::string &text)
{
    cairn_conf_values values = {};
    g_warnings.clear();
    cairn_conf_parse(&values, text.c_str(), Collect, nullptr);
    return values;
}

TEST(Conf, ReadsChoicesAndNumbers)
{
    cairn_conf_values values = Parse("pages:mmap,percpu:lock,cpu:getcpu,limit_mib:512,stats:1");
    EXPECT_EQ(values.value[CAIRN_CONF_PAGES], 2u);
    EXPECT_EQ(values.value[CAIRN_CONF_PERCPU], 1u);
    EXPECT_EQ(values.value[CAIRN_CONF_CPU], 2u);
    EXPECT_EQ(values.value[CAIRN_CONF_LIMIT_MIB], 512u);
    EXPECT_EQ(values.value[CAIRN_CONF_STATS], 1u);
    EXPECT_EQ(values.value[CAIRN_CONF_SHARDS], 0u);
    EXPECT_EQ(g_warnings, "");
}

TEST(Conf, ReadsEveryChoiceOfEveryKey)
{
    struct {
        const char *key;
        cairn_conf_key idx;
        std::vector<const char *> choices;
    } keys[] = {{"pages", CAIRN_CONF_PAGES, {"auto", "brk", "mmap"}},
                {"percpu", CAIRN_CONF_PERCPU, {"auto", "lock", "rseq"}},
                {"cpu", CAIRN_CONF_CPU, {"auto", "rseq", "getcpu"}},
                {"fence", CAIRN_CONF_FENCE, {"asked", "freely", "never"}},
                {"thp", CAIRN_CONF_THP, {"auto", "off", "always"}}};
    for (const auto &key : keys)
        for (size_t choice = 0; choice < key.choices.size(); choice++) {
            cairn_conf_values values = Parse(std::string(key.key) + ":" + key.choices[choice]);
            EXPECT_EQ(values.value[key.idx], choice) << key.key;
            EXPECT_EQ(g_warnings, "") << key.key;
        }
}

TEST(Conf, OfATimeMinusOneIsNeverAndNoughtIsNotTheDefault)
{
    EXPECT_EQ(Parse("").value[CAIRN_CONF_DECAY_MS], 0u);
    EXPECT_EQ(Parse("decay_ms:0").value[CAIRN_CONF_DECAY_MS], 1u);
    EXPECT_EQ(Parse("decay_ms:250").value[CAIRN_CONF_DECAY_MS], 251u);
    EXPECT_EQ(Parse("decay_ms:-1").value[CAIRN_CONF_DECAY_MS], CAIRN_CONF_NEVER);
    EXPECT_EQ(g_warnings, "");
    EXPECT_EQ(Parse("decay_ms:9,decay_ms:-2").value[CAIRN_CONF_DECAY_MS], 10u) << "as it was";
    EXPECT_EQ(g_warnings,
              "cairn: option 'decay_ms' cannot be '-2'; it is -1 or a number from 0 to 3600000\n");
}

TEST(Conf, SaysWhetherAllOfItWasRight)
{
    cairn_conf_values values = {};
    EXPECT_TRUE(cairn_conf_parse(&values, "", Collect, nullptr));
    EXPECT_TRUE(cairn_conf_parse(&values, "stats:1,,thp:off", Collect, nullptr));
    EXPECT_FALSE(cairn_conf_parse(&values, "stats:1,thp:on", Collect, nullptr));
    EXPECT_FALSE(cairn_conf_parse(&values, "nothing,stats:1", Collect, nullptr));
}

TEST(Conf, KnowsNoKeyThatChoosesAMap)
{
    Parse("map:two_level");
    EXPECT_NE(g_warnings.find("'map'"), std::string::npos);
}

TEST(Conf, NamesTheNearestKey)
{
    Parse("percup:lock");
    EXPECT_EQ(g_warnings, "cairn: option 'percup' is not known; did you mean 'percpu'?\n");
    Parse("limit:5");
    EXPECT_EQ(g_warnings, "cairn: option 'limit' is not known; did you mean 'limit_mib'?\n");
}

TEST(Conf, NamesAllKeysWhenNoneIsNear)
{
    const std::string all =
        "pages, percpu, cpu, fence, shards, limit_mib, retain_mib, stats, thp, soft_limit_mib, "
        "decay_ms, background\n";
    for (const char *key : {"map", "zzz", "x"}) {
        Parse(std::string(key) + ":1");
        EXPECT_EQ(g_warnings,
                  "cairn: option '" + std::string(key) + "' is not known; there are " + all);
    }
}

TEST(Conf, NamesTheRangeForAWrongNumber)
{
    Parse("stats:2");
    EXPECT_EQ(g_warnings, "cairn: option 'stats' cannot be '2'; it is a number from 0 to 1\n");
    Parse("limit_mib:x");
    EXPECT_EQ(g_warnings,
              "cairn: option 'limit_mib' cannot be 'x'; it is a number from 0 to 1073741824\n");
}

TEST(Conf, NamesTheChoicesForAWrongValue)
{
    cairn_conf_values values = Parse("pages:sbrk");
    EXPECT_EQ(values.value[CAIRN_CONF_PAGES], 0u);
    EXPECT_EQ(g_warnings, "cairn: option 'pages' cannot be 'sbrk'; it is one of auto, brk, mmap\n");
}

TEST(Conf, RefusesNumbersThatAreNone)
{
    for (const char *text : {"stats:2", "stats:", "stats", "stats:x", "shards:-1", "shards:99999",
                             "limit_mib:99999999999999999999", "shards:1 "}) {
        cairn_conf_values values = Parse(text);
        for (uint64_t value : values.value)
            EXPECT_EQ(value, 0u) << text;
        EXPECT_NE(g_warnings.find("cannot be"), std::string::npos) << text;
    }
}

TEST(Conf, KeepsTheRestOfAStringWithAMistake)
{
    cairn_conf_values values = Parse("nonsense:1,stats:1,,shards:7,");
    EXPECT_EQ(values.value[CAIRN_CONF_STATS], 1u);
    EXPECT_EQ(values.value[CAIRN_CONF_SHARDS], 7u);
    EXPECT_NE(g_warnings.find("'nonsense'"), std::string::npos);
}

TEST(Conf, LetsALaterValueWin)
{
    EXPECT_EQ(Parse("shards:3,shards:5").value[CAIRN_CONF_SHARDS], 5u);
}

TEST(Conf, CutsLongWordsInItsWarningAndStaysOnOneLine)
{
    Parse(std::string(5000, 'x') + ":1");
    EXPECT_LT(g_warnings.size(), 300u);
    EXPECT_EQ(g_warnings.substr(0, 15), "cairn: option '");
    EXPECT_NE(g_warnings.find("' is not known; there are pages"), std::string::npos);
    EXPECT_EQ(g_warnings.find('\n'), g_warnings.size() - 1);
}

TEST(Conf, SurvivesAnyString)
{
    std::mt19937 random(20261123);
    const std::string letters = "pages:brk,stats01:,percpu xyz\x01\xff";
    for (int round = 0; round < 20000; round++) {
        std::string text;
        for (unsigned length = random() % 40; length > 0; length--)
            text += letters[random() % letters.size()];
        cairn_conf_values values = Parse(text);
        EXPECT_LE(values.value[CAIRN_CONF_PAGES], 2u) << text;
        EXPECT_LE(values.value[CAIRN_CONF_STATS], 1u) << text;
    }
}

} // namespace
