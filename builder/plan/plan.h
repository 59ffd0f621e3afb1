#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/events.h"
#include "builder/dockerfile/commands.h"
#include "builder/dockerfile/diagnostic.h"
#include "builder/dockerfile/ignore.h"
#include "builder/dockerfile/parser.h"
#include "store/oci/digest.h"
#include "store/oci/image_config.h"
#include "store/oci/platform.h"

/// A recipe becomes a plan: stages and steps as plain data, every variable expanded, every name
/// resolved, nothing executed. A plan can be printed, compared and tested without privileges.
namespace plan {

/// An image that a stage starts from or copies from.
struct BaseImage {
  std::string reference;  ///< normalised name as asked for
  std::string identity;   ///< digest that enters cache keys: of the resolved manifest or config
  oci::ImageConfig config;
  std::vector<oci::DiffId> layers;  ///< bottom first
  /// Nobody looked: the configuration is empty. Good enough for checks, not for building.
  bool is_unknown = false;
};

/// Where base images come from; cli fills it in, so that the builder knows no registry.
class BaseImages {
 public:
  virtual ~BaseImages() = default;
  /// Throws NotFound when there is no such image and none may be fetched.
  virtual BaseImage get(const std::string& reference, const oci::Platform& platform) = 0;
};

/// What a COPY or a mount takes files from.
struct FromContext {};
struct FromStage {
  size_t stage = 0;  ///< index into Plan::stages
};
struct FromImage {
  size_t image = 0;  ///< index into Plan::images
};
struct FromNothing {};
/// A tree of files that the caller provides under a name: a --build-context NAME=DIR, or one of
/// Plan::remotes.
struct FromNamed {
  std::string name;
};
/// Files of this machine as they lie there: a mount of the command line.
struct FromHost {
  std::string directory;
  std::string flag;      ///< as given, for messages
  bool hashed = true;    ///< unless it can be written: what the mount shows is part of keys
  bool covered = false;  ///< with Mount::read_only unset: what a step writes goes with the step
};
using FileSource =
    std::variant<FromContext, FromStage, FromImage, FromNothing, FromNamed, FromHost>;

/// Something to be fetched before the steps run: an ADD of a URL or of a git repository. The caller
/// provides it as the tree `name`: a directory with the file alone in it, or with the repository's
/// files.
struct Remote {
  enum class Kind { kHttp, kGit };
  Kind kind = Kind::kHttp;
  std::string name;                  ///< as in FromNamed
  std::string address;               ///< URL or git reference, expanded
  std::string checksum;              ///< "sha256:..." or a prefix of the commit; empty: not given
  std::optional<bool> keep_git_dir;  ///< as the flag says, if it was given
  base::SourceRange where;
};

struct Mount {
  enum class Type { kBind, kCache, kTmpfs, kSecret, kSsh };
  enum class Sharing { kShared, kPrivate, kLocked };
  Type type = Type::kBind;
  std::string target;  ///< absolute; empty for a secret that is only a variable
  std::string source;  ///< path inside `from`
  FileSource from = FromContext{};
  bool read_only = true;
  std::string id;
  Sharing sharing = Sharing::kShared;
  std::optional<uint32_t> mode;
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::optional<uint64_t> size_bytes;
  bool required = false;
  std::string env;
  base::SourceRange where = {};
};

/// A file that exists only in the plan: a here-document.
struct InlineFile {
  std::string name;
  std::string content;
};

struct RunStep {
  std::vector<std::string> argv;
  std::vector<std::string> env;          ///< NAME=value in order of definition: image ENV and ARGs
  std::vector<std::string> unkeyed_env;  ///< proxies: given to the process, never part of the key
  std::string cwd;
  std::string user;
  std::string network;  ///< "none", "host", "default", or another word of network::parse_mode()
  bool insecure = false;
  std::vector<Mount> mounts;
  std::vector<dockerfile::Device> devices;
  std::optional<InlineFile> script;  ///< /dev/pipes/NAME, mode 0755, only during the step
  oci::Platform platform;            ///< of the stage: what the program is made for
  std::optional<std::chrono::milliseconds> timeout;  ///< of each trial
  int retries = 0;                                   ///< further trials when one fails
};

struct CopyStep {
  bool add = false;
  FileSource from = FromContext{};
  std::vector<std::string> sources;  ///< expanded patterns
  std::vector<InlineFile> files;     ///< here-documents, after the sources
  std::string destination;           ///< absolute; a trailing slash is kept
  std::string chown;
  std::string chmod;
  bool link = false;
  bool parents = false;
  std::vector<std::string> excludes;
  bool if_exists = false;  ///< sources that are not there are left out
  std::optional<bool> unpack;
  /// Several sources are named, so none of them may become the destination itself (7.5).
  bool needs_directory = false;
  std::vector<base::SourceRange> source_places;  ///< one per source, for carets
  /// What the same instruction takes from elsewhere, copied after this into the same layer: an ADD
  /// may mix files, URLs and repositories.
  std::vector<CopyStep> more;
};

struct WorkdirStep {
  std::string path;
  std::string user;
};

/// One step with a filesystem result.
struct Step {
  int number = 0;  ///< unique in the plan, from 0
  int index = 0;   ///< 1.. within its stage, as shown
  base::SourceRange where;
  std::string text;  ///< "RUN make -j8", one line, as shown
  std::variant<RunStep, CopyStep, WorkdirStep> action;
};

/// Stands for the step of a History line that an earlier stage made.
inline constexpr int kInherited = -2;

/// One line of an image's history, in recipe order.
struct History {
  std::string created_by;
  int step = -1;  ///< Step::number of the layer it made, kInherited, or -1: no layer
};

struct Scratch {};

struct Stage {
  std::string name;  ///< as written (lower case), or empty
  size_t index = 0;
  bool needed = false;  ///< reachable from the target; otherwise nothing below is filled in
  std::variant<Scratch, FromStage, FromImage> base;
  base::SourceRange where;
  std::string from_text;  ///< "FROM debian:12", as shown
  oci::Platform platform;
  std::vector<Step> steps;
  std::vector<History> history;
  oci::ImageConfig config;  ///< as the image will have it; rootfs and history still the base's
  /// "2/7"-style total of FROM and steps, as shown.
  int shown_count = 0;
  int from_step = 0;  ///< number of the FROM line among the steps
  std::string label() const;
};

/// An ARG that the stages built declare, for `--call outline`.
struct ArgumentUse {
  std::string name;
  std::optional<std::string> value;  ///< that it has in this build
  std::string description;           ///< of its doc comment
  base::SourceRange where;
};

/// A stage as something to build, for `--call targets`.
struct TargetChoice {
  std::string name;         ///< empty when only its number names it
  std::string base;         ///< expanded
  std::string platform;     ///< of --platform, expanded; empty without
  std::string description;  ///< of its doc comment
  bool is_default = false;
  base::SourceRange where;
};

struct Plan {
  std::vector<Stage> stages;
  std::vector<BaseImage> images;
  std::vector<Remote> remotes;
  std::map<std::string, std::string>
      contexts;               ///< --build-context values whose files are used, by FromNamed name
  std::vector<size_t> order;  ///< needed stages, each after those it needs
  size_t target = 0;
  int steps = 0;
  std::vector<dockerfile::Diagnostic> warnings;
  std::vector<ArgumentUse> arguments;
  std::string source_date_epoch;  ///< value of a global ARG SOURCE_DATE_EPOCH, or empty
  std::vector<TargetChoice> targets;
  std::shared_ptr<const std::string> source_text;  ///< of the recipe, for excerpts
};

struct Options {
  std::map<std::string, std::string> build_args;
  std::string target;                                    ///< stage name or index; empty: the last
  std::map<std::string, std::string> labels;             ///< --label, applied last
  std::vector<std::pair<std::string, std::string>> env;  ///< --env: of the image, not of its steps
  std::vector<std::string> unset_env;                    ///< --unsetenv
  std::vector<std::string> unset_labels;                 ///< --unsetlabel, before `labels`
  std::optional<oci::Platform> platform;                 ///< default: this machine's
  std::string network = "default";                       ///< of RUN steps that do not say
  std::vector<Mount> mounts;                             ///< of every RUN, below its own
  bool allow_host_network = false;  ///< --allow network.host, or --network host
  bool allow_insecure = false;
  bool allow_all_devices = false;         ///< --allow device
  std::set<std::string> allowed_devices;  ///< --allow device=NAME
  bool heredoc_errexit =
      false;  ///< a here-document that is a command of its own begins with set -e (R2)
  bool strict_syntax = false;  ///< `# syntax=` of others is an error, not a warning (L5)
  bool all_stages = false;     ///< plan every stage, reachable or not: for checks
  /// Rules of the main context's ignore file, for the check CopyIgnoredFile; borrowed, may be null.
  const dockerfile::IgnoreMatcher* ignore = nullptr;
  /// --build-context NAME=VALUE. docker-image:// and oci-layout:// values are asked of BaseImages
  /// as they stand, the files of all others are provided by the caller.
  std::map<std::string, std::string> contexts;
};

/// Throws dockerfile::RecipeError with every problem found, or NotFound for a missing base image.
Plan make_plan(const dockerfile::Recipe& recipe, const Options& options, BaseImages& images);

}  // namespace plan
