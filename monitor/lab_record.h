// What a lab run leaves of its thousands of calls: the first few that concern the prey, and those
// around the deciding moment. It lives in memory that the monitor's process writes and the lab
// reads, so that it is there whichever of the two is killed.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "arch/result.h"
#include "policy/policy.h"

namespace callgate {

// Text of bounded length in memory that is shared; what does not fit ends in "...".
template <size_t kSize>
class SharedText {
 public:
  void set(std::string_view text) {
    size_ = static_cast<uint32_t>(std::min(text.size(), kSize));
    std::copy_n(text.data(), size_, bytes_.begin());
    if (text.size() > kSize) std::fill_n(bytes_.begin() + (kSize - 3), 3, '.');
  }
  [[nodiscard]] std::string_view view() const {
    return {bytes_.data(), std::min<size_t>(size_, kSize)};
  }

 private:
  uint32_t size_ = 0;
  std::array<char, kSize> bytes_{};
};

// One judged call, or several equal ones in a row. Texts are escaped, $T and $S stand for the
// trees.
struct LabRow {
  enum class Moment : uint8_t {
    None,
    Refusal,      // something was refused
    PreyRefused,  // the prey was refused under its own name
    PreyReached,  // a call was let through and acted on what the policy does not grant
  };
  uint64_t number = 0;  // among the calls that concern the prey, from 1
  uint64_t count = 0;
  int64_t time_ns = 0;
  pid_t pid = 0;
  pid_t tid = 0;
  Verdict verdict = Verdict::Allow;
  Moment moment = Moment::None;
  SharedText<200> call;      // "openat "me""
  SharedText<200> believed;  // "read $T/me"
  SharedText<160> because;   // "line 2", "no line", a reason
  SharedText<200> did;       // "opened $S/key", "ENOENT"

  // Whether a reader would see the same line twice.
  [[nodiscard]] bool same_as(const LabRow& other) const;
};

// A copy for whoever tells the story.
struct LabStory {
  std::vector<LabRow> rows;  // in order; a jump in `number` is calls left out
  LabRow::Moment moment = LabRow::Moment::None;
  uint64_t deciding = 0;    // the number of the deciding row; 0: there is none
  uint64_t concerning = 0;  // calls that concern the prey
  uint64_t others = 0;      // start-up, libraries, locale
};

class LabRecord {
 public:
  static Result<LabRecord> create();
  LabRecord(LabRecord&& other) noexcept : shared_(std::exchange(other.shared_, nullptr)) {}
  LabRecord& operator=(LabRecord&&) = delete;
  LabRecord(const LabRecord&) = delete;
  LabRecord& operator=(const LabRecord&) = delete;
  ~LabRecord();

  // One process writes.
  void add(LabRow row);
  void add_other();
  // When nobody writes any more.
  [[nodiscard]] LabStory story() const;

 private:
  struct Shared;
  explicit LabRecord(Shared* shared) : shared_(shared) {}
  Shared* shared_;
};

}  // namespace callgate
