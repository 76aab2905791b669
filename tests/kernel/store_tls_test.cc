// TLS and passwords between EtcdKvStore and a real etcd: what is right works, and what is wrong
// gives an error that names the endpoint and the remedy.
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "real/store/http_client.h"
#include "tests/support/etcd_lab.h"
#include "tests/support/test_certificates.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::test;
using Catch::Contains;

namespace {

/// An etcd that wants client certificates, and certificates right and wrong.
struct TlsWorld {
    TempFolder folder;
    std::filesystem::path ca, other_ca;
    CertificateFiles server, client, expired, stranger, expired_server;

    [[nodiscard]] Result<void> make() {
        OVERLAB_TRY(auto authority, CertificateAuthority::make(folder.path(), "ca"));
        OVERLAB_TRY(auto other, CertificateAuthority::make(folder.path(), "other-ca"));
        ca = authority.cert();
        other_ca = other.cert();
        OVERLAB_TRY(server, authority.issue("server"));
        OVERLAB_TRY(client, authority.issue("client"));
        OVERLAB_TRY(expired, authority.issue("expired", true));
        OVERLAB_TRY(expired_server, authority.issue("expired-server", true));
        OVERLAB_TRY(stranger, other.issue("stranger"));
        return {};
    }
};

/// What a range says with these options: "ok", or the error.
std::string outcome(EtcdLab& lab, const real::EtcdOptions& options) {
    const auto kv = lab.client(options);
    const auto range = lab.range(*kv, "");
    if (range) return "ok";
    CHECK(range.error().kind == ErrorKind::unavailable);
    CHECK_THAT(range.error().what, Contains(options.endpoints.front()));
    return range.error().what;
}

void give(real::EtcdOptions& options, const CertificateFiles& files) {
    options.cert_file = files.cert;
    options.key_file = files.key;
}

/// As `etcdctl`, which is in another package: its answer, or the reason why there is none.
std::string administer(EtcdLab& lab, const std::string& path, const std::string& body) {
    real::HttpClient http(lab.loop, {.netns = &lab.netns});
    std::optional<real::HttpOutcome> outcome;
    http.post({.url = lab.server->endpoint() + path, .body = body, .limit = patience},
              [&](real::HttpOutcome answer) { outcome.emplace(std::move(answer)); });
    REQUIRE(lab.loop.run_until([&] { return outcome.has_value(); }, patience));
    return outcome->body + outcome->failure;
}

}  // namespace

TEST_CASE("A client and an etcd with certificates of one CA understand each other") {
    TlsWorld world;
    if (const auto made = world.make(); !made) {
        WARN("skipped: " << made.error().what);
        return;
    }
    real::EtcdServerOptions server;
    server.cert_file = world.server.cert;
    server.key_file = world.server.key;
    server.client_ca = world.ca;
    ETCD_LAB(lab, server);
    CHECK_THAT(lab.server->endpoint(), Catch::Matchers::StartsWith("https://"));

    real::EtcdOptions options = lab.client_options();
    options.ca_file = world.ca;
    give(options, world.client);
    CHECK(outcome(lab, options) == "ok");

    options.ca_file = world.other_ca;
    CHECK_THAT(outcome(lab, options),
               Contains("certificate is not accepted") && Contains("ca_file"));

    options.ca_file = world.ca;
    options.cert_file = options.key_file = "";
    CHECK_THAT(outcome(lab, options), Contains("client certificate (cert_file, key_file)"));

    give(options, world.expired);
    CHECK_THAT(outcome(lab, options), Contains("may not accept our client certificate"));
    give(options, world.stranger);
    CHECK_THAT(outcome(lab, options), Contains("may not accept our client certificate"));

    give(options, {world.client.cert, world.server.key});
    CHECK_THAT(outcome(lab, options), Contains("not usable"));

    options.endpoints = {"http://127.0.0.1:2379"};
    CHECK_THAT(outcome(lab, options), Contains("write https://"));
}

