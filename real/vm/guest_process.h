// GuestProcess: runs an engine's program to its end: hands on its output, keeps the last of its
// console, kills it at its limit or when a signal asks us to stop, and sees that none of its
// processes is left, however it or we end.
//
//   caller --fork--> keeper --fork, new process namespace where we may--> warden --fork--> engine
//
// User-mode Linux is several processes that live on when the first is killed. The warden outlives
// the engine and kills its session; where it is the first process of a namespace, the kernel does
// so even if the warden is killed. The engine itself must not be that first process: it ends by
// abort(), which such a process ignores. (The keeper is there because only a child can enter a new
// process namespace.)
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/error.h"
#include "models/base/time.h"

namespace overlab::real {

/// An engine's command line. Descriptor 3 is the guest's output; 1 and 2 its console; 0 is
/// /dev/null.
struct GuestBoot {
    std::vector<std::string> argv;           ///< an absolute program path first
    std::map<std::string, std::string> env;  ///< added to ours
    std::filesystem::path folder = "/";      ///< working directory
    /// Where the guest writes its output instead, if it has no use for descriptor 3. Read as it
    /// grows. Empty: descriptor 3.
    std::filesystem::path output_file;
    /// The same engine twice gets the same memory addresses and environment: no address space
    /// randomisation, and `env` is all there is.
    bool pinned = false;
};

struct GuestEnd {
    int code = 0;  ///< the engine's exit code, 128 + signal if it was killed
    bool over_limit = false;
    int signal = 0;       ///< SIGINT, SIGTERM or SIGHUP that came for us meanwhile; 0: none
    std::string console;  ///< its last 16 KiB
};

/// Blocks until the engine has ended or was ended after `limit`. A SIGINT, SIGTERM or SIGHUP to the
/// calling thread ends the guest and is only told in the answer, not delivered. Errors: unavailable
/// (fork, pipe).
[[nodiscard]] Result<GuestEnd> run_guest(const GuestBoot& boot, Duration limit,
                                         const std::function<void(std::string_view)>& output);

}  // namespace overlab::real
