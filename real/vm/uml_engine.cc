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
#include "real/vm/pin_library.h"
#include "real/vm/uml_kernel.h"

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

/// One's own, the cache's, or Debian's; empty if there is none.
std::filesystem::path program_of(const VmOptions& options, const std::filesystem::path& cache) {
    if (!options.uml.empty()) return options.uml;
    if (const auto built = find_uml_kernel(cache)) return built->path;
    return find_program("linux.uml");
}

/// The engine's working folder is the run's. By this name it is the same in every run: the kernel
/// mixes its command line into what it draws at random.
constexpr std::string_view job_folder = "/proc/self/cwd";

/// Linux Documentation/virt/uml and arch/um/kernel/time.c: with `inf-cpu` the clock stands while
/// the guest works and jumps to the next timer when it is idle.
void add_virtual_time(GuestBoot& boot, const VirtualTime& time) {
    boot.argv.insert(boot.argv.end(),
                     {"time-travel=inf-cpu", fmt::format("time-travel-start={}", time.start_ns),
                      // The console without interrupts, for the kernel's last words.
                      "earlyprintk", "keep_bootcon"});
    boot.env.emplace("LD_PRELOAD", (boot.folder / pin_file).string());
    boot.output_file = boot.folder / "output";
    boot.pinned = true;
}

}  // namespace

std::expected<EngineFiles, EngineMissing> find_uml(const VmOptions& options,
                                                   const std::filesystem::path& cache) {
    EngineFiles files{.program = program_of(options, cache),
                      .busybox = find_program("busybox"),
                      .modules = "/usr/lib/uml/modules",
                      .image = {},
                      .initramfs = {}};
    if (files.program.empty()) {
        return std::unexpected(EngineMissing{
            .why = "no User-mode Linux is built or installed",
            .remedy = fmt::format("{}, or apt-get install user-mode-linux", uml_kernel_remedy)});
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

bool uml_has_virtual_time(const EngineFiles& files) {
    const auto config = output_of({.argv = {files.program, "--showconfig"}});
    return config && config->contains("CONFIG_UML_TIME_TRAVEL_SUPPORT=y\n");
}

GuestHead uml_head(const EngineFiles& files) {
    return {.init = guest_scripts::uml_init,
            .busybox = files.busybox,
            .interpreter = files.busybox,
            .modules = files.modules,
            .job = job_folder};
}

GuestBoot uml_boot(const EngineFiles& files, const GuestJob& job,
                   const std::filesystem::path& run) {
    GuestBoot boot{
        .argv = {files.program, fmt::format("mem={}M", job.memory_mib),
                 // A kernel without block devices looks for its root only if that has a name.
                 "root=host", "rootfstype=hostfs", "rootflags=/", "ro", "quiet", "loglevel=3",
                 "panic=-1", "noreboot",
                 // Its pid file would else go to ~/.uml and stay there.
                 "uml_dir=./",
                 // Faster than ptrace where kernel and machine can; others ignore the word.
                 "seccomp=auto", "con=null", fmt::format("init={}/init", job_folder)},
        .env = {{"TMPDIR", memory_folder(job.memory_mib, run)}},
        .folder = run,
        .output_file = {},
        .pinned = false};
    if (job.virtual_time) {
        add_virtual_time(boot, *job.virtual_time);
    } else {
        // A kernel without a generator of random numbers waits for interrupts to give it some, for
        // ever if nothing happens; the machine's will do.
        boot.argv.insert(boot.argv.end(),
                         {"random.trust_cpu=1", "con0=null,fd:1", "con1=null,fd:3"});
    }
    return boot;
}

}  // namespace overlab::real
