#include "cli/kernel_runner.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/outcome.h"
#include "real/base/fd.h"
#include "real/base/sandbox.h"
#include "real/world/world.h"

namespace overlab::cli {

Result<RunReport> run_in_kernel(const Scenario& scenario, const RunOptions& options) {
    const std::filesystem::path path =
        std::filesystem::path(options.kernel.scratch_dir) / "outcome";
    const real::Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!file.valid()) {
        return fail(ErrorKind::unavailable,
                    fmt::format("{}: {}", path.string(), std::strerror(errno)), errno);
    }
    const auto body = [&] {
        return OutcomeWriter(file.get()).tell(real::run(scenario, options)) ? 0 : 1;
    };
    OVERLAB_TRY(const int code, real::run_in_sandbox(body));
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    OutcomeReader reader;
    if (reader.feed(text.str()) && reader.told()) return *reader.told();
    return fail(ErrorKind::unavailable,
                fmt::format("the run ended without a result (exit code {})", code));
}

}  // namespace overlab::cli
