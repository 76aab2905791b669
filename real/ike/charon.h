// Charon: a strongSwan IKE daemon of our own for one namespace: its own configuration, VICI socket
// and log, sharing nothing with a strongSwan that the machine may run.
//
// It is charon-systemd, which for all its name needs no systemd and, unlike charon, has no pid file
// that would keep a second one from starting.
#pragma once

#include <filesystem>

#include "models/base/error.h"
#include "models/base/time.h"
#include "real/base/process.h"

namespace overlab::real {

struct CharonOptions {
    const Netns* netns = nullptr;
    std::filesystem::path folder;  ///< configuration, socket `vici`, `charon.log`; must exist, 0700
};

class Charon {
   public:
    /// Starts charon-systemd and waits until its socket answers. Keys are never logged: levels that
    /// print them (above 2) are not used. Errors: not_found (not installed; names the package),
    /// unavailable (with the log's last line), invalid_argument (the folder's path is too long for
    /// a socket's address).
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

/// strongswan.conf(5) of a daemon that lives in `folder`.
[[nodiscard]] std::string charon_configuration(const std::filesystem::path& folder);

/// What is missing of strongSwan for a daemon of ours, with the package; empty: nothing.
/// `rekeying`: also what is only needed to rekey with flannel's default proposal (ecp256), that is
/// after an hour.
struct CharonGaps {
    std::string starting, rekeying;
};
[[nodiscard]] CharonGaps charon_gaps();

}  // namespace overlab::real
