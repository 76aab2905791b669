#include "cli/scratch.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace overlab::cli {

Result<std::optional<real::RunFolder>> place_scratch(std::vector<Job>& jobs) {
    const auto on_a_kernel = [](const Job& job) {
        return job.world == "kernel" || job.world == "vm";
    };
    if (std::ranges::none_of(jobs, on_a_kernel)) return std::nullopt;
    OVERLAB_TRY(real::RunFolder folder, real::RunFolder::create());
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        if (!on_a_kernel(jobs[i])) continue;
        const std::filesystem::path path = folder.path() / fmt::format("job{}", i);
        std::error_code failure;
        std::filesystem::create_directory(path, failure);
        if (failure) {
            return fail(ErrorKind::unavailable,
                        fmt::format("{}: {}", path.string(), failure.message()), failure.value());
        }
        jobs[i].options.kernel.scratch_dir = path.string();
    }
    return folder;
}

}  // namespace overlab::cli
