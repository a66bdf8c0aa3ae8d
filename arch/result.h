// The error vocabulary: a value or an errno. A tracee's death (ESRCH) is an ordinary value here;
// nothing in callgate throws across a function boundary.
#pragma once

#include <cerrno>
#include <utility>
#include <variant>

namespace callgate {

// An errno as the kernel would return it (positive, 1..4095).
struct Error {
  int code = 0;
  friend bool operator==(const Error&, const Error&) = default;
};

// The calling thread's errno, taken right after a failed call.
inline Error last_error() { return Error{errno}; }

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit
  Result(Error error) : state_(std::in_place_index<1>, error) {}         // NOLINT: implicit

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] Error error() const { return std::get<1>(state_); }

  T& operator*() & { return std::get<0>(state_); }
  const T& operator*() const& { return std::get<0>(state_); }
  T&& operator*() && { return std::get<0>(std::move(state_)); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }

 private:
  std::variant<T, Error> state_;
};

struct Unit {};
// Success without a value, or an errno.
using Status = Result<Unit>;

// NOLINTBEGIN(bugprone-macro-parentheses): `declaration` declares.
#define CALLGATE_CONCAT_INNER(a, b) a##b
#define CALLGATE_CONCAT(a, b) CALLGATE_CONCAT_INNER(a, b)
#define CALLGATE_TRY_IMPL(result, declaration, expression) \
  auto result = (expression);                              \
  if (!result.ok()) return result.error();                 \
  declaration = *std::move(result)
// CALLGATE_TRY(Call call, decode(entry)); hands an error to the caller, else binds the value.
#define CALLGATE_TRY(declaration, expression) \
  CALLGATE_TRY_IMPL(CALLGATE_CONCAT(callgate_result_, __LINE__), declaration, expression)
// NOLINTEND(bugprone-macro-parentheses)

}  // namespace callgate
