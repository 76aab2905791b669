// Sandbox: runs a function where nothing it does can reach the machine's own network, and nothing
// it starts can outlive it: as first process of a new process namespace, with network, mount and
// IPC namespaces of its own, and a user namespace where we are not root. When it ends, however it
// ends, the kernel kills every process in it, and the network namespaces go with them.
//
// Inside: /proc is its own; /run and /var/run are empty tmpfs; mounts are private.
#pragma once

#include <functional>

#include "models/base/error.h"

namespace overlab::real {

/// Forks, runs `body` in there and waits; answers its exit code (128 + signal if it was killed).
/// Descriptors stay open, so a pipe brings results back. The sandbox dies with the calling process.
/// Errors: unsupported (no right; the message has the remedy), unavailable.
[[nodiscard]] Result<int> run_in_sandbox(const std::function<int()>& body);

}  // namespace overlab::real
