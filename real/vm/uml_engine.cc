// User-mode Linux: a kernel that is a process of the machine. Needs no rights and no device. Its
// root is the machine's through hostfs; its memory is a file that it maps, so that file belongs
// into RAM.
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstdint>

#include "real/base/process.h"
#include "real/vm/guest_engine.h"
#include "real/vm/guest_init.h"

namespace overlab::real {
namespace {

/// Where the guest's memory goes: a tmpfs with room for it and for what runs beside; else the run's
/// folder, on a disk, which is slower but does not kill the guest with SIGBUS half-way.
std::filesystem::path memory_folder(unsigned memory_mib, const std::filesystem::path& run) {
    struct statvfs status{};
    if (::statvfs("/dev/shm", &status) != 0 || (status.f_flag & ST_NOEXEC) != 0) return run;
    const std::uint64_t free_mib = (std::uint64_t{status.f_bavail} * status.f_frsize) >> 20;
    return free_mib > memory_mib + memory_mib / 8 ? std::filesystem::path("/dev/shm") : run;
}

}  // namespace

std::expected<EngineFiles, EngineMissing> find_uml(const VmOptions& options,
                                                   const std::filesystem::path& /*cache*/) {
    EngineFiles files{.program = options.uml.empty() ? find_program("linux.uml") : options.uml,
                      .busybox = find_program("busybox"),
                      .modules = "/usr/lib/uml/modules",
                      .image = {},
                      .initramfs = {}};
    if (files.program.empty()) {
        return std::unexpected(EngineMissing{.why = "linux.uml is not installed",
                                             .remedy = "apt-get install user-mode-linux"});
    }
    if (::access(files.program.c_str(), X_OK) != 0) {
        return std::unexpected(EngineMissing{
            .why = fmt::format("{}: not an executable program", files.program.string()),
            .remedy = "name a User-mode Linux kernel"});
    }
    if (files.busybox.empty()) {
        return std::unexpected(EngineMissing{.why = "busybox is not installed",
                                             .remedy = "apt-get install busybox-static"});
    }
    return files;
}

GuestHead uml_head(const EngineFiles& files) {
    return {.init = guest_scripts::uml_init,
            .busybox = files.busybox,
            .interpreter = files.busybox,
            .modules = files.modules};
}

GuestBoot uml_boot(const EngineFiles& files, const GuestJob& job,
                   const std::filesystem::path& run) {
    return {.argv = {files.program, fmt::format("mem={}M", job.memory_mib), "rootfstype=hostfs",
                     "rootflags=/", "ro", "quiet", "loglevel=3", "panic=-1", "noreboot",
                     // Its pid file would else go to ~/.uml and stay there.
                     fmt::format("uml_dir={}", run.string()),
                     // Faster than ptrace where kernel and machine can; others ignore the word.
                     "seccomp=auto", "con=null", "con0=null,fd:1", "con1=null,fd:3",
                     fmt::format("init={}/init", run.string())},
            .env = {{"TMPDIR", memory_folder(job.memory_mib, run)}}};
}

}  // namespace overlab::real
