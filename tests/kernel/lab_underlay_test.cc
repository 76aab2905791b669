// A lab is the scenario's underlay: addresses and MACs as the graph has them, everybody reaches
// everybody, links are as fast as they say and can be cut.
#include <algorithm>

#include "real/base/sandbox.h"
#include "real/lab/lab.h"
#include "real/lab/port_names.h"
#include "real/netlink/links.h"
#include "tests/support/kernel_lab.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::real;
using namespace overlab::test;

namespace {

const std::vector<std::string> none;

std::size_t link_named(const Scenario& scenario, const std::string& name) {
    const auto& links = scenario.underlay.links;
    const auto found = std::ranges::find(links, name, &UnderlayLink::name);
    REQUIRE(found != links.end());
    return static_cast<std::size_t>(found - links.begin());
}

std::size_t node_named(const Scenario& scenario, const std::string& name) {
    const auto& nodes = scenario.underlay.nodes;
    const auto found = std::ranges::find(nodes, name, &UnderlayNode::name);
    REQUIRE(found != nodes.end());
    return static_cast<std::size_t>(found - nodes.begin());
}

std::vector<LinkReport> reports_of(Lab& lab) {
    auto reports = lab.link_reports();
    REQUIRE(reports);
    return *std::move(reports);
}

LinkReport report_of(Lab& lab, const std::string& name, const std::string& from) {
    for (const LinkReport& report : reports_of(lab)) {
        if (report.name == name && report.from == from) return report;
    }
    FAIL("no report of " << name << " from " << from);
    return {};
}

bool warns(const Lab& lab, const std::string& words) {
    return std::ranges::any_of(lab.warnings(),
                               [&](const std::string& line) { return line.contains(words); });
}

/// Two hosts on one switch; `more` is appended to the first link.
Scenario two_hosts(const std::string& more) {
    return scenario_with(
        R"({"nodes": [{"name": "h1"}, {"name": "h2"}, {"name": "s", "kind": "switch"}],
            "links": [{"ends": ["h1", "s"])" +
            more + R"(}, {"ends": ["h2", "s"]}]})",
        "[]");
}

}  // namespace

TEST_CASE("every host reaches every other", "[lab]") {
    // one switch; switches with redundant links; routers with equal-cost paths; a narrow path
    for (const std::string name : {"two-hosts", "two-racks", "leaf-spine-16", "small-mtu-path"}) {
        INFO(name);
        const Scenario scenario = scenario_file(name);
        OVERLAB_LAB(lab, scenario, {});

        CHECK(unreachable(hosts_of(scenario, *lab)) == none);
    }
}

TEST_CASE("interfaces have the graph's addresses and MACs", "[lab]") {
    const Scenario scenario = scenario_file("leaf-spine-16");
    OVERLAB_LAB(lab, scenario, {});

    const auto names = port_names(scenario.underlay);
    for (const Interface& interface : lab->graph().interfaces()) {
        const std::string& node = scenario.underlay.nodes[interface.node].name;
        const UnderlayLink& link = scenario.underlay.links[interface.link];
        const std::string& port = names[interface.link][link.a == interface.node ? 0 : 1];
        INFO(node << " " << port);
        Links links = Links::open(lab->node(interface.node)).value();
        const LinkFacts facts = links.facts(port).value();
        CHECK(facts.mac == interface.mac);
        CHECK(facts.mtu == link.mtu);
        CHECK(facts.up);
        // Bound to it, so it is ours.
        const NetnsScope scope(lab->node(interface.node));
        const Fd socket(::socket(AF_INET, SOCK_DGRAM, 0));
        const sockaddr_in own = socket_address(interface.address, 0);
        CHECK(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) == 0);
    }
}

TEST_CASE("a host's facts are those of its interface", "[lab]") {
    const Scenario scenario = scenario_file("mtu-9000");
    OVERLAB_LAB(lab, scenario, {});
    const std::size_t host = node_named(scenario, "h1");

    const HostFacts facts = lab->facts(host);

    CHECK(facts.name == "h1");
    CHECK(facts.external_link == "eth0");
    CHECK(facts.external_address == lab->graph().host_interface(host).address);
    CHECK(facts.external_mtu == 9000);
}

TEST_CASE("a router's interfaces are called after their peers", "[lab]") {
    const Scenario scenario = scenario_file("small-mtu-path");
    OVERLAB_LAB(lab, scenario, {});
    Links links = Links::open(lab->node(node_named(scenario, "r1"))).value();

    CHECK(links.facts("left").value().mtu == 1500);
    CHECK(links.facts("r2").value().mtu == 1400);
    CHECK(links.sysctl("net/ipv4/ip_forward").value() == "1");
    CHECK(links.sysctl("net/ipv4/fib_multipath_hash_policy").value() == "1");
}

