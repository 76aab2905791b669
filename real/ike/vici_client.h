// ViciClient: commands to strongSwan's daemon over its VICI socket, one at a time, each with a
// deadline (src/libcharon/plugins/vici/README.md of strongSwan, "Packet layer").
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/error.h"
#include "models/base/time.h"
#include "real/base/fd.h"
#include "real/ike/vici_message.h"

namespace overlab::real {

class ViciClient {
   public:
    /// `timeout` holds for every later request too. Errors: unavailable (nobody listens; with
    /// errno), invalid_argument (the path is too long for a socket's address).
    [[nodiscard]] static Result<ViciClient> connect(const std::filesystem::path& socket,
                                                    Duration timeout);

    /// The daemon's answer, whatever it says. Errors: unavailable (the daemon went, or no answer in
    /// time: the connection is then of no use any more, see usable()), unsupported (the daemon does
    /// not know the command), invalid_argument (the arguments do not fit a message).
    [[nodiscard]] Result<ViciSection> request(std::string_view command,
                                              const ViciSection& arguments = {});

    /// request(), and an answer with `success = no` is an error: invalid_argument, with the
    /// daemon's words.
    [[nodiscard]] Result<void> command(std::string_view command, const ViciSection& arguments = {});

    /// What the daemon streams as `event` while it answers the command, in its order.
    [[nodiscard]] Result<std::vector<ViciSection>> stream(std::string_view command,
                                                          std::string_view event,
                                                          const ViciSection& arguments = {});

    /// False once an answer is missing: the next bytes could belong to any question.
    [[nodiscard]] bool usable() const { return socket_.valid(); }

   private:
    enum class Packet : std::uint8_t {
        request = 0,
        response = 1,
        unknown_command = 2,
        register_event = 3,
        unregister_event = 4,
        event_confirmed = 5,
        unknown_event = 6,
        event = 7,
    };
    struct Received {
        Packet type = Packet::request;
        std::string name;  ///< of an event
        std::string message;
    };

    ViciClient(Fd socket, Duration timeout) : socket_(std::move(socket)), timeout_(timeout) {}

    /// One request of any kind and its answer; events go to `events` if given.
    Result<Received> exchange(Packet type, std::string_view name, std::string_view message,
                              std::vector<ViciSection>* events);
    Result<void> listen(Packet type, std::string_view event);
    Result<void> send(std::string_view bytes, std::int64_t deadline_ns);
    Result<std::string> receive(std::size_t size, std::int64_t deadline_ns);
    Result<Received> receive_packet(std::int64_t deadline_ns);
    Result<void> wait(short events, std::int64_t deadline_ns);

    Fd socket_;
    Duration timeout_;
};

}  // namespace overlab::real
