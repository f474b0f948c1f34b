// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// strings.cc - a search engine in small, as C++ programs are written: strings, vectors and hash
// maps, all at once.
//
//     text  "...": append, word by word             index   word -> [document, document, ...]
//       `-- split into strings of their own --------^       hash map of strings and growing vectors
//
// Documents come and go in a ring; words that nobody has any more leave the map. Now and then a
// query joins what the index has on some words into a line. In the end the index must be empty, and
// every document must be what it was.

#include <algorithm>
#include <new>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bench/workloads/workload.h"

namespace {

uint64_t documents; // alive
uint64_t vocabulary;

constexpr uint64_t kWordsMost = 300; // of a document
constexpr uint64_t kQueryWords = 3;
constexpr uint64_t kQueryEvery = 4;

// A word of 2 to 24 letters that depends on its number alone.
std::string Word(uint64_t number)
{
    rng rng = rng_of(number);
    std::string word(2 + rng_below(&rng, 23), ' ');
    for (char &letter : word)
        letter = static_cast<char>('a' + rng_below(&rng, 26));
    return word;
}

// Low numbers are the frequent words.
uint64_t RandomNumber(rng &rng)
{
    return rng_below(&rng, 1 + rng_below(&rng, vocabulary));
}

uint64_t HashOf(std::string_view text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (char letter : text)
        hash = (hash ^ static_cast<unsigned char>(letter)) * UINT64_C(0x100000001b3);
    return hash;
}

struct Document {
    uint64_t number;
    uint64_t hash;
    std::string text;
};

std::vector<std::string> Split(const std::string &text)
{
    std::vector<std::string> words;
    for (size_t at = 0; at < text.size();) {
        size_t end = text.find(' ', at);
        words.push_back(text.substr(at, end - at));
        at = end + 1; // each word ends with a blank
    }
    return words;
}

class Engine {
  public:
    void Add(Document document)
    {
        for (std::string &word : Split(document.text))
            index_[std::move(word)].push_back(document.number);
        if (ring_.size() < documents) {
            ring_.push_back(std::move(document));
            return;
        }
        Document &place = ring_[document.number % documents];
        Remove(place);
        place = std::move(document);
    }

    // What the index has on some words, in a line.
    size_t Query(rng &rng) const
    {
        std::vector<uint64_t> found;
        std::string line = "found:";
        for (uint64_t i = 0; i < kQueryWords; i++) {
            auto entry = index_.find(Word(RandomNumber(rng)));
            if (entry != index_.end())
                found.insert(found.end(), entry->second.begin(), entry->second.end());
        }
        std::sort(found.begin(), found.end());
        found.erase(std::unique(found.begin(), found.end()), found.end());
        for (uint64_t number : found)
            line += " document-" + std::to_string(number);
        return line.size();
    }

    void RemoveAll()
    {
        for (const Document &document : ring_)
            Remove(document);
        ring_.clear();
        if (!index_.empty())
            fail("the index has %zu words of no document", index_.size());
    }

  private:
    void Remove(const Document &document)
    {
        if (HashOf(document.text) != document.hash)
            fail("document %zu was overwritten", static_cast<size_t>(document.number));
        for (const std::string &word : Split(document.text)) {
            auto entry = index_.find(word);
            if (entry == index_.end())
                fail("a word was lost: %s", word.c_str());
            std::vector<uint64_t> &numbers = entry->second;
            auto place = std::find(numbers.begin(), numbers.end(), document.number);
            if (place == numbers.end())
                fail("a document was lost: of %s", word.c_str());
            *place = numbers.back();
            numbers.pop_back();
            if (numbers.empty())
                index_.erase(entry);
        }
    }

    std::unordered_map<std::string, std::vector<uint64_t>> index_;
    std::vector<Document> ring_;
};

Document Compose(uint64_t number, uint64_t word_count, rng &rng)
{
    Document document{number, 0, ""};
    for (uint64_t i = 0; i < word_count; i++)
        document.text += Word(RandomNumber(rng)) + " ";
    document.hash = HashOf(document.text);
    return document;
}

void Serve(size_t thread)
{
    rng rng = rng_of(thread);
    Engine engine;
    size_t answered = 0;
    uint64_t number = 0;
    for (uint64_t left = ops; left > 0; number++) {
        uint64_t count = std::min(left, 1 + rng_below(&rng, kWordsMost));
        engine.Add(Compose(number, count, rng));
        if (number % kQueryEvery == 0)
            answered += engine.Query(rng);
        left -= count;
    }
    engine.RemoveAll();
    if (answered == 0)
        fail("no query was answered");
}

const parameter parameters[] = {OPS(400000), PARAMETER(documents, 200, 1, 1 << 24),
                                PARAMETER(vocabulary, 20000, 1, 1 << 28), NO_MORE};

} // namespace

int main(int argument_count, char **arguments)
{
    begin(argument_count, arguments,
          "a search engine in small: strings that grow by append and are split, vectors and a "
          "hash map of them, all alive at once (ops: words)",
          parameters);
    try {
        return run(1, Serve);
    } catch (const std::bad_alloc &) {
        out_of_memory();
    }
}
