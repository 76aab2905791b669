// QEMU with KVM or TCG: a stock kernel in a machine of its own; files are shared through 9p.
#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "real/base/fd.h"
#include "real/base/process.h"
#include "real/vm/guest_engine.h"
#include "real/vm/guest_init.h"
#include "real/vm/guest_kernel.h"

namespace overlab::real {
namespace {

constexpr const char* command_line =
    "console=ttyS0 quiet loglevel=3 panic=-1 reboot=t nomodeset tsc=reliable mitigations=off "
    "random.trust_cpu=1 net.ifnames=0";

void share(std::vector<std::string>& argv, const std::string& tag,
           const std::filesystem::path& folder, const char* more) {
    argv.insert(argv.end(), {"-fsdev", fmt::format("local,id={},path={},security_model=none{}", tag,
                                                   folder.string(), more)});
    argv.insert(argv.end(), {"-device", fmt::format("virtio-9p-pci,fsdev={0},mount_tag={0}", tag)});
}

GuestBoot qemu_boot(const EngineFiles& files, const GuestJob& job, const std::filesystem::path& run,
                    std::initializer_list<std::string> accelerator) {
    std::vector<std::string> argv{
        files.program, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-M",
        "pc", "-m", fmt::to_string(job.memory_mib), "-smp", fmt::to_string(job.cores), "-kernel",
        files.image, "-initrd", files.initramfs, "-append", command_line,
        // Not chardev `stdio`: it closes the port when standard input ends, and the guest's writes
        // block for ever.
        "-chardev", "file,id=console,path=/proc/self/fd/1,append=on", "-serial", "chardev:console",
        "-device", "virtio-serial-pci", "-chardev", "file,id=out,path=/proc/self/fd/3,append=on",
        "-device", "virtserialport,chardev=out,name=output"};
    share(argv, "root", "/", ",readonly=on,multidevs=remap");
    share(argv, "job", run, "");
    for (std::size_t i = 0; i < job.writable.size(); ++i)
        share(argv, fmt::format("share{}", i), job.writable[i].host, ",multidevs=remap");
    argv.insert(argv.end(), accelerator);
    return {.argv = std::move(argv), .env = {}};
}

}  // namespace

std::expected<EngineFiles, EngineMissing> find_qemu(const VmOptions& /*options*/,
                                                    const std::filesystem::path& cache) {
    const std::filesystem::path program = find_program("qemu-system-x86_64");
    if (program.empty()) {
        return std::unexpected(EngineMissing{.why = "qemu-system-x86_64 is not installed",
                                             .remedy = "apt-get install qemu-system-x86"});
    }
    const Result<GuestKernel> kernel = find_guest_kernel(cache);
    if (!kernel)
        return std::unexpected(EngineMissing{.why = kernel.error().what, .remedy = kernel_remedy});
    return EngineFiles{.program = program,
                       .busybox = "/bin/busybox",
                       .modules = {},
                       .image = kernel->image,
                       .initramfs = kernel->initramfs};
}

std::expected<EngineFiles, EngineMissing> find_kvm(const VmOptions& options,
                                                   const std::filesystem::path& cache) {
    const Fd device(::open("/dev/kvm", O_RDWR | O_CLOEXEC));
    if (!device.valid()) {
        const bool absent = errno == ENOENT;
        return std::unexpected(EngineMissing{
            .why = fmt::format("/dev/kvm: {}", std::strerror(errno)),
            .remedy = absent ? "a machine with hardware virtualisation (on a virtual one: nested)"
                             : "adduser USER kvm, or run as root"});
    }
    return find_qemu(options, cache);
}

GuestHead qemu_head(const EngineFiles& files) {
    return {.init = guest_scripts::qemu_init,
            .busybox = files.busybox,
            .interpreter = {},
            .modules = {},
            .job = {}};
}

GuestBoot kvm_boot(const EngineFiles& files, const GuestJob& job,
                   const std::filesystem::path& run) {
    return qemu_boot(files, job, run, {"-accel", "kvm", "-cpu", "host"});
}

GuestBoot tcg_boot(const EngineFiles& files, const GuestJob& job,
                   const std::filesystem::path& run) {
    // Page tables of five levels and x2APIC only cost time when they are emulated.
    return qemu_boot(files, job, run, {"-accel", "tcg,thread=multi", "-cpu", "max,-la57,-x2apic"});
}

}  // namespace overlab::real
