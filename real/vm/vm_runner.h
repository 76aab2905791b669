// VmRunner: runs a command as root under a guest kernel that has what the machine's own lacks. The
// machine's root is the guest's, read-only under a tmpfs overlay; the job's folders are shared
// read-write at the same paths; output streams out; the exit status comes back.
//
// Engines, in order of fitness: QEMU with KVM, User-mode Linux, QEMU with TCG. Whether one works is
// found by booting a canary, never by opening a device, and remembered for this boot of the
// machine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/error.h"
#include "models/base/time.h"

namespace overlab::real {

/// In order of fitness (load-bearing).
enum class GuestEngine : std::uint8_t { kvm, uml, tcg };
[[nodiscard]] std::string_view to_string(GuestEngine engine);

/// What a scenario wants of a guest kernel beyond namespaces, veth, bridge, vxlan, tun, tbf.
struct GuestNeeds {
    bool esp = false, netem = false, wireguard = false, ipip = false, nat = false;
    bool virtual_time = false;  ///< a clock of its own: GuestJob::virtual_time

    friend bool operator==(const GuestNeeds&, const GuestNeeds&) = default;
};
/// `esp, netem`; `nothing` if none.
[[nodiscard]] std::string to_string(const GuestNeeds& needs);

struct EngineState {
    GuestEngine engine = GuestEngine::uml;
    bool usable = false;
    std::string why;     ///< why not; or `kernel 6.1.176`
    std::string remedy;  ///< e.g. `apt-get install user-mode-linux`; empty if all is well
    GuestNeeds has;      ///< what its kernel can do
};

struct VmOptions {
    /// A User-mode Linux kernel of one's own, with all it needs built in. Empty: the one in the
    /// cache (`overlab kernel build`), else Debian's.
    std::filesystem::path uml;
    /// Where answers and QEMU's kernel are kept. Empty: ~/.cache/overlab.
    std::filesystem::path cache;
    /// Boots canaries even where an answer is remembered.
    bool ask_again = false;
};

/// A folder of the machine in the guest, read-write; at the same path if no other is named.
struct GuestShare {
    GuestShare(std::filesystem::path both)  // NOLINT(google-explicit-constructor): a path is one
        : host(std::move(both)), guest(host) {}
    GuestShare(const char* both)  // NOLINT(google-explicit-constructor)
        : GuestShare(std::filesystem::path(both)) {}
    GuestShare(std::filesystem::path on_host, std::filesystem::path in_guest)
        : host(std::move(on_host)), guest(std::move(in_guest)) {}

    std::filesystem::path host, guest;
};

/// A guest whose clock runs by itself: it stands while there is work and jumps to the next timer
/// when there is none. Nothing of the machine leaks in (clock, entropy, time stamp counter,
/// addresses), so the same job with the same seed does the same, byte for byte.
struct VirtualTime {
    std::uint64_t seed = 1;  ///< of all that the guest draws at random
    /// The guest's clock at boot, ns since 1970: 2024-01-01T00:00:00Z.
    std::int64_t start_ns = 1'704'067'200'000'000'000;
};

struct GuestJob {
    std::vector<std::string> argv;  ///< an absolute program path first
    /// The command's environment is this, over PATH (the usual folders), HOME=/root and
    /// LANG=C.UTF-8; nothing of ours. Its standard output is a pipe, its input /dev/null.
    std::map<std::string, std::string> env;
    std::filesystem::path folder = "/";            ///< working directory
    std::vector<GuestShare> writable;              ///< existing folders
    Duration limit = minutes(5);                   ///< of the machine's time, boot included
    unsigned memory_mib = 1024, cores = 2;         ///< User-mode Linux has one core
    std::function<void(std::string_view)> output;  ///< as it comes, standard output and error
    std::optional<VirtualTime> virtual_time;       ///< empty: the machine's time
};

class VmRunner {
   public:
    /// State of all engines, in order of fitness; boots canaries where nothing is remembered.
    [[nodiscard]] static std::vector<EngineState> engines(const VmOptions& options = {});
    /// The fittest that is usable and has what is needed; boots no canary beyond it. Errors:
    /// unsupported (lists each engine, why not, and the remedy).
    [[nodiscard]] static Result<VmRunner> pick(const GuestNeeds& needs,
                                               std::optional<GuestEngine> wanted = std::nullopt,
                                               const VmOptions& options = {});

    [[nodiscard]] GuestEngine engine() const { return engine_; }
    /// The command's exit code: 128 + signal if it was killed, 126 if `folder` cannot be entered,
    /// 127 if the program does not exist. Errors: invalid_argument (a path with a comma or a line
    /// break, a relative one; virtual time on an engine that has none), not_found (a `writable`
    /// that is no folder), unavailable (the guest died or took longer than `limit`; with the
    /// console's last lines).
    ///
    /// A SIGINT, SIGTERM or SIGHUP of the caller ends the guest, then reaches the caller as if it
    /// came after the guest's end. What the command wrote to `writable` folders is there on the
    /// machine when this returns, not before.
    [[nodiscard]] Result<int> run(const GuestJob& job) const;

   private:
    VmRunner(GuestEngine engine, VmOptions options)
        : engine_(engine), options_(std::move(options)) {}

    GuestEngine engine_;
    VmOptions options_;
};

/// Downloads the kernel that QEMU boots into the cache folder (70 MB; no root needed; nothing is
/// installed). Answers its version. Errors: not_found, unavailable.
[[nodiscard]] Result<std::string> fetch_qemu_kernel(const VmOptions& options = {});

}  // namespace overlab::real
