#include "policy/runtime.h"

namespace callgate {
namespace {

// Names are canonical: where /lib is a link to /usr/lib both patterns come to the same, and
// executables that live under /usr/lib (cc1, git-core) must not become executable with it. So
// execute is granted to what is mapped: shared objects and the loader, by their names.
constexpr std::string_view kRuntime =
    R"(# What a dynamically linked program needs to start and to print.
path allow read,execute ${PROGRAM}

# Shared libraries and the loader.
path allow read /lib/ /lib32/ /lib64/ /libx32/ /usr/lib/ /usr/lib32/ /usr/lib64/ /usr/libx32/ /usr/local/lib/
path allow execute /{lib,lib32,lib64,libx32}/**/{*.so,*.so.*,ld-linux*}
path allow execute /usr/{lib,lib32,lib64,libx32,local/lib}/**/{*.so,*.so.*,ld-linux*}
path allow read /etc/ld.so.cache /etc/ld.so.preload /etc/ld.so.conf /etc/ld.so.conf.d/

# Locale, time zone and terminal data.
path allow read /usr/share/locale/ /usr/share/locale-langpack/ /usr/share/i18n/ /etc/locale.alias
path allow read /usr/share/zoneinfo/ /etc/localtime /etc/timezone
path allow read /usr/share/terminfo/ /lib/terminfo/ /etc/terminfo/

# Devices that hold nothing, and the terminal the program was started on.
path allow read,write /dev/{null,zero,full,random,urandom,tty}
path allow read,write /dev/pts/*
path allow read,write /dev/{stdin,stdout,stderr} /dev/fd/

# libselinux asks, in every program that is linked with it (ls, cp, mv), whether SELinux is there.
path allow read /proc/filesystems

# The program's own process.
path allow read /proc/self/ /proc/thread-self/
)";

}  // namespace

std::string_view runtime_policy() { return kRuntime; }

}  // namespace callgate
