// StrongswanDaemon against real strongSwan daemons, each in a namespace of its own. Where the
// kernel has no ESP, negotiation goes as far as the IKE_SA; the CHILD_SA is the vm tests' matter.
#include "real/ike/strongswan_daemon.h"

#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <set>
#include <string>
#include <vector>

#include "real/base/sandbox.h"
#include "real/ike/vici_client.h"
#include "tests/support/catch.h"
#include "tests/support/ike_lab.h"

using namespace overlab;
using namespace overlab::real;
using test::eventually;
using test::IkeHost;
using test::IkeLab;

namespace {

using Names = std::vector<std::string>;

/// As long as flannel demands.
std::string key(char filling = 'k') { return "only-for-this-test-" + std::string(96, filling); }

std::string name_from_left() { return IkeLab::from_left("").name(); }

/// The unique ids of the IKE_SAs that are established.
std::set<std::string> established_ids(const IkeHost& host) {
    auto client = ViciClient::connect(host.folder.path() / "vici", seconds(5));
    REQUIRE(client.has_value());
    const auto events = client->stream("list-sas", "list-sa");
    REQUIRE(events.has_value());
    std::set<std::string> ids;
    for (const ViciSection& event : *events) {
        const auto& sa = std::get<ViciSection>(event.entries.at(0).content);
        if (sa.value("state") == "ESTABLISHED") ids.emplace(sa.value("uniqueid"));
    }
    return ids;
}

std::size_t key_count(const IkeHost& host) {
    auto client = ViciClient::connect(host.folder.path() / "vici", seconds(5));
    REQUIRE(client.has_value());
    const auto answer = client->request("get-shared");
    REQUIRE(answer.has_value());
    return answer->list("keys").size();
}

void load(IkeHost& host, const IkeConnection& connection) {
    const auto loaded = host.daemon.load(connection);
    if (!loaded) FAIL(loaded.error().what);
}

void unload(IkeHost& host, const std::string& name) {
    const auto unloaded = host.daemon.unload(name);
    if (!unloaded) FAIL(unloaded.error().what);
}

/// Both sides load and begin; waits until there is an IKE_SA and none still on its way, which
/// would end without a word to the other side.
void connect(IkeLab& lab) {
    load(*lab.right, IkeLab::from_right(key()));
    load(*lab.left, IkeLab::from_left(key()));
    const auto established = [](IkeHost& host) {
        const auto all = host.daemon.associations().value();
        const bool each = std::ranges::all_of(
            all, [](const IkeAssociation& sa) { return sa.state == "ESTABLISHED"; });
        return each ? all.size() : 0;
    };
    REQUIRE(eventually(
        [&] {
            const std::size_t count = established(*lab.left);
            return count > 0 && count == established(*lab.right);
        },
        seconds(60)));
}

}  // namespace

TEST_CASE("a connection is loaded with its key and unloaded with it") {
    OVERLAB_IKE_LAB(lab);
    StrongswanDaemon& daemon = lab.left->daemon;
    IkeConnection second = IkeLab::from_left(key());
    second.remote = {0xc0000203};
    second.remote_subnet = Ipv4Prefix::of({0x0af40300}, 24);
    CHECK(daemon.loaded().value().empty());

    load(*lab.left, second);
    load(*lab.left, IkeLab::from_left(key()));

    CHECK(daemon.loaded().value() == Names{name_from_left(), second.name()});
    CHECK(key_count(*lab.left) == 2);

    unload(*lab.left, name_from_left());
    unload(*lab.left, name_from_left());
    unload(*lab.left, "never-loaded");

    CHECK(daemon.loaded().value() == Names{second.name()});
    CHECK(key_count(*lab.left) == 1);
    CHECK(lab.right->daemon.loaded().value().empty());
}

TEST_CASE("two daemons with one key agree on an IKE_SA") {
    OVERLAB_IKE_LAB(lab);

    connect(lab);

    const auto associations = lab.left->daemon.associations();
    REQUIRE(associations.has_value());
    REQUIRE_FALSE(associations->empty());
    CHECK(associations->front().connection == name_from_left());
    CHECK(
        lab.left->log().contains("IKE:AES_CBC_256/HMAC_SHA2_256_128/PRF_HMAC_SHA2_256/MODP_4096"));
    for (const auto* host : {lab.left.get(), lab.right.get()}) CHECK_FALSE(host->wrote(key()));
}

