// Filter rows as rules of the kernel: tampering is seen, other people's tables stay, and addresses
// are translated as the rules say.
#include <nlohmann/json.hpp>

#include "real/netlink/netlink_stack.h"
#include "real/netlink/nft_filter.h"
#include "real/netlink/nft_rules.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_host.h"
#include "tests/support/row_lines.h"

using namespace overlab;
using namespace overlab::test;

namespace {

constexpr std::string_view masquerade =
    "filter masquerade 10.244.0.0/16 subnet 10.244.1.0/24 fully-random";

FilterRow filter(std::string_view line) { return std::get<FilterRow>(row(line)); }

/// Opens the filter and installs `line`; nothing (and a word to a person) if the kernel cannot.
std::optional<real::NftFilter> with(const KernelHost& host, std::string_view line) {
    auto opened = real::NftFilter::open(host.netns);
    REQUIRE(opened.has_value());
    const Result<void> done = opened->install(filter(line));
    if (done) return std::move(*opened);
    WARN("skipped: " << done.error().what);
    return std::nullopt;
}

/// Runs nft's own program in the namespace; its exit code.
int nft(const KernelHost& host, const std::string& command) {
    const real::NetnsScope there(host.netns);
    return std::system(("nft '" + command + "' >/dev/null 2>&1").c_str());
}

}  // namespace

TEST_CASE("a set of rules is one transaction with the row as its comment", "[filter]") {
    const auto steps =
        nlohmann::json::parse(real::install_command(filter(masquerade))).at("nftables");

    REQUIRE(steps.size() == 3 + 6);
    CHECK(steps[0].contains("add"));
    CHECK(steps[2].contains("flush"));
    CHECK(steps[3]["add"]["rule"]["comment"] == masquerade);
    CHECK_FALSE(steps[4]["add"]["rule"].contains("comment"));
    CHECK(steps[8]["add"]["rule"]["expr"].back() ==
          nlohmann::json{{"masquerade", {{"flags", "fully-random"}}}});
}

TEST_CASE("what is no listing of nft is refused", "[filter]") {
    for (const char* text : {"", "{", "[]", "{}", R"({"nftables":7})", R"({"nftables":[7]})"}) {
        INFO(text);
        CHECK_FALSE(real::read_table(text).has_value());
        CHECK_FALSE(real::has_chains(text));
    }
    CHECK(real::read_table(R"({"nftables":[{"rule":{}},{"chain":{}}]})")->empty());
}

TEST_CASE("a chain whose rules somebody changed is not shown, and is mended", "[filter]") {
    const auto tampering = GENERATE(
        "flush chain ip overlab masquerade-10.244.0.0/16",
        "add rule ip overlab masquerade-10.244.0.0/16 ip daddr 192.0.2.9 return",
        "insert rule ip overlab masquerade-10.244.0.0/16 accept", "delete table ip overlab");
    OVERLAB_KERNEL_HOST(host);
    auto rules = with(host, masquerade);
    if (!rules) return;
    REQUIRE(rules->rows()->size() == 1);
    REQUIRE(nft(host, tampering) == 0);

    CHECK(rules->rows()->empty());
    REQUIRE(rules->install(filter(masquerade)).has_value());

    CHECK(rules->rows() == std::vector{filter(masquerade)});
}

TEST_CASE("nothing of ours stays behind, and nothing of others goes", "[filter]") {
    OVERLAB_KERNEL_HOST(host);
    auto rules = with(host, masquerade);
    if (!rules) return;
    REQUIRE(nft(host, "add table ip flannel-ipv4") == 0);
    REQUIRE(nft(host, "list table ip overlab") == 0);

    REQUIRE(rules->withdraw(filter(masquerade)).has_value());

    CHECK(nft(host, "list table ip overlab") != 0);
    CHECK(nft(host, "list table ip flannel-ipv4") == 0);
    CHECK(rules->withdraw(filter(masquerade)).has_value());
}
