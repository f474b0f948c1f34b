// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include <cairn/buffer.h>
#include <cairn/logging.h>
#include <cairn/source_laws.h>
#include <gtest/gtest.h>

#include "components/source/source_testing.h"

#include <cerrno>
#include <random>
#include <string>
#include <vector>

namespace {

class Logging : public ::testing::Test {
  protected:
    void SetUp() override
    {
        source_testing::Init(&buffer_, memory_, sizeof(memory_));
        Init("pages");
        source_ = cairn_logging_as_source(&logging_);
    }
    void Init(const char *name)
    {
        const cairn_logging_config config = {
            cairn_buffer_as_source(&buffer_), name,
            [](void *self, const char *line, size_t bytes) {
                static_cast<std::vector<std::string> *>(self)->emplace_back(line, bytes);
            },
            &lines_};
        ASSERT_EQ(cairn_logging_init(&logging_, &config), 0);
    }
    void TearDown() override
    {
        cairn_logging_fini(&logging_);
    }

    alignas(64) char memory_[64 * 1024];
    std::vector<std::string> lines_;
    cairn_buffer buffer_;
    cairn_logging logging_;
    cairn_source source_;
};

TEST_F(Logging, WritesALineForEachCall)
{
    void *blocks[4];
    ASSERT_EQ(cairn_source_take(source_, 100, 4, blocks, 4), 4u);
    EXPECT_EQ(cairn_source_take(source_, SIZE_MAX, 4, blocks, 1), 0u);
    cairn_source_give(source_, 100, blocks, 4);
    EXPECT_EQ(lines_,
              (std::vector<std::string>{"pages: take 100 bytes x 4, 4 given\n",
                                        "pages: take 18446744073709551615 bytes x 1, 0 given\n",
                                        "pages: give 100 bytes x 4\n"}));
}

TEST_F(Logging, NeedsASourceANameAndAWriter)
{
    const cairn_logging_config whole = logging_.config;
    for (int part = 0; part < 3; part++) {
        cairn_logging_config config = whole;
        if (part == 0)
            config.below.ops = nullptr;
        else if (part == 1)
            config.name = nullptr;
        else
            config.write = nullptr;
        EXPECT_EQ(cairn_logging_init(&logging_, &config), -EINVAL) << part;
    }
}

TEST_F(Logging, KeepsTheLaws)
{
    cairn_law_shape shape = {64, 16, 32, std::random_device{}()};
    const char *broken = cairn_laws_hold(source_, &shape);
    EXPECT_EQ(broken, nullptr) << broken << ", seed " << shape.seed;
}

TEST_F(Logging, CutsALongName)
{
    std::string name(100, 'x');
    Init(name.c_str());
    cairn_source_give(cairn_logging_as_source(&logging_), SIZE_MAX, nullptr, 0);
    EXPECT_EQ(lines_.back(), name.substr(0, 32) + ": give 18446744073709551615 bytes x 0\n");
}

} // namespace
