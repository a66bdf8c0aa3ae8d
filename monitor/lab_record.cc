#include "monitor/lab_record.h"

#include <sys/mman.h>

#include <new>
#include <span>

namespace callgate {
namespace {

constexpr size_t kFirst = 6;
constexpr size_t kBefore = 6;
constexpr size_t kAfter = 2;

// A short list that forgets nothing or, as a window that slides, its oldest entry.
template <size_t kSize>
struct Rows {
  uint32_t size = 0;
  std::array<LabRow, kSize> row{};

  [[nodiscard]] std::span<const LabRow> view() const {
    return {row.data(), std::min<size_t>(size, kSize)};
  }
  LabRow* last() { return size == 0 ? nullptr : &row[size - 1]; }
  [[nodiscard]] bool full() const { return size == kSize; }
  void push(const LabRow& added) {
    if (!full()) row[size++] = added;
  }
  void slide(const LabRow& added) {
    if (full()) {
      std::move(row.begin() + 1, row.end(), row.begin());
      --size;
    }
    push(added);
  }
};

}  // namespace

struct LabRecord::Shared {
  Rows<kFirst> first;
  Rows<kBefore> recent;                          // after the first ones
  Rows<kBefore + 1 + kAfter> around;             // the deciding row with its neighbours
  LabRow::Moment moment = LabRow::Moment::None;  // how much the deciding row decides
  uint64_t deciding = 0;
  uint32_t to_come = 0;  // rows that still belong after it
  uint64_t concerning = 0;
  uint64_t others = 0;
};

bool LabRow::same_as(const LabRow& other) const {
  return pid == other.pid && tid == other.tid && verdict == other.verdict &&
         moment == other.moment && call.view() == other.call.view() &&
         believed.view() == other.believed.view() && because.view() == other.because.view() &&
         did.view() == other.did.view();
}

Result<LabRecord> LabRecord::create() {
  void* memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return last_error();
  return LabRecord(new (memory) Shared());
}

LabRecord::~LabRecord() {
  if (shared_ != nullptr) munmap(shared_, sizeof *shared_);
}

void LabRecord::add_other() { ++shared_->others; }

void LabRecord::add(LabRow row) {
  Shared& all = *shared_;
  row.number = ++all.concerning;
  row.count = 1;
  const bool decides = row.moment > all.moment;
  LabRow* last = all.recent.size > 0 ? all.recent.last() : all.first.last();
  const bool repeats = !decides && last != nullptr && last->same_as(row);
  if (repeats) {
    ++last->count;
    LabRow* shown = all.around.last();
    if (shown != nullptr && shown->number == last->number) ++shown->count;
    return;
  }
  if (decides) {
    all.moment = row.moment;
    all.deciding = row.number;
    all.around.size = 0;
    for (const LabRow& before : all.recent.view()) all.around.push(before);
    all.to_come = kAfter + 1;
  }
  if (all.to_come > 0) {
    all.around.push(row);
    --all.to_come;
  }
  if (all.recent.size == 0 && !all.first.full()) {
    all.first.push(row);
  } else {
    all.recent.slide(row);
  }
}

LabStory LabRecord::story() const {
  const Shared& all = *shared_;
  LabStory story;
  story.moment = all.moment;
  story.deciding = all.deciding;
  story.concerning = all.concerning;
  story.others = all.others;
  const auto append = [&](std::span<const LabRow> rows) {
    for (const LabRow& row : rows) {
      if (story.rows.empty() || row.number > story.rows.back().number) story.rows.push_back(row);
    }
  };
  append(all.first.view());
  append(all.deciding != 0 ? all.around.view() : all.recent.view());
  return story;
}

}  // namespace callgate
