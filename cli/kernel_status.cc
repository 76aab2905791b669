#include "cli/kernel_status.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>
#include <system_error>

#include "real/vm/build_tools.h"

namespace overlab::cli {
namespace {

namespace fs = std::filesystem;

std::uint64_t size_of(const fs::path& path) {
    std::error_code ignored;  // It was there a moment ago.
    const std::uintmax_t size = fs::file_size(path, ignored);
    return ignored ? 0 : size;
}

/// The file's time of modification, in UTC: `2026-01-31 17:05:00`.
std::string built_at(const fs::path& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return "";
    return fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::gmtime(status.st_mtim.tv_sec));
}

nlohmann::json source_json(const Result<real::UmlSource>& source) {
    if (!source) return {{"available", false}, {"why", source.error().what}};
    nlohmann::json json{{"available", true}, {"version", source->version}};
    json["tarball"] = source->tarball.empty() ? nlohmann::json(nullptr)
                                              : nlohmann::json(source->tarball.string());
    return json;
}

std::string source_text(const Result<real::UmlSource>& source) {
    if (!source) return source.error().what;
    return fmt::format(
        "{}, {}", source->version,
        source->tarball.empty() ? "to be downloaded (140 MB)" : source->tarball.string());
}

}  // namespace

std::uint64_t megabytes(std::uint64_t bytes) { return (bytes + 500'000) / 1'000'000; }

nlohmann::json kernel_json(const real::UmlKernel& kernel) {
    return {{"built_at", built_at(kernel.path)},
            {"built_with", kernel.built_with},
            {"digest", kernel.digest},
            {"path", kernel.path.string()},
            {"size_bytes", size_of(kernel.path)},
            {"version", kernel.version}};
}

nlohmann::json folders_json(const std::vector<real::CachedFolder>& folders) {
    auto json = nlohmann::json::array();
    for (const real::CachedFolder& folder : folders)
        json.push_back({{"bytes", folder.bytes}, {"path", folder.path.string()}});
    return json;
}

nlohmann::json kernel_status_json(const KernelStatus& status) {
    nlohmann::json document{
        {"cache", status.cache.string()},
        {"folders", folders_json(status.folders)},
        {"kernel", nullptr},
        {"missing_packages",
         real::missing_build_packages(status.source && status.source->tarball.empty())},
        {"source", source_json(status.source)}};
    if (status.kernel) document["kernel"] = kernel_json(*status.kernel);
    return document;
}

std::string kernel_status_text(const KernelStatus& status) {
    std::string text;
    if (status.kernel) {
        text += fmt::format("kernel      {}\n", status.kernel->path.string());
        text += fmt::format("version     {}\n", status.kernel->version);
        text += fmt::format("digest      {}\n", status.kernel->digest);
        text += fmt::format("size        {} MB\n", megabytes(size_of(status.kernel->path)));
        text += fmt::format("built       {} UTC with {}\n", built_at(status.kernel->path),
                            status.kernel->built_with);
    } else {
        text += fmt::format("kernel      none; {}\n", real::uml_kernel_remedy);
    }
    text += fmt::format("source      {}\n", source_text(status.source));
    const auto missing =
        real::missing_build_packages(status.source && status.source->tarball.empty());
    if (!missing.empty())
        text += fmt::format("missing     apt-get install {}\n", fmt::join(missing, " "));
    for (const real::CachedFolder& folder : status.folders) {
        text +=
            fmt::format("in cache    {} ({} MB)\n", folder.path.string(), megabytes(folder.bytes));
    }
    return text;
}

}  // namespace overlab::cli
