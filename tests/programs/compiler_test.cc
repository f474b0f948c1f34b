// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// Compilers: an object file must be the same byte for byte.
#include <sstream>

#include "tests/programs/program.h"

namespace cairn_test {
namespace {

// A C file of many functions that call each other, with tables, switches and loops.
std::string LargeC(int functions)
{
    std::ostringstream text;
    text << "struct pair { long a, b; char name[16]; };\n";
    for (int i = 0; i < functions; i++) {
        text << "static struct pair table" << i << "[] = {";
        for (int j = 0; j < 12; j++)
            text << "{" << i * j << ", " << i + j << ", \"n" << i << "_" << j << "\"}, ";
        text << "};\nlong f" << i << "(long x, struct pair *p)\n{\n    long sum = 0;\n"
             << "    for (int k = 0; k < 12; k++) sum += table" << i << "[k].a * x + p[k % 3].b;\n"
             << "    switch (x % 7) {\n";
        for (int j = 0; j < 7; j++)
            text << "    case " << j << ": sum ^= " << i * 31 + j << "; break;\n";
        text << "    }\n";
        if (i > 0)
            text << "    if (sum & 1) sum += f" << (i * 7) % i << "(sum / 3, table" << i << ");\n";
        text << "    return sum;\n}\n";
    }
    return text.str();
}

// C++ with enough templates to make the compiler think.
std::string LargeCxx(int types)
{
    std::ostringstream text;
    text << "#include <algorithm>\n#include <functional>\n#include <map>\n#include "
            "<memory>\n#include <string>\n"
            "#include <vector>\ntemplate <int N> struct Tag { int value = N; bool operator<(const "
            "Tag &t) const { "
            "return value < t.value; } };\n";
    for (int i = 0; i < types; i++) {
        text << "long g" << i << "(int n)\n{\n    std::map<Tag<" << i
             << ">, std::vector<std::string>> m;\n"
             << "    for (int k = 0; k < n; k++) { Tag<" << i
             << "> t; t.value = k; m[t].push_back(\"x\"); }\n"
             << "    std::function<long(int)> f = [&m](int k) { return long(m.size()) + k; };\n"
             << "    auto p = std::make_unique<Tag<" << i
             << ">>();\n    return f(n) + p->value;\n}\n";
    }
    return text.str();
}

// Compiles the text, which is written by the run itself so that both see the same path.
void ExpectSameObject(const std::string &compiler, const std::string &file, const std::string &text,
                      const std::string &options)
{
    ScratchDirectory scratch;
    WriteFile(scratch.File(file), text);
    std::string script = "cp " + scratch.File(file) + " . && " + compiler + " " + options + " -c " +
                         file + " -o result.o && cksum < result.o";
    ExpectSameOnBoth({{"sh", "-c", script}, {"SOURCE_DATE_EPOCH=0"}, 150, "result.o", 0});
}

TEST(Gcc, CompilesALargeFileToTheSameObject)
{
    SKIP_WITHOUT("gcc");
    ExpectSameObject("gcc", "large.c", LargeC(220), "-O2 -g -frandom-seed=1");
}

TEST(Gcc, CompilesTemplatesToTheSameObject)
{
    SKIP_WITHOUT("g++");
    ExpectSameObject("g++", "large.cc", LargeCxx(8), "-std=c++17 -O1 -frandom-seed=1");
}

TEST(Clang, CompilesALargeFileToTheSameObject)
{
    SKIP_WITHOUT("clang");
    ExpectSameObject("clang", "large.c", LargeC(220), "-O2 -g");
}

TEST(Clang, CompilesTemplatesToTheSameObject)
{
    SKIP_WITHOUT("clang++");
    ExpectSameObject("clang++", "large.cc", LargeCxx(8), "-std=c++17 -O1");
}

} // namespace
} // namespace cairn_test
