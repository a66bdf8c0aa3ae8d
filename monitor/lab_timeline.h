// A lab run as text that can be projected: one column for each task of the attack, one for what the
// monitor believed, one for what the kernel did. Pure: values in, text out.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "monitor/lab_play.h"

namespace callgate {

struct LabStyle {
  size_t width = 100;
  bool colour = false;
};

// Words of `text` in lines of at most `width` columns; a word that is longer is cut.
std::vector<std::string> wrap_words(std::string_view text, size_t width);

// The table, the deciding moment in a sentence, and how it ended.
std::string lab_timeline(const LabRun& run, LabStyle style);

// One line for each model: what it believed, what the kernel did, what became of the prey.
std::string lab_side_by_side(std::span<const LabRun> runs, LabStyle style);

// "TAKEN", "kept", "skipped" ...; for a table.
std::string_view lab_end_word(const LabRun& run);

}  // namespace callgate
