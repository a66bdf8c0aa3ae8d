// callgate's own voice on the terminal. Messages are sentences of ours; foreign words in them are
// escaped by whoever puts them in, and once more here for what cannot be text.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policy/policy.h"

namespace callgate::cli {

// "callgate: TEXT\n" on stderr.
void say(std::string_view text);
// As it stands, on stdout. False, after saying so, when stdout did not take it.
bool print(std::string_view text);

// "no such file" for an errno.
std::string error_text(int code);

// Loads the policies given as words, or says what is wrong and returns nullopt. `program` is the
// word that names the program to run, for ${PROGRAM}; empty when nothing will run.
std::optional<Policy> load_or_say(const std::vector<std::string>& words,
                                  const std::string& program);

}  // namespace callgate::cli
