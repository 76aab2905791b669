#include "results/golden.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include "results/line_difference.h"
#include "results/report_codec.h"

namespace overlab {
namespace {

using Lines = std::vector<std::string>;

/// Of a digest that only has to tell apart: 64 bits.
constexpr std::size_t short_digest = 16;

Lines split_lines(std::string_view text) {
    Lines lines;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        lines.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return lines;
}

/// One line of it, whatever a warning holds.
std::string one_line(std::string text) {
    std::ranges::replace(text, '\n', ' ');
    return text;
}

void measure_flow(const FlowReport& flow, Lines& lines) {
    const auto add = [&](std::string_view name, auto value) {
        lines.push_back(fmt::format("{} {} {}", flow.name, name, value));
    };
    add("goodput_bps", flow.goodput_bps);
    if (flow.kind == "tcp") {
        add("retransmits", flow.retransmits);
        add("mss_bytes", flow.mss_bytes);
    } else {
        add("packets_sent", flow.packets_sent);
        add("packets_received", flow.packets_received);
        add("latency_p50_ns", flow.latency.p50_ns);
    }
}

void measure_fault(const FaultReport& fault, Lines& lines) {
    const auto add = [&](std::string_view name, auto value) {
        lines.push_back(fmt::format("{} {} {}", fault.name, name, value));
    };
    add("blackhole_ns", fault.blackhole_ns);
    add("detect_ns", fault.detect_ns);
    add("converge_ns", fault.converge_ns);
    add("packets_lost", fault.packets_lost);
    add("rows_changed", fault.rows_changed);
}

Lines measures(const RunReport& report) {
    Lines lines{fmt::format("network overlay_mtu {}", report.overlay_mtu),
                fmt::format("network converged_ns {}", report.converged_ns),
                fmt::format("network store_messages {}", report.store_messages),
                fmt::format("network clear_pod_bytes {}", report.clear_pod_bytes)};
    for (const FaultReport& fault : report.faults) measure_fault(fault, lines);
    const std::size_t flows = std::min(report.flows.size(), max_flows_measured);
    for (std::size_t i = 0; i < flows; ++i) measure_flow(report.flows[i], lines);
    return lines;
}

Lines unreachable_pairs(const RunReport& report, const DigestFunction& sha256) {
    Lines lines;
    for (const PairProblem& pair : report.unreachable)
        lines.push_back(one_line(fmt::format("{} to {}: {}", pair.from, pair.to, pair.why)));
    if (lines.size() <= max_pairs_listed) return lines;
    std::string all;
    for (const std::string& line : lines) all += line + "\n";
    return {fmt::format("{} pairs {}", lines.size(), sha256(all).substr(0, short_digest))};
}

void record_hosts(const RunReport& report, const DigestFunction& sha256, GoldenRun& run) {
    const auto digest_of = [&](std::string_view text) {
        return sha256(text).substr(0, short_digest);
    };
    if (report.forwarding.size() > max_hosts_named) {
        std::string all;
        for (const auto& [host, rows] : report.forwarding) all += host + "\n" + rows + "\n";
        run.all_hosts = fmt::format("{} hosts {}", report.forwarding.size(), digest_of(all));
        return;
    }
    for (const auto& [host, text] : report.forwarding) {
        GoldenHost recorded{.name = host, .rows = {}, .rows_digest = {}};
        Lines rows = split_lines(text);
        if (report.forwarding.size() > max_hosts_in_rows)
            recorded.rows_digest = fmt::format("{} rows {}", rows.size(), digest_of(text));
        else
            recorded.rows = std::move(rows);
        run.hosts.push_back(std::move(recorded));
    }
}

/// The parts of a run that are lists of lines, by the word that begins each line in the file.
constexpr std::array<std::pair<std::string_view, Lines GoldenRun::*>, 3> list_parts{
    {{"warning", &GoldenRun::warnings},
     {"unreachable", &GoldenRun::unreachable},
     {"measured", &GoldenRun::measured}}};
constexpr std::array<std::pair<std::string_view, std::string GoldenRun::*>, 3> text_parts{
    {{"unavailable", &GoldenRun::unavailable},
     {"digest", &GoldenRun::digest},
     {"all", &GoldenRun::all_hosts}}};

class Reader {
   public:
    Result<Golden> read(std::string_view text) {
        std::size_t number = 0;
        for (const std::string& line : split_lines(text)) {
            ++number;
            if (line.empty() || line.starts_with('#')) continue;
            if (!take(line)) {
                return fail(ErrorKind::invalid_argument,
                            fmt::format("line {}: \"{}\" does not belong here", number, line));
            }
        }
        return std::move(golden_);
    }

