#include "store/oci/strict_json.h"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace oci {

namespace {

/// A value costs up to a hundred bytes here and as little as two in the text: this keeps the
/// largest document well below the memory any one image may cost.
constexpr size_t kMaxJsonValues = 500'000;

/// Builds the document event by event (the parser below it is not recursive), so that depth and
/// duplicates are caught on the way and not afterwards.
class Builder : public nlohmann::json::json_sax_t {
 public:
  explicit Builder(std::string_view what) : what_(what) {}
  nlohmann::json take() { return std::move(document_); }

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t value, const string_t&) override { return put(value); }
  bool string(string_t& value) override { return put(std::move(value)); }
  bool binary(binary_t&) override { return false; }

  bool start_object(std::size_t) override { return open(nlohmann::json::object()); }
  bool start_array(std::size_t) override { return open(nlohmann::json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    auto [at, added] = open_.back()->emplace(name, nullptr);
    if (!added) fail(base::str("the key \"", base::printable(name, 100), "\" appears twice"));
    slot_ = &*at;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception&) override {
    fail(base::str("not valid JSON at byte ", position));
  }

 private:
  [[noreturn]] void fail(const std::string& rule) const {
    throw base::Error(base::Code::kInvalid, base::str(what_, ": ", rule), "bad-json");
  }

  nlohmann::json* place(nlohmann::json&& value) {
    if (++values_ > kMaxJsonValues) fail(base::str("more than ", kMaxJsonValues, " values"));
    if (open_.empty()) {
      document_ = std::move(value);
      return &document_;
    }
    if (open_.back()->is_array()) {
      open_.back()->push_back(std::move(value));
      return &open_.back()->back();
    }
    *slot_ = std::move(value);
    return slot_;
  }

  bool put(nlohmann::json&& value) {
    place(std::move(value));
    return true;
  }

  bool open(nlohmann::json&& container) {
    if (open_.size() >= kMaxJsonDepth) fail(base::str("nested deeper than ", kMaxJsonDepth));
    open_.push_back(place(std::move(container)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  std::string what_;
  nlohmann::json document_;
  std::vector<nlohmann::json*> open_;  ///< containers being filled, outermost first
  nlohmann::json* slot_ = nullptr;     ///< value of the key just read
  size_t values_ = 0;
};

}  // namespace

nlohmann::json parse_strict_json(std::string_view text, std::string_view what) {
  if (text.starts_with("\xef\xbb\xbf"))
    throw base::Error(base::Code::kInvalid, base::str(what, ": begins with a byte order mark"),
                      "bad-json");
  // The parser below takes a NUL for the end and would not look at what follows.
  if (text.find('\0') != std::string_view::npos)
    throw base::Error(base::Code::kInvalid, base::str(what, ": holds a NUL byte"), "bad-json");
  Builder builder(what);
  nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

}  // namespace oci
