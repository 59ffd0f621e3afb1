#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "store/oci/descriptor.h"
#include "store/oci/digest.h"
#include "store/oci/platform.h"

namespace oci {

/// HEALTHCHECK. Zero durations and retries mean the default; test {"NONE"} turns an inherited check
/// off.
struct Healthcheck {
  std::vector<std::string> test;  ///< {"CMD", …}, {"CMD-SHELL", text} or {"NONE"}
  std::chrono::nanoseconds interval{0};
  std::chrono::nanoseconds timeout{0};
  std::chrono::nanoseconds start_period{0};
  std::chrono::nanoseconds start_interval{0};
  int64_t retries = 0;

  bool operator==(const Healthcheck&) const = default;
};

/// How a container of the image starts: the "config" object.
struct ContainerConfig {
  std::string user;
  std::set<std::string> exposed_ports;  ///< "80/tcp"
  std::vector<std::string> env;         ///< "NAME=value", in order of first definition
  std::vector<std::string> entrypoint;
  std::vector<std::string> cmd;
  std::set<std::string> volumes;
  std::string working_dir;
  std::map<std::string, std::string> labels;
  std::string stop_signal;
  std::optional<Healthcheck> healthcheck;
  std::vector<std::string> shell;     ///< empty: the default
  std::vector<std::string> on_build;  ///< instructions as text
  bool args_escaped = false;

  /// JSON object text of fields this type does not name, kept for the way back; empty when none.
  std::string other_fields;

  bool operator==(const ContainerConfig&) const = default;
};

/// One line of `history`.
struct HistoryEntry {
  std::string created;  ///< RFC 3339, or empty
  std::string created_by;
  std::string author;
  std::string comment;
  bool empty_layer = false;  ///< true when the step made no layer

  bool operator==(const HistoryEntry&) const = default;
};

/// The image configuration: platform, how to start it, its layers by diff id and how they came to
/// be. The digest of its bytes is the image id. [OCI image-spec, config.md; spec/dockerfile.md M]
struct ImageConfig {
  std::string created;  ///< RFC 3339, or empty
  std::string author;
  Platform platform;
  ContainerConfig config;
  std::vector<DiffId> diff_ids;  ///< lowest layer first
  std::vector<HistoryEntry> history;

  /// JSON object text of top-level fields this type does not name; empty when none.
  std::string other_fields;

  /// Throws Invalid: malformed or duplicate keys, wrong types, missing os, architecture or rootfs,
  /// malformed diff ids, more than kMaxLayers of them, more than kMaxConfigBytes.
  static ImageConfig parse(std::string_view json);
  /// Deterministic; fields in the usual order of tools, empty ones left out. Bytes that are not
  /// UTF-8 become U+FFFD. Throws Invalid above kMaxConfigBytes: nobody could read it again.
  std::string to_json() const;

  /// The bytes parse() saw; to_json() of one that was built.
  std::string bytes() const { return raw.empty() ? to_json() : raw; }
  /// Descriptor of bytes(); its digest is the image id.
  Descriptor describe(std::string_view media_type) const {
    return Descriptor::of(media_type, bytes());
  }

  /// The exact bytes parse() read; empty in one being built. Clear it after changing a field.
  std::string raw;
};

}  // namespace oci
