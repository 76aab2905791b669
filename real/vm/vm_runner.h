// VmRunner: runs a command as root under a guest kernel that has what the machine's own lacks. The
// machine's root is the guest's, read-only under a tmpfs overlay; the job's folders are shared
// read-write at the same paths; output streams out; the exit status comes back.
//
// Engines, in order of fitness: QEMU with KVM, User-mode Linux, QEMU with TCG. Whether one works is
// found by booting a canary, never by opening a device, and remembered for this boot of the
// machine.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/error.h"
#include "models/base/time.h"

namespace overlab::real {

enum class GuestEngine : std::uint8_t { kvm, uml, tcg };
[[nodiscard]] std::string_view to_string(GuestEngine engine);

/// What a scenario wants of a guest kernel beyond namespaces, veth, bridge, vxlan, tun, tbf.
struct GuestNeeds {
    bool esp = false, netem = false, wireguard = false, ipip = false, nat = false;
};

struct EngineState {
    GuestEngine engine = GuestEngine::uml;
    bool usable = false;
    std::string why;     ///< why not; or the guest kernel's version
    std::string remedy;  ///< e.g. `apt-get install user-mode-linux`
    GuestNeeds has;      ///< what its kernel can do
};

struct GuestJob {
    std::vector<std::string> argv;                ///< an absolute program path first
    std::filesystem::path folder;                 ///< working directory
    std::vector<std::filesystem::path> writable;  ///< shared read-write
    Duration limit = minutes(5);
    unsigned memory_mib = 1024, cores = 2;
    std::function<void(std::string_view)> output;  ///< as it comes, standard output and error
};

class VmRunner {
   public:
    /// State of all engines, in order of fitness; boots canaries where nothing is remembered.
    [[nodiscard]] static std::vector<EngineState> engines();
    /// The fittest that is usable and has what is needed. Errors: unsupported (lists each engine,
    /// why not, and the remedy).
    [[nodiscard]] static Result<VmRunner> pick(const GuestNeeds& needs,
                                               std::optional<GuestEngine> wanted = std::nullopt);

    [[nodiscard]] GuestEngine engine() const { return engine_; }
    /// The command's exit code. Errors: unavailable (the guest died or took longer than `limit`;
    /// with the console's last lines). SIGINT and SIGTERM of the caller end the guest too.
    [[nodiscard]] Result<int> run(const GuestJob& job);

   private:
    explicit VmRunner(GuestEngine engine) : engine_(engine) {}
    GuestEngine engine_;
};

}  // namespace overlab::real
