// run_step(): a program that takes minutes and has children of its own, which go with it.
#pragma once

#include <functional>

#include "models/base/error.h"
#include "real/base/process.h"

namespace overlab::real {

/// Runs it in a session of its own, so that a terminal's Ctrl-C is the caller's to act on. Calls
/// `go_on` five times a second; once it answers false, the program and all of its session get
/// SIGTERM, then SIGKILL. Errors: as Process::start(); already_exists (stopped by `go_on`).
[[nodiscard]] Result<ExitStatus> run_step(Command command, const std::function<bool()>& go_on);

}  // namespace overlab::real
