// The JSON of etcd's gateway, both ways, as text: no socket.
#include <string>

#include "real/store/etcd_failure.h"
#include "real/store/etcd_json.h"
#include "real/store/gateway_json.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::real;
using Catch::Contains;

namespace {

const std::string zero(1, '\0');

}  // namespace

TEST_CASE("Any bytes survive base64, and what is none is refused") {
    for (const std::string& bytes :
         {std::string(), std::string("f"), std::string("fo"), std::string("foo"), zero,
          std::string("\xff\x00\xfe\n\"", 5)}) {
        CHECK(base64_decode(base64_encode(bytes)) == bytes);
    }
    CHECK(base64_encode("foobar") == "Zm9vYmFy");
    for (const char* wrong : {"*", "Zg", "Zg=", "Zg==Zg==", "Zm9v-_"})
        CHECK_FALSE(base64_decode(wrong).has_value());
}

TEST_CASE("A prefix is the interval from it to the next key without it") {
    struct Row {
        std::string prefix, key, end;
    };
    const Row rows[] = {{"", zero, zero},
                        {"k/", "k/", "k0"},
                        {"a\xff", "a\xff", "b"},
                        {"\xff\xff", "\xff\xff", zero}};
    for (const Row& row : rows) {
        const KeyInterval interval = prefix_interval(row.prefix);
        CHECK(interval.key == row.key);
        CHECK(interval.end == row.end);
        const KeySelection keys{interval.key, interval.end};
        CHECK(keys.common_prefix() == row.prefix);
        CHECK(keys.contains(row.prefix + "x"));
    }
}

TEST_CASE("A selection that is no prefix asks for what its keys share") {
    CHECK(KeySelection{"abc", ""}.common_prefix() == "abc");
    CHECK(KeySelection{"abc", "abf"}.common_prefix() == "ab");
    CHECK(KeySelection{"b", zero}.common_prefix().empty());
    CHECK(KeySelection{"abc", "abf"}.contains("abe"));
    CHECK_FALSE(KeySelection{"abc", "abf"}.contains("abf"));
    CHECK_FALSE(KeySelection{"abc", ""}.contains("abcd"));
}

TEST_CASE("Requests of the client are read by the gateway as they were meant") {
    KvTxn txn{.compares = {{"k/1", KvCompare::Target::lease, 7},
                           {"k/1", KvCompare::Target::mod_revision, 3},
                           {"k/2", KvCompare::Target::create_revision, 0},
                           {"k/2", KvCompare::Target::version, 1}},
              .puts = {{"k/1", zero, {7}}, {"k/3", "", {}}},
              .deletes = {{"k/2"}}};
    const auto query = read_txn(txn_request(txn));
    REQUIRE(query.has_value());
    REQUIRE(query->txn.compares.size() == 4);
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK(query->txn.compares[i].key == txn.compares[i].key);
        CHECK(query->txn.compares[i].target == txn.compares[i].target);
        CHECK(query->txn.compares[i].equals == txn.compares[i].equals);
    }
    REQUIRE(query->txn.puts.size() == 2);
    CHECK(query->txn.puts[0].value == zero);
    CHECK(query->txn.puts[0].lease == KvLeaseId{7});
    CHECK(query->txn.deletes[0].key == "k/2");
    CHECK(query->reads == std::vector<std::string>{"k/1", "k/2"});

    CHECK(read_range(range_request("k/"))->keys.common_prefix() == "k/");
    CHECK(read_watch(watch_request("k/", 9))->from == 9);
    CHECK(read_lease(lease_request({5})).value() == KvLeaseId{5});
    CHECK(read_grant(grant_request(86'400)).value() == 86'400);
    CHECK(read_compaction(compaction_request(4)).value() == 4);
}

TEST_CASE("Answers of the gateway are read by the client as they were meant") {
    const auto entry = std::make_shared<const KeyValue>(KeyValue{"k/1", zero, 2, 3, 4, {5}});
    const auto range =
        parse_range(write_range({.keys = {"k/", "k0"}}, {.revision = 9, .entries = {entry}}));
    REQUIRE(range.has_value());
    CHECK(range->revision == 9);
    CHECK(*range->entries.at(0) == *entry);

    const KvWatchUpdate update{.revision = 9, .events = {{KvEvent::Type::put, entry}}};
    const std::string line = write_events({"k/", "k0"}, update);
    CHECK(line.ends_with("\n"));
    CHECK(*parse_watch(line)->events.at(0).entry == *entry);
    CHECK(write_events({"l/", "l0"}, update).empty());
    CHECK(parse_watch(write_created(1))->created);
    CHECK(parse_watch(write_compacted(9, 4))->compact_revision == 4);

    CHECK(parse_keep_alive(write_keep_alive(1, {5}, seconds(7))).value() == seconds(7));
    CHECK(parse_keep_alive(write_keep_alive(1, {5}, {})).error().kind == ErrorKind::not_found);
    CHECK(parse_grant(write_grant(1, {5}, 7)).value() == KvLeaseId{5});
}

TEST_CASE("What is not etcd's answer is an error and no crash") {
    for (const char* text :
         {"", "null", "[]", "<html>", "{", R"({"header":7})", R"({"header":{"revision":"x"}})",
          R"({"header":{"revision":"2"},"kvs":[7]})",
          R"({"header":{"revision":"2"},"kvs":[{"key":"*"}]})"}) {
        INFO(text);
        const auto range = parse_range(text);
        REQUIRE_FALSE(range.has_value());
        CHECK(range.error().kind == ErrorKind::unavailable);
        CHECK_FALSE(parse_watch(text).has_value());
        CHECK_FALSE(parse_grant(text).has_value());
        CHECK_FALSE(parse_token(text).has_value());
    }
}

TEST_CASE("etcd's refusals become kinds that callers act on") {
    struct Row {
        int status;
        std::string body;
        ErrorKind kind;
        std::string what;
    };
    const auto body = [](const std::string& message, int code) {
        return R"({"error":")" + message + R"(","code":)" + std::to_string(code) + "}";
    };
    const Row rows[] = {
        {404, body("etcdserver: requested lease not found", 5), ErrorKind::not_found, "lease"},
        {400, body("etcdserver: duplicate key given in txn request", 3),
         ErrorKind::invalid_argument, "duplicate"},
        {400, body("etcdserver: mvcc: required revision has been compacted", 11),
         ErrorKind::compacted, "compacted"},
        {403, body("etcdserver: permission denied", 7), ErrorKind::unavailable, "grant-permission"},
        {400, body("etcdserver: authentication failed, invalid user ID or password", 3),
         ErrorKind::unavailable, "check user and password"},
        {503, body("etcdserver: no leader", 14), ErrorKind::unavailable, "majority"},
        {500, body("etcdserver: mvcc: database space exceeded", 8), ErrorKind::unavailable,
         "defrag"},
        {404, "404 page not found\n", ErrorKind::unavailable, "--enable-grpc-gateway"},
        {502, "<html>\nbad gateway", ErrorKind::unavailable, "HTTP 502: <html>;"},
    };
    for (const Row& row : rows) {
        const EtcdRefusal refusal = explain_refusal("http://192.0.2.9:2379", row.status, row.body);
        INFO(row.body);
        CHECK(refusal.error.kind == row.kind);
        CHECK_THAT(refusal.error.what, Contains(row.what) && Contains("http://192.0.2.9:2379"));
        CHECK_FALSE(refusal.stale_token);
    }
    CHECK(explain_refusal("x", 401, body("etcdserver: invalid auth token", 16)).stale_token);
}
