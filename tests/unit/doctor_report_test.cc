// What the doctor makes of what it found: no probing here.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/doctor_report.h"
#include "real/doctor/capabilities.h"
#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::real;
using overlab::cli::Diagnosis;

namespace {

std::vector<FeatureState> everything_but(const std::vector<Feature>& missing) {
    std::vector<FeatureState> states;
    for (int i = 0; i <= static_cast<int>(Feature::tshark); ++i) {
        const auto feature = static_cast<Feature>(i);
        const bool there = std::ranges::find(missing, feature) == missing.end();
        states.push_back({.feature = feature,
                          .available = there,
                          .why = there ? "" : "it is not there",
                          .remedy = there ? "" : "fetch it",
                          .note = {}});
    }
    return states;
}

EngineState uml() {
    return {.engine = GuestEngine::uml,
            .usable = true,
            .why = "kernel 6.1.176",
            .remedy = {},
            .has = {.esp = true, .netem = true, .ipip = true}};
}

EngineState no_kvm() {
    return {.engine = GuestEngine::kvm,
            .usable = false,
            .why = "/dev/kvm: no such file",
            .remedy = "enable virtualization",
            .has = {}};
}

}  // namespace

TEST_CASE("with everything there, every backend can run") {
    for (const std::string_view backend : kernel_backends()) {
        CAPTURE(backend);
        CHECK(can_run(backend, everything_but({})).has_value());
        CHECK(missing_for(backend, everything_but({})).empty());
    }
}

TEST_CASE("the first thing that a backend misses is the error, with its remedy") {
    const struct {
        std::string_view backend;
        std::vector<Feature> missing;
        std::string_view what;  ///< empty: it can run
    } cases[] = {
        {"host-gw", {Feature::vxlan, Feature::tun, Feature::esp, Feature::charon}, ""},
        {"host-gw", {Feature::namespaces}, "host-gw: it is not there; fetch it"},
        {"vxlan", {Feature::vxlan}, "vxlan: it is not there; fetch it"},
        {"udp", {Feature::tun}, "udp: it is not there; fetch it"},
        {"ipip", {Feature::ipip}, "ipip: it is not there; fetch it"},
        {"wireguard", {Feature::wireguard}, "wireguard: it is not there; fetch it"},
        {"ipsec", {Feature::esp}, "ipsec: it is not there; fetch it"},
        {"ipsec", {Feature::charon}, "ipsec: it is not there; fetch it"},
        {"ipsec", {Feature::wireguard, Feature::netem}, ""},
    };
    for (const auto& [backend, missing, what] : cases) {
        CAPTURE(backend);
        const auto able = can_run(backend, everything_but(missing));
        CHECK(able.has_value() == what.empty());
        if (able) continue;
        CHECK(able.error().kind == ErrorKind::unsupported);
        CHECK(able.error().what == what);
    }
}

TEST_CASE("what has to be mended first comes first") {
    CHECK(missing_for("ipsec", everything_but({Feature::charon, Feature::esp})) ==
          std::vector{Feature::esp, Feature::charon});
}

TEST_CASE("a backend that the kernel world does not know is an invalid argument") {
    const auto able = can_run("carrier-pigeon", everything_but({}));

    REQUIRE_FALSE(able.has_value());
    CHECK(able.error().kind == ErrorKind::invalid_argument);
}

TEST_CASE("a guest must have what the backend needs of a kernel; programs are the machine's") {
    const std::vector<FeatureState> all = everything_but({});

    CHECK(guest_for("ipsec", all, {no_kvm(), uml()}) == GuestEngine::uml);
    CHECK(guest_for("host-gw", all, {no_kvm(), uml()}) == GuestEngine::uml);

    const auto wireguard = guest_for("wireguard", all, {no_kvm(), uml()});
    REQUIRE_FALSE(wireguard.has_value());
    CHECK(wireguard.error().what ==
          "wireguard: kvm: /dev/kvm: no such file; enable virtualization; uml: kernel 6.1.176 has "
          "no wireguard");

    CHECK(guest_for("ipsec", everything_but({Feature::esp}), {uml()}).has_value());
    CHECK_FALSE(guest_for("ipsec", everything_but({Feature::charon}), {uml()}).has_value());
}

TEST_CASE("the table says yes or what is missing, and the remedies stand below") {
    const Diagnosis diagnosis{.features = everything_but({Feature::esp, Feature::wireguard}),
                              .engines = {no_kvm(), uml()}};

    const std::string text = cli::doctor_text(diagnosis, {.colour = false, .width = 100});

    CAPTURE(text);
    CHECK(text.starts_with("backend"));
    CHECK(text.contains("\nhost-gw    yes  yes            yes (uml)\n"));
    CHECK(text.contains("\nipsec      yes  no: esp        yes (uml)\n"));
    CHECK(text.contains("\nwireguard  no   no: wireguard  no\n"));
    CHECK(
        text.ends_with("Missing, and the remedy:\n"
                       "  wireguard: it is not there\n"
                       "      fetch it\n"
                       "  esp: it is not there\n"
                       "      fetch it\n"
                       "  kvm: /dev/kvm: no such file\n"
                       "      enable virtualization\n"));
}

TEST_CASE("where nothing is missing the report says so") {
    const Diagnosis diagnosis{.features = everything_but({}), .engines = {uml()}};

    CHECK(cli::doctor_text(diagnosis, {}).ends_with("\nNothing is missing.\n"));
}

TEST_CASE("the document answers for every backend in every world") {
    const Diagnosis diagnosis{.features = everything_but({Feature::esp}), .engines = {uml()}};

    const auto document = nlohmann::json::parse(cli::doctor_json(diagnosis));

    for (const std::string_view backend : kernel_backends()) {
        for (const char* world : {"sim", "kernel", "vm"}) {
            CAPTURE(backend, world);
            CHECK(document["backends"][std::string(backend)][world]["available"].is_boolean());
        }
    }
    const auto& ipsec = document["backends"]["ipsec"];
    CHECK(ipsec["kernel"]["available"] == false);
    CHECK(ipsec["kernel"]["why"] == "it is not there");
    CHECK(ipsec["kernel"]["remedy"] == "fetch it");
    CHECK(ipsec["vm"]["engine"] == "uml");
    CHECK(document["features"]["esp"]["available"] == false);
    CHECK(document["engines"][0]["kernel"] == "kernel 6.1.176");
}
