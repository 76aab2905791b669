// CHECK: a wrong program stops at once, in release builds too, because a wrong simulation result is
// worse than a crash. DCHECK is for checks that would change the complexity of a function.
#pragma once

namespace overlab {

/// Prints `file:line: CHECK(condition) failed` on standard error and aborts.
[[noreturn]] void check_failed(const char* file, int line, const char* condition);

}  // namespace overlab

#define CHECK(condition) \
    ((condition) ? void(0) : ::overlab::check_failed(__FILE_NAME__, __LINE__, #condition))

#ifdef NDEBUG
#define DCHECK(condition) void(0)
#else
#define DCHECK(condition) CHECK(condition)
#endif
