// What `callgate lab` prints: the list, a lesson, and runs as they happen.
#pragma once

#include <string>
#include <vector>

#include "monitor/lab_lesson.h"
#include "monitor/lab_play.h"
#include "monitor/lab_timeline.h"

namespace callgate::cli {

inline constexpr int kNothingRun = 77;  // everything asked for was skipped

std::string lab_list_text(const std::vector<const LabLesson*>& lessons, LabStyle style);
std::string lab_lesson_text(const LabLesson& lesson, LabStyle style);

struct LabPlan {
  std::vector<const LabLesson*> lessons;
  std::vector<LabModel> models;
  std::string programs;  // the directory
  LabSettings settings;
  LabStyle style;
  bool timelines = false;  // else one line an attack
};
// Runs and prints; on a stage. 0: all as their heads say; 1: not; kNothingRun.
int run_lab(const LabPlan& plan);

}  // namespace callgate::cli
