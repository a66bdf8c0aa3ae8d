// Many globs asked at once: which of them match a string? The cost follows the globs that can
// match (same literal prefix or suffix), not the number of globs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "policy/pattern.h"

namespace callgate {

struct StringHash {
  using is_transparent = void;  // NOLINT(readability-identifier-naming): the library's word
  size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
};

class GlobSet {
 public:
  GlobSet();
  GlobSet(GlobSet&&) noexcept;
  GlobSet& operator=(GlobSet&&) noexcept;
  ~GlobSet();

  void add(Glob glob, uint32_t id);
  // After the last add, before the first question.
  void freeze();

  template <typename Found>  // Found(uint32_t id), in no order
  void match(std::string_view text, const Found& found) const {
    if (by_prefix_.empty() && by_suffix_.empty()) return match_bucket(rest_, text, found);
    for (const size_t length : prefix_lengths_) {
      if (length > text.size()) break;
      if (auto it = by_prefix_.find(text.substr(0, length)); it != by_prefix_.end()) {
        match_bucket(it->second, text, found);
      }
    }
    for (const size_t length : suffix_lengths_) {
      if (length > text.size()) break;
      if (auto it = by_suffix_.find(text.substr(text.size() - length)); it != by_suffix_.end()) {
        match_bucket(it->second, text, found);
      }
    }
    match_bucket(rest_, text, found);
  }

 private:
  struct Entry {
    Glob glob;
    uint32_t id;
  };
  struct Automaton;  // RE2::Set, for a bucket of many
  struct Bucket {
    Bucket();
    Bucket(Bucket&&) noexcept;
    Bucket& operator=(Bucket&&) noexcept;
    ~Bucket();
    std::vector<uint32_t> entries;
    std::unique_ptr<Automaton> automaton;
  };
  using Buckets = std::unordered_map<std::string, Bucket, StringHash, std::equal_to<>>;

  template <typename Found>
  void match_bucket(const Bucket& bucket, std::string_view text, const Found& found) const {
    if (bucket.automaton) {
      std::vector<int> hits;
      if (ask_automaton(bucket, text, &hits)) {
        for (const int hit : hits) {
          found(entries_[bucket.entries[static_cast<size_t>(hit)]].id);
        }
        return;
      }
    }
    for (const uint32_t entry : bucket.entries) {
      if (entries_[entry].glob.matches(text)) found(entries_[entry].id);
    }
  }
  // False: the automaton ran out of its memory and the bucket must be read one by one.
  static bool ask_automaton(const Bucket& bucket, std::string_view text, std::vector<int>* hits);
  void build(Bucket* bucket) const;

  std::vector<Entry> entries_;
  Buckets by_prefix_;
  Buckets by_suffix_;
  Bucket rest_;
  std::vector<size_t> prefix_lengths_;  // ascending
  std::vector<size_t> suffix_lengths_;
};

}  // namespace callgate
