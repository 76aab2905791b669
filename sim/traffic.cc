#include "sim/traffic.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/traffic_program.h"

namespace overlab::sim {
namespace {

constexpr Duration poll_interval = milliseconds(10);

std::unique_ptr<TrafficProgram> start_program(const ProgramSetup& setup) {
    switch (setup.spec.kind) {
        case TrafficSpec::Kind::tcp:
            return start_bulk(setup);
        case TrafficSpec::Kind::request_response:
            return setup.spec.over_tcp ? start_tcp_requests(setup) : start_udp_requests(setup);
        case TrafficSpec::Kind::udp:
        case TrafficSpec::Kind::on_off:
            break;
    }
    return start_datagrams(setup);
}

}  // namespace

Traffic::Traffic(const TrafficSpec& spec, const TrafficSetup& setup)
    : spec_(spec),
      setup_(setup),
      stop_ns_(std::min(spec.stop.value_or(setup.run_end), setup.run_end).ns),
      start_alarm_(setup.from->engine(), [this] { try_start(); }),
      stop_alarm_(setup.from->engine(), [this] {
          if (program_ != nullptr) program_->stop();
      }) {
    if (spec_.start.ns >= stop_ns_) return;
    start_alarm_.set(spec_.start.ns);
    stop_alarm_.set(stop_ns_);
}

Traffic::~Traffic() = default;

void Traffic::try_start() {
    const std::int64_t now_ns = setup_.from->engine().now_ns();
    if (now_ns >= stop_ns_) return;
    if (!setup_.from->is_configured() || !setup_.to->is_configured()) {
        start_alarm_.set(now_ns + poll_interval.ns);
        return;
    }
    if (now_ns > spec_.start.ns) {
        remarks_.push_back(
            fmt::format("traffic {}: started {} ms late: its pods had no addresses before",
                        spec_.name, (now_ns - spec_.start.ns) / 1'000'000));
    }
    program_ = start_program({.spec = spec_,
                              .traffic = setup_,
                              .start_ns = now_ns,
                              .stop_ns = stop_ns_,
                              .remarks = remarks_});
}

FlowReport Traffic::report() const {
    FlowReport report;
    report.name = spec_.name;
    report.kind = to_string(spec_.kind);
    report.from = setup_.from->name();
    report.to = setup_.to->name();
    report.start_ns = spec_.start.ns;
    report.stop_ns = stop_ns_;
    if (program_ != nullptr) program_->report(report);
    return report;
}

std::vector<std::string> Traffic::remarks() const {
    std::vector<std::string> all = remarks_;
    if (program_ == nullptr) {
        all.push_back(fmt::format("traffic {}: never started: its pods had no addresses in time",
                                  spec_.name));
    }
    return all;
}

}  // namespace overlab::sim
