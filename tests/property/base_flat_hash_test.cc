// FlatHash against std::map: after any history both hold the same entries.
#include "models/base/flat_hash.h"

#include <map>
#include <vector>

#include "tests/support/property.h"

using namespace overlab;
using overlab::test::holds;

namespace {

using Table = FlatHash<std::uint64_t, std::uint32_t>;
using Model = std::map<std::uint64_t, std::uint32_t>;

struct Operation {
    bool erase;
    std::uint8_t key;
    std::uint32_t value;
};

void showValue(const Operation& operation, std::ostream& out) {
    out << (operation.erase ? "erase " : "put ") << int{operation.key} << " " << operation.value;
}

rc::Gen<Operation> operations() {
    return rc::gen::build<Operation>(
        rc::gen::set(&Operation::erase, rc::gen::arbitrary<bool>()),
        rc::gen::set(&Operation::key, rc::gen::inRange<std::uint8_t>(0, 40)),
        rc::gen::set(&Operation::value));
}

Model contents(const Table& table) {
    Model model;
    table.for_each([&](std::uint64_t key, std::uint32_t value) {
        RC_ASSERT(model.emplace(key, value).second);
    });
    return model;
}

/// Keys that start probing at the last slot of a table with `capacity` slots: their chain wraps
/// around.
std::vector<std::uint64_t> keys_at_last_slot(std::size_t capacity, std::size_t count) {
    std::vector<std::uint64_t> keys;
    for (std::uint64_t key = 0; keys.size() < count; ++key) {
        if ((mix64(key) & (capacity - 1)) == capacity - 1) keys.push_back(key);
    }
    return keys;
}

}  // namespace

TEST_CASE("a table holds what a map holds after any puts and erases") {
    holds([] {
        const auto history = *rc::gen::container<std::vector<Operation>>(operations());
        Table table;
        Model model;
        for (const auto& [erase, key, value] : history) {
            if (erase) {
                RC_ASSERT(table.erase(key) == (model.erase(key) == 1));
            } else {
                RC_ASSERT(table.put(key, value) == !model.contains(key));
                model[key] = value;
            }
            RC_ASSERT(table.size() == model.size());
        }
        RC_ASSERT(contents(table) == model);
        for (std::uint64_t key = 0; key < 41; ++key) {
            const std::uint32_t* found = table.find(key);
            RC_ASSERT((found != nullptr) == model.contains(key));
            if (found != nullptr) RC_ASSERT(*found == model[key]);
        }
    });
}

TEST_CASE("erasing from a chain of colliding keys keeps the rest reachable") {
    // Six keys with one home fit a table of eight; every order of erasing two of them.
    const auto keys = keys_at_last_slot(8, 6);
    for (std::size_t first = 0; first < keys.size(); ++first) {
        for (std::size_t second = 0; second < keys.size(); ++second) {
            Table table;
            for (std::size_t i = 0; i < keys.size(); ++i) {
                table.put(keys[i], static_cast<std::uint32_t>(i));
            }
            table.erase(keys[first]);
            table.erase(keys[second]);
            for (std::size_t i = 0; i < keys.size(); ++i) {
                const auto* found = table.find(keys[i]);
                CHECK((found == nullptr) == (i == first || i == second));
                if (found != nullptr) CHECK(*found == i);
            }
        }
    }
}

TEST_CASE("a large table grows without losing entries") {
    Table table;
    constexpr std::uint32_t count = 100'000;
    for (std::uint32_t i = 0; i < count; ++i) table.put(std::uint64_t{i} << 24, i);
    REQUIRE(table.size() == count);
    for (std::uint32_t i = 0; i < count; ++i) REQUIRE(*table.find(std::uint64_t{i} << 24) == i);
    for (std::uint32_t i = 0; i < count; i += 2) REQUIRE(table.erase(std::uint64_t{i} << 24));
    for (std::uint32_t i = 0; i < count; ++i) {
        REQUIRE((table.find(std::uint64_t{i} << 24) != nullptr) == (i % 2 == 1));
    }
}

TEST_CASE("an empty table finds and erases nothing, and a cleared one is empty") {
    Table table;
    CHECK(table.find(0) == nullptr);
    CHECK_FALSE(table.erase(0));
    table.put(0, 1);
    table.clear();
    CHECK(table.empty());
    CHECK(table.find(0) == nullptr);
}

TEST_CASE("a moved table takes its entries along and leaves an empty one") {
    Table from;
    from.put(1, 10);
    Table to = std::move(from);
    CHECK(*to.find(1) == 10);
    from = Table();
    CHECK(from.empty());
    from.put(2, 20);
    CHECK(to.find(2) == nullptr);
}

TEST_CASE("the integer mixer is MurmurHash3's finaliser") {
    CHECK(mix64(0) == 0);
    CHECK(mix64(1) == 0xb456bcfc34c2cb2c);
    CHECK(mix64(~std::uint64_t{0}) == 0x64b5720b4b825f21);
}
