#include "arch/abi.h"

#include <linux/audit.h>

namespace callgate {

std::optional<Abi> abi_from_audit_arch(uint32_t audit_arch) {
  switch (audit_arch) {
    case AUDIT_ARCH_X86_64:
      return Abi::X86_64;
    case AUDIT_ARCH_I386:
      return Abi::I386;
    case AUDIT_ARCH_AARCH64:
      return Abi::Aarch64;
    default:
      return std::nullopt;
  }
}

uint32_t audit_arch(Abi abi) {
  switch (abi) {
    case Abi::X86_64:
      return AUDIT_ARCH_X86_64;
    case Abi::I386:
      return AUDIT_ARCH_I386;
    case Abi::Aarch64:
      return AUDIT_ARCH_AARCH64;
  }
  return 0;
}

std::string_view abi_name(Abi abi) {
  switch (abi) {
    case Abi::X86_64:
      return "x86_64";
    case Abi::I386:
      return "i386";
    case Abi::Aarch64:
      return "aarch64";
  }
  return "unknown";
}

}  // namespace callgate
