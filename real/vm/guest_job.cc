#include "real/vm/guest_job.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <fstream>
#include <system_error>

#include "real/vm/files.h"
#include "real/vm/guest_init.h"

namespace overlab::real {
namespace {

namespace fs = std::filesystem;

/// Mount options and QEMU's separate by commas, /proc's tables by spaces and line breaks.
Result<void> check_path(const fs::path& path) {
    if (path.is_absolute() && path.string().find_first_of(",\n\\") == std::string::npos) return {};
    return fail(ErrorKind::invalid_argument,
                fmt::format("{}: expected an absolute path without comma, backslash or line break",
                            path.string()));
}

}  // namespace

std::string shell_quoted(std::string_view text) {
    std::string quoted = "'";
    for (const char c : text) {
        if (c == '\'')
            quoted += "'\\''";
        else
            quoted += c;
    }
    return quoted + "'";
}

std::string command_script(const GuestJob& job) {
    std::map<std::string, std::string> env = job.env;
    env.emplace("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    env.emplace("HOME", "/root");
    env.emplace("LANG", "C.UTF-8");
    std::string script = fmt::format("cd {} || exit 126\n", shell_quoted(job.folder.string()));
    // exec env -i: nothing of what the shell itself exports.
    script += "exec env -i";
    for (const auto& [name, value] : env)
        script += fmt::format(" {}", shell_quoted(fmt::format("{}={}", name, value)));
    for (const std::string& argument : job.argv)
        script += fmt::format(" {}", shell_quoted(argument));
    return script + "\n";
}

Result<void> check_job(const GuestJob& job) {
    if (job.argv.empty() || !job.argv.front().starts_with('/')) {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("guest command {}: expected an absolute program path",
                                job.argv.empty() ? "" : job.argv.front()));
    }
    for (const GuestShare& share : job.writable) {
        for (const fs::path& path : {share.host, share.guest}) {
            if (auto fine = check_path(path); !fine) return fine;
        }
        std::error_code ignored;
        if (!fs::is_directory(share.host, ignored)) {
            return fail(
                ErrorKind::not_found,
                fmt::format("{}: not a folder; the guest cannot share it", share.host.string()));
        }
    }
    return {};
}

Result<void> write_job(const GuestJob& job, const GuestHead& head, const fs::path& run) {
    std::string shares;
    for (const GuestShare& share : job.writable) {
        shares +=
            shell_quoted(share.host.string()) + " " + shell_quoted(share.guest.string()) + " ";
    }
    std::string init;
    if (!head.interpreter.empty()) init = fmt::format("#!{} sh\n", head.interpreter.string());
    init += fmt::format("b={} host={} runs={}\nmodules={}\nshares={}\n",
                        shell_quoted(head.busybox.string()), shell_quoted(head.job.string()),
                        shell_quoted(run.parent_path().string()),
                        shell_quoted(head.modules.string()), shell_quoted(shares));
    init += head.init;
    for (const auto& [name, text] : {std::pair<const char*, std::string_view>{"init", init},
                                     {"guest", guest_scripts::guest}}) {
        if (auto written = write_file(run / name, text); !written) return written;
    }
    ::chmod((run / "init").c_str(), 0700);
    return write_file(run / "command", command_script(job));
}

std::optional<int> read_code(const fs::path& run) {
    std::ifstream file(run / "code");
    int code = 0;
    if (file >> code) return code;
    return std::nullopt;
}

}  // namespace overlab::real
