// Whatever the bytes, what is shown of them is printable ASCII; escaped text can be read back as
// docs/audit.md says, up to the bytes that "...(+N bytes)" says are left out; hex and is_plain
// agree with it; and a name written down as a pattern is one word of a policy, and matches that
// name.
//
// The input: a limit (2 bytes), then the bytes.
#include <algorithm>
#include <charconv>

#include "monitor/escape.h"
#include "policy/lexer.h"
#include "policy/pattern.h"
#include "tests/fuzz/fuzz_input.h"

namespace callgate::fuzz {
namespace {

// The reader that docs/audit.md describes. A malformed escape ends the text.
std::string unescape(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      bytes += text[i];
      continue;
    }
    constexpr std::string_view kNamed = "\\\"ntr";
    constexpr std::string_view kMeant = "\\\"\n\t\r";
    const char code = ++i < text.size() ? text[i] : '\0';
    if (const size_t named = kNamed.find(code); named != std::string_view::npos) {
      bytes += kMeant[named];
    } else {
      uint8_t value = 0;
      const auto* digits = text.data() + i + 1;
      holds(code == 'x' && i + 2 < text.size() &&
                std::from_chars(digits, digits + 2, value, 16).ptr == digits + 2,
            "an escape is \\n, \\t, \\r, \\\\, \\\" or \\xHH");
      bytes += static_cast<char>(value);
      i += 2;
    }
  }
  return bytes;
}

void check_cut(std::string_view bytes, size_t limit) {
  const std::string shown = escape(bytes, limit);
  holds(printable(shown), "printable");
  if (escape(bytes, SIZE_MAX).size() <= limit) {
    holds(unescape(shown) == bytes, "what fits is shown whole");
    return;
  }
  const size_t mark = shown.rfind("...(+");
  holds(mark != std::string::npos && mark <= limit, "what does not fit is cut at the limit");
  const size_t left = std::strtoul(shown.c_str() + mark + 5, nullptr, 10);
  holds(unescape(shown.substr(0, mark)) == bytes.substr(0, bytes.size() - left), "and counted");
}

void check_pattern(const std::string& name) {
  const std::string pattern = quote_pattern(name);
  holds(printable(pattern), "a pattern can be copied");
  Line line;
  holds(!lex_line(pattern, &line).has_value() && line.words.size() == 1, "a pattern is one word");
  std::vector<Pattern> patterns;
  holds(!parse_pattern(line.words.front(), &patterns).has_value() && patterns.size() == 1,
        "a pattern is one pattern");
  holds(pattern_matches(patterns.front(), name), "a pattern matches its name");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const auto limit = input.take<uint16_t>();
  const std::string_view bytes = input.text();
  const std::string whole = escape(bytes, SIZE_MAX);
  holds(printable(whole) && unescape(whole) == bytes, "escaped text is the bytes");
  check_cut(bytes, limit);
  holds(is_plain(bytes) == (whole == bytes), "plain is what needs no escape");
  holds(printable(escape_line(bytes)), "a line of ours is one line");
  const std::string digits = hex(bytes);
  holds(digits.size() == 2 * bytes.size() &&
            digits.find_first_not_of("0123456789abcdef") == std::string::npos,
        "two digits a byte");
  if (const std::string name = canonical(bytes); !name.empty()) check_pattern(name);
  return 0;
}

}  // namespace callgate::fuzz
