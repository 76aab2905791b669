#include "cli/crosscheck_outcome.h"

#include "models/crosscheck/history_generator.h"
#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::cli;

TEST_CASE("what a guest tells comes back as it was") {
    CrosscheckOutcome outcome;
    outcome.findings = {{.index = 3,
                         .difference = "h01: \"rows\"\n differ",
                         .history = generate_history(1, 3),
                         .tries = 7,
                         .minimal = true},
                        {.index = 9, .difference = "x", .history = generate_history(1, 9)}};
    outcome.counts = {.histories = 10,
                      .steps = 90,
                      .rows = 1000,
                      .probes = {{"delivered", 40}, {"no_route", 2}},
                      .probes_left_out = 3};

    const auto read = decode_outcome(encode_outcome(outcome));

    REQUIRE(read.has_value());
    CHECK(*read == outcome);
}

TEST_CASE("a guest's error keeps its kind; a guest that fell silent is one") {
    const Error error{ErrorKind::unsupported, "h01: no \"ESP\"\nhere"};
    CHECK(decode_outcome(encode_outcome(std::unexpected(error))).error() == error);

    const std::string whole = encode_outcome(CrosscheckOutcome{});
    for (const std::string& cut :
         {std::string(), whole.substr(0, whole.size() - 1), std::string("{\n")}) {
        CHECK(decode_outcome(cut).error().kind == ErrorKind::unavailable);
    }
}
