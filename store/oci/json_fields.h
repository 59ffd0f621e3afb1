#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "store/oci/descriptor.h"
#include "store/oci/platform.h"

namespace oci {

/// One JSON object being read by key. A key that is absent or null gives the empty value; one of
/// another type throws Invalid naming the document, the field and the rule. The object must outlive
/// this.
class Fields {
 public:
  Fields(const nlohmann::json& object, std::string where);

  bool has(std::string_view key) const { return find(key) != nullptr; }
  const nlohmann::json* find(std::string_view key) const;
  std::string text(std::string_view key) const;
  std::string required_text(std::string_view key) const;
  bool flag(std::string_view key) const;
  std::optional<int64_t> integer(std::string_view key, int64_t least, int64_t most) const;
  std::vector<std::string> texts(std::string_view key) const;
  std::map<std::string, std::string> text_map(std::string_view key) const;
  /// The keys of an object whose values say nothing ({"80/tcp": {}}).
  std::set<std::string> keys(std::string_view key) const;
  /// The array under `key`, or null.
  const nlohmann::json* array(std::string_view key) const;
  std::optional<Descriptor> descriptor(std::string_view key) const;
  std::vector<Descriptor> descriptors(std::string_view key, size_t most) const;
  /// "manifest: layers[2].size": where a value is, for messages.
  std::string where(std::string_view key) const;
  /// JSON text of the object without `known` keys; empty when nothing is left.
  std::string without(const std::vector<std::string_view>& known) const;

  [[noreturn]] void fail(std::string_view key, std::string_view rule) const;

 private:
  const nlohmann::json& object_;
  std::string where_;
};

Descriptor read_descriptor(const nlohmann::json& object, const std::string& where);
nlohmann::ordered_json write_descriptor(const Descriptor& descriptor);
Platform read_platform(const Fields& fields);
/// Adds os, architecture, … to `out`.
void write_platform(const Platform& platform, nlohmann::ordered_json& out);
/// Adds the members of a JSON object text that `out` does not have yet.
void merge_other_fields(const std::string& text, nlohmann::ordered_json& out);
/// Compact text; bytes that are not UTF-8 become U+FFFD.
std::string dump_json(const nlohmann::ordered_json& document);

}  // namespace oci
