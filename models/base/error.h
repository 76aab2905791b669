// Error and Result: how a wrong *world* is reported. A wrong *program* is a CHECK (check.h).
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <utility>

namespace overlab {

/// What a caller may do about an error. Add a kind only if some caller would act differently on it.
enum class ErrorKind : std::uint8_t {
    invalid_argument,  ///< the input is wrong; trying again cannot help
    not_found,         ///< the named thing does not exist
    already_exists,    ///< somebody else holds it (a lost compare-and-swap, a taken subnet)
    out_of_space,      ///< every subnet, port or id in the range is taken
    compacted,         ///< the requested revision is gone; take a fresh snapshot
    unavailable,       ///< no answer in time; trying again later may help
    unsupported,       ///< this world cannot do that; the message says what can
};

/// `what` is for people: lower case, names the object first, says what to do where that is known.
struct Error {
    ErrorKind kind = ErrorKind::invalid_argument;
    std::string what;
    int os_errno = 0;

    friend bool operator==(const Error&, const Error&) = default;
};

template <typename T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(ErrorKind kind, std::string what,
                                                 int os_errno = 0) {
    return std::unexpected<Error>(Error{kind, std::move(what), os_errno});
}

}  // namespace overlab

/// Evaluates `expr` (a Result); on error returns that error from the enclosing function.
/// With a declaration as first argument it binds the value: OVERLAB_TRY(auto x, parse(s));
#define OVERLAB_TRY_CAT2(a, b) a##b
#define OVERLAB_TRY_CAT(a, b) OVERLAB_TRY_CAT2(a, b)
#define OVERLAB_TRY(decl, expr) OVERLAB_TRY_IMPL(OVERLAB_TRY_CAT(try_result_, __LINE__), decl, expr)
#define OVERLAB_TRY_IMPL(tmp, decl, expr)                            \
    auto tmp = (expr);                                               \
    if (!tmp) return std::unexpected<::overlab::Error>(tmp.error()); \
    decl = std::move(*tmp)