TEST_CASE("switches form a tree, and say which links are idle", "[lab]") {
    const Scenario scenario = scenario_file("two-racks");
    OVERLAB_LAB(lab, scenario, {});
    CHECK(warns(*lab, "these links carry nothing: "));
    CHECK(warns(*lab, "link delays under 100 us are not modelled in the kernel world"));
    CHECK(warns(*lab, "links are not limited in the kernel world"));

    CHECK(unreachable(hosts_of(scenario, *lab)) == none);

    std::size_t idle = 0;
    for (const LinkReport& report : reports_of(*lab))
        idle += report.frames == 0 && report.name.contains("spine") ? 1 : 0;
    CHECK(idle == 3);  // one link both ways, and a spine that is a leaf of the tree says nothing
}

TEST_CASE("routers spread flows over equal-cost paths", "[lab]") {
    const Scenario scenario = scenario_file("leaf-spine-16");
    OVERLAB_LAB(lab, scenario, {});

    CHECK(unreachable(hosts_of(scenario, *lab)) == none);

    for (const LinkReport& report : reports_of(*lab)) {
        INFO(report.name << " from " << report.from);
        CHECK(report.frames > 0);
        CHECK(report.bytes > report.frames * 60);
    }
}

TEST_CASE("a link's rate holds, and its queue drops what is too much", "[lab]") {
    const Scenario scenario = two_hosts(R"(, "rate": "100Mbps", "queue": "60kB")");
    for (const LinkProfile profile : {LinkProfile::faithful, LinkProfile::fast}) {
        OVERLAB_LAB(lab, scenario, {.profile = profile});
        const std::vector<Speaker> hosts = hosts_of(scenario, *lab);

        // A loaded machine may be late for a while; a wrong rate stays wrong.
        std::uint64_t goodput = 0;
        for (int i = 0; i < 6 && goodput < 90'000'000; ++i)
            goodput = tcp_goodput_bps(hosts[0], hosts[1], seconds(1));

        INFO((profile == LinkProfile::fast ? "fast" : "faithful"));
        fmt::print("100 Mbit/s link: {} bit/s of TCP payload\n", goodput);
        CHECK(goodput > 90'000'000);
        CHECK(goodput < 97'000'000);  // 1448 of 1538 octets are payload
        const LinkReport report = report_of(*lab, "h1--s", "h1");
        if (!warns(*lab, "timers tick")) CHECK(report.queue_drops > 0);
        CHECK(report.frames > 100);
        CHECK(report_of(*lab, "h1--s", "s").frames > 0);
        CHECK(report_of(*lab, "h2--s", "s").queue_drops == 0);
    }
}

TEST_CASE("a cut link takes packets away in silence until it is mended", "[lab]") {
    for (const std::string rate : {"", R"(, "rate": "1Gbps")"}) {
        const Scenario scenario = two_hosts(rate);
        OVERLAB_LAB(lab, scenario, {});
        const std::size_t link = link_named(scenario, "h1--s");
        EchoMesh mesh(hosts_of(scenario, *lab));
        REQUIRE(mesh.run(seconds(20)) == none);

        REQUIRE(lab->set_link_up(link, false));
        REQUIRE(lab->set_link_up(link, false));
        const std::uint64_t before = report_of(*lab, "h1--s", "h1").frames;
        CHECK(mesh.run(milliseconds(100)) == std::vector<std::string>{"h1->h2", "h2->h1"});
        CHECK(report_of(*lab, "h1--s", "h1").frames == before);
        CHECK(Links::open(lab->node(0)).value().facts("eth0").value().up);

        REQUIRE(lab->set_link_up(link, true));
        REQUIRE(lab->set_link_up(link, true));
        CHECK(mesh.run(seconds(20)) == none);
        CHECK(report_of(*lab, "h1--s", "h1").frames > before);
    }
}

TEST_CASE("reports are in the sim's order, one a direction", "[lab]") {
    const Scenario scenario = two_hosts("");
    OVERLAB_LAB(lab, scenario, {});
    REQUIRE(unreachable(hosts_of(scenario, *lab)) == none);

    const std::vector<LinkReport> reports = reports_of(*lab);

    std::vector<std::string> names;
    for (const LinkReport& report : reports)
        names.push_back(report.name + " " + report.from + ">" + report.to);
    CHECK(names ==
          std::vector<std::string>{"h1--s h1>s", "h1--s s>h1", "h2--s h2>s", "h2--s s>h2"});
    // A question and an answer, and ARP before: who was asked first need not ask.
    CHECK(reports[0].frames >= 3);
    CHECK(reports[0].frames <= 4);
    CHECK(reports[0].bytes == (reports[0].frames - 2) * (42 + 24) + 2 * (14 + 28 + 8 + 24));
}

