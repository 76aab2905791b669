#include "cli/file_difference.h"

#include <fstream>
#include <string>
#include <vector>

#include "models/net/pcapng.h"
#include "tests/support/temp_folder.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::cli;

namespace {

using Octets = std::vector<std::uint8_t>;

void write_file(const std::filesystem::path& path, const Octets& octets) {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(octets.data()),
               static_cast<std::streamsize>(octets.size()));
}

std::string difference_of(const Octets& a, const Octets& b) {
    const test::TempFolder folder;
    write_file(folder.path() / "a", a);
    write_file(folder.path() / "b", b);
    const auto found =
        file_difference((folder.path() / "a").string(), (folder.path() / "b").string());
    REQUIRE(found.has_value());
    return *found ? (*found)->to_string() : "none";
}

/// A capture of one frame a millisecond, from 1 s on, each of its number.
Octets capture_of(std::uint8_t frames) {
    Octets file;
    pcapng::append_section_header(file);
    pcapng::append_interface(file, "h1--h2");
    for (std::uint8_t i = 1; i <= frames; ++i) {
        const Octets frame(60, i);
        pcapng::append_packet(file, {.time = Instant{} + seconds(1) + milliseconds(i),
                                     .direction = pcapng::Direction::inbound,
                                     .frame = frame});
    }
    return file;
}

}  // namespace

TEST_CASE("The first octet that differs, wherever it is") {
    const Octets long_file(200'000, 7);  // more than is read at once
    Octets changed = long_file;
    changed[150'000] = 8;

    REQUIRE(difference_of({}, {}) == "none");
    REQUIRE(difference_of(long_file, long_file) == "none");
    REQUIRE(difference_of(long_file, changed) == "octet 150000");
    REQUIRE(difference_of({1, 2, 3}, {1, 2, 4}) == "octet 2");
    REQUIRE(difference_of({1, 2, 3}, {1, 2}) == "one ends at octet 2");
    REQUIRE(difference_of({}, {1}) == "one ends at octet 0");
    const Octets whole_block(65'536, 7);
    REQUIRE(difference_of(whole_block, long_file) == "one ends at octet 65536");
}

TEST_CASE("In a capture the frame is named, by its number and time") {
    const Octets capture = capture_of(40);
    Octets changed = capture;
    const Octets::difference_type last_of_frame_17 = [&] {
        const auto at = std::ranges::search(capture, Octets(60, 17));
        return at.end() - capture.begin() - 1;
    }();
    changed[static_cast<std::size_t>(last_of_frame_17)] = 0;
    Octets later = capture;
    later[static_cast<std::size_t>(last_of_frame_17) - 60 - 8] ^= 1;  // in the head of its block

    REQUIRE(difference_of(capture, changed).starts_with("frame 17 (1.017000000 s), octet "));
    REQUIRE(difference_of(capture, later).starts_with("frame 17 (1.017000000 s), octet "));
    REQUIRE(difference_of(capture_of(39), capture).starts_with("one ends at octet "));
    Octets renamed = capture;
    renamed[20] ^= 1;  // in the section header
    REQUIRE(difference_of(capture, renamed) == "octet 20");
}

TEST_CASE("A file that is not there is an error that names it") {
    const auto found = file_difference("/nowhere/a", "/nowhere/b");

    REQUIRE_FALSE(found.has_value());
    REQUIRE(found.error().what.find("/nowhere/a") != std::string::npos);
}
