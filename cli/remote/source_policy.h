#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/events.h"
#include "builder/dockerfile/git_reference.h"
#include "builder/plan/plan.h"

namespace cli {

/// Something that a build takes from outside, as rules see it:
///
///   docker-image://docker.io/library/debian:12[@sha256:..]   oci-layout://DIR[:TAG|@DIGEST]
///   https://host/file                                        git://host/project.git[#REF[:DIR]]
///   local://context, local://dockerfile, local://NAME        (a --build-context)
struct PolicySource {
  std::string identifier;
  std::map<std::string, std::string>
      attributes;  ///< http.checksum, git.checksum, git.fullurl, git.keepgitdir
};

/// Rules about every source of a build, in BuildKit's JSON:
///
///   {"rules": [{"action": "DENY",    "selector": {"identifier": "docker-image://*"}},
///              {"action": "ALLOW",   "selector": {"identifier":
///              "docker-image://docker.io/library/*"}},
///              {"action": "CONVERT", "selector": {"identifier":
///              "docker-image://docker.io/library/(.*)", "matchType": "REGEX"},
///               "updates": {"identifier": "docker-image://mirror.example/${1}"}}]}
///
/// The last rule of a file that matches says whether a source is allowed; no rule allows. A CONVERT
/// puts another source in its place, which all files are asked about anew. matchType is WILDCARD
/// (default: * is any text, ${N} what the Nth stood for), EXACT or REGEX. A value; any thread.
class SourcePolicy {
 public:
  SourcePolicy() = default;
  /// Throws Invalid naming file and rule: a misspelt key must not open what it was to close.
  static SourcePolicy read(const std::vector<std::string>& files);
  /// `name` is the file's, for messages.
  void add(std::string_view text, const std::string& name);

  bool empty() const { return files_.empty(); }

  /// The source to take instead, which may be the same. Throws Denied (id "source-denied"), and
  /// Invalid (id "policy-loop") when conversions have no end. What was converted is told to
  /// `events`, if any.
  PolicySource apply(const PolicySource& source, base::EventSink* events) const;

  // The same for each kind, as they are named elsewhere. Without rules nothing changes.
  void check_local(const std::string& name) const;
  std::string image(const std::string& reference, base::EventSink* events) const;
  /// URL and checksum.
  std::pair<std::string, std::string> download(const std::string& url, const std::string& checksum,
                                               base::EventSink* events) const;
  dockerfile::GitReference git(const dockerfile::GitReference& reference,
                               base::EventSink* events) const;

  struct Rule;

 private:
  std::vector<std::vector<std::shared_ptr<const Rule>>> files_;
};

/// Base images as a policy names them, before anybody is asked for one.
class PolicyImages : public plan::BaseImages {
 public:
  PolicyImages(const SourcePolicy& policy, plan::BaseImages& next, base::EventSink* events)
      : policy_(policy), next_(next), events_(events) {}
  plan::BaseImage get(const std::string& reference, const oci::Platform& platform) override {
    return next_.get(policy_.image(reference, events_), platform);
  }

 private:
  const SourcePolicy& policy_;
  plan::BaseImages& next_;
  base::EventSink* events_;
};

}  // namespace cli
