// The files by which a job reaches its guest: shell text that the guest's first process reads, and
// the exit code that comes back.
//
//   RUN/init     the engine's beginning, after a head with the job's variables
//   RUN/guest    the rest of it
//   RUN/command  what to run, in the new root
//   RUN/code     written by the guest at its end
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "models/base/error.h"
#include "real/vm/vm_runner.h"

namespace overlab::real {

/// `text` as one word of the shell.
[[nodiscard]] std::string shell_quoted(std::string_view text);

/// The command script: environment, working directory, exec.
[[nodiscard]] std::string command_script(const GuestJob& job);

/// What a job may ask for. Errors: as VmRunner::run().
[[nodiscard]] Result<void> check_job(const GuestJob& job);

struct GuestHead {
    std::string_view init;              ///< the engine's script
    std::filesystem::path busybox;      ///< as the guest's first process sees it
    std::filesystem::path interpreter;  ///< for `#!`; empty: the script is sourced
    std::filesystem::path modules;      ///< kernel modules by version; may be empty
    std::filesystem::path job;          ///< `run` as the engine names it; QEMU: not needed
};

/// Writes a job's files into `run`. Errors: unavailable.
[[nodiscard]] Result<void> write_job(const GuestJob& job, const GuestHead& head,
                                     const std::filesystem::path& run);

/// The command's exit code; empty if the guest did not get that far.
[[nodiscard]] std::optional<int> read_code(const std::filesystem::path& run);

}  // namespace overlab::real