TEST_CASE("delay and loss are there or refused, never left out", "[lab]") {
    const Scenario scenario = two_hosts(R"(, "delay": "20ms", "loss": "0.1%")");
    if (!Netns::create()) return;

    const auto lab = Lab::build(scenario, {});

    if (!lab) {
        CHECK(lab.error().kind == ErrorKind::unsupported);
        CHECK(lab.error().what ==
              "link h1--s: delay 20 ms and loss 0.1 % cannot be had here: this kernel lacks netem; "
              "--world vm has it");
        return;
    }
    EchoMesh mesh(hosts_of(scenario, **lab));
    CHECK(mesh.run(milliseconds(30)).size() == 2);  // out and back take 40 ms
    CHECK(mesh.run(seconds(20)).size() < 2);
}

TEST_CASE("a switch with more links than a bridge has ports is refused", "[lab]") {
    const Scenario scenario =
        scenario_with(R"({"generate": {"star": {"hosts": 1001}}})", "[]", "h0001");

    const auto lab = Lab::build(scenario, {});

    REQUIRE_FALSE(lab);
    CHECK(lab.error().kind == ErrorKind::unsupported);
    CHECK(lab.error().what.contains("but a Linux bridge takes no more than 1000 ports"));
}

TEST_CASE("interfaces get names that the kernel takes", "[lab]") {
    const Scenario scenario = scenario_with(
        R"({"nodes": [{"name": "lo"}, {"name": "all", "kind": "router"},
                      {"name": "a-name-of-16-chr", "kind": "router"},
                      {"name": "cni0"}, {"name": "default", "kind": "switch"}],
            "links": [{"ends": ["lo", "all"]}, {"ends": ["all", "a-name-of-16-chr"]},
                      {"ends": ["all", "a-name-of-16-chr"], "name": "second"},
                      {"ends": ["a-name-of-16-chr", "default"]}, {"ends": ["default", "cni0"]}]})",
        "[]", "lo");
    const auto names = port_names(scenario.underlay);
    CHECK(names[link_named(scenario, "lo--all")] == std::array<std::string, 2>{"eth0", "link+3"});
    CHECK(names[link_named(scenario, "second")] == std::array<std::string, 2>{"link+4", "link+4"});
    OVERLAB_LAB(lab, scenario, {});

    CHECK(unreachable(hosts_of(scenario, *lab)) == none);
}

TEST_CASE("nothing is left of a lab", "[lab]") {
    if (!Netns::create()) return;
    const Scenario scenario = scenario_file("two-racks");
    const Netns here = Netns::create().value();
    Links links = Links::open(here).value();
    auto lab = Lab::build(scenario, {});
    REQUIRE(lab);
    // Interfaces end with their namespace, and veths with their peer.
    std::vector<std::string> watched;
    const auto watch = [&](const Netns& netns) {
        watched.push_back(fmt::format("peer{}", watched.size()));
        REQUIRE(links.add_veth({watched.back(), {}, 1500}, {"watch", {}, 1500}, netns));
    };
    for (NodeIndex node = 0; node < scenario.underlay.nodes.size(); ++node)
        watch((*lab)->node(node));
    for (std::size_t pod = 0; pod < scenario.pods.size(); ++pod) watch((*lab)->pod(pod));

    lab->reset();

    EventLoop loop;
    const auto gone = [&] { return links.list().value().size() == 1; };
    std::function<void()> look = [&] { loop.call_after(milliseconds(5), look); };
    look();
    CHECK(loop.run_until(gone, seconds(30)));
}

TEST_CASE("a hundred hosts with pods are built in no time", "[lab]") {
    const Scenario scenario =
        scenario_with(R"({"generate": {"star": {"hosts": 100}}})", R"({"per_host": 1})", "h001");
    const std::int64_t start = EventLoop::monotonic_ns();
    OVERLAB_LAB(lab, scenario, {});
    const std::int64_t built = EventLoop::monotonic_ns();
    for (std::uint32_t host = 0; host < scenario.pods.size(); ++host) {
        const Ipv4Prefix subnet = Ipv4Prefix::of({0x0af40000 + (host << 8)}, 24);
        REQUIRE(lab->set_up_pods(scenario.pods[host].host, subnet, 1450));
    }
    const std::int64_t moved = EventLoop::monotonic_ns();
    fmt::print("100 hosts with pods: built in {} ms, pods set up in {} ms\n",
               (built - start) / 1'000'000, (moved - built) / 1'000'000);

    CHECK(warns(*lab, "know each other's MAC addresses from the start"));
    CHECK(unreachable(hosts_of(scenario, *lab), seconds(60)) == none);
}

TEST_CASE("an ordinary user's sandbox has labs, too", "[lab]") {
    const auto code = run_in_sandbox([] {
        const Scenario scenario = scenario_file("two-racks");
        const auto lab = Lab::build(scenario, {});
        if (!lab) fmt::print("{}\n", lab.error().what);
        return lab && unreachable(hosts_of(scenario, **lab)).empty() ? 0 : 1;
    });
    if (!code) {
        WARN("skipped: " << code.error().what);
        return;
    }
    CHECK(*code == 0);
}
