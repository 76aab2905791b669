#include "real/vm/uml_build.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "real/base/fd.h"
#include "real/base/process.h"
#include "real/vm/build_log.h"
#include "real/vm/build_tools.h"
#include "real/vm/files.h"
#include "real/vm/long_step.h"
#include "real/vm/uml_lock.h"
#include "real/vm/uml_source.h"

namespace overlab::real {
namespace {

namespace fs = std::filesystem;

/// Lines that make prints for our configuration: for the progress only, so near enough is good.
constexpr double expected_steps = 1240;
/// Shares of the whole that are done before compiling starts, measured on two cores.
constexpr double after_fetch = 0.02, after_unpack = 0.06, after_configure = 0.08;
/// The source, the objects, the package, and some room.
constexpr std::uint64_t needed_bytes = 700ULL << 20;
constexpr std::size_t shown_log_lines = 15;

std::unexpected<Error> os_failure(const fs::path& path, const std::error_code& code) {
    return fail(
        code == std::errc::no_space_on_device ? ErrorKind::out_of_space : ErrorKind::unavailable,
        fmt::format("{}: {}", path.string(), code.message()), code.value());
}

/// One build: the source is known, the lock is ours.
class Builder {
   public:
    Builder(const UmlBuildOptions& options, const UmlWatcher& watcher, UmlSource source,
            std::string digest)
        : options_(options),
          watcher_(watcher),
          source_(std::move(source)),
          digest_(std::move(digest)),
          work_(uml_work_folder(options.cache, digest_)),
          log_(work_ / "build.log") {}

    Result<UmlKernel> build();

   private:
    Result<void> prepare();
    Result<void> get_tree();
    Result<void> configure();
    Result<void> compile();
    Result<void> install();
    /// Runs it with its words in the log; `done`: asked for the fraction of the whole.
    Result<void> step(std::string_view doing, const std::vector<std::string>& argv,
                      const std::function<double()>& done) const;
    [[nodiscard]] std::vector<std::string> make(std::vector<std::string> more) const;
    [[nodiscard]] fs::path objects() const { return work_ / "objects"; }
    [[nodiscard]] fs::path fragment() const { return work_ / "uml.config"; }

