#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "store/oci/reference.h"

namespace registry {

/// What policy.json says of the images that this machine takes: any, none, or those with a
/// signature. Signatures are not verified here, so what needs one is refused. A value.
/// [containers-policy.json(5), spec/ux.md 10]
class SignaturePolicy {
 public:
  /// Accepts everything, as where there is no file.
  SignaturePolicy() = default;
  /// Throws Invalid (id "bad-policy-json") naming the file and what is wrong in it.
  static SignaturePolicy load(const std::filesystem::path& file);
  /// From text, for tests; `name` appears in errors.
  static SignaturePolicy parse(std::string_view json, std::string name);

  /// Throws Denied (ids "image-rejected", "signature-needed") unless an image may be taken from a
  /// registry, by the most special of the rules for its name.
  void require(const oci::Reference& reference) const;
  /// The same for one in a file or directory; `transport`: "oci", "docker-archive", ...
  void require(std::string_view transport, const std::filesystem::path& place) const;

 private:
  /// Types of requirements, all of which an image must meet.
  using Requirements = std::vector<std::string>;
  using Scopes = std::map<std::string, Requirements, std::less<>>;

  void judge(std::string_view transport, const std::vector<std::string>& scopes,
             const std::string& what) const;

  std::string name_;
  Requirements default_;
  std::map<std::string, Scopes, std::less<>> transports_;
};

/// The user's policy.json, else the machine's; empty: there is none.
std::filesystem::path find_signature_policy(const char* (*lookup)(const char*));

}  // namespace registry