TEST_CASE("two daemons with different keys agree on nothing, and do not tell the keys") {
    OVERLAB_IKE_LAB(lab);

    load(*lab.right, IkeLab::from_right(key('a')));
    load(*lab.left, IkeLab::from_left(key('b')));

    REQUIRE(eventually([&] { return lab.left->log().contains("AUTHENTICATION_FAILED"); }));
    CHECK(established_ids(*lab.left).empty());
    CHECK(established_ids(*lab.right).empty());
    CHECK(lab.left->daemon.established().value().empty());
    for (const auto* host : {lab.left.get(), lab.right.get()}) {
        CHECK_FALSE(host->wrote(key('a')));
        CHECK_FALSE(host->wrote(key('b')));
    }
}

TEST_CASE("loading the same again disturbs no IKE_SA, whoever loads it") {
    OVERLAB_IKE_LAB(lab);
    connect(lab);
    const std::set<std::string> before = established_ids(*lab.left);
    StrongswanDaemon restarted_node(lab.left->folder.path() / "vici");

    load(*lab.left, IkeLab::from_left(key()));
    REQUIRE(restarted_node.load(IkeLab::from_left(key())).has_value());

    CHECK(std::ranges::includes(established_ids(*lab.left), before));
    CHECK(key_count(*lab.left) == 1);
}

TEST_CASE("loading something changed replaces connection, key and IKE_SA, whoever loads it") {
    OVERLAB_IKE_LAB(lab);
    connect(lab);
    const std::set<std::string> before = established_ids(*lab.left);
    StrongswanDaemon restarted_node(lab.left->folder.path() / "vici");

    SECTION("the key") {
        load(*lab.right, IkeLab::from_right(key('n')));
        REQUIRE(restarted_node.load(IkeLab::from_left(key('n'))).has_value());
    }
    SECTION("UDP encapsulation") {
        IkeConnection left = IkeLab::from_left(key());
        left.udp_encap = true;
        REQUIRE(restarted_node.load(left).has_value());
    }
    SECTION("the ESP proposal") {
        IkeConnection left = IkeLab::from_left(key());
        left.esp_proposal = "aes256gcm16";
        REQUIRE(restarted_node.load(left).has_value());
    }

    CHECK(eventually([&] {
        const std::set<std::string> now = established_ids(*lab.left);
        std::vector<std::string> both;
        std::ranges::set_intersection(now, before, std::back_inserter(both));
        return !now.empty() && both.empty();
    }));
    CHECK(key_count(*lab.left) == 1);
    CHECK(restarted_node.loaded().value() == Names{name_from_left()});
}

TEST_CASE("a connection that lost its IKE_SA starts anew when it is loaded again") {
    OVERLAB_IKE_LAB(lab);
    // Nobody there knows of it yet: refused, and strongSwan does not try again by itself.
    load(*lab.left, IkeLab::from_left(key()));
    REQUIRE(eventually([&] { return lab.left->daemon.associations().value().empty(); }));
    load(*lab.right, IkeLab::from_right(key()));
    REQUIRE(eventually([&] { return !established_ids(*lab.left).empty(); }));
    auto client = ViciClient::connect(lab.left->charon->socket(), seconds(5));
    ViciSection which;
    which.add("ike", name_from_left()).add("force", "yes").add("timeout", "-1");
    REQUIRE(client->command("terminate", which).has_value());
    REQUIRE(eventually([&] { return lab.left->daemon.associations().value().empty(); }));

    load(*lab.left, IkeLab::from_left(key()));

    CHECK(eventually([&] { return !established_ids(*lab.left).empty(); }));
}

TEST_CASE("unloading ends the IKE_SA on both sides") {
    OVERLAB_IKE_LAB(lab);
    connect(lab);

    unload(*lab.left, name_from_left());

    CHECK(lab.left->daemon.associations().value().empty());
    CHECK(eventually([&] { return established_ids(*lab.right).empty(); }));
}

