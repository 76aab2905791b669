// The gateway as others meet it: by curl, with malformed requests, with clients that come and go.
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <fstream>
#include <iterator>
#include <string>

#include "real/base/process.h"
#include "tests/support/etcd_lab.h"
#include "tests/support/gateway_lab.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::test;
using Catch::Contains;

namespace {

/// One raw HTTP request, and what comes back until the server closes or `enough` is in it.
class RawClient {
   public:
    RawClient(GatewayLab& lab, const std::string& request) : lab_(lab) {
        const real::NetnsScope there(lab.netns);
        fd_ = real::Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_port = htons(lab.gateway->port());
        name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::connect(fd_.get(), reinterpret_cast<sockaddr*>(&name), sizeof name) == 0);
        REQUIRE(::send(fd_.get(), request.data(), request.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(request.size()));
        watch_ = lab.loop.watch(fd_.get(), real::EventLoop::Interest::read, [this] { read(); });
    }
    const std::string& until(const std::string& enough) {
        INFO(text);
        REQUIRE(lab_.loop.run_until([&] { return closed || text.contains(enough); }, patience));
        return text;
    }
    std::string text;
    bool closed = false;

   private:
    void read() {
        std::array<char, 4096> block{};
        const ssize_t count = ::recv(fd_.get(), block.data(), block.size(), 0);
        if (count > 0) {
            text.append(block.data(), static_cast<std::size_t>(count));
        } else {
            closed = true;
            watch_ = {};
        }
    }
    GatewayLab& lab_;
    real::Fd fd_;
    real::EventLoop::Watch watch_;
};

std::string post(const std::string& path, const std::string& body) {
    return "POST " + path +
           " HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           body;
}
std::string answer(GatewayLab& lab, const std::string& path, const std::string& body) {
    RawClient client(lab, post(path, body));
    return client.until("}");
}

}  // namespace

