// Captures: what passes a link, both ways, in files that others read.
#include <algorithm>
#include <sstream>

#include "real/lab/lab.h"
#include "tests/support/kernel_lab.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tshark.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::real;
using namespace overlab::test;

namespace {

const std::vector<std::string> none;

std::vector<std::string> lines(const std::string& text) {
    std::vector<std::string> all;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) all.push_back(line);
    return all;
}

}  // namespace

TEST_CASE("a capture has every packet once, with its direction", "[lab]") {
    const Scenario scenario = scenario_file("two-hosts");
    OVERLAB_LAB(lab, scenario, {});
    const TempFolder folder;
    const std::int64_t epoch = EventLoop::monotonic_ns();

    REQUIRE(lab->start_captures(folder.path(), epoch));
    REQUIRE(unreachable(hosts_of(scenario, *lab)) == none);
    const auto stopped = lab->stop_captures();
    const std::int64_t end = EventLoop::monotonic_ns() - epoch;

    INFO((stopped ? "" : stopped.error().what));
    REQUIRE(stopped);
    const std::string file = (folder.path() / "h1--switch.pcapng").string();
    const std::string from_h1 = lab->facts(0).external_address.to_string();
    // The store's host talks as well: hosts send to two others each.
    std::vector<std::string> seen =
        lines(tshark(file,
                     "-Y 'udp.port == 7007' -T fields -e frame.packet_flags_direction "
                     "-e ip.src -e frame.interface_name"));
    REQUIRE(seen.size() == 8);
    for (const std::string& line : seen) {
        INFO(line);
        const bool outgoing = line.contains("\t" + from_h1 + "\t");
        CHECK(line.ends_with("h1--switch"));
        // 1: inbound, 2: outbound; end a of the link is h1.
        CHECK(line.substr(line.find_first_not_of("0x"), 1) == (outgoing ? "2" : "1"));
    }
    const auto times = lines(tshark(file, "-T fields -e frame.time_epoch"));
    CHECK(std::stod(times.front()) >= 0);
    CHECK(std::stod(times.back()) * 1e9 <= static_cast<double>(end));
    CHECK(std::stod(times.front()) <= std::stod(times.back()));
    CHECK(lines(tshark(file,
                       "-o udp.check_checksum:TRUE -Y 'udp.checksum.status == 0 && udp.checksum != "
                       "0xffff'"))
              .empty());
    CHECK(std::filesystem::exists(folder.path() / "h2--switch.pcapng"));
    CHECK(std::ranges::none_of(
        lab->warnings(), [](const std::string& line) { return line.starts_with("capture of"); }));
}

TEST_CASE("in the faithful profile no frame is longer than the link's MTU", "[lab]") {
    const Scenario scenario = scenario_with(
        R"({"nodes": [{"name": "h1"}, {"name": "h2"}, {"name": "s", "kind": "switch"}],
            "links": [{"ends": ["h1", "s"], "rate": "200Mbps"}, {"ends": ["h2", "s"]}]})",
        "[]");
    OVERLAB_LAB(lab, scenario, {});
    const TempFolder folder;
    REQUIRE(lab->start_captures(folder.path(), EventLoop::monotonic_ns()));
    const auto hosts = hosts_of(scenario, *lab);
    CHECK(tcp_goodput_bps(hosts[0], hosts[1], milliseconds(200)) > 0);
    REQUIRE(lab->stop_captures());

    const std::string file = (folder.path() / "h1--s.pcapng").string();
    CHECK(lines(tshark(file, "-Y 'frame.len > 1514'")).empty());
    CHECK(lines(tshark(file, "-Y 'frame.len == 1514'")).size() > 100);
    // skb_checksum_help() writes a sum of zero as 0xffff, which is the same number in one's
    // complement, but not to tshark.
    CHECK(lines(tshark(file,
                       "-o tcp.check_checksum:TRUE "
                       "-Y 'tcp.checksum.status == 0 && tcp.checksum != 0xffff'"))
              .empty());
}

TEST_CASE("a folder that is not there is an error that names the file", "[lab]") {
    const Scenario scenario = scenario_file("two-hosts");
    OVERLAB_LAB(lab, scenario, {});

    const auto started = lab->start_captures("/nowhere", EventLoop::monotonic_ns());

    REQUIRE_FALSE(started);
    CHECK(started.error().what == "capture /nowhere/h1--switch.pcapng: No such file or directory");
    CHECK(lab->stop_captures());
}
