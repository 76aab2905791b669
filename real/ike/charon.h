// Charon: a strongSwan IKE daemon of our own for one namespace: its own configuration, VICI socket
// and log, sharing nothing with a strongSwan that the machine may run.
#pragma once

#include <filesystem>

#include "models/base/error.h"
#include "real/base/process.h"

namespace overlab::real {

struct CharonOptions {
    const Netns* netns = nullptr;
    std::filesystem::path folder;  ///< configuration, socket `vici`, `charon.log`; must exist, 0700
};

class Charon {
   public:
    /// Starts charon-systemd and waits until its socket answers. Keys are never logged: log levels
    /// that print them (above 2 in cfg, ike, lib) are not used. Errors: not_found (not installed;
    /// names the package), unavailable (with the log's last line).
    [[nodiscard]] static Result<Charon> start(const CharonOptions& options,
                                              Duration limit = seconds(10));

    [[nodiscard]] std::filesystem::path socket() const { return folder_ / "vici"; }
    [[nodiscard]] Process& process() { return process_; }

   private:
    Charon(Process process, std::filesystem::path folder)
        : process_(std::move(process)), folder_(std::move(folder)) {}
    Process process_;
    std::filesystem::path folder_;
};

}  // namespace overlab::real
