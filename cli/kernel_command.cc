#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands.h"
#include "cli/experiment.h"
#include "cli/interrupts.h"
#include "cli/kernel_status.h"
#include "cli/progress.h"
#include "cli/report_problems.h"
#include "cli/terminal.h"
#include "real/vm/uml_build.h"
#include "real/vm/uml_kernel.h"
#include "real/vm/uml_source.h"
#include "real/vm/user_cache.h"

namespace overlab::cli {
namespace {

namespace fs = std::filesystem;

constexpr unsigned max_jobs = 256;

struct KernelBuild {
    fs::path source;
    unsigned jobs = 0;  ///< 0: as many as there are cores
    bool keep = false;
    bool force = false;
    bool no_progress = false;
    Format format = Format::table;
};

unsigned cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    return static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
}

/// For somebody who waits: one moving line on a terminal; else a line for every new thing that is
/// done and every tenth of the whole.
class BuildProgress {
   public:
    explicit BuildProgress(bool enabled) : enabled_(enabled), moving_(1, enabled) {}

    void show(std::string_view doing, double done) {
        if (!enabled_) return;
        if (is_terminal(Stream::error)) {
            moving_.update(0, done);
            moving_.draw({std::string(doing)});
            return;
        }
        const int tenth = static_cast<int>(done * 10);
        if (doing == doing_ && tenth == tenth_) return;
        doing_ = doing;
        tenth_ = tenth;
        fmt::print(stderr, "overlab: kernel: {} ({:.0f} %)\n", doing, 100 * done);
    }

   private:
    bool enabled_;
    Progress moving_;
    std::string doing_;
    int tenth_ = -1;
};

int build(const KernelBuild& options) {
    const auto cache = real::user_cache_folder();
    if (!cache) return report_error(cache.error().what, options.format);
    Interrupts interrupts;
    bool announced = false;
    const auto built = [&] {
        BuildProgress progress(!options.no_progress);  // Clears its line at the end.
        return real::build_uml_kernel(
            {.cache = *cache,
             .source = options.source,
             .jobs = options.jobs == 0 ? cores() : options.jobs,
             .keep = options.keep,
             .force = options.force},
            [&](std::string_view doing, double done) {
                if (!announced) {
                    fmt::print(stderr,
                               "overlab: building User-mode Linux, once for this user; it takes "
                               "about 4 minutes on 2 cores\n");
                }
                announced = true;
                progress.show(doing, done);
                return interrupts.caught() == 0;
            });
    }();
    if (const int signal = interrupts.caught(); signal != 0) {
        fmt::print(stderr,
                   "overlab: stopped; `overlab kernel build` goes on from here, `overlab kernel "
                   "clean` removes what there is\n");
        return 128 + signal;
    }
    if (!built) return report_error(built.error().what, options.format);
    if (options.format == Format::json) {
        const nlohmann::json document{{"kernel", kernel_json(*built)}, {"was_there", !announced}};
        fmt::print("{}\n", document.dump(1));
    } else {
        fmt::print("kernel {}: {}{}\n", built->version, built->path.string(),
                   announced ? "" : " (was there)");
    }
    return static_cast<int>(ExitCode::ok);
}

int show_status(Format format) {
    const auto cache = real::user_cache_folder();
    if (!cache) return report_error(cache.error().what, format);
    const KernelStatus status{.cache = *cache,
                              .kernel = real::find_uml_kernel(*cache),
                              .source = real::find_uml_source({}),
                              .folders = real::uml_folders(*cache)};
    if (format == Format::json)
        fmt::print("{}\n", kernel_status_json(status).dump(1));
    else
        fmt::print("{}", kernel_status_text(status));
    return static_cast<int>(status.kernel ? ExitCode::ok : ExitCode::expectation_failed);
}

int clean(Format format) {
    const auto cache = real::user_cache_folder();
    if (!cache) return report_error(cache.error().what, format);
    const auto removed = real::clean_uml_kernels(*cache);
    if (!removed) return report_error(removed.error().what, format);
    if (format == Format::json) {
        fmt::print("{}\n", nlohmann::json{{"removed", folders_json(*removed)}}.dump(1));
        return static_cast<int>(ExitCode::ok);
    }
    for (const real::CachedFolder& folder : *removed)
        fmt::print("removed {} ({} MB)\n", folder.path.string(), megabytes(folder.bytes));
    if (removed->empty()) fmt::print("{}: nothing to remove\n", cache->string());
    return static_cast<int>(ExitCode::ok);
}

void add_build(CLI::App& kernel, Environment& environment) {
    CLI::App* command = kernel.add_subcommand(
        "build", "Build it, unless it is there; go on where an earlier build was interrupted.");
    command->footer(
        "Takes about 4 minutes on 2 cores, 140 MB of download unless the package linux-source-6.1\n"
        "is installed, and 500 MB of disk while it builds, of which 7 MB stay. Needs no root.\n\n"
        "Examples:\n"
        "  overlab kernel build\n"
        "  overlab kernel build --jobs 1 --keep\n\n"
        "Exit codes: 0 it is there, 2 it cannot be built; 128 + a signal.");
    const auto options = std::make_shared<KernelBuild>();
    add_format_option(*command, options->format);
    command->add_option("--jobs", options->jobs, "compilers at a time; default: one a core")
        ->check(CLI::Range(1U, max_jobs));
    command->add_option("--source", options->source,
                        "a Linux 6.1 source as .tar.xz, instead of Debian's");
    command->add_flag("--keep", options->keep, "keep the source tree and the objects (400 MB)");
    command->add_flag("--force", options->force, "build anew, from the beginning");
    command->add_flag("--no-progress", options->no_progress, "say nothing while it builds");
    command->callback([options, &environment] { environment.exit_code = build(*options); });
}

void add_status(CLI::App& kernel, Environment& environment) {
    CLI::App* command =
        kernel.add_subcommand("status", "Say whether there is one, and what a build would use.");
    command->footer(
        "Example:\n  overlab kernel status --format json\n\n"
        "Exit codes: 0 there is one, 1 there is none, 2 the cache folder cannot be used.");
    const auto format = std::make_shared<Format>(Format::table);
    add_format_option(*command, *format);
    command->callback([format, &environment] { environment.exit_code = show_status(*format); });
}

void add_clean(CLI::App& kernel, Environment& environment) {
    CLI::App* command = kernel.add_subcommand(
        "clean", "Remove all kernels of this kind, and what interrupted builds have left.");
    command->footer(
        "Example:\n  overlab kernel clean\n\n"
        "Exit codes: 0 nothing is left; 2 a build is under way, or something stays.");
    const auto format = std::make_shared<Format>(Format::table);
    add_format_option(*command, *format);
    command->callback([format, &environment] { environment.exit_code = clean(*format); });
}

}  // namespace

void add_kernel_command(CLI::App& app, Environment& environment) {
    CLI::App* command = app.add_subcommand(
        "kernel", "Build and keep the User-mode Linux kernel that guests run on.");
    command->require_subcommand(1);
    command->footer(
        "A kernel with every backend built in, and with virtual time. It is made of Debian's "
        "kernel\n"
        "source with overlab's configuration, and kept in ~/.cache/overlab, or in\n"
        "$XDG_CACHE_HOME/overlab.\n\n"
        "Example:\n  overlab kernel build");
    add_build(*command, environment);
    add_status(*command, environment);
    add_clean(*command, environment);
}

}  // namespace overlab::cli
