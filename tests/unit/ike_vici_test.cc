// The VICI message format and the client, against a daemon that this file plays.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "real/base/fd.h"
#include "real/ike/vici_client.h"
#include "real/ike/vici_message.h"
#include "tests/support/temp_folder.h"

#include "tests/support/catch.h"

namespace overlab::real {
namespace {

using std::string_literals::operator""s;

/// The example of strongSwan's README.md, "Encoding example", byte for byte.
const std::string example_bytes =
    "\x03\x04key1\x00\x06value1"
    "\x01\x08section1"
    "\x01\x0bsub-section"
    "\x03\x04key2\x00\x06value2"
    "\x02"
    "\x04\x05list1"
    "\x05\x00\x05item1"
    "\x05\x00\x05item2"
    "\x06"
    "\x02"s;

ViciSection example_message() {
    ViciSection sub_section;
    sub_section.add("key2", "value2");
    ViciSection section;
    section.add_section("sub-section", std::move(sub_section))
        .add_list("list1", {"item1", "item2"});
    ViciSection message;
    message.add("key1", "value1").add_section("section1", std::move(section));
    return message;
}

TEST_CASE("the specification's example message is written and read byte for byte") {
    CHECK(encode_vici(example_message()).value() == example_bytes);
    CHECK(decode_vici(example_bytes).value() == example_message());
}

TEST_CASE("an entry is found by its name and kind") {
    const ViciSection message = example_message();

    CHECK(message.value("key1") == "value1");
    CHECK(message.value("section1").empty());
    const ViciSection* section = message.section("section1");
    REQUIRE(section != nullptr);
    CHECK(section->list("list1") == std::vector<std::string>{"item1", "item2"});
    CHECK(section->list("absent").empty());
    CHECK(message.section("key1") == nullptr);
}

TEST_CASE("a message cut off anywhere but between its top entries is refused") {
    // After `key1 = value1` comes a whole message's end too.
    constexpr std::size_t first_element = 14;
    for (std::size_t size = 1; size < example_bytes.size(); ++size) {
        CAPTURE(size);
        CHECK(decode_vici(example_bytes.substr(0, size)).has_value() == (size == first_element));
    }
}

TEST_CASE("malformed bytes are refused with their place") {
    const struct {
        const char* name;
        std::string bytes;
        std::string what;
    } cases[] = {
        {"end without start", "\x02"s, "byte 1: the end of a section that was not begun"},
        {"item outside a list", "\x05\x00\x00"s, "byte 1: not an element that may stand here"},
        {"type 0", "\x00"s, "byte 1: not an element that may stand here"},
        {"value in a list", "\x04\x01l\x03\x01k\x00\x00\x06"s,
         "byte 4: something else than a list's item"},
        {"name beyond the end", "\x03\xffk"s, "byte 2: a length beyond the message's end"},
        {"value beyond the end", "\x03\x01k\xff\xffv"s,
         "byte 5: a length beyond the message's end"},
    };
    for (const auto& [name, bytes, what] : cases) {
        CAPTURE(name);
        const auto message = decode_vici(bytes);
        REQUIRE_FALSE(message.has_value());
        CHECK(message.error().what == "vici message, " + what);
    }
}

TEST_CASE("what does not fit the format is refused without being shown") {
    ViciSection long_value;
    long_value.add("data", std::string(vici_value_limit + 1, 's'));
    ViciSection long_name;
    long_name.add(std::string(vici_name_limit + 1, 'n'), "");
    ViciSection deep;
    for (std::size_t i = 0; i <= vici_depth_limit; ++i) {
        ViciSection outer;
        outer.add_section("s", std::move(deep));
        deep = std::move(outer);
    }

    const auto refused = encode_vici(long_value);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().what == "data: a value of 65536 bytes, at most 65535 fit");
    CHECK_FALSE(encode_vici(long_name).has_value());
    CHECK_FALSE(encode_vici(deep).has_value());
}

TEST_CASE("deep nesting is refused and not followed") {
    std::string bytes;
    for (int i = 0; i < 100'000; ++i) bytes += "\x01\x01s";

    CHECK_FALSE(decode_vici(bytes).has_value());
}

/// A daemon for one connection, on a thread: `talk` has the accepted socket.
class PlayedDaemon {
   public:
    explicit PlayedDaemon(std::function<void(int)> talk) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        socket_path().string().copy(address.sun_path, sizeof address.sun_path - 1);
        listener_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        REQUIRE(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address),
                       sizeof address) == 0);
        REQUIRE(::listen(listener_.get(), 1) == 0);
        thread_ = std::thread([this, talk = std::move(talk)] {
            const Fd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            talk(peer.get());
        });
    }
    ~PlayedDaemon() { thread_.join(); }

    std::filesystem::path socket_path() const { return folder_.path() / "vici"; }

   private:
    test::TempFolder folder_;
    Fd listener_;
    std::thread thread_;
};

/// Reads one packet; the answer is its body. Empty at the end of the stream.
std::string take_packet(int socket) {
    std::array<unsigned char, 4> header{};
    if (::recv(socket, header.data(), header.size(), MSG_WAITALL) != 4) return {};
    std::string body(header[2] * 256U + header[3], '\0');
    if (::recv(socket, body.data(), body.size(), MSG_WAITALL) < 0) return {};
    return body;
}

