// Random calls of every kind that takes a name, each with every flag. Each logs what it did and
// what was answered; what could change anything outside the box is turned into a look-up.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "tests/programs/names_fuzz/paths.h"

namespace names_fuzz {

constexpr char kExecuted[] = "executed";  // argv[1] of the program that is executed

// ---- look.cc
uint64_t at_flags();
mode_t some_mode();
void look(const Target& t);
void call_directory();
void call_watch(int watches);
// ---- open.cc
uint64_t open_flags();
void finish_open(long fd);
void call_open();
void call_tmpfile();
// ---- change.cc
void call_create();
void call_remove();
void call_two();
// ---- attributes.cc
void call_attributes();
void call_descriptor();
// ---- run.cc
void call_execute();
void call_socket();

}  // namespace names_fuzz
