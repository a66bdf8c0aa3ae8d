// Namespaces for the attacks that begin in one of their own: a mount that was there before, a pid
// that can be had again. An ordinary user gets them within a user namespace, where the kernel
// allows that.
#pragma once

#include <string>

namespace callgate {

struct LabNamespaces {
  bool mounts = false;
  bool pids = false;  // with a /proc of its own
  [[nodiscard]] bool any() const { return mounts || pids; }
};

// Goes on in the namespaces, as the first process where `pids` asks for that; the process that
// called stays behind then, and ends as the new one does. A sentence when they cannot be had.
std::string enter_lab_namespaces(LabNamespaces wanted);

// Whether whoever asks may make a user namespace here: not in a chroot, nor in many a container.
bool user_namespaces_are_to_be_had();

}  // namespace callgate
