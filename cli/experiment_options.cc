#include <map>

#include "cli/experiment.h"

namespace overlab::cli {

void add_format_option(CLI::App& command, Format& format) {
    command
        .add_option("--format", format, "json: one document on standard output and nothing else")
        ->transform(CLI::CheckedTransformer(
            std::map<std::string, Format>{{"table", Format::table}, {"json", Format::json}}))
        ->option_text("table|json (default: table)");
}

void add_kernel_options(CLI::App& command, KernelOptions& kernel) {
    using UdpMode = KernelOptions::UdpMode;
    command
        .add_option("--udp-mode", kernel.udp_mode,
                    "kernel, vm: the udp backend's proxy: fast (offloads, batches) or classic (one "
                    "packet a system call)")
        ->transform(CLI::CheckedTransformer(
            std::map<std::string, UdpMode>{{"fast", UdpMode::fast}, {"classic", UdpMode::classic}}))
        ->option_text("fast|classic (default: fast)");
    command
        .add_option("--links", kernel.link_offloads,
                    "kernel, vm: faithful links carry real segments, fast ones 64 KB aggregates")
        ->transform(CLI::CheckedTransformer(
            std::map<std::string, bool>{{"faithful", false}, {"fast", true}}))
        ->option_text("faithful|fast (default: faithful)");
    command.add_flag(
        "--ip-masq", kernel.ip_masq,
        "kernel, vm: agents masquerade what leaves the overlay (flanneld's --ip-masq)");
    command.add_flag("--forward-rules", kernel.forward_rules,
                     "kernel, vm: agents write accept rules for the overlay's network");
    command.add_option("--engine", kernel.engine, "vm: what runs the guest (default: the fittest)")
        ->check(CLI::IsMember(std::vector<std::string>{"kvm", "uml", "tcg"}))
        ->option_text("kvm|uml|tcg");
    command
        .add_option("--time", kernel.virtual_time,
                    "vm: virtual: the guest's clock jumps over idle time and CPU work takes none; "
                    "the same seed gives the same run")
        ->transform(CLI::CheckedTransformer(
            std::map<std::string, bool>{{"wall", false}, {"virtual", true}}))
        ->option_text("wall|virtual (default: wall)");
}

void add_experiment_options(CLI::App& command, ExperimentOptions& options) {
    command
        .add_option("scenario", options.scenario_file,
                    "scenario file (JSON; scenarios/schema.json describes it)")
        ->required()
        ->option_text("SCENARIO");
    command
        .add_option("--backend", options.backends, "only these backends: vxlan,host-gw or repeated")
        ->delimiter(',')
        ->expected(1)
        ->take_all()
        ->option_text("NAME");
    command
        .add_option(
            "--world", options.worlds,
            "sim: simulated hosts, virtual time; control: the control plane alone, no packets; "
            "kernel: network namespaces of this machine; vm: the same under a guest kernel. "
            "Several: sim,kernel")
        ->delimiter(',')
        ->expected(1)
        ->take_all()
        ->check(CLI::IsMember(std::vector<std::string>{"sim", "control", "kernel", "vm"}))
        ->option_text("WORLD (default: sim)");
    command.add_option("--seed", options.seed, "instead of the scenario's seed")
        ->check(CLI::Range(std::uint64_t{1}, std::numeric_limits<std::uint64_t>::max()))
        ->option_text("N");
    command.add_option("--runs", options.runs, "runs a backend, each with the next seed")
        ->check(CLI::Range(1U, max_runs))
        ->option_text("N (default: 1)");
    command
        .add_option("--repeat", options.repeat,
                    "sim, vm in virtual time: do each run so often and compare what it gives, "
                    "captures too; exit code 1 if anything differs")
        ->check(CLI::Range(1U, max_repeats))
        ->option_text("N (default: 1)");
    add_format_option(command, options.format);
    command
        .add_option("--out", options.out,
                    "result folder (default: overlab-out/NAME OF THE SCENARIO)")
        ->option_text("DIR");
    command.add_flag("--capture", options.capture, "also write a pcapng file for every link");
    command
        .add_option(
            "--jobs", options.jobs,
            "runs at a time (default: one a core, on real kernels in wall time one; at most two "
            "a core)")
        ->check(CLI::Range(1U, 1024U))
        ->option_text("N");
    add_kernel_options(command, options.kernel);
    command.add_flag("--no-progress", options.no_progress, "no progress line on the terminal");
}

}  // namespace overlab::cli