#define GATEWAY_LAB(name)                              \
    const auto name##_made = GatewayLab::make();       \
    if (!name##_made) {                                \
        WARN("skipped: " << name##_made.error().what); \
        return;                                        \
    }                                                  \
    GatewayLab& name = **name##_made

TEST_CASE("curl by hand gets etcd's answers from the gateway") {
    GATEWAY_LAB(lab);
    if (real::find_program("curl").empty()) {
        WARN("skipped: curl: not installed; apt-get install curl");
        return;
    }
    const TempFolder folder;
    int number = 0;
    const auto curl = [&](const std::string& path, const std::string& body) {
        const auto file = folder.path() / std::to_string(++number);
        real::Command command;
        command.argv = {"curl", "-s", "--noproxy", "*", lab.client_options().endpoints[0] + path};
        if (!body.empty()) command.argv.insert(command.argv.end(), {"-d", body});
        command.netns = &lab.netns;
        command.output = file;
        auto process = real::Process::start(command);
        REQUIRE(process.has_value());
        bool ended = false;
        process->on_exit(lab.loop, [&](const real::ExitStatus&) { ended = true; });
        REQUIRE(lab.loop.run_until([&] { return ended; }, patience));
        std::ifstream in(file);
        return std::string(std::istreambuf_iterator<char>(in), {});
    };

    CHECK(curl("/health", "") == R"({"health":"true"})");
    CHECK_THAT(curl("/version", ""), Contains("etcdserver"));
    CHECK(curl("/v3/kv/put", R"({"key":"Zm9v","value":"YmFy"})") ==
          R"({"header":{"revision":"2"}})");
    CHECK(curl("/v3/kv/range", R"({"key":"Zm9v"})") ==
          R"({"header":{"revision":"2"},"kvs":[{"key":"Zm9v","create_revision":"2",)"
          R"("mod_revision":"2","version":"1","value":"YmFy"}],"count":"1"})");
    CHECK(curl("/v3/kv/range", R"({"key":"AA==","range_end":"AA==","count_only":true})") ==
          R"({"header":{"revision":"2"},"count":"1"})");
    CHECK(curl("/v3/kv/txn", R"({"compare":[{"target":"VERSION","key":"Zm9v","version":0}],)"
                             R"("success":[{"request_put":{"key":"Zm9v"}}],)"
                             R"("failure":[{"request_range":{"key":"Zm9v"}}]})") ==
          R"({"header":{"revision":"2"},"responses":[{"response_range":{"header":{"revision":"2"},)"
          R"("kvs":[{"key":"Zm9v","create_revision":"2","mod_revision":"2","version":"1",)"
          R"("value":"YmFy"}],"count":"1"}}]})");
    CHECK(curl("/v3/kv/deleterange", R"({"key":"Zm8=","range_end":"Zm9w"})") ==
          R"({"header":{"revision":"3"},"deleted":"1"})");
    CHECK_THAT(curl("/v3/lease/grant", R"({"TTL":5})"), Contains(R"("TTL":"5")"));
    CHECK_THAT(curl("/v3/lease/keepalive", R"({"ID":1})"), Contains(R"("ID":"1","TTL":"5")"));
    CHECK_THAT(curl("/v3/kv/lease/revoke", R"({"ID":1})"), Contains("header"));
    CHECK_THAT(curl("/v3/kv/compaction", R"({"revision":"2"})"), Contains("header"));
    CHECK_THAT(curl("/v3/kv/compaction", R"({"revision":"2"})"),
               Contains("compacted") && Contains(R"("code":11)"));
}

TEST_CASE("Malformed and unserved requests get etcd's errors") {
    GATEWAY_LAB(lab);
    struct Row {
        std::string path, body, status, message;
    };
    const Row rows[] = {
        {"/v3/kv/range", "garbage", "400", "not JSON"},
        {"/v3/kv/range", "[]", "400", "JSON object"},
        {"/v3/kv/range", "", "400", "key is not provided"},
        {"/v3/kv/range", R"({"key":"*"})", "400", "key: expected base64"},
        {"/v3/kv/range", R"({"key":17})", "400", "key: expected base64"},
        {"/v3/kv/range", R"({"key":"Zm9v","limit":"x"})", "400", "limit: expected a 64-bit"},
        {"/v3/kv/range", R"({"key":"Zm9v","revision":"1"})", "501", "revision"},
        {"/v3/kv/put", R"({"key":"Zm9v","lease":"4711"})", "404", "not found"},
        {"/v3/kv/put", R"({"key":"Zm9v","prev_kv":true})", "501", "prev_kv"},
        {"/v3/kv/txn", R"({"compare":{}})", "400", "compare: expected a list"},
        {"/v3/kv/txn", R"({"compare":[1]})", "400", "list of objects"},
        {"/v3/kv/txn", R"({"compare":[{"key":"Zm9v","result":"GREATER"}]})", "501", "result"},
        {"/v3/kv/txn", R"({"success":[{"request_txn":{}}]})", "501", "operation"},
        {"/v3/kv/txn",
         R"({"success":[{"request_put":{"key":"Zm9v"}},{"request_put":{"key":"Zm9v"}}]})", "400",
         "duplicate key"},
        {"/v3/lease/grant", R"({"TTL":"99999999999"})", "400", "too large"},
        {"/v3/lease/grant", R"({"TTL":"5","ID":"7"})", "501", "ID"},
        {"/v3/watch", "{}", "400", "create_request"},
        {"/v3/watch", R"({"create_request":{"key":"Zm9v","filters":["NOPUT"]}})", "501", "filters"},
        {"/v3/nonsense", "{}", "404", "no such path"},
    };
    for (const Row& row : rows) {
        INFO(row.path << " " << row.body);
        const std::string text = answer(lab, row.path, row.body);
        CHECK_THAT(text, Contains("HTTP/1.1 " + row.status) && Contains(row.message));
        CHECK_THAT(text, Contains(R"("code":)") && Contains(R"("error":)"));
    }
    RawClient get(lab, "GET /v3/kv/range HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_THAT(get.until("}"), Contains("HTTP/1.1 405"));
    RawClient large(lab,
                    "POST /v3/kv/range HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\nx");
    CHECK_THAT(large.until("\r\n\r\n"), Contains("HTTP/1.1 413"));
    RawClient noise(lab, "\x16\x03\x01 not http\r\n\r\n");
    CHECK_THAT(noise.until("\r\n\r\n"), !Contains("200 OK"));
}

TEST_CASE("A watch streams lines, and ends in the store when its client leaves") {
    GATEWAY_LAB(lab);
    const std::string request =
        post("/v3/watch",
             R"({"create_request":{"key":"ay8=","range_end":"azA=","start_revision":"1"}})");
    {
        RawClient client(lab, request);
        CHECK_THAT(client.until("created"), Contains("Transfer-Encoding: chunked"));
        (void)answer(lab, "/v3/kv/put", R"({"key":"ay8x","value":"YQ=="})");
        (void)answer(lab, "/v3/kv/put", R"({"key":"aw==","value":"YQ=="})");  // not under k/
        (void)answer(lab, "/v3/kv/deleterange", R"({"key":"ay8x"})");
        CHECK_THAT(client.until("DELETE"),
                   Contains(R"("events":[{"kv":{"key":"ay8x","create_revision":"2")") &&
                       Contains(R"({"type":"DELETE","kv":{"key":"ay8x","mod_revision":"4"}})") &&
                       !Contains(R"("aw==")"));
    }
    // Its end is seen without anything to send.
    REQUIRE(lab.loop.run_until([&] { return lab.gateway->watch_count() == 0; }, patience));
}

TEST_CASE("A client that pipelines into its watch does not disturb the gateway") {
    GATEWAY_LAB(lab);
    const std::string watch = post("/v3/watch", R"({"create_request":{"key":"aw=="}})");
    RawClient client(lab, watch + watch + "garbage");
    CHECK_THAT(client.until("created"), Contains("200 OK"));
    CHECK_THAT(answer(lab, "/v3/kv/put", R"({"key":"aw==","value":"YQ=="})"), Contains("200 OK"));
    CHECK_THAT(client.until("events"), Contains("YQ=="));
}

TEST_CASE("Clients survive a gateway that goes away, and it survives clients that do") {
    GATEWAY_LAB(lab);
    auto kv = real::EtcdKvStore::create(lab.loop, lab.client_options()).value();
    int answers = 0;
    std::optional<Error> broken;
    kv->watch("k", 1, [&](const Result<KvWatchUpdate>& update) {
        if (!update) broken = update.error();
    });
    REQUIRE(lab.loop.run_until([&] { return lab.gateway->watch_count() == 1; }, patience));
    const std::uint16_t port = lab.gateway->port();
    lab.gateway.reset();
    REQUIRE(lab.loop.run_until([&] { return broken.has_value(); }, patience));
    CHECK(broken->kind == ErrorKind::unavailable);

    REQUIRE(lab.open(port).has_value());
    const auto second = lab.open(port);
    REQUIRE_FALSE(second.has_value());
    CHECK(second.error().kind == ErrorKind::already_exists);
    CHECK_THAT(second.error().what, Contains("choose another port"));
    for (int i = 0; i < 20; ++i) {
        kv->range("", [&](const Result<KvRange>& range) { answers += range.has_value() ? 1 : 0; });
    }
    REQUIRE(lab.loop.run_until([&] { return answers == 20; }, patience));
    for (int i = 0; i < 20; ++i) kv->range("", [&](const Result<KvRange>&) { ++answers; });
    for (int i = 0; i < 20; ++i) kv->watch("", 1, [](const Result<KvWatchUpdate>&) {});
    REQUIRE(lab.loop.run_until([&] { return lab.gateway->watch_count() > 0; }, patience));
    kv.reset();
    REQUIRE(lab.loop.run_until([&] { return lab.gateway->watch_count() == 0; }, patience));
}
