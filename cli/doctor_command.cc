#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <optional>

#include "cli/commands.h"
#include "cli/doctor_report.h"
#include "cli/experiment.h"
#include "cli/report_problems.h"
#include "cli/terminal.h"
#include "real/vm/user_cache.h"

namespace overlab::cli {
namespace {

struct DoctorOptions {
    Format format = Format::table;
    bool ask_again = false;
    bool fetch_kernel = false;
};

/// None where there is no cache folder either: `overlab kernel build` will say why.
std::optional<real::UmlKernel> built_kernel() {
    const auto cache = real::user_cache_folder();
    const auto kernel = cache ? real::find_uml_kernel(*cache) : std::unexpected(cache.error());
    return kernel ? std::optional(*kernel) : std::nullopt;
}

int run_doctor(const DoctorOptions& options) {
    if (options.fetch_kernel) {
        const auto fetched = real::fetch_qemu_kernel();
        if (!fetched) return report_error(fetched.error().what, options.format);
        if (options.format == Format::table) fmt::print("kernel for QEMU: {}\n\n", *fetched);
    }
    // A guest that has to be booted first may take a minute.
    if (is_terminal(Stream::error)) {
        fmt::print(stderr, "overlab: looking; guest kernels are booted unless remembered\n");
    }
    const Diagnosis diagnosis{
        .features = real::probe_features(),
        .engines =
            real::VmRunner::engines({.uml = {}, .cache = {}, .ask_again = options.ask_again}),
        .built_kernel = built_kernel(),
    };
    if (options.format == Format::json) {
        fmt::print("{}", doctor_json(diagnosis));
    } else {
        const TableOptions table{.colour = wants_colour(Stream::output),
                                 .width = terminal_width(Stream::output)};
        fmt::print("{}", doctor_text(diagnosis, table));
    }
    // The simulator runs anywhere that this does.
    return static_cast<int>(ExitCode::ok);
}

}  // namespace

void add_doctor_command(CLI::App& app, Environment& environment) {
    CLI::App* command = app.add_subcommand(
        "doctor", "Say what this machine can run: each backend in each world, and the remedies.");
    command->footer(
        "Finds out by doing it, in namespaces that are thrown away and in guests that are booted;\n"
        "the machine's own network is not touched, and root is not needed.\n\n"
        "Examples:\n"
        "  overlab doctor\n"
        "  overlab doctor --format json\n\n"
        "Exit codes: 0 looked, whatever is missing; 2 bad usage, or no kernel to download.");
    const auto options = std::make_shared<DoctorOptions>();
    add_format_option(*command, options->format);
    command->add_flag("--ask-again", options->ask_again,
                      "boot guests even where this machine's answer is remembered");
    command->add_flag("--fetch-kernel", options->fetch_kernel,
                      "first download the kernel that QEMU boots into ~/.cache/overlab (70 MB)");
    command->callback([options, &environment] { environment.exit_code = run_doctor(*options); });
}

}  // namespace overlab::cli