TEST_CASE("a restarted daemon is found again, empty, and loaded again") {
    OVERLAB_IKE_LAB(lab);
    load(*lab.left, IkeLab::from_left(key()));
    lab.left->charon->process().stop();

    const auto gone = lab.left->daemon.load(IkeLab::from_left(key()));
    REQUIRE(lab.left->start().has_value());
    const auto empty = lab.left->daemon.loaded();
    load(*lab.left, IkeLab::from_left(key()));

    REQUIRE_FALSE(gone.has_value());
    CHECK(gone.error().kind == ErrorKind::unavailable);
    REQUIRE(empty.has_value());
    CHECK(empty->empty());
    CHECK(lab.left->daemon.loaded().value() == Names{name_from_left()});
}

TEST_CASE("a daemon restarted between two calls goes unnoticed") {
    OVERLAB_IKE_LAB(lab);
    load(*lab.left, IkeLab::from_left(key()));
    REQUIRE(lab.left->start().has_value());

    load(*lab.left, IkeLab::from_left(key()));

    CHECK(lab.left->daemon.loaded().value() == Names{name_from_left()});
}

TEST_CASE("a proposal that strongSwan does not know is refused, and nothing of it stays") {
    OVERLAB_IKE_LAB(lab);
    IkeConnection connection = IkeLab::from_left(key());
    connection.esp_proposal = "rot13";

    const auto refused = lab.left->daemon.load(connection);

    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().kind == ErrorKind::invalid_argument);
    CHECK(refused.error().what.contains("esp_proposals"));
    CHECK_FALSE(refused.error().what.contains(key()));
    CHECK(lab.left->daemon.loaded().value().empty());
    CHECK(key_count(*lab.left) == 0);
}

TEST_CASE("an error of a key that does not fit does not show it") {
    OVERLAB_IKE_LAB(lab);
    const std::string too_long(70'000, 'k');

    const auto refused = lab.left->daemon.load(IkeLab::from_left(too_long));

    REQUIRE_FALSE(refused.has_value());
    CHECK_FALSE(refused.error().what.contains("kkk"));
    CHECK(lab.left->daemon.loaded().value().empty());
}

TEST_CASE("without charon the error names its package") {
    const auto code = run_in_sandbox([] {
        // Over the program, if there is one: what is then there cannot be executed.
        (void)::mount("/dev/null", "/usr/sbin/charon-systemd", nullptr, MS_BIND, nullptr);
        const test::TempFolder folder;
        const auto charon = Charon::start({.netns = nullptr, .folder = folder.path()});
        const bool named = !charon && charon.error().kind == ErrorKind::not_found &&
                           charon.error().what.contains("apt-get install charon-systemd");
        return named && charon_gaps().starting == charon.error().what ? 0 : 1;
    });
    if (!code) {
        WARN("skipped: " << code.error().what);
        return;
    }
    CHECK(*code == 0);
}

TEST_CASE("charon runs without root, in a user namespace") {
    constexpr int no_sandbox = 77;
    const auto in_sandbox = [] {
        if (!charon_gaps().starting.empty()) return no_sandbox;
        const test::TempFolder folder;
        auto charon = Charon::start({.netns = nullptr, .folder = folder.path()});
        if (!charon) return 1;
        StrongswanDaemon daemon(charon->socket());
        if (!daemon.load(IkeLab::from_left(key()))) return 2;
        return charon->process().stop().clean() ? 0 : 3;
    };
    Process ordinary = Process::fork([&] {
                           constexpr uid_t nobody = 65534;
                           const bool root = ::geteuid() == 0;
                           if (root && (::setgid(nobody) != 0 || ::setuid(nobody) != 0)) return 4;
                           // Its files in /proc became root's with the change.
                           if (::prctl(PR_SET_DUMPABLE, 1) != 0) return 5;
                           return run_in_sandbox(in_sandbox).value_or(no_sandbox);
                       }).value();

    const auto ended = ordinary.wait(seconds(60));

    REQUIRE(ended);
    if (ended->code == no_sandbox) {
        WARN("not done: no user namespaces, or no strongSwan");
        return;
    }
    CHECK(ended->code == 0);
}