TEST_CASE("An etcd whose own certificate has expired is told from one of an unknown CA") {
    TlsWorld world;
    if (const auto made = world.make(); !made) {
        WARN("skipped: " << made.error().what);
        return;
    }
    real::EtcdServerOptions server;
    server.cert_file = world.expired_server.cert;
    server.key_file = world.expired_server.key;
    ETCD_LAB(lab, server);

    real::EtcdOptions options = lab.client_options();
    options.ca_file = world.ca;
    CHECK_THAT(outcome(lab, options), Contains("Expire Date:2020-02-01") && Contains("clock"));
}

TEST_CASE("Certificate files are looked at before anything is sent") {
    TempFolder folder;
    real::EventLoop loop;
    real::EtcdOptions options;
    const auto message = [&] {
        const auto made = real::EtcdKvStore::create(loop, options);
        REQUIRE_FALSE(made.has_value());
        CHECK(made.error().kind == ErrorKind::invalid_argument);
        return made.error().what;
    };
    CHECK_THAT(message(), Contains("no endpoint"));
    for (const char* wrong :
         {"127.0.0.1:2379", "http://", "ftp://192.0.2.1", "http://192.0.2.1/x"}) {
        options.endpoints = {wrong};
        CHECK_THAT(message(), Contains(wrong) && Contains("expected http://"));
    }
    options.endpoints = {"https://192.0.2.1:2379/"};
    options.ca_file = folder.path() / "none.pem";
    CHECK_THAT(message(), Contains("none.pem") && Contains("No such file"));
    options.ca_file = folder.path() / "text.pem";
    std::ofstream(options.ca_file) << "hello\n";
    CHECK_THAT(message(), Contains("not PEM"));
    options.ca_file = "";
    options.cert_file = folder.path() / "text.pem";
    CHECK_THAT(message(), Contains("needs both"));
}

TEST_CASE("A user's token is fetched, and fetched again when etcd has forgotten it") {
    ETCD_LAB(lab);
    real::EtcdOptions options = lab.client_options();
    options.user = "root";
    options.password = "correct \"horse\"";
    const auto early = lab.client(options);
    CHECK(lab.range(*early, "").has_value());  // authentication is off: no token is needed
    const auto nobody = lab.client();

    const nlohmann::json root{{"name", "root"}, {"password", options.password}};
    for (const auto& [path, body] :
         {std::pair<std::string, std::string>("/v3/auth/user/add", root.dump()),
          {"/v3/auth/role/add", R"({"name":"root"})"},
          {"/v3/auth/user/grant", R"({"user":"root","role":"root"})"},
          {"/v3/auth/enable", "{}"}})
        REQUIRE_THAT(administer(lab, path, body), Contains("header"));

    CHECK(lab.put(*early, "k", "v").has_value());
    const auto refused = lab.range(*nobody, "");
    REQUIRE_FALSE(refused.has_value());
    CHECK_THAT(refused.error().what, Contains("user name is empty") && Contains("password"));
    std::optional<Error> watch_error;
    nobody->watch("k", 1, [&](const Result<KvWatchUpdate>& update) {
        REQUIRE_FALSE(update.has_value());
        watch_error = update.error();
    });
    REQUIRE(lab.loop.run_until([&] { return watch_error.has_value(); }, patience));
    CHECK(watch_error->kind == ErrorKind::unavailable);

    lab.kill();  // simple tokens live in its memory
    REQUIRE(lab.start().has_value());
    std::size_t seen = 0;
    early->watch("k", 2, [&](const Result<KvWatchUpdate>& update) {
        REQUIRE(update.has_value());
        seen += update->events.size();
    });
    REQUIRE(lab.loop.run_until([&] { return seen == 1; }, patience));
    const auto again = lab.put(*early, "k", "w");
    INFO((again ? "" : again.error().what));
    CHECK(again.has_value());

    options.password = "wrong";
    CHECK_THAT(outcome(lab, options),
               Contains("invalid user ID or password") && Contains("root") && !Contains("wrong"));
}
