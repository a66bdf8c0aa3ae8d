// One run of one attack: its prey laid out afresh, the program started with no monitor or under one
// of the models, everything it printed, and what it got. Nothing of it is left afterwards.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "monitor/lab_launch.h"
#include "monitor/lab_lesson.h"
#include "monitor/lab_record.h"

namespace callgate {

struct LabSettings {
  // For races that are not won; else as the lesson's head says.
  std::optional<std::chrono::milliseconds> time;
  std::chrono::seconds limit{60};  // for the rest of a run; then it is killed
};

struct LabRun {
  enum class End : uint8_t {
    Taken,     // the prey, see `lost`
    Held,      // the attack gave up and the prey is whole
    Skipped,   // what it needs is not here
    TimedOut,  // killed, the prey is whole
    Odd,       // ended as no attack should
    Failed,    // the lab itself could not do it
    Interrupted,
  };
  LabModel model = LabModel::Bare;
  End end = End::Failed;
  int status = 0;            // as a shell says it
  std::string printed;       // the program's standard output, raw
  std::string said;          // its standard error and callgate's, raw
  std::string lost;          // Taken: what
  std::string note;          // why it was skipped, failed, was odd, or is not as the head says
  LabStory story;            // empty for Bare
  bool as_told = true;       // as the lesson's head says; always true where it says nothing
  bool left_behind = false;  // something could not be removed or killed
};

// Why this attack cannot be run here at all; nullopt: it can.
std::optional<std::string> lab_obstacle(const LabLesson& lesson, const std::string& program);

// To be called on a stage (lab_stage.h): whatever children this process has will be killed.
LabRun play_attack(const LabLesson& lesson, const std::string& program, LabModel model,
                   const LabSettings& settings);

}  // namespace callgate
