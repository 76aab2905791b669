#include "real/ike/vici_message.h"

#include <fmt/format.h>

#include <cstdint>
#include <utility>

namespace overlab::real {
namespace {

enum class Element : std::uint8_t {
    section_start = 1,
    section_end = 2,
    key_value = 3,
    list_start = 4,
    list_item = 5,
    list_end = 6,
};

class Encoder {
   public:
    Result<void> section(const ViciSection& section, std::size_t depth) {
        if (depth > vici_depth_limit) {
            return fail(ErrorKind::invalid_argument,
                        fmt::format("vici message: nested deeper than {}", vici_depth_limit));
        }
        for (const ViciEntry& entry : section.entries) {
            if (auto done = one(entry, depth); !done) return done;
        }
        return {};
    }

    std::string take() { return std::move(bytes_); }

   private:
    Result<void> one(const ViciEntry& entry, std::size_t depth) {
        if (entry.name.size() > vici_name_limit) {
            return fail(ErrorKind::invalid_argument, fmt::format("{}: a name has at most {} bytes",
                                                                 entry.name, vici_name_limit));
        }
        if (const auto* text = std::get_if<std::string>(&entry.content)) {
            name(Element::key_value, entry.name);
            return value(entry.name, *text);
        }
        if (const auto* items = std::get_if<std::vector<std::string>>(&entry.content)) {
            name(Element::list_start, entry.name);
            for (const std::string& item : *items) {
                type(Element::list_item);
                if (auto done = value(entry.name, item); !done) return done;
            }
            type(Element::list_end);
            return {};
        }
        name(Element::section_start, entry.name);
        if (auto done = section(std::get<ViciSection>(entry.content), depth + 1); !done) {
            return done;
        }
        type(Element::section_end);
        return {};
    }

    void type(Element element) { bytes_ += static_cast<char>(element); }

    void name(Element element, const std::string& text) {
        type(element);
        bytes_ += static_cast<char>(text.size());
        bytes_ += text;
    }

    Result<void> value(const std::string& name, const std::string& text) {
        if (text.size() > vici_value_limit) {
            return fail(ErrorKind::invalid_argument,
                        fmt::format("{}: a value of {} bytes, at most {} fit", name, text.size(),
                                    vici_value_limit));
        }
        bytes_ += static_cast<char>(text.size() >> 8U);
        bytes_ += static_cast<char>(text.size() & 0xffU);
        bytes_ += text;
        return {};
    }

    std::string bytes_;
};

class Decoder {
   public:
    explicit Decoder(std::string_view bytes) : bytes_(bytes) {}

    /// Up to its end marker, or up to the end of the bytes at depth 0.
    Result<ViciSection> section(std::size_t depth) {
        if (depth > vici_depth_limit) return broken("nested too deep");
        ViciSection section;
        while (at_ < bytes_.size()) {
            const auto element = static_cast<Element>(bytes_[at_++]);
            if (element == Element::section_end) {
                if (depth == 0) return broken("the end of a section that was not begun");
                return section;
            }
            OVERLAB_TRY(ViciEntry entry, one(element, depth));
            section.entries.push_back(std::move(entry));
        }
        if (depth != 0) return broken("a section without its end");
        return section;
    }

   private:
    Result<ViciEntry> one(Element element, std::size_t depth) {
        if (element != Element::key_value && element != Element::list_start &&
            element != Element::section_start) {
            return broken("not an element that may stand here");
        }
        OVERLAB_TRY(std::string name, text(1));
        ViciEntry entry{.name = std::move(name), .content = {}};
        if (element == Element::key_value) {
            OVERLAB_TRY(entry.content, text(2));
        } else if (element == Element::list_start) {
            OVERLAB_TRY(entry.content, items());
        } else {
            OVERLAB_TRY(entry.content, section(depth + 1));
        }
        return entry;
    }

    Result<std::vector<std::string>> items() {
        std::vector<std::string> items;
        while (at_ < bytes_.size()) {
            const auto element = static_cast<Element>(bytes_[at_++]);
            if (element == Element::list_end) return items;
            if (element != Element::list_item) return broken("something else than a list's item");
            OVERLAB_TRY(std::string item, text(2));
            items.push_back(std::move(item));
        }
        return broken("a list without its end");
    }

    /// A length of `width` bytes in network order, and as many bytes.
    Result<std::string> text(std::size_t width) {
        if (bytes_.size() - at_ < width) return broken("cut off in a length");
        std::size_t length = 0;
        for (std::size_t i = 0; i < width; ++i) {
            length = length << 8U | static_cast<std::uint8_t>(bytes_[at_++]);
        }
        if (bytes_.size() - at_ < length) return broken("a length beyond the message's end");
        const std::string_view text = bytes_.substr(at_, length);
        at_ += length;
        return std::string(text);
    }

    [[nodiscard]] std::unexpected<Error> broken(std::string_view why) const {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("vici message, byte {}: {}", at_, why));
    }

    std::string_view bytes_;
    std::size_t at_ = 0;  ///< never beyond the end
};

/// The first entry of this name and kind; null: none.
template <typename T>
const T* find(const ViciSection& section, std::string_view name) {
    for (const ViciEntry& entry : section.entries) {
        if (entry.name != name) continue;
        if (const T* content = std::get_if<T>(&entry.content)) return content;
    }
    return nullptr;
}

}  // namespace

ViciSection& ViciSection::add(std::string name, std::string value) {
    entries.push_back({std::move(name), std::move(value)});
    return *this;
}

ViciSection& ViciSection::add_list(std::string name, std::vector<std::string> items) {
    entries.push_back({std::move(name), std::move(items)});
    return *this;
}

ViciSection& ViciSection::add_section(std::string name, ViciSection section) {
    entries.push_back({std::move(name), std::move(section)});
    return *this;
}

std::string_view ViciSection::value(std::string_view name) const {
    const auto* found = find<std::string>(*this, name);
    return found == nullptr ? std::string_view() : *found;
}

std::vector<std::string> ViciSection::list(std::string_view name) const {
    const auto* found = find<std::vector<std::string>>(*this, name);
    return found == nullptr ? std::vector<std::string>() : *found;
}

const ViciSection* ViciSection::section(std::string_view name) const {
    return find<ViciSection>(*this, name);
}

bool operator==(const ViciSection& a, const ViciSection& b) { return a.entries == b.entries; }

Result<std::string> encode_vici(const ViciSection& message) {
    Encoder encoder;
    if (auto done = encoder.section(message, 0); !done) return std::unexpected(done.error());
    return encoder.take();
}

Result<ViciSection> decode_vici(std::string_view bytes) { return Decoder(bytes).section(0); }

}  // namespace overlab::real
