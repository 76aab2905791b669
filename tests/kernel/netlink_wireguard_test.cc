// Keys of WireGuard devices, and a device that has another host's key.
#include <sys/stat.h>

#include <fstream>

#include "real/netlink/netlink_stack.h"
#include "real/netlink/wireguard_key_pair.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_host.h"
#include "tests/support/row_lines.h"
#include "tests/support/temp_folder.h"

using namespace overlab;
using namespace overlab::test;

namespace {

Result<std::unique_ptr<real::NetlinkStack>> open_stack(const KernelHost& host,
                                                       const std::filesystem::path& key_file) {
    return real::NetlinkStack::open(host.netns, KernelHost::facts(), nullptr,
                                    {.wireguard_key_file = key_file});
}

WireguardKey key_of_hex(std::string_view hex) {
    WireguardKey key;
    for (std::size_t i = 0; i < key.bytes.size(); ++i) {
        key.bytes[i] =
            static_cast<std::uint8_t>(std::stoi(std::string(hex.substr(2 * i, 2)), nullptr, 16));
    }
    return key;
}

}  // namespace

TEST_CASE("a public key follows from the private one as RFC 7748 has it", "[wireguard]") {
    // RFC 7748 §6.1, Alice.
    const auto pair = real::WireguardKeyPair::of(
        key_of_hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"));

    CHECK(pair.public_key ==
          key_of_hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"));
}

TEST_CASE("a key file is made once, for its owner alone, and read again", "[wireguard]") {
    const TempFolder folder;
    const std::filesystem::path file = folder.path() / "wgkey";

    const auto made = real::WireguardKeyPair::load_or_create(file);
    const auto again = real::WireguardKeyPair::load_or_create(file);

    REQUIRE(made.has_value());
    REQUIRE(again.has_value());
    CHECK(again->public_key == made->public_key);
    CHECK_FALSE(made->public_key.is_zero());
    struct stat status{};
    REQUIRE(stat(file.c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0600);
    const auto other = real::WireguardKeyPair::load_or_create(folder.path() / "other");
    CHECK(other->public_key != made->public_key);
}

TEST_CASE("a key file that holds none is said, and not what it holds", "[wireguard]") {
    const TempFolder folder;
    const std::filesystem::path file = folder.path() / "wgkey";
    std::ofstream(file) << "not a key at all\n";

    const auto pair = real::WireguardKeyPair::load_or_create(file);

    REQUIRE_FALSE(pair.has_value());
    CHECK(pair.error().kind == ErrorKind::invalid_argument);
    CHECK_THAT(pair.error().what,
               Catch::Contains(file.string()) && !Catch::Contains("not a key at all"));
}

TEST_CASE("a folder that is not there is said with its errno", "[wireguard]") {
    const auto pair = real::WireguardKeyPair::load_or_create("/nonexistent/wgkey");

    REQUIRE_FALSE(pair.has_value());
    CHECK(pair.error().os_errno == ENOENT);
}

TEST_CASE("a host without a key file has no WireGuard, and says so", "[wireguard]") {
    OVERLAB_KERNEL_HOST(host);
    const auto stack = open_stack(host, {});
    REQUIRE(stack.has_value());
    CHECK((*stack)->facts().wireguard_public_key.empty());

    const RowChange change{RowChange::Action::install,
                           row("link flannel-wg wireguard port 51820 mtu 1420")};
    const auto outcomes = (*stack)->apply({&change, 1});

    REQUIRE_FALSE(outcomes.front().has_value());
    CHECK(outcomes.front().error().kind == ErrorKind::unsupported);
    CHECK_THAT(outcomes.front().error().what, Catch::Contains("no WireGuard key"));
}

TEST_CASE("a device with another key is not as it should be, and gets ours", "[wireguard]") {
    OVERLAB_KERNEL_HOST(host);
    const TempFolder folder;
    const auto before = open_stack(host, folder.path() / "before");
    REQUIRE(before.has_value());
    if ((*before)->facts().wireguard_public_key.empty()) {
        WARN("skipped: this kernel has no WireGuard");
        return;
    }
    const RowChange change{RowChange::Action::install,
                           row("link flannel-wg wireguard port 51820 mtu 1420")};
    REQUIRE((*before)->apply({&change, 1}).front().has_value());

    const auto after = open_stack(host, folder.path() / "after");
    REQUIRE(after.has_value());
    CHECK((*after)->dump()->to_string() == "link flannel-wg wireguard port 0 mtu 1420\n");
    REQUIRE((*after)->apply({&change, 1}).front().has_value());

    CHECK((*after)->dump()->to_string() == to_string(change.row) + "\n");
    CHECK((*before)->dump()->to_string() == "link flannel-wg wireguard port 0 mtu 1420\n");
}