void put(int socket, const std::string& bytes) {
    (void)::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

/// For bodies of less than 256 bytes.
std::string packet(const std::string& body) {
    return "\x00\x00\x00"s + static_cast<char>(body.size()) + body;
}

constexpr Duration patience = seconds(10);

TEST_CASE("an answer may come in any pieces") {
    std::string asked;
    PlayedDaemon daemon([&](int socket) {
        asked = take_packet(socket);
        put(socket, "\x00\x00\x00"s);
        put(socket, "\x07\x01\x03\x01"s);
        put(socket, "k\x00\x01v"s);
        take_packet(socket);
    });
    auto client = ViciClient::connect(daemon.socket_path(), patience);
    REQUIRE(client.has_value());

    const auto answer = client->request("version");

    REQUIRE(answer.has_value());
    CHECK(answer->value("k") == "v");
    CHECK(asked == "\x00\x07version"s);
    client = std::unexpected(Error{});
}

TEST_CASE("events stream between registering and unregistering") {
    std::vector<std::string> asked;
    PlayedDaemon daemon([&](int socket) {
        asked.push_back(take_packet(socket));
        put(socket, packet("\x05"s));
        asked.push_back(take_packet(socket));
        put(socket, packet("\x07\x01x\x03\x01k\x00\x01v"s));
        put(socket, packet("\x07\x01x\x03\x01k\x00\x01w"s));
        put(socket, packet("\x01"s));
        asked.push_back(take_packet(socket));
        put(socket, packet("\x05"s));
        take_packet(socket);
    });
    auto client = ViciClient::connect(daemon.socket_path(), patience);
    REQUIRE(client.has_value());

    const auto events = client->stream("list", "x");

    CAPTURE(events.has_value() ? "" : events.error().what);
    REQUIRE(events.has_value());
    REQUIRE(events->size() == 2);
    CHECK(events->front().value("k") == "v");
    CHECK(events->back().value("k") == "w");
    CHECK(asked == std::vector<std::string>{"\x03\x01x", "\x00\x04list"s, "\x04\x01x"});
    client = std::unexpected(Error{});
}

TEST_CASE("a refusal is an error with the daemon's words") {
    PlayedDaemon daemon([&](int socket) {
        take_packet(socket);
        put(socket, packet("\x01\x03\x07success\x00\x02no\x03\x06"s + "errmsg\x00\x04"s + "full"));
        take_packet(socket);
        put(socket, packet("\x02"s));
        take_packet(socket);
    });
    auto client = ViciClient::connect(daemon.socket_path(), patience);
    REQUIRE(client.has_value());

    const auto refused = client->command("load-conn");
    const auto unknown = client->command("fly");

    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().kind == ErrorKind::invalid_argument);
    CHECK(refused.error().what == "ike daemon: load-conn: full");
    REQUIRE_FALSE(unknown.has_value());
    CHECK(unknown.error().kind == ErrorKind::unsupported);
    CHECK(client->usable());
    client = std::unexpected(Error{});
}

TEST_CASE("a broken answer ends the connection") {
    const struct {
        const char* name;
        std::string bytes;
    } cases[] = {
        {"length 0", "\x00\x00\x00\x00"s},
        {"length of 4 GB", "\xff\xff\xff\xff"s},
        {"cut off", "\x00\x00\x00\x08\x01\x03"s},
        {"event with a name beyond its end", "\x00\x00\x00\x03\x07\x09x"s},
        {"event without a name", "\x00\x00\x00\x01\x07"s},
        {"a confirmation nobody asked for", "\x00\x00\x00\x01\x05"s},
        {"nothing", ""s},
    };
    for (const auto& broken : cases) {
        CAPTURE(broken.name);
        PlayedDaemon daemon([&](int socket) {
            take_packet(socket);
            put(socket, broken.bytes);
        });
        auto client = ViciClient::connect(daemon.socket_path(), patience);
        REQUIRE(client.has_value());

        const auto answer = client->request("version");

        REQUIRE_FALSE(answer.has_value());
        CHECK(answer.error().kind == ErrorKind::unavailable);
        CHECK_FALSE(client->usable());
        CHECK(client->request("version").error().what == "ike daemon: the connection is closed");
    }
}

TEST_CASE("a daemon that does not answer is given up") {
    PlayedDaemon daemon([&](int socket) {
        take_packet(socket);
        take_packet(socket);  // Until the client closes.
    });
    auto client = ViciClient::connect(daemon.socket_path(), milliseconds(50));
    REQUIRE(client.has_value());

    const auto answer = client->request("version");

    REQUIRE_FALSE(answer.has_value());
    CHECK(answer.error().what == "ike daemon: no answer within 50 ms");
    CHECK_FALSE(client->usable());
}

TEST_CASE("where nobody listens the daemon is unavailable") {
    const test::TempFolder folder;

    const auto absent = ViciClient::connect(folder.path() / "vici", patience);
    const auto too_long = ViciClient::connect(folder.path() / std::string(200, 'x'), patience);

    REQUIRE_FALSE(absent.has_value());
    CHECK(absent.error().kind == ErrorKind::unavailable);
    CHECK(absent.error().os_errno == ENOENT);
    REQUIRE_FALSE(too_long.has_value());
    CHECK(too_long.error().kind == ErrorKind::invalid_argument);
}

}  // namespace
}  // namespace overlab::real
