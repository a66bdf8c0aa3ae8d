# The target thirty_two_bits: what a test program links to be a static i386 program. It does not
# exist where the compiler cannot make one (Debian: g++-12-multilib); the tests then say so.
include_guard(GLOBAL)

if(CALLGATE_MACHINE STREQUAL "x86")
  # Without the metapackage gcc-multilib nothing leads from /usr/include/asm to the machine's own.
  set(flags -m32 -isystem /usr/include/${CMAKE_LIBRARY_ARCHITECTURE})
  set(probe ${CMAKE_BINARY_DIR}/probe_32.cc)
  file(WRITE ${probe} "#include <errno.h>\n#include <string>\n#include <thread>\n"
                      "int main(int n, char** v) { return std::string(v[0]).size() > 1000u * n; }\n")
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} ${flags} -static -pthread ${probe} -o ${probe}.out
                  RESULT_VARIABLE no_multilib OUTPUT_QUIET ERROR_QUIET)
  if(no_multilib EQUAL 0)
    add_library(thirty_two_bits INTERFACE)
    target_compile_options(thirty_two_bits INTERFACE ${flags} -fno-pie)
    target_link_options(thirty_two_bits INTERFACE -m32 -static -no-pie)
  endif()
endif()
if(NOT TARGET thirty_two_bits)
  message(STATUS "No 32-bit C++ compiler: the 32-bit programs of the tests are not built")
endif()
