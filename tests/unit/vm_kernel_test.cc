// The cache of User-mode Linux kernels: what is told apart, what counts as a kernel, what goes.
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "real/vm/build_log.h"
#include "real/vm/build_tools.h"
#include "real/vm/uml_kernel.h"
#include "real/vm/uml_lock.h"
#include "real/vm/uml_source.h"
#include "real/vm/user_cache.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"

using namespace overlab;
using namespace overlab::real;
using overlab::test::TempFolder;

namespace fs = std::filesystem;

namespace {

void write(const fs::path& path, std::string_view text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
}

/// As a build leaves it.
std::string add_kernel(const fs::path& cache, const std::string& version) {
    const std::string digest = uml_digest(version, uml_config());
    const fs::path folder = uml_folder(cache, digest);
    write(folder / "linux", "#!/bin/true\n");
    fs::permissions(folder / "linux", fs::perms::owner_all);
    write(folder / "about.json", R"({"built_with": "gcc 12", "digest": ")" + digest +
                                     R"(", "version": ")" + version + "\"}");
    return digest;
}

std::vector<std::string> names_in(const fs::path& folder) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder))
        names.push_back(entry.path().filename());
    std::ranges::sort(names);
    return names;
}

}  // namespace

TEST_CASE("a digest tells versions and settings apart, and nothing else") {
    const std::string digest = uml_digest("6.1.192-2", "CONFIG_A=y\nCONFIG_B=y\n");

    // On every machine: kernels and golden traces are named by it.
    CHECK(digest == "fe148695c079c61d");
    CHECK(uml_digest("6.1.192-2", "# why\n\nCONFIG_B=y\nCONFIG_A=y") == digest);
    CHECK(uml_digest("6.1.192-1", "CONFIG_A=y\nCONFIG_B=y\n") != digest);
    CHECK(uml_digest("6.1.192-2", "CONFIG_A=y\n") != digest);
    CHECK(uml_digest("6.1.192-2", "CONFIG_A=y\nCONFIG_B=n\n") != digest);
}

TEST_CASE("the program carries the configuration of its source tree") {
    std::ifstream file(fs::path(OVERLAB_SOURCE_DIR) / "real/vm/uml.config");
    const std::string text{std::istreambuf_iterator<char>(file), {}};

    CHECK(uml_config() == text);
}

TEST_CASE("an option that Kconfig has dropped is noticed") {
    const std::string_view fragment =
        "# why\nCONFIG_VETH=y\nCONFIG_HZ_1000=y\nCONFIG_SSL=n\nCONFIG_NAME=\"x\"\n";

    CHECK(options_not_taken(fragment, "CONFIG_NAME=\"x\"\nCONFIG_VETH=y\nCONFIG_HZ_1000=y\n") ==
          std::vector<std::string>{});
    CHECK(options_not_taken(fragment, "CONFIG_VETH=m\n# CONFIG_HZ_1000 is not set\n") ==
          std::vector<std::string>{"CONFIG_HZ_1000=y", "CONFIG_NAME=\"x\"", "CONFIG_VETH=y"});
}

TEST_CASE("a kernel's version is in its Makefile") {
    CHECK(kernel_version_in(
              "# SPDX\nVERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 192\nEXTRAVERSION =\n") ==
          "6.1.192");
    CHECK(kernel_version_in("VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 0\n") == "6.1.0");
    CHECK(kernel_version_in("VERSION = 6\nPATCHLEVEL = 1\n").empty());
    CHECK(kernel_version_in("VERSION = six\nPATCHLEVEL = 1\nSUBLEVEL = 0\n").empty());
    CHECK(kernel_version_in("all:\n\tcc -DVERSION = 6\n").empty());
    CHECK(kernel_version_in("").empty());
}

TEST_CASE("an empty cache has no kernel, and the error says how to get one") {
    const TempFolder cache;

    const auto found = find_uml_kernel(cache.path());

    REQUIRE_FALSE(found.has_value());
    CHECK(found.error().kind == ErrorKind::not_found);
    CHECK(found.error().what.contains("`overlab kernel build`"));
    CHECK_FALSE(find_uml_kernel(cache.path() / "nowhere").has_value());
}

TEST_CASE("of several kernels the newest is taken") {
    const TempFolder cache;
    add_kernel(cache.path(), "6.1.9-1");
    add_kernel(cache.path(), "6.1.192-1");
    const std::string digest = add_kernel(cache.path(), "6.1.192-2");

    const auto found = find_uml_kernel(cache.path());

    REQUIRE(found.has_value());
    CHECK(*found == UmlKernel{.path = cache.path() / ("uml-" + digest) / "linux",
                              .version = "6.1.192-2",
                              .digest = digest,
                              .built_with = "gcc 12"});
}

