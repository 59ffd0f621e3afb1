#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "base/events.h"
#include "builder/plan/plan.h"
#include "builder/solve/shared_cache.h"
#include "overlay/snapshot.h"
#include "runner/launch/launch.h"
#include "store/store.h"

/// Walks a plan: what is remembered is used, the rest is run and remembered.
namespace solve {

/// Secret bytes by id; never written to disk, keys, history or logs.
using Secrets = std::map<std::string, std::string>;

/// A directory that files are taken from under a name.
struct LocalTree {
  std::filesystem::path directory;
  std::string shown;            ///< "context \"docs\""
  bool has_ignore_file = true;  ///< a .dockerignore at its root counts
  bool is_temporary = false;    ///< made for this build: its digests are not worth remembering
};

/// What to do with a RUN that failed, after somebody looked at it.
enum class AfterFailure { kGiveUp, kRetry, kContinue };

/// A device of this machine that RUN steps may use.
struct HostDevice {
  std::string source;
  std::string target;
};

/// What RUN steps may do and use.
struct Sandbox {
  launch::Capabilities capabilities = launch::default_capabilities();
  bool no_new_privileges = false;  ///< sudo and set-id tools in recipes are normal
  launch::Seccomp seccomp = launch::Seccomp::kDefault;
  std::string seccomp_profile;      ///< with kProfile: its JSON text
  std::vector<std::string> groups;  ///< further groups of the user, by name or number
  std::vector<HostDevice> devices;
  std::vector<std::string> mask;
  std::vector<std::string> unmask;
  std::vector<launch::Ulimit> ulimits;
  launch::Limits limits;                             ///< of each step; never part of a key
  std::optional<std::chrono::milliseconds> timeout;  ///< of each step; never part of a key
};

struct Options {
  std::filesystem::path context;      ///< directory; empty: an empty context
  bool context_is_temporary = false;  ///< its digests are not worth remembering
  bool git_modes = false;             ///< its files have the modes git would give them
  std::string context_name = "the build context";
  std::optional<std::string> ignore_file;  ///< its text
  std::string ignore_file_name;
  std::map<std::string, LocalTree> named_contexts;  ///< named contexts and Plan::remotes
  int jobs = 0;                                     ///< steps that run at once; 0: torte's choice
  bool no_cache = false;
  std::set<std::string> no_cache_stages;               ///< --no-cache-filter
  std::optional<std::chrono::milliseconds> cache_ttl;  ///< older results will not do
  bool remember = true;                                ///< later builds may use what the steps made
  std::vector<std::string> names;                      ///< normalised names for the result
  std::string slot;  ///< identity of the recipe, for finding what changed
  std::string hostname = "build";
  std::vector<std::pair<std::string, std::string>> extra_hosts;
  std::filesystem::path network_state;  ///< where networks are remembered (run root)
  std::vector<std::string> dns;         ///< name servers of RUN steps; never part of a key
  std::vector<std::string> dns_search;
  std::vector<std::string> dns_options;
  uint64_t shm_bytes = 64 << 20;
  Sandbox sandbox;
  /// Starts a step's program in launch::launch()'s stead; what it puts into `keep` must live as
  /// long as the program. Any thread.
  std::function<launch::Container(launch::Spec, std::shared_ptr<void>& keep)> launcher;
  std::string cache_mount_namespace;
  Secrets secrets;
  std::map<std::string, std::filesystem::path> ssh_agents;  ///< sockets by id, for type=ssh
  std::optional<int64_t> source_date_epoch;  ///< seconds: date of the image and its history
  /// Date of directories that COPY and WORKDIR make; part of the keys. Unset: the time of the
  /// build.
  std::optional<int64_t> created_mtime;
  bool keep_failed = false;  ///< keep what a failing RUN left as an image
  /// Asked when a RUN failed: `shell` runs a program in the step as it left it, on this terminal.
  std::function<AfterFailure(const base::Error&,
                             const std::function<void(const std::vector<std::string>&)>& shell)>
      on_failure;
  bool reads_result = false;            ///< the caller reads its files or packs its layers
  bool keep_image = true;               ///< false: for finish(), or for nobody
  SharedCache* shared_cache = nullptr;  ///< asked for what is not remembered here; borrowed
  /// Told of layers made in this build as soon as the store has them, while later steps run; not of
  /// the last ones, which come with the image. Any thread. Null: nobody wants them before the end.
  std::function<void(const oci::DiffId&)> published;
  int log_offset = 0;                   ///< added to the numbers of the steps in names of logs
  std::filesystem::path log_directory;  ///< full output of every step; empty: not kept
  std::stop_token stop;
};

struct Result {
  oci::Digest image;        ///< digest of the configuration
  uint64_t size_bytes = 0;  ///< sum of the layers' tars
  uint64_t new_bytes = 0;   ///< of layers made in this build
  int steps = 0;
  int cached = 0;
  // What finish() goes on with.
  oci::ImageConfig config = {};
  std::vector<oci::DiffId> layers = {};  ///< trees, bottom first
  size_t base_layers = 0;                ///< of them from the base image
  std::string platform = {};
  int64_t created = 0;  ///< seconds since 1970
};

/// Builds the plan's target and names it. What was finished is remembered even when a later step
/// fails. Throws Failed (id "run-failed") with the program's status, Cancelled, or what the work
/// threw, each with the step's place.
Result solve(const plan::Plan& plan, const Options& options, store::Store& store,
             base::EventSink& events);

}  // namespace solve
