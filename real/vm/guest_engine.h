// The engines as data: how each is found on this machine, and how it boots a job's folder.
#pragma once

#include <array>
#include <filesystem>
#include <string>

#include "models/base/error.h"
#include "models/base/time.h"
#include "real/vm/guest_job.h"
#include "real/vm/guest_process.h"
#include "real/vm/vm_runner.h"

namespace overlab::real {

/// An engine's files on this machine.
struct EngineFiles {
    std::filesystem::path program;  ///< linux.uml, or QEMU
    std::filesystem::path busybox;
    std::filesystem::path modules;           ///< User-mode Linux
    std::filesystem::path image, initramfs;  ///< QEMU
};

struct EngineMissing {
    std::string why, remedy;
};

struct Engine {
    GuestEngine id;
    /// How long a canary may take. Generous: a loaded machine must not look like a broken one. But
    /// a KVM that cannot boot (one nested in a way that a stock kernel does not know) burns a core
    /// until it is killed.
    Duration canary_limit;
    std::expected<EngineFiles, EngineMissing> (*find)(const VmOptions& options,
                                                      const std::filesystem::path& cache);
    /// What no guest can be asked; null: never.
    bool (*has_virtual_time)(const EngineFiles& files);
    GuestHead (*head)(const EngineFiles& files);
    GuestBoot (*boot)(const EngineFiles& files, const GuestJob& job,
                      const std::filesystem::path& run);
};

/// In order of fitness.
extern const std::array<Engine, 3> all_engines;
[[nodiscard]] const Engine& engine_of(GuestEngine id);

/// Its parts, for the table.
[[nodiscard]] std::expected<EngineFiles, EngineMissing> find_uml(
    const VmOptions& options, const std::filesystem::path& cache);
[[nodiscard]] bool uml_has_virtual_time(const EngineFiles& files);
[[nodiscard]] GuestHead uml_head(const EngineFiles& files);
[[nodiscard]] GuestBoot uml_boot(const EngineFiles& files, const GuestJob& job,
                                 const std::filesystem::path& run);
[[nodiscard]] std::expected<EngineFiles, EngineMissing> find_qemu(
    const VmOptions& options, const std::filesystem::path& cache);
[[nodiscard]] std::expected<EngineFiles, EngineMissing> find_kvm(
    const VmOptions& options, const std::filesystem::path& cache);
[[nodiscard]] GuestHead qemu_head(const EngineFiles& files);
[[nodiscard]] GuestBoot kvm_boot(const EngineFiles& files, const GuestJob& job,
                                 const std::filesystem::path& run);
[[nodiscard]] GuestBoot tcg_boot(const EngineFiles& files, const GuestJob& job,
                                 const std::filesystem::path& run);

}  // namespace overlab::real
