// Captures: a process that writes what passes each link into files, one a link (models/net/pcapng).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "models/base/error.h"
#include "real/base/netns.h"
#include "real/base/process.h"

namespace overlab::real {

struct CapturePoint {
    const Netns* netns = nullptr;
    bool far_end = false;   ///< directions are told as seen from the other end of the link
    std::string interface;  ///< in there
    std::string name;       ///< of the interface in the file
    std::filesystem::path file;
};

class Captures {
   public:
    /// Everything is captured from the return on. `epoch_ns`: the monotonic clock's reading that
    /// files call 0; packets before are stamped 0. Errors: unavailable, not_found.
    [[nodiscard]] static Result<std::unique_ptr<Captures>> start(
        const std::vector<CapturePoint>& points, std::int64_t epoch_ns);

    /// Ends the process after it has written what was seen so far. Answers what people should know:
    /// packets that were not kept, by name. Errors: unavailable (a file is not complete).
    [[nodiscard]] Result<std::vector<std::string>> stop();

   private:
    Captures(Process process, Fd control)
        : process_(std::move(process)), control_(std::move(control)) {}

    Process process_;
    Fd control_;  ///< a socket: we end our side to stop, it answers with lines and ends its own
};

}  // namespace overlab::real
