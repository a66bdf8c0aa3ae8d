// How foreign bytes are shown. A name, an argument or a message that came from the traced program
// may hold anything: terminal sequences, forged lines, bidirectional marks. Nothing of it reaches
// a terminal or a log except through these functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace callgate {

inline constexpr size_t kShownBytes = 4096;  // of escaped text; a PATH_MAX name fits when plain

// Printable ASCII passes; everything else becomes \n, \t, \r or \xHH, and so do backslash (\\) and
// double quote (\"). UTF-8 is not passed either: a bidirectional override is valid UTF-8. At most
// `limit` characters of escaped text, then "...(+N bytes)" with the number of bytes left out.
std::string escape(std::string_view bytes, size_t limit = kShownBytes);

// For a sentence of our own that may hold a foreign word: as escape(), but backslash and double
// quote stay as they are and there is no limit.
std::string escape_line(std::string_view text);

// Whether escape() would change nothing (but for length): then the text is the bytes.
bool is_plain(std::string_view bytes);

// Two lower-case digits a byte.
std::string hex(std::string_view bytes);

// The name as a policy pattern: glob characters, blanks, quotes and the comment sign escaped. Each
// byte that is not printable ASCII becomes `?`, which matches any byte: the pattern is then wider
// than the name, but a line that can be copied.
std::string quote_pattern(std::string_view name);
// The same for a symbolic link itself. A plain name would be taken for where the link leads; a class
// of one letter is matched and not followed. Empty where the name has neither letter nor digit.
std::string quote_link_pattern(std::string_view name);

}  // namespace callgate
