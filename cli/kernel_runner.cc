#include "cli/kernel_runner.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "cli/outcome.h"
#include "real/base/fd.h"
#include "real/base/sandbox.h"
#include "real/world/world.h"

namespace overlab::cli {
namespace {

std::string text_of(const real::Fd& file) {
    std::string text;
    for (std::array<char, 65536> block{};;) {
        const ssize_t count =
            ::pread(file.get(), block.data(), block.size(), static_cast<off_t>(text.size()));
        if (count <= 0) return text;
        text.append(block.data(), static_cast<std::size_t>(count));
    }
}

}  // namespace

Result<RunReport> run_in_kernel(const Scenario& scenario, const RunOptions& options) {
    // In memory: a full disk must not cost the result.
    const real::Fd file(::memfd_create("outcome", MFD_CLOEXEC));
    if (!file.valid()) {
        return fail(ErrorKind::unavailable, fmt::format("memfd_create: {}", std::strerror(errno)),
                    errno);
    }
    const auto body = [&] {
        return OutcomeWriter(file.get()).tell(real::run(scenario, options)) ? 0 : 1;
    };
    OVERLAB_TRY(const int code, real::run_in_sandbox(body));
    OutcomeReader reader;
    if (reader.feed(text_of(file)) && reader.told()) return *reader.told();
    return fail(ErrorKind::unavailable,
                fmt::format("the run ended without a result (exit code {})", code));
}

}  // namespace overlab::cli