   private:
    bool take(const std::string& line) {
        if (line.starts_with("  ")) return take_row(line.substr(2));
        const std::size_t blank = line.find(' ');
        if (blank == std::string::npos) return false;
        const std::string_view word = std::string_view(line).substr(0, blank);
        std::string rest = line.substr(blank + 1);
        if (word == "run") return begin_run(std::move(rest));
        if (golden_.runs.empty()) return false;
        GoldenRun& run = golden_.runs.back();
        if (word == "host") return begin_host(rest, run);
        for (const auto& [name, part] : list_parts) {
            if (word != name) continue;
            (run.*part).push_back(std::move(rest));
            return true;
        }
        for (const auto& [name, part] : text_parts) {
            if (word != name) continue;
            run.*part = std::move(rest);
            return true;
        }
        return false;
    }

    bool begin_run(std::string backend) {
        if (golden_.find(backend) != nullptr) return false;
        golden_.runs.emplace_back().backend = std::move(backend);
        return true;
    }

    static bool begin_host(std::string_view rest, GoldenRun& run) {
        const std::size_t blank = std::min(rest.find(' '), rest.size());
        GoldenHost host{.name = std::string(rest.substr(0, blank)), .rows = {}, .rows_digest = {}};
        if (blank < rest.size()) host.rows_digest = rest.substr(blank + 1);
        run.hosts.push_back(std::move(host));
        return true;
    }

    bool take_row(std::string row) {
        if (golden_.runs.empty() || golden_.runs.back().hosts.empty()) return false;
        golden_.runs.back().hosts.back().rows.push_back(std::move(row));
        return true;
    }

    Golden golden_;
};

std::string run_text(const GoldenRun& run) {
    std::string text = fmt::format("run {}\n", run.backend);
    const auto add = [&](std::string_view word, const std::string& rest) {
        if (!rest.empty()) text += fmt::format("{} {}\n", word, rest);
    };
    add("unavailable", run.unavailable);
    add("digest", run.digest);
    for (const auto& [word, part] : list_parts) {
        for (const std::string& line : run.*part) add(word, line);
    }
    add("all", run.all_hosts);
    for (const GoldenHost& host : run.hosts) {
        add("host", host.rows_digest.empty() ? host.name : host.name + " " + host.rows_digest);
        for (const std::string& row : host.rows) text += fmt::format("  {}\n", row);
    }
    return text;
}

/// Collects what differs, part by part.
class Differences {
   public:
    void add(std::string_view what, const Lines& recorded, const Lines& now) {
        const LineDifference difference = line_difference(recorded, now);
        if (difference.lines.empty()) return;
        found_.push_back({std::string(what), difference.lines});
    }

    void add_rows(const std::string& host, const Lines& recorded, const Lines& now) {
        const LineDifference difference = line_difference(recorded, now);
        if (difference.lines.empty()) return;
        const auto rows = [](std::size_t count) {
            return fmt::format("{} {}", count, count == 1 ? "row" : "rows");
        };
        std::string what = fmt::format("host {}: ", host);
        if (difference.removed > 0) what += rows(difference.removed) + " gone";
        if (difference.removed > 0 && difference.added > 0) what += ", ";
        if (difference.added > 0) what += rows(difference.added) + " new";
        found_.push_back({std::move(what), difference.lines});
    }

