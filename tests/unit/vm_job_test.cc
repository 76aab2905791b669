// What a job's files say to a guest: quoting, environment, and what a job may not ask for.
#include <string>
#include <vector>

#include "real/base/process.h"
#include "real/vm/guest_job.h"
#include "real/vm/user_cache.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"

using namespace overlab;
using namespace overlab::real;

namespace {

GuestJob job_of(std::vector<std::string> argv) {
    GuestJob job;
    job.argv = std::move(argv);
    return job;
}

/// What the machine's shell makes of a command script.
std::string said_by(const GuestJob& job) {
    const Result<std::string> text =
        output_of({.argv = {"sh", "-c", command_script(job)}, .error = "/dev/null"});
    return text ? *text : "error: " + text.error().what;
}

}  // namespace

TEST_CASE("arguments reach the command byte by byte") {
    const std::vector<std::string> words{"a b", "",   "it's", "$HOME `id` \\n", "line\nbreak",
                                         "*",   "-n", "\"",   "\xff\x01"};
    std::vector<std::string> argv{"/usr/bin/printf", "<%s>"};
    argv.insert(argv.end(), words.begin(), words.end());

    std::string expected;
    for (const std::string& word : words) expected += "<" + word + ">";
    CHECK(said_by(job_of(argv)) == expected);
}

TEST_CASE("the command's environment is the job's and nothing of ours") {
    GuestJob job = job_of({"/usr/bin/env"});
    job.env = {{"HOME", "/somewhere else"}, {"TERM", "dumb"}};

    CHECK(said_by(job) ==
          "HOME=/somewhere else\nLANG=C.UTF-8\n"
          "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nTERM=dumb\n");
}

TEST_CASE("the command runs in the job's folder, or not at all") {
    GuestJob job = job_of({"/bin/pwd"});
    job.folder = "/usr/lib";
    CHECK(said_by(job) == "/usr/lib\n");

    job.folder = "/nowhere/at all";
    CHECK(said_by(job).ends_with("exit code 126: "));
}

TEST_CASE("a job that cannot be done is refused before anything boots") {
    struct Row {
        const char* name;
        GuestJob job;
        ErrorKind kind;
        const char* says;
    };
    const auto sharing = [](const char* path) {
        GuestJob job = job_of({"/bin/true"});
        job.writable = {path};
        return job;
    };
    const std::vector<Row> rows{
        {"no command", job_of({}), ErrorKind::invalid_argument, "absolute program path"},
        {"a program by its name", job_of({"true"}), ErrorKind::invalid_argument, "true: expected"},
        {"a relative folder", sharing("results"), ErrorKind::invalid_argument, "results: expected"},
        {"a comma", sharing("/tmp/a,b"), ErrorKind::invalid_argument, "without comma"},
        {"no such folder", sharing("/nowhere"), ErrorKind::not_found, "/nowhere: not a folder"},
        {"a file", sharing("/etc/passwd"), ErrorKind::not_found, "/etc/passwd: not a folder"},
    };
    for (const Row& row : rows) {
        INFO(row.name);
        const Result<void> answer = check_job(row.job);
        REQUIRE_FALSE(answer.has_value());
        CHECK(answer.error().kind == row.kind);
        CHECK_THAT(answer.error().what, Catch::Contains(row.says));
    }
    CHECK(check_job(sharing("/tmp")).has_value());
}

TEST_CASE("a job's folder has what the guest reads") {
    const test::TempFolder folder;
    const std::filesystem::path run = folder.path() / "run-abc";
    std::filesystem::create_directory(run);
    GuestJob job = job_of({"/bin/true"});
    job.writable = {"/tmp", "/var/tmp"};

    REQUIRE(
        write_job(job,
                  {.init = "echo \"$b|$host|$runs|$modules\"; eval \"set -- $shares\"; echo $#\n",
                   .busybox = "/bin/busy box",
                   .interpreter = "/bin/busybox",
                   .modules = "",
                   .job = "/proc/self/cwd"},
                  run)
            .has_value());

    const auto said = output_of({.argv = {"sh", run / "init"}});
    REQUIRE(said.has_value());
    CHECK(*said == "/bin/busy box|/proc/self/cwd|" + folder.path().string() + "|\n4\n");
    CHECK_FALSE(read_code(run).has_value());
}

TEST_CASE("a file's identity changes when it is replaced") {
    const test::TempFolder folder;
    const std::filesystem::path file = folder.path() / "kernel";
    const std::string absent = identity_of(file);
    REQUIRE(output_of({.argv = {"sh", "-c", "echo one > \"$1\"", "sh", file}}).has_value());
    const std::string first = identity_of(file);
    REQUIRE(output_of({.argv = {"sh", "-c", "echo three > \"$1\"", "sh", file}}).has_value());

    CHECK(first != absent);
    CHECK(identity_of(file) != first);
    CHECK(short_digest("a") == "af63dc4c8601ec8c");  // FNV-1a's published test vector
}
