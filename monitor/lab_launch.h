// The start of one attack: its prey, policy and pipes, and the process that becomes the attack,
// bare or with callgate in between.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "arch/unique_fd.h"
#include "monitor/lab_lesson.h"
#include "monitor/lab_prey.h"
#include "monitor/lab_record.h"
#include "policy/policy.h"

namespace callgate {

enum class LabModel : uint8_t { Bare, Naive, Canonical, Sealed };
inline constexpr std::array kLabModels = {LabModel::Bare, LabModel::Naive, LabModel::Canonical,
                                          LabModel::Sealed};
std::string_view lab_model_name(LabModel model);

// What the started process ends with when it could not become the attack.
inline constexpr int kLabNotStarted = 125;

struct LabScene {
  struct Pipe {
    UniqueFd read;
    UniqueFd write;
  };

  const LabLesson& lesson;
  std::string program;
  LabModel model = LabModel::Bare;
  std::chrono::milliseconds time{};
  std::unique_ptr<LabPrey> prey{};
  std::optional<Policy> policy{};
  std::unique_ptr<LabRecord> record{};
  Pipe out{};
  Pipe err{};
  Pipe terminal{};  // where the lesson asks for one

  // Everything but the process. A sentence when something could not be had.
  std::optional<std::string> prepare();
  // What callgate must say, with the names of this prey.
  [[nodiscard]] std::vector<std::string> reports() const;
  // The attack's process, with `mask` blocked, killed when this thread ends; -1 and errno.
  [[nodiscard]] pid_t launch(const sigset_t& mask) const;
};

}  // namespace callgate
