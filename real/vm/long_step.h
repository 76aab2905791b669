// run_step(): a program that takes minutes and has children of its own, which go with it.
//
//   caller --fork--> keeper, leads a session --fork--> program --> its children
//
// make(1) leaves its children behind when it is killed, so the keeper outlives the program and ends
// the session: when it is told to, and when the caller dies, even by SIGKILL.
#pragma once

#include <functional>

#include "models/base/error.h"
#include "real/base/process.h"

namespace overlab::real {

/// Runs it in a session of its own, so that a terminal's Ctrl-C is the caller's to act on. Calls
/// `go_on` five times a second; once it answers false, the program and all of its session get
/// SIGTERM, and SIGKILL when the program has ended or after five seconds. A program that cannot be
/// started ends with code 127 and says why where its errors go. Errors: unavailable (fork);
/// already_exists (stopped by `go_on`).
[[nodiscard]] Result<ExitStatus> run_step(const Command& command,
                                          const std::function<bool()>& go_on);

}  // namespace overlab::real
