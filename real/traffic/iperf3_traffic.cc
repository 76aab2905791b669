// The flows that iperf3 makes: bulk TCP without end, and UDP.
//
// A session is one client that ran against one server; each end prints one report, into a file of
// the run's folder. A client that could not connect is no session, and tries again until the flow's
// end; one that broke off is followed by the next. At the flow's end the client gets SIGTERM: then
// both ends report what they have, to that instant. Reports are read by a worker, as a long one
// takes milliseconds.
#include <fcntl.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "models/net/wire.h"
#include "models/scenario/flows.h"
#include "real/traffic/arrival_witness.h"
#include "real/traffic/iperf3_json.h"
#include "real/traffic/timed_traffic.h"

namespace overlab::real {
namespace {

constexpr Duration first_back_off = milliseconds(50), longest_back_off = milliseconds(500);
constexpr Duration first_connect_limit = milliseconds(500), longest_connect_limit = seconds(2);
/// After the client's end its server reads the last of it and prints; then it is told to.
constexpr Duration server_patience = milliseconds(500);
/// Against drops by a receiver that waits for a processor.
constexpr std::int64_t large_buffer_bytes = 2 << 20;
constexpr unsigned most_streams = 128;            // iperf3's own bound
constexpr std::int64_t most_intervals = 50'000;   // of all streams: bounds a report's size
constexpr std::uintmax_t small_report = 1 << 16;  // one without intervals is much smaller

std::string text_of(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// iperf3 refuses to run where it does not get the buffer it was told to ask for.
bool large_buffer_allowed() {
    std::int64_t receive = 0;
    std::int64_t send = 0;
    std::ifstream("/proc/sys/net/core/rmem_max") >> receive;
    std::ifstream("/proc/sys/net/core/wmem_max") >> send;
    return std::min(receive, send) >= large_buffer_bytes;
}

class Iperf3Traffic final : public TimedTraffic {
   public:
    Iperf3Traffic(EventLoop& loop, const TrafficSpec& spec, RealTrafficSetup setup)
        : TimedTraffic(loop, spec, std::move(setup)), retry_timer_(loop), end_timer_(loop) {}

   private:
    Result<void> start_servers() override;
    Result<void> begin() override;
    void abandon() override;

    [[nodiscard]] bool udp() const { return spec().kind == TrafficSpec::Kind::udp; }
    [[nodiscard]] std::vector<std::string> server_arguments() const;
    [[nodiscard]] std::vector<std::string> client_arguments();
    [[nodiscard]] std::string interval() const;
    [[nodiscard]] std::filesystem::path file(std::string_view end, unsigned number) const;

    [[nodiscard]] Result<void> start_server();
    void server_ended();
    [[nodiscard]] Result<void> start_witness();
    void try_session();
    void client_ended();
    /// The client's own words if it never got as far as a test.
    [[nodiscard]] std::optional<std::string> why_no_session() const;
    void failed_to_connect(const std::string& why);
    void await_server();
    void read_session();
    void session_read(const std::optional<FlowTally>& tally);
    void retry();
    void stop_clients();
    void conclude();
    void witness_ended(const std::optional<FlowTally>& tally);

    Timer retry_timer_, end_timer_;
    std::unique_ptr<Process> server_, client_;
    std::unique_ptr<Worker> witness_, reader_;
    unsigned server_number_ = 0, client_number_ = 0, sessions_ = 0;
    /// waiting: no client runs; testing: one does; reporting: the server prints; over: no more.
    enum class Phase : std::uint8_t { waiting, testing, reporting, reading, over };
    Phase phase_ = Phase::waiting;
    bool cubic_ = true, large_buffer_ = large_buffer_allowed(), begun_ = false, stopping_ = false;
    std::uint32_t payload_bytes_ = 0;
    Instant client_started_, client_ended_;
    Duration back_off_ = first_back_off, connect_limit_ = first_connect_limit;
    std::string last_failure_;
    unsigned failures_ = 0;
};

Result<void> Iperf3Traffic::start_servers() {
    if (spec().streams > most_streams) {
        warn(fmt::format("{} streams: iperf3 has at most {}, and so has this flow", spec().streams,
                         most_streams));
    }
    if (udp()) payload_bytes_ = payload_bytes();
    if (Result<void> started = start_server(); !started) return started;
    return start_witness();
}

Result<void> Iperf3Traffic::start_witness() {
    WitnessTask witness{task()};
    witness.udp = udp();
    if (udp()) witness.packets_per_s = spec().rate_bps / 8 / payload_bytes_;
    const auto body = [witness](int control) { return run_arrival_witness(witness, control); };
    OVERLAB_TRY(witness_, Worker::start(loop(), setup().to.netns, body,
                                        [this](const std::optional<FlowTally>& tally) {
                                            witness_ended(tally);
                                        }));
    return {};
}

std::filesystem::path Iperf3Traffic::file(std::string_view end, unsigned number) const {
    return setup().folder / fmt::format("iperf3-{}-{}-{}.json", spec().name, end, number);
}

/// In seconds: the series' step where iperf3 can (0.1 s and more).
std::string Iperf3Traffic::interval() const {
    constexpr Duration shortest = milliseconds(100), longest = seconds(60);
    const std::int64_t streams = std::clamp(spec().streams, 1U, most_streams);
    const std::int64_t length_ns = span().stop_ns - span().start_ns;
    const Duration wanted =
        std::max({setup().series_step, shortest, Duration{length_ns * streams / most_intervals}});
    return fmt::format("{:.3f}", static_cast<double>(std::min(wanted, longest).ns) / 1e9);
}

std::vector<std::string> Iperf3Traffic::server_arguments() const {
    return {setup().iperf3, "-s",      "-1", "-J", "-p", fmt::to_string(server_port(setup().index)),
            "-i",           interval()};
}

std::vector<std::string> Iperf3Traffic::client_arguments() {
    // SIGTERM ends it at the flow's end; its own clock, in whole seconds, only if that got lost.
    const std::int64_t whole_seconds = left().ns / 1'000'000'000 + 2;
    const Duration limit = std::min(connect_limit_, std::max(left(), milliseconds(1)));
    std::vector<std::string> arguments{setup().iperf3,
                                       "-c",
                                       setup().to.address().to_string(),
                                       "-J",
                                       "-p",
                                       fmt::to_string(server_port(setup().index)),
                                       "-i",
                                       interval(),
                                       "-t",
                                       fmt::to_string(whole_seconds),
                                       "--connect-timeout",
                                       fmt::to_string(limit.ns / 1'000'000 + 1)};
    const auto add = [&](std::initializer_list<std::string> more) {
        arguments.insert(arguments.end(), more);
    };
    if (udp()) {
        // Ten times finer than iperf3's own timer: evenly, as the simulator sends.
        add({"-u", "-b", fmt::to_string(spec().rate_bps), "-l", fmt::to_string(payload_bytes_),
             "--pacing-timer", "100"});
        // A receiver that waits for a processor shall not look like a network that drops.
        if (large_buffer_) add({"-w", fmt::to_string(large_buffer_bytes)});
    } else {
        add({"-P", fmt::to_string(std::clamp(spec().streams, 1U, most_streams))});
        if (cubic_) add({"-C", "cubic"});
    }
    return arguments;
}

Result<void> Iperf3Traffic::start_server() {
    const Command command{.argv = server_arguments(),
                          .env = {},
                          .netns = setup().to.netns,
                          .output = file("server", ++server_number_),
                          .error = file("server", server_number_) += ".err"};
    std::error_code ignored;  // A file that stays would show as a report that cannot be read.
    std::filesystem::remove(command.output, ignored);
    OVERLAB_TRY(Process process, Process::start(command));
    server_ = std::make_unique<Process>(std::move(process));
    server_->on_exit(loop(), [this](const ExitStatus&) { server_ended(); });
    return {};
}

void Iperf3Traffic::server_ended() {
    charge(server_->status(), false);
    if (phase_ == Phase::reporting) return read_session();
    if (phase_ != Phase::waiting) return;
    // Before its client came: its port is taken, or it lost a client that had hardly connected.
    const auto report = parse_iperf3(text_of(file("server", server_number_)));
    if (report && !report->error.empty()) {
        if (last_failure_ != report->error) warn(fmt::format("iperf3 server: {}", report->error));
        last_failure_ = report->error;
    }
    if (begun_ && !retry_timer_.armed()) retry();
}

Result<void> Iperf3Traffic::begin() {
    begun_ = true;
    end_timer_.start(left(), [this] { stop_clients(); });
    try_session();
    return {};
}

void Iperf3Traffic::try_session() {
    if (stopping_) return conclude();
    if (server_ == nullptr || server_->status()) {
        if (const Result<void> started = start_server(); !started) {
            warn(started.error().what);
            return conclude();
        }
    }
    const Command command{.argv = client_arguments(),
                          .env = {},
                          .netns = setup().from.netns,
                          .output = file("client", ++client_number_),
                          .error = file("client", client_number_) += ".err"};
    std::error_code ignored;
    std::filesystem::remove(command.output, ignored);
    client_started_ = loop().now();
    Result<Process> process = Process::start(command);
    if (!process) {
        warn(process.error().what);
        return conclude();
    }
    client_ = std::make_unique<Process>(std::move(*process));
    phase_ = Phase::testing;
    client_->on_exit(loop(), [this](const ExitStatus&) { client_ended(); });
}

void Iperf3Traffic::client_ended() {
    client_ended_ = loop().now();
    charge(client_->status(), true);
    phase_ = Phase::waiting;
    if (const auto why = why_no_session()) return failed_to_connect(*why);
    ++sessions_;
    await_server();
}

std::optional<std::string> Iperf3Traffic::why_no_session() const {
    const std::filesystem::path path = file("client", client_number_);
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(path, error);
    if (error || size == 0) return "no report: " + client_->status()->to_string();
    if (size > small_report) return std::nullopt;
    const auto report = parse_iperf3(text_of(path));
    if (!report) return report.error().what;
    if (!report->intervals.empty()) return std::nullopt;
    if (!report->error.empty()) return report->error;
    return "a report without intervals";
}

void Iperf3Traffic::failed_to_connect(const std::string& why) {
    // Ended by us while it still tried: what it says about that is not the reason.
    if (!stopping_ || last_failure_.empty()) last_failure_ = why;
    ++failures_;
    if (why.contains("congestion") && cubic_) {
        cubic_ = false;
        warn(fmt::format("iperf3: {}; it runs with this kernel's default", why));
    }
    // Where net.core.rmem_max is small iperf3 refuses: then its default has to do.
    if (why.contains("buffer size")) large_buffer_ = false;
    // A server that waits for a client that is gone would wait for minutes.
    if (why.contains("busy") && server_ != nullptr) server_->signal(SIGKILL);
    connect_limit_ = std::min(connect_limit_ * 2, longest_connect_limit);
    retry();
}

void Iperf3Traffic::retry() {
    if (stopping_) return conclude();
    retry_timer_.start(std::min(back_off_, std::max(left(), Duration{})), [this] {
        if (phase_ == Phase::waiting) try_session();
    });
    back_off_ = std::min(back_off_ * 2, longest_back_off);
}

void Iperf3Traffic::await_server() {
    phase_ = Phase::reporting;
    if (server_ == nullptr || server_->status()) return read_session();
    retry_timer_.start(server_patience, [this] {
        server_->signal(SIGTERM);
        retry_timer_.start(server_patience, [this] { server_->signal(SIGKILL); });
    });
}

void Iperf3Traffic::read_session() {
    retry_timer_.stop();
    phase_ = Phase::reading;
    const Iperf3Session session{.name = spec().name,
                                .span = span(),
                                .begin_ns = client_started_.ns,
                                .end_ns = client_ended_.ns,
                                .udp = udp()};
    const auto body = [session, client = file("client", client_number_),
                       server = file("server", server_number_)](int) {
        return tally_session(session, text_of(client), text_of(server));
    };
    auto reader =
        Worker::start(loop(), nullptr, body,
                      [this](const std::optional<FlowTally>& tally) { session_read(tally); });
    if (!reader) {
        warn(reader.error().what);
        return conclude();
    }
    reader_ = std::move(*reader);
}

void Iperf3Traffic::session_read(const std::optional<FlowTally>& tally) {
    phase_ = Phase::waiting;
    if (tally) {
        tally_.merge(*tally);
    } else {
        warn("iperf3's report could not be read");
    }
    if (left() < milliseconds(200)) return conclude();
    warn(fmt::format("iperf3: a session broke off at {} ms; the next one followed",
                     client_ended_.ns / 1'000'000));
    back_off_ = first_back_off;
    retry();
}

void Iperf3Traffic::stop_clients() {
    stopping_ = true;
    if (phase_ == Phase::waiting) return conclude();
    if (phase_ != Phase::testing) return;  // Its last report is on its way.
    client_->signal(SIGTERM);
    end_timer_.start(server_patience, [this] { client_->signal(SIGKILL); });
}

void Iperf3Traffic::conclude() {
    if (phase_ == Phase::over) return;
    phase_ = Phase::over;
    retry_timer_.stop();
    end_timer_.stop();
    if (sessions_ == 0) {
        warn(fmt::format("iperf3: {} ({} attempts)",
                         last_failure_.empty() ? "never connected" : last_failure_, failures_));
    }
    if (server_ != nullptr) server_->signal(SIGKILL);
    witness_->ask_to_end();
}

void Iperf3Traffic::witness_ended(const std::optional<FlowTally>& tally) {
    if (tally) {
        tally_.latency = tally->latency;
        tally_.remarks.insert(tally_.remarks.end(), tally->remarks.begin(), tally->remarks.end());
        // iperf3's intervals tell the tenth of a second.
        if (tally->first_ns >= 0 && tally_.bytes > 0) tally_.first_ns = tally->first_ns;
    }
    if (udp()) count_unseen(tally_, spec().rate_bps / 8 / payload_bytes_);
    finish();
}

void Iperf3Traffic::abandon() {
    retry_timer_.stop();
    end_timer_.stop();
    client_.reset();
    server_.reset();
    reader_.reset();
    witness_.reset();
}

}  // namespace

std::unique_ptr<TimedTraffic> make_iperf3_traffic(EventLoop& loop, const TrafficSpec& spec,
                                                  RealTrafficSetup setup) {
    return std::make_unique<Iperf3Traffic>(loop, spec, std::move(setup));
}

}  // namespace overlab::real
