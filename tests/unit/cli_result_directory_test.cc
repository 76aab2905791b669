#include "cli/result_directory.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/catch.h"

using overlab::ErrorKind;
using overlab::cli::ResultDirectory;
namespace fs = std::filesystem;

namespace {

/// A folder that goes away with its test.
class Scratch {
   public:
    Scratch() {
        std::string name = (fs::temp_directory_path() / "overlab-test-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    ~Scratch() { fs::remove_all(path_); }

    [[nodiscard]] std::string operator/(const std::string& name) const {
        return (path_ / name).string();
    }
    [[nodiscard]] std::size_t entries() const {
        return static_cast<std::size_t>(
            std::distance(fs::directory_iterator(path_), fs::directory_iterator{}));
    }

   private:
    fs::path path_;
};

std::string contents(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

void write_result(const std::string& path, const std::string& text) {
    auto directory = ResultDirectory::create(path);
    REQUIRE(directory);
    REQUIRE(directory->write("result.json", text));
    REQUIRE(directory->commit());
}

}  // namespace

TEST_CASE("A result appears at the commit, parents included, and nothing else is left") {
    const Scratch scratch;
    auto directory = ResultDirectory::create(scratch / "out/two-hosts");
    REQUIRE(directory);
    REQUIRE(directory->write("result.json", "{}\n"));
    REQUIRE_FALSE(fs::exists(scratch / "out/two-hosts"));

    REQUIRE(directory->commit());

    REQUIRE(contents(scratch / "out/two-hosts/result.json") == "{}\n");
    REQUIRE(std::distance(fs::directory_iterator(scratch / "out"), fs::directory_iterator{}) == 1);
}

TEST_CASE("Without a commit nothing remains, neither files nor parents") {
    const Scratch scratch;
    {
        auto directory = ResultDirectory::create(scratch / "out/deep/two-hosts");
        REQUIRE(directory);
        REQUIRE(directory->write("result.json", "{}\n"));
    }

    REQUIRE(scratch.entries() == 0);
}

TEST_CASE("A new result replaces an old one whole") {
    const Scratch scratch;
    write_result(scratch / "out", "old");
    std::ofstream(scratch / "out/flows.csv") << "old";

    write_result(scratch / "out", "new");

    REQUIRE(contents(scratch / "out/result.json") == "new");
    REQUIRE_FALSE(fs::exists(scratch / "out/flows.csv"));
    REQUIRE(scratch.entries() == 1);
}

TEST_CASE("An abandoned run leaves the old result as it was") {
    const Scratch scratch;
    write_result(scratch / "out", "old");
    {
        auto directory = ResultDirectory::create(scratch / "out");
        REQUIRE(directory);
        REQUIRE(directory->write("result.json", "half"));
    }

    REQUIRE(contents(scratch / "out/result.json") == "old");
    REQUIRE(scratch.entries() == 1);
}

TEST_CASE(
    "What a killed run left goes with the next result for its place, the living one's stays") {
    const Scratch scratch;
    write_result(scratch / "out", "old");
    const pid_t killed = ::fork();
    if (killed == 0) {
        const auto directory = ResultDirectory::create(scratch / "out");
        if (!directory->write("result.json", "half")) ::_exit(1);
        ::kill(::getpid(), SIGKILL);
    }
    REQUIRE(::waitpid(killed, nullptr, 0) == killed);
    REQUIRE(scratch.entries() == 2);

    auto living = ResultDirectory::create(scratch / "out");
    REQUIRE(scratch.entries() == 2);
    write_result(scratch / "out", "new");
    write_result(scratch / "outer", "of another place");

    REQUIRE(living->write("result.json", "newest"));
    REQUIRE(living->commit());
    REQUIRE(contents(scratch / "out/result.json") == "newest");
    REQUIRE(scratch.entries() == 2);
}

TEST_CASE("What is not a result is never replaced") {
    const Scratch scratch;
    fs::create_directory(scratch / "home");
    std::ofstream(scratch / "home/thesis.tex") << "years of work";
    std::ofstream(scratch / "file") << "text";

    const auto folder = ResultDirectory::create(scratch / "home");
    const auto file = ResultDirectory::create(scratch / "file");

    REQUIRE(folder.error().kind == ErrorKind::already_exists);
    REQUIRE(file.error().kind == ErrorKind::already_exists);
    REQUIRE(contents(scratch / "home/thesis.tex") == "years of work");
    REQUIRE(scratch.entries() == 2);
}

TEST_CASE("What appears at the path while the runs take their time is not replaced either") {
    const Scratch scratch;
    auto directory = ResultDirectory::create(scratch / "out");
    REQUIRE(directory);
    REQUIRE(directory->write("result.json", "{}\n"));
    std::ofstream(scratch / "out") << "somebody else's";

    REQUIRE(directory->commit().error().kind == ErrorKind::already_exists);
    REQUIRE(contents(scratch / "out") == "somebody else's");
}

TEST_CASE("An empty folder may be filled") {
    const Scratch scratch;
    fs::create_directory(scratch / "out");

    write_result(scratch / "out/", "new");

    REQUIRE(contents(scratch / "out/result.json") == "new");
}

TEST_CASE("A path that cannot be made is an error with errno") {
    const Scratch scratch;
    std::ofstream(scratch / "file") << "text";

    const auto directory = ResultDirectory::create(scratch / "file/out");

    REQUIRE(directory.error().kind == ErrorKind::unavailable);
    REQUIRE(directory.error().os_errno == ENOTDIR);
}
