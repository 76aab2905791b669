// EventLoop's promises: order among timers, watches that may end themselves.
#include "real/base/event_loop.h"

#include <unistd.h>

#include <array>
#include <optional>
#include <string>

#include "real/base/fd.h"
#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::real;

namespace {

struct Pipe {
    Fd read, write;
    Pipe() {
        std::array<int, 2> ends{};
        REQUIRE(::pipe(ends.data()) == 0);
        read = Fd(ends[0]);
        write = Fd(ends[1]);
    }
    void put() const { REQUIRE(::write(write.get(), "x", 1) == 1); }
    void take() const {
        char byte = 0;
        REQUIRE(::read(read.get(), &byte, 1) == 1);
    }
};

}  // namespace

TEST_CASE("timers run by time, and of one instant in the order they were set") {
    EventLoop loop;
    std::string order;
    const Instant soon = loop.now() + milliseconds(2);
    loop.call_at(soon + milliseconds(1), [&] { order += 'd'; });
    loop.call_at(soon, [&] { order += 'b'; });
    loop.call_at(soon, [&] { order += 'c'; });
    loop.call_at({-5}, [&] { order += 'a'; });

    CHECK(loop.run_until([&] { return order.size() == 4; }, seconds(10)));

    CHECK(order == "abcd");
}

TEST_CASE("a timer is never early") {
    EventLoop loop;
    const Instant due = loop.now() + microseconds(700);
    std::optional<Instant> ran;
    loop.call_at(due, [&] { ran = loop.now(); });

    REQUIRE(loop.run_until([&] { return ran.has_value(); }, seconds(10)));

    CHECK(*ran >= due);
}

TEST_CASE("a cancelled timer does not run, whoever cancels it") {
    EventLoop loop;
    bool ran = false, last = false;
    const Instant soon = loop.now() + milliseconds(1);
    TimerId second{};
    loop.call_at(soon, [&] { loop.cancel(second); });
    second = loop.call_at(soon, [&] { ran = true; });
    loop.call_at(soon, [&] { last = true; });
    loop.cancel({12345});

    CHECK(loop.run_until([&] { return last; }, seconds(10)));

    CHECK_FALSE(ran);
}

TEST_CASE("a timer that sets itself again leaves descriptors their turn") {
    EventLoop loop;
    const Pipe pipe;
    bool seen = false;
    std::uint64_t rounds = 0;
    std::function<void()> again = [&] {
        ++rounds;
        loop.call_at(loop.now(), again);
    };
    again();
    const auto watch = loop.watch(pipe.read.get(), EventLoop::Interest::read, [&] {
        pipe.take();
        seen = true;
    });
    pipe.put();

    CHECK(loop.run_until([&] { return seen; }, seconds(10)));
    CHECK(loop.run_until([&] { return rounds > 10; }, seconds(10)));
}

TEST_CASE("a watch calls back as long as there is something to read") {
    EventLoop loop;
    const Pipe pipe;
    int calls = 0;
    const auto watch = loop.watch(pipe.read.get(), EventLoop::Interest::read, [&] {
        pipe.take();
        ++calls;
    });
    pipe.put();
    pipe.put();
    pipe.put();

    CHECK(loop.run_until([&] { return calls == 3; }, seconds(10)));
    CHECK_FALSE(loop.run_until([&] { return calls > 3; }, milliseconds(5)));
}

TEST_CASE("a watch may be destroyed by its own callback") {
    EventLoop loop;
    const Pipe pipe;
    int calls = 0;
    EventLoop::Watch watch;
    watch = loop.watch(pipe.read.get(), EventLoop::Interest::read, [&] {
        watch = {};
        ++calls;  // the captures must still be there
    });
    pipe.put();  // never taken

    CHECK(loop.run_until([&] { return calls == 1; }, seconds(10)));
    CHECK_FALSE(loop.run_until([&] { return calls > 1; }, milliseconds(5)));
}

TEST_CASE("a watch may be replaced by its own callback") {
    EventLoop loop;
    const Pipe pipe;
    std::string heard;
    EventLoop::Watch watch;
    watch = loop.watch(pipe.read.get(), EventLoop::Interest::read, [&] {
        heard += 'a';
        watch = loop.watch(pipe.read.get(), EventLoop::Interest::read, [&] {
            pipe.take();
            heard += 'b';
        });
    });
    pipe.put();

    CHECK(loop.run_until([&] { return heard.size() == 2; }, seconds(10)));
    CHECK(heard == "ab");
}

TEST_CASE("run() ends when it is told to, from a timer or a watch") {
    EventLoop loop;
    loop.call_after(milliseconds(1), [&] { loop.stop(); });
    loop.run();

    const Pipe pipe;
    const auto watch =
        loop.watch(pipe.write.get(), EventLoop::Interest::write, [&] { loop.stop(); });
    loop.run();
}

TEST_CASE("loops of one epoch tell the same time") {
    const EventLoop one;
    const EventLoop other(one.epoch_ns());

    const Instant before = one.now();
    const Instant between = other.now();
    const Instant after = one.now();

    CHECK(before <= between);
    CHECK(between <= after);
}