    [[nodiscard]] bool empty() const { return found_.empty(); }
    [[nodiscard]] std::vector<GoldenDifference> take() { return std::move(found_); }

   private:
    std::vector<GoldenDifference> found_;
};

Lines line_of(const std::string& text) { return text.empty() ? Lines{} : Lines{text}; }

Lines names_of(const std::vector<GoldenHost>& hosts) {
    Lines names;
    for (const GoldenHost& host : hosts) names.push_back(host.name);
    return names;
}

void compare_hosts(const GoldenRun& recorded, const GoldenRun& now, Differences& differences) {
    struct Pair {
        const GoldenHost* recorded = nullptr;
        const GoldenHost* now = nullptr;
    };
    std::map<std::string, Pair> hosts;
    for (const GoldenHost& host : recorded.hosts) hosts[host.name].recorded = &host;
    for (const GoldenHost& host : now.hosts) hosts[host.name].now = &host;
    Lines digests_recorded;
    Lines digests_now;
    const GoldenHost none;
    for (const auto& [name, pair] : hosts) {
        const GoldenHost& before = pair.recorded == nullptr ? none : *pair.recorded;
        const GoldenHost& after = pair.now == nullptr ? none : *pair.now;
        differences.add_rows(name, before.rows, after.rows);
        if (before.rows_digest == after.rows_digest) continue;
        if (pair.recorded != nullptr)
            digests_recorded.push_back(fmt::format("{} {}", name, before.rows_digest));
        if (pair.now != nullptr)
            digests_now.push_back(fmt::format("{} {}", name, after.rows_digest));
    }
    differences.add("rows of hosts", digests_recorded, digests_now);
    differences.add("hosts", names_of(recorded.hosts), names_of(now.hosts));
    differences.add("rows of all hosts", line_of(recorded.all_hosts), line_of(now.all_hosts));
}

}  // namespace

const GoldenRun* Golden::find(std::string_view backend) const {
    const auto found = std::ranges::find(runs, backend, &GoldenRun::backend);
    return found == runs.end() ? nullptr : &*found;
}

GoldenRun golden_of(const RunReport& report, const DigestFunction& sha256) {
    GoldenRun run;
    run.backend = report.backend;
    if (!report.unavailable.empty()) {
        run.unavailable = one_line(report.unavailable);
        return run;
    }
    run.digest = sha256(encode_report(report));
    for (const std::string& warning : report.warnings) run.warnings.push_back(one_line(warning));
    run.unreachable = unreachable_pairs(report, sha256);
    run.measured = measures(report);
    record_hosts(report, sha256, run);
    return run;
}

std::string golden_text(const Golden& golden, std::string_view command) {
    std::string text = fmt::format(
        "# What the scenario gives, as last reviewed. After reviewing a change, rewrite this "
        "file:\n"
        "# {}\n",
        command);
    for (const GoldenRun& run : golden.runs) text += "\n" + run_text(run);
    return text;
}

Result<Golden> parse_golden(std::string_view text) { return Reader().read(text); }

std::vector<GoldenDifference> golden_difference(const GoldenRun& recorded, const GoldenRun& now) {
    Differences differences;
    differences.add("not run", line_of(recorded.unavailable), line_of(now.unavailable));
    compare_hosts(recorded, now, differences);
    differences.add("pairs that cannot talk", recorded.unreachable, now.unreachable);
    differences.add("warnings", recorded.warnings, now.warnings);
    differences.add("measured", recorded.measured, now.measured);
    if (recorded.digest != now.digest) {
        differences.add(differences.empty()
                            ? "digest of the report alone: something that this file does not list"
                            : "digest of the report",
                        line_of(recorded.digest), line_of(now.digest));
    }
    return differences.take();
}

}  // namespace overlab