    const UmlBuildOptions& options_;
    const UmlWatcher& watcher_;
    UmlSource source_;
    std::string digest_;
    fs::path work_, log_;
    double there_already_ = 0;  ///< share of the whole
};

Result<void> Builder::step(std::string_view doing, const std::vector<std::string>& argv,
                           const std::function<double()>& done) const {
    const Command command{
        .argv = argv,
        // The kernel says who built it and when: the same everywhere, because a guest can read it.
        .env = {{"KBUILD_BUILD_TIMESTAMP", "Thu Jan  1 00:00:00 UTC 1970"},
                {"KBUILD_BUILD_USER", "overlab"},
                {"KBUILD_BUILD_HOST", "overlab"},
                {"KBUILD_BUILD_VERSION", "1"},
                {"LC_ALL", "C"},
                {"MAKEFLAGS", ""}},
        .output = log_};
    // Of what this build has to do: an earlier one may have got the tree.
    const auto go_on = [&] {
        return watcher_(doing, std::max(0.0, (done() - there_already_) / (1 - there_already_)));
    };
    if (!go_on()) return fail(ErrorKind::already_exists, "stopped");
    OVERLAB_TRY(const ExitStatus status, run_step(command, go_on));
    if (status.clean()) return {};
    const std::string log = read_file(log_);
    const bool full = log.contains("No space left on device");
    return fail(full ? ErrorKind::out_of_space : ErrorKind::unavailable,
                fmt::format("{}: {}{}; the end of {}:\n{}", doing, status.to_string(),
                            full ? ", the disk is full" : "", log_.string(),
                            last_lines(log, shown_log_lines)));
}

Result<void> Builder::prepare() {
    std::error_code code;
    for (const CachedFolder& folder : uml_folders(options_.cache)) {
        // What another version or configuration has left is nobody's to go on with.
        const bool left_over = folder.path.extension() == work_.extension() && folder.path != work_;
        if (left_over || (options_.force && folder.path == work_))
            fs::remove_all(folder.path, code);
    }
    if (!code) fs::create_directories(objects(), code);
    if (code) return os_failure(work_, code);
    struct statvfs status{};
    if (fs::exists(uml_tree(work_)) || ::statvfs(work_.c_str(), &status) != 0) return {};
    const std::uint64_t free_bytes = std::uint64_t{status.f_bavail} * status.f_frsize;
    if (free_bytes >= needed_bytes) return {};
    fs::remove_all(work_, code);  // There is nothing in it yet.
    return fail(ErrorKind::out_of_space,
                fmt::format("{}: {} MB free, a build takes {}; make room there, or set "
                            "XDG_CACHE_HOME to a folder that has it",
                            options_.cache.string(), free_bytes >> 20, needed_bytes >> 20));
}

Result<void> Builder::get_tree() {
    if (fs::exists(uml_tree(work_))) {
        there_already_ = after_unpack;
        return {};
    }
    if (!source_.tarball.empty()) {
        there_already_ = after_fetch;
    } else {
        const fs::path fetched = fetched_tarball(work_);
        if (!fs::exists(fetched)) {
            auto done = step("downloading the source", fetch_command(work_), [] { return 0.0; });
            if (!done) return done;
        }
        source_.tarball = fetched;
    }
    return step("unpacking the source", unpack_command(source_.tarball, work_),
                [] { return after_fetch; });
}

std::vector<std::string> Builder::make(std::vector<std::string> more) const {
    std::vector<std::string> argv{"make", "-C", uml_tree(work_), "ARCH=um",
                                  fmt::format("O={}", objects().string()),
                                  // Somebody's environment may be made for another kernel.
                                  "CROSS_COMPILE=", "KBUILD_VERBOSE=0", "KCFLAGS="};
    argv.insert(argv.end(), more.begin(), more.end());
    return argv;
}

Result<void> Builder::configure() {
    if (auto written = write_file(fragment(), uml_config()); !written) return written;
    auto made =
        step("configuring",
             make({fmt::format("KCONFIG_ALLCONFIG={}", fragment().string()), "allnoconfig"}),
             [] { return after_unpack; });
    if (!made) return made;
    const std::vector<std::string> missing =
        options_not_taken(uml_config(), read_file(objects() / ".config"));
    if (missing.empty()) return {};
    return fail(ErrorKind::unavailable,
                fmt::format("{}: this source does not take {} (gone, or depends on what is off)",
                            fragment().string(), fmt::join(missing, ", ")));
}

Result<void> Builder::compile() {
    BuildSteps counter(log_);
    // What an earlier build has done is in the log as well, and not part of what we wait for.
    const double before = counter.count();
    const double steps = std::max(1.0, expected_steps - before);
    return step("compiling", make({fmt::format("-j{}", options_.jobs), "linux"}), [&] {
        const double compiled = std::min(1.0, (counter.count() - before) / steps);
        return after_configure + 0.99 * (1 - after_configure) * compiled;
    });
}

/// Into a folder beside the final one, which then takes its place: never half a kernel.
Result<void> Builder::install() {
    const fs::path folder = uml_folder(options_.cache, digest_);
    const fs::path fresh = work_ / "result";
    std::error_code code;
    fs::remove_all(fresh, code);
    if (!code) fs::create_directories(fresh, code);
    if (!code) fs::copy_file(objects() / ".config", fresh / "config", code);
    if (code) return os_failure(fresh, code);
    const auto nearly_done = [] { return 1.0; };
    auto done =
        step("finishing", {"strip", "-o", fresh / "linux", objects() / "linux"}, nearly_done);
    // It prints its release and ends: proof that it is a program that this machine can run.
    if (done) done = step("finishing", {fresh / "linux", "--version"}, nearly_done);
    if (!done) return done;
    const std::string compiler =
        output_of({.argv = {"gcc", "--version"}, .env = {{"LC_ALL", "C"}}}).value_or("");
    const nlohmann::json about{{"built_with", compiler.substr(0, compiler.find('\n'))},
                               {"digest", digest_},
                               {"version", source_.version}};
    done = write_file(fresh / "about.json", about.dump(1) + '\n');
    if (!done) return done;
    fs::remove_all(folder, code);
    if (!code) fs::rename(fresh, folder, code);
    if (code) return os_failure(folder, code);
    return {};
}

Result<UmlKernel> Builder::build() {
    for (const auto part : {&Builder::prepare, &Builder::get_tree, &Builder::configure,
                            &Builder::compile, &Builder::install}) {
        if (auto done = (this->*part)(); !done) return std::unexpected(done.error());
    }
    std::error_code ignored;  // What is left is seen by `kernel status` and goes with the next one.
    if (!options_.keep) fs::remove_all(work_, ignored);
    return uml_kernel_at(options_.cache, digest_);
}

}  // namespace

Result<UmlKernel> build_uml_kernel(const UmlBuildOptions& options, const UmlWatcher& watcher) {
    auto found = find_uml_source(options.source);
    if (!found) {
        // Without a network nothing newer can be built, and what is there does.
        auto there = find_uml_kernel(options.cache);
        if (there && options.source.empty() && !options.force) return there;
        return std::unexpected(found.error());
    }
    UmlSource source = std::move(*found);
    const std::string digest = uml_digest(source.version, uml_config());
    if (!options.force) {
        if (auto there = uml_kernel_at(options.cache, digest)) return there;
    }
    const auto missing = missing_build_packages(source.tarball.empty());
    if (!missing.empty()) {
        return fail(ErrorKind::not_found,
                    fmt::format("building a kernel needs what is not installed; apt-get install {}",
                                fmt::join(missing, " ")));
    }
    OVERLAB_TRY(const Fd lock, take_uml_lock(options.cache, [&watcher] {
                    return watcher("waiting for another build", 0.0);
                }));
    if (!options.force) {
        // The one that we have waited for has made it.
        if (auto there = uml_kernel_at(options.cache, digest)) return there;
    }
    return Builder(options, watcher, std::move(source), digest).build();
}

}  // namespace overlab::real
