#include "real/traffic/timed_traffic.h"

#include <algorithm>

#include "models/base/check.h"
#include "models/net/wire.h"
#include "models/scenario/flows.h"

namespace overlab::real {
namespace {

constexpr Duration poll_interval = milliseconds(10);
/// Answers may take a second, programs a little to end: then patience is over.
constexpr Duration patience = milliseconds(2500);

}  // namespace

TimedTraffic::TimedTraffic(EventLoop& loop, const TrafficSpec& spec, RealTrafficSetup setup)
    : loop_(&loop),
      spec_(spec),
      setup_(std::move(setup)),
      span_{.start_ns = spec.start.ns,
            .stop_ns = std::min(spec.stop.value_or(setup_.run_end), setup_.run_end).ns,
            .step_ns = setup_.series_step.ns},
      begin_timer_(loop),
      end_timer_(loop) {
    CHECK(setup_.from.netns != nullptr && setup_.to.netns != nullptr);
    CHECK(setup_.from.address && setup_.to.address);
}

void TimedTraffic::start() {
    if (span_.start_ns >= span_.stop_ns || left().ns <= 0) {
        warn("never started: its time was over");
        return finish();
    }
    if (const Result<void> servers = start_servers(); !servers) {
        warn(servers.error().what);
        abandon();
        return finish();
    }
    begin_timer_.start(Instant{span_.start_ns} - loop_->now(), [this] { try_begin(); });
    end_timer_.start(left() + patience, [this] {
        warn("its programs did not end in time; they were killed and what they counted is missing");
        abandon();
        finish();
    });
}

void TimedTraffic::try_begin() {
    if (left().ns <= 0) {
        warn("never started: its pods had no addresses in time");
        abandon();
        return finish();
    }
    if (setup_.from.address().is_unspecified() || setup_.to.address().is_unspecified()) {
        waited_ = true;
        return begin_timer_.start(poll_interval, [this] { try_begin(); });
    }
    const Duration late = loop_->now() - Instant{spec_.start.ns};
    span_.start_ns = loop_->now().ns;
    if (waited_) {
        warn(fmt::format("started {} ms late: its pods had no addresses before",
                         late.ns / 1'000'000));
    }
    if (const Result<void> begun = begin(); !begun) {
        warn(begun.error().what);
        abandon();
        finish();
    }
}

void TimedTraffic::finish() {
    begin_timer_.stop();
    end_timer_.stop();
    finished_ = true;
}

void TimedTraffic::warn(std::string what) {
    constexpr std::size_t most = 20;
    std::string line = fmt::format("traffic {}: {}", spec_.name, what);
    if (warnings_.size() < most) warnings_.push_back(std::move(line));
}

void TimedTraffic::charge(const std::optional<ExitStatus>& status, bool from_end) {
    if (!status) return;
    Duration& user = from_end ? cpu_.from_user : cpu_.to_user;
    Duration& system = from_end ? cpu_.from_system : cpu_.to_system;
    user = user + status->user_time;
    system = system + status->system_time;
}

ProgramTask TimedTraffic::task() const {
    return {.name = spec_.name,
            .epoch_ns = loop_->epoch_ns(),
            .span = span_,
            .to = setup_.to.address(),
            .port = server_port(setup_.index)};
}

std::uint32_t TimedTraffic::payload_bytes() {
    constexpr std::uint32_t headers = Ipv4Header::bytes + UdpHeader::bytes;
    const std::uint32_t fill = std::max(setup_.overlay_mtu, headers) - headers;
    const std::uint32_t wanted = spec_.packet_bytes == 0 ? fill : spec_.packet_bytes;
    if (wanted >= message_head_bytes) return wanted;
    warn(fmt::format("datagrams of {} bytes carry {}: a number and a time", wanted,
                     message_head_bytes));
    return message_head_bytes;
}

FlowReport TimedTraffic::report() const {
    FlowReport report;
    report.name = spec_.name;
    report.kind = to_string(spec_.kind);
    report.from = setup_.from.pod;
    report.to = setup_.to.pod;
    tally_.fill(report, span_, complete_);
    return report;
}

std::vector<std::string> TimedTraffic::warnings() const {
    std::vector<std::string> all = warnings_;
    all.insert(all.end(), tally_.remarks.begin(), tally_.remarks.end());
    return all;
}

}  // namespace overlab::real
