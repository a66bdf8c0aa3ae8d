#include "policy/glob_set.h"

#include <re2/set.h>

#include <algorithm>
#include <utility>

namespace callgate {
namespace {

constexpr size_t kFewGlobs = 8;    // so few are quicker one by one
constexpr size_t kManyGlobs = 16;  // so many share one automaton
constexpr int64_t kAutomatonMemory = int64_t{256} << 20;

void note_length(std::vector<size_t>* lengths, size_t length) {
  const auto it = std::lower_bound(lengths->begin(), lengths->end(), length);
  if (it == lengths->end() || *it != length) lengths->insert(it, length);
}

RE2::Options automaton_options() {
  RE2::Options options;
  options.set_encoding(RE2::Options::EncodingLatin1);
  options.set_log_errors(false);
  options.set_max_mem(kAutomatonMemory);
  return options;
}

}  // namespace

struct GlobSet::Automaton {
  RE2::Set set{automaton_options(), RE2::ANCHOR_BOTH};
};

GlobSet::Bucket::Bucket() = default;
GlobSet::Bucket::Bucket(Bucket&&) noexcept = default;
GlobSet::Bucket& GlobSet::Bucket::operator=(Bucket&&) noexcept = default;
GlobSet::Bucket::~Bucket() = default;
GlobSet::GlobSet() = default;
GlobSet::GlobSet(GlobSet&&) noexcept = default;
GlobSet& GlobSet::operator=(GlobSet&&) noexcept = default;
GlobSet::~GlobSet() = default;

void GlobSet::add(Glob glob, uint32_t id) { entries_.push_back({std::move(glob), id}); }

void GlobSet::freeze() {
  for (uint32_t i = 0; i < entries_.size(); ++i) {
    if (entries_.size() <= kFewGlobs) {
      rest_.entries.push_back(i);
      continue;
    }
    const std::string prefix = entries_[i].glob.prefix();
    const std::string suffix = entries_[i].glob.suffix();
    if (prefix.empty() && suffix.empty()) {
      rest_.entries.push_back(i);
    } else if (prefix.size() >= suffix.size()) {
      by_prefix_[prefix].entries.push_back(i);
      note_length(&prefix_lengths_, prefix.size());
    } else {
      by_suffix_[suffix].entries.push_back(i);
      note_length(&suffix_lengths_, suffix.size());
    }
  }
  build(&rest_);
  for (auto& [prefix, bucket] : by_prefix_) build(&bucket);
  for (auto& [suffix, bucket] : by_suffix_) build(&bucket);
}

void GlobSet::build(Bucket* bucket) const {
  if (bucket->entries.size() <= kManyGlobs) return;
  auto automaton = std::make_unique<Automaton>();
  for (const uint32_t entry : bucket->entries) {
    if (automaton->set.Add(entries_[entry].glob.regex(), nullptr) < 0) return;
  }
  if (automaton->set.Compile()) bucket->automaton = std::move(automaton);
}

bool GlobSet::ask_automaton(const Bucket& bucket, std::string_view text, std::vector<int>* hits) {
  RE2::Set::ErrorInfo error{};
  const bool matched =
      bucket.automaton->set.Match(re2::StringPiece(text.data(), text.size()), hits, &error);
  return matched || error.kind == RE2::Set::kNoError;
}

}  // namespace callgate
