#include "cli/repeats.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <set>
#include <system_error>
#include <utility>

#include "cli/digest.h"
#include "cli/file_difference.h"
#include "models/base/check.h"
#include "results/report_codec.h"
#include "results/report_difference.h"

namespace overlab::cli {
namespace {

namespace fs = std::filesystem;

std::string captures_of(const Job& job) {
    return job.repeat == 1 ? "captures/" + run_folder_name(job)
                           : fmt::format("repeats/{}/{}", run_folder_name(job), job.repeat);
}

/// Names of the files in a folder; of none if there is no folder.
Result<std::set<std::string>> files_of(const std::string& folder) {
    std::set<std::string> names;
    std::error_code code;
    if (folder.empty()) return names;
    for (fs::directory_iterator entry(folder, code), end; !code && entry != end;
         entry.increment(code))
        names.insert(entry->path().filename().string());
    if (code) {
        return fail(ErrorKind::unavailable, fmt::format("{}: {}", folder, code.message()),
                    code.value());
    }
    return names;
}

/// One repeat against the first.
class Pair {
   public:
    Pair(const Job& first, const Job& other, const ResultDirectory& directory)
        : first_(first), other_(other), directory_(directory) {}

    Result<std::vector<RepeatDifference>> compare(const RunReport& first, const RunReport& other) {
        // Captures first: a report that is kept comes to lie beside them.
        if (auto done = compare_captures(); !done) return std::unexpected(done.error());
        if (auto done = compare_reports(first, other); !done) return std::unexpected(done.error());
        return std::move(differences_);
    }

   private:
    Result<void> compare_reports(const RunReport& first, const RunReport& other) {
        const auto unlike = report_difference(first, other);
        if (!unlike) return {};
        OVERLAB_TRY(const std::string kept, write_report(other_, other));
        if (auto written = write_report(first_, first); !written)
            return std::unexpected(written.error());
        add(kept, *unlike);
        return {};
    }

    Result<void> compare_captures() {
        OVERLAB_TRY(std::set<std::string> names, files_of(first_.options.capture_dir));
        OVERLAB_TRY(std::set<std::string> others, files_of(other_.options.capture_dir));
        names.merge(others);
        for (const std::string& name : names) {
            if (auto compared = compare_capture(name); !compared) return compared;
        }
        remove_if_empty(other_.options.capture_dir);
        return {};
    }

    /// `repeats/RUN/N` and what is above it, as far as nothing is left there.
    static void remove_if_empty(const fs::path& folder) {
        std::error_code not_empty;
        if (folder.empty()) return;
        fs::remove(folder, not_empty);
        fs::remove(folder.parent_path(), not_empty);
        fs::remove(folder.parent_path().parent_path(), not_empty);
    }

    void add(const std::string& file, const std::string& what) {
        differences_.push_back({other_.repeat, file, what});
    }

    Result<void> compare_capture(const std::string& name) {
        const fs::path first = fs::path(first_.options.capture_dir) / name;
        const fs::path other = fs::path(other_.options.capture_dir) / name;
        const std::string place = captures_of(other_) + "/" + name;
        std::error_code code;
        if (!fs::exists(first, code) || !fs::exists(other, code)) {
            const bool only_first = fs::exists(first, code);
            add(only_first ? captures_of(first_) + "/" + name : place,
                only_first ? "only the first repeat has it" : "the first repeat has none");
            return {};
        }
        OVERLAB_TRY(const auto unlike, file_difference(first.string(), other.string()));
        if (unlike) {
            add(place, unlike->to_string());
        } else {
            fs::remove(other, code);  // else it stays, which harms nobody
        }
        return {};
    }

    /// Returns the file's name in the result folder.
    Result<std::string> write_report(const Job& job, const RunReport& report) {
        const std::string folder = fmt::format("repeats/{}/{}", run_folder_name(job), job.repeat);
        if (auto made = directory_.make_folder(folder); !made) return std::unexpected(made.error());
        std::string name = folder + "/report.json";
        auto written = directory_.write(name, encode_report(report) + "\n");
        if (!written) return std::unexpected(written.error());
        return name;
    }

    const Job& first_;
    const Job& other_;
    const ResultDirectory& directory_;
    std::vector<RepeatDifference> differences_;
};

}  // namespace

std::string run_folder_name(const Job& job) {
    std::string name =
        fmt::format("{}-seed{}", backend_name(job.scenario.network.backend), job.options.seed);
    if (job.world != "sim") name += "-" + job.world;
    return name;
}

Result<void> place_captures(std::vector<Job>& jobs, const ResultDirectory& directory) {
    for (Job& job : jobs) {
        OVERLAB_TRY(job.options.capture_dir, directory.make_folder(captures_of(job)));
    }
    return {};
}

Result<std::vector<RepeatOutcome>> compare_repeats(const std::vector<Job>& jobs,
                                                   const std::vector<RunReport>& reports,
                                                   const ResultDirectory& directory) {
    CHECK(jobs.size() == reports.size());
    std::vector<RepeatOutcome> outcomes;
    for (std::size_t first = 0; first < jobs.size();) {
        CHECK(jobs[first].repeat == 1);
        const RunReport& run = reports[first];
        RepeatOutcome outcome{run.backend, run.world, run.seed, 1, 1, {}};
        std::size_t i = first + 1;
        for (; i < jobs.size() && jobs[i].repeat > 1; ++i) {
            Pair pair(jobs[first], jobs[i], directory);
            OVERLAB_TRY(auto differences, pair.compare(run, reports[i]));
            ++outcome.repeats;
            if (differences.empty()) ++outcome.identical;
            std::ranges::move(differences, std::back_inserter(outcome.differences));
        }
        first = i;
        const bool never_ran = !run.unavailable.empty() && outcome.differences.empty();
        if (!never_ran) outcomes.push_back(std::move(outcome));
    }
    return outcomes;
}

std::vector<RunReport> first_reports(const std::vector<Job>& jobs, std::vector<RunReport> reports) {
    CHECK(jobs.size() == reports.size());
    std::vector<RunReport> firsts;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        if (jobs[i].repeat == 1) firsts.push_back(std::move(reports[i]));
    }
    return firsts;
}

Result<std::vector<CaptureFile>> list_captures(const std::vector<Job>& jobs) {
    std::vector<CaptureFile> captures;
    for (const Job& job : jobs) {
        if (job.repeat > 1) continue;
        OVERLAB_TRY(const auto names, files_of(job.options.capture_dir));
        for (const std::string& name : names) {
            const fs::path path = fs::path(job.options.capture_dir) / name;
            CaptureFile capture{.file = captures_of(job) + "/" + name, .bytes = 0, .sha256 = {}};
            OVERLAB_TRY(capture.sha256, file_sha256(path.string()));
            std::error_code code;
            capture.bytes = fs::file_size(path, code);
            if (code) return fail(ErrorKind::unavailable, path.string() + ": " + code.message());
            captures.push_back(std::move(capture));
        }
    }
    std::ranges::sort(captures, {}, &CaptureFile::file);
    return captures;
}

}  // namespace overlab::cli