TEST_CASE("what is not whole, or of another configuration, is no kernel") {
    const TempFolder cache;
    const std::string digest = add_kernel(cache.path(), "6.1.192-2");
    const fs::path folder = uml_folder(cache.path(), digest);
    REQUIRE(find_uml_kernel(cache.path()).has_value());

    SECTION("no program") { fs::remove(folder / "linux"); }
    SECTION("no right to run it") {
        fs::remove(folder / "linux");
        write(folder / "linux", "");
        fs::permissions(folder / "linux", fs::perms::owner_read);
    }
    SECTION("nothing about it") { fs::remove(folder / "about.json"); }
    SECTION("half of what is about it") { write(folder / "about.json", R"({"version": "6.1.1)"); }
    SECTION("a list") { write(folder / "about.json", "[]"); }
    SECTION("a number for a version") {
        write(folder / "about.json", R"({"digest": ")" + digest + R"(", "version": 6})");
    }
    SECTION("a folder of another name") { fs::rename(folder, cache.path() / "uml-0123"); }
    SECTION("another configuration") {
        const std::string other = uml_digest("6.1.192-2", "CONFIG_A=y\n");
        fs::rename(folder, uml_folder(cache.path(), other));
        write(uml_folder(cache.path(), other) / "about.json",
              R"({"digest": ")" + other + R"(", "version": "6.1.192-2"})");
        CHECK(uml_kernel_at(cache.path(), other).has_value());
    }

    CHECK_FALSE(find_uml_kernel(cache.path()).has_value());
}

TEST_CASE("cleaning removes kernels and work folders, and nothing of others") {
    const TempFolder cache;
    const std::string digest = add_kernel(cache.path(), "6.1.192-2");
    write(uml_work_folder(cache.path(), digest) / "objects/big", std::string(1 << 20, 'x'));
    write(cache.path() / "canary-uml.json", "{}");
    write(cache.path() / "guest-kernel-1/image", "");

    const auto removed = clean_uml_kernels(cache.path());

    REQUIRE(removed.has_value());
    REQUIRE(removed->size() == 2);
    CHECK((*removed)[0].path == uml_folder(cache.path(), digest));
    CHECK((*removed)[1].path == uml_work_folder(cache.path(), digest));
    CHECK((*removed)[1].bytes >= 1 << 20);
    CHECK(names_in(cache.path()) ==
          std::vector<std::string>{"canary-uml.json", "guest-kernel-1", "uml.lock"});
    CHECK(clean_uml_kernels(cache.path())->empty());
}

TEST_CASE("nothing is cleaned while somebody builds") {
    const TempFolder cache;
    add_kernel(cache.path(), "6.1.192-2");
    const auto builder = take_uml_lock(cache.path(), [] { return true; });
    REQUIRE(builder.has_value());

    const auto removed = clean_uml_kernels(cache.path());

    REQUIRE_FALSE(removed.has_value());
    CHECK(removed.error().kind == ErrorKind::already_exists);
    CHECK(find_uml_kernel(cache.path()).has_value());
}

TEST_CASE("missing tools are named by their packages") {
    const auto all = [](const std::string&) { return true; };
    const auto none = [](const std::string&) { return false; };
    const auto no_flex = [](const std::string& name) {
        return name != "flex" && name != "apt-get";
    };

    CHECK(missing_build_packages(true, all).empty());
    CHECK(missing_build_packages(false, no_flex) == std::vector<std::string>{"flex"});
    CHECK(missing_build_packages(true, no_flex) == std::vector<std::string>{"apt", "flex"});
    CHECK(missing_build_packages(false, none) ==
          std::vector<std::string>{"bc", "binutils", "bison", "flex", "gcc", "libc6-dev", "make",
                                   "tar", "xz-utils"});
}

TEST_CASE("steps are counted as make's log grows, and its last lines are what an error shows") {
    const TempFolder folder;
    const fs::path log = folder.path() / "build.log";
    BuildSteps steps(log);
    CHECK(steps.count() == 0);

    std::ofstream file(log);
    file << "make[1]: Entering\n  CC      init/main.o\n  GEN     Makefile\n  lower case\n  AR  "
         << std::flush;
    CHECK(steps.count() == 2);

    file << "    init/built-in.a\nerror: no\n" << std::flush;
    CHECK(steps.count() == 3);

    CHECK(last_lines("a\nb\nc\n", 2) == "b\nc\n");
    CHECK(last_lines("a\nb", 1) == "b");
    CHECK(last_lines("a\nb\n", 5) == "a\nb\n");
    CHECK(last_lines("", 5).empty());
}

TEST_CASE("XDG_CACHE_HOME says where the cache is, if it is an absolute path") {
    const TempFolder home;
    REQUIRE(::setenv("XDG_CACHE_HOME", home.path().c_str(), 1) == 0);
    CHECK(user_cache_folder().value() == home.path() / "overlab");
    CHECK(fs::status(home.path() / "overlab").permissions() == fs::perms::owner_all);

    // The specification: "If an implementation encounters a relative path in any of these variables
    // it should consider the path invalid and ignore it."
    REQUIRE(::setenv("XDG_CACHE_HOME", "relative", 1) == 0);
    const auto ignored = user_cache_folder();
    CHECK_FALSE(fs::exists("relative"));
    if (ignored) CHECK(ignored->parent_path().filename() == ".cache");

    write(home.path() / "file", "");
    REQUIRE(::setenv("XDG_CACHE_HOME", (home.path() / "file").c_str(), 1) == 0);
    REQUIRE_FALSE(user_cache_folder().has_value());
    CHECK(user_cache_folder().error().kind == ErrorKind::unavailable);

    REQUIRE(::unsetenv("XDG_CACHE_HOME") == 0);
}
