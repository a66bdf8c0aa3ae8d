// A small HTTP server, run under each contestant, and the client that asks it from outside: one
// process each, plain sockets on 127.0.0.1, answers of 1 KiB.
#pragma once

#include <string_view>

#include "arch/result.h"

namespace callgate {

// Listens on a free port, prints it on a line of stdout, and serves until its stdin ends. A request
// for /file opens and reads a file in the current directory; any other is answered from memory.
Status serve_http();

// Requests answered a second, over about `milliseconds`. `kind`: "kept" asks on connections that
// stay open, "new" makes one for each request, "file" is "kept" and asks for /file.
Result<double> ask_http(int port, std::string_view kind, int milliseconds);

}  // namespace callgate
