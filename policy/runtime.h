// The built-in list that lets a dynamically linked program start and print.
#pragma once

#include <string_view>

namespace callgate {

inline constexpr std::string_view kRuntimeFile = "runtime";

std::string_view runtime_policy();

}  // namespace callgate
