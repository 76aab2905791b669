#include "cli/digest.h"

#include <catch2/catch.hpp>

using overlab::cli::program_sha256;
using overlab::cli::sha256;

TEST_CASE("SHA-256 of FIPS 180-4's example and of nothing") {
    REQUIRE(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    REQUIRE(sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("The program's digest is stable within a process") {
    REQUIRE(program_sha256().has_value());
    REQUIRE(*program_sha256() == *program_sha256());
}
