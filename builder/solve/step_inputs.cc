#include "builder/solve/step_inputs.h"

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "builder/solve/run_mounts.h"
#include "builder/solve/run_step.h"

namespace solve {

namespace {

// A program that writes files stamps them with the time, so its layer seldom comes out the same: it
// is not worth a long wait.
constexpr std::chrono::milliseconds kLongestLook{30};

std::string_view step_kind(const plan::Step& step) {
  if (std::holds_alternative<plan::RunStep>(step.action)) return "run";
  if (std::holds_alternative<plan::WorkdirStep>(step.action)) return "workdir";
  return std::get<plan::CopyStep>(step.action).add ? "add" : "copy";
}

// The parts of a COPY that take files from somewhere.
std::vector<const plan::CopyStep*> parts_of(const plan::CopyStep& step) {
  std::vector<const plan::CopyStep*> parts;
  if (!step.sources.empty()) parts.push_back(&step);
  for (const plan::CopyStep& part : step.more)
    if (!part.sources.empty()) parts.push_back(&part);
  return parts;
}

std::string join_ids(const std::vector<LayerPtr>& layers) {
  std::string ids;
  for (const LayerPtr& layer : layers)
    ids += base::str(ids.empty() ? "" : " ", layer->diff_id().str());
  return ids;
}

std::string digest_of(const std::vector<LayerPtr>& layers) {
  return base::sha256_hex(base::as_bytes(join_ids(layers)));
}

}  // namespace

bool is_link(const plan::Step& step) {
  const auto* copy = std::get_if<plan::CopyStep>(&step.action);
  return copy != nullptr && copy->link;
}

std::vector<const plan::FileSource*> sources_of(const plan::Step& step) {
  std::vector<const plan::FileSource*> all;
  if (const auto* copy = std::get_if<plan::CopyStep>(&step.action)) {
    for (const plan::CopyStep* part : parts_of(*copy)) all.push_back(&part->from);
  } else if (const auto* run = std::get_if<plan::RunStep>(&step.action)) {
    for (const plan::Mount& mount : run->mounts)
      if (mount.type == plan::Mount::Type::kBind) all.push_back(&mount.from);
  }
  return all;
}

bool is_read_later(const plan::Plan& plan, const plan::Stage& stage, const plan::Step& step) {
  for (const plan::Step& other : stage.steps)
    if (other.number > step.number && std::holds_alternative<plan::RunStep>(other.action))
      return true;
  const auto is_this = [&](const plan::FileSource& from) {
    const auto* other = std::get_if<plan::FromStage>(&from);
    return other != nullptr && other->stage == stage.index;
  };
  for (size_t index : plan.order) {
    const plan::Stage& other = plan.stages[index];
    const auto* base = std::get_if<plan::FromStage>(&other.base);
    if (base != nullptr && base->stage == stage.index) return true;
    for (const plan::Step& user : other.steps)
      for (const plan::FileSource* from : sources_of(user))
        if (is_this(*from)) return true;
  }
  return false;
}

// A linked layer does not read what is below it, but what is above reads both.
std::string key_above(const plan::Step& step, const std::string& parent, const std::string& key) {
  if (!is_link(step)) return key;
  cache::Definition both("stacked");
  both.add("parent", parent);
  both.add("layer", key);
  return both.key();
}

StageState StepInputs::base_of(const plan::Stage& stage) const {
  StageState state;
  cache::Definition definition("base");
  if (const auto* image = std::get_if<plan::FromImage>(&stage.base)) {
    const plan::BaseImage& base = plan_.images[image->image];
    for (const oci::DiffId& id : base.layers) state.layers.push_back(LayerHandle::remembered(id));
    definition.add("image", base.identity);
  } else {
    definition.add("image", "scratch");
  }
  state.key = definition.key();
  return state;
}

cache::Definition StepInputs::define(const plan::Stage& stage, const plan::Step& step,
                                     const StageState& below) const {
  cache::Definition definition(step_kind(step));
  if (!is_link(step)) definition.add("parent", below.key);
  definition.add("platform", stage.platform.str());
  if (options_.created_mtime && !std::holds_alternative<plan::RunStep>(step.action))
    definition.add("created", base::str(*options_.created_mtime));
  std::visit([&](const auto& action) { define(action, definition); }, step.action);
  return definition;
}

SourceTree StepInputs::open(const plan::FileSource& from) const {
  if (const auto* stage = std::get_if<plan::FromStage>(&from))
    return sources_.layers(built_stage_(stage->stage).layers,
                           base::str("stage ", plan_.stages[stage->stage].label()));
  if (const auto* image = std::get_if<plan::FromImage>(&from))
    return sources_.layers(*layers_of(from), "image " + plan_.images[image->image].reference);
  if (const auto* named = std::get_if<plan::FromNamed>(&from)) return sources_.context(named->name);
  if (const auto* host = std::get_if<plan::FromHost>(&from)) return sources_.host(*host);
  if (std::holds_alternative<plan::FromNothing>(from)) return sources_.layers({}, "scratch");
  return sources_.context("");
}

std::optional<std::string> StepInputs::key_of(const plan::FileSource& from) const {
  if (const auto* stage = std::get_if<plan::FromStage>(&from))
    return built_stage_(stage->stage).key;
  if (const auto* image = std::get_if<plan::FromImage>(&from))
    return plan_.images[image->image].identity;
  return std::nullopt;
}

void StepInputs::define(const plan::CopyStep& step, cache::Definition& definition) const {
  define_part(step, definition);
  for (const plan::CopyStep& part : step.more) define_part(part, definition);
}

void StepInputs::define_part(const plan::CopyStep& step, cache::Definition& definition) const {
  definition.add("destination", step.destination);
  definition.add("chown", step.chown);
  definition.add("chmod", step.chmod);
  for (const std::string& exclude : step.excludes) definition.add("exclude", exclude);
  if (step.parents) definition.add("parents", "true");
  if (step.link) definition.add("link", "true");
  if (step.if_exists) definition.add("if-exists", "true");
  if (step.unpack) definition.add("unpack", *step.unpack ? "true" : "false");
  for (const plan::InlineFile& file : step.files)
    definition.add("inline " + file.name, file.content);
  if (step.sources.empty()) return;
  if (std::optional<std::string> key = key_of(step.from)) {
    definition.add("from", *key);
    for (const std::string& source : step.sources) definition.add("source", source);
    return;
  }
  SourceTree source = open(step.from);
  std::vector<Selection> selections = select(step, *source.files, source.shown);
  if (step.parents)
    for (const std::string& pattern : step.sources) definition.add("source", pattern);
  define_files(step, *source.files, selections, source.keep_owner, definition);
}

void StepInputs::define(const plan::RunStep& step, cache::Definition& definition) const {
  define_run(step, options_, definition);
  for (const plan::Mount& mount : step.mounts) {
    if (mount.type != plan::Mount::Type::kBind) continue;
    if (const auto* host = std::get_if<plan::FromHost>(&mount.from))
      define_host(mount, *host, definition);
    else if (std::optional<std::string> key = key_of(mount.from))
      definition.add("mount.from", *key);
    else
      define_bind(mount, open(mount.from), definition);
  }
}

// One digest: every RUN names it, and a directory of a machine may be large. What a step may write
// to is not the same for the next one.
void StepInputs::define_host(const plan::Mount& mount, const plan::FromHost& from,
                             cache::Definition& definition) const {
  if (!from.hashed || (!mount.read_only && !from.covered)) return;
  std::lock_guard lock(host_mutex_);
  const std::string path = from.directory + mount.source;
  auto known = host_contents_.find(path);
  if (known == host_contents_.end()) {
    cache::Definition content("content");
    base::with_context(from.flag, [&] { define_bind(mount, open(mount.from), content); });
    known = host_contents_.emplace(path, content.key()).first;
  }
  definition.add("volume", mount.target + "\t" + known->second);
}

void StepInputs::define(const plan::WorkdirStep& step, cache::Definition& definition) const {
  definition.add("path", step.path);
  definition.add("user", step.user);
}

std::optional<std::vector<LayerPtr>> StepInputs::layers_of(const plan::FileSource& from) const {
  if (const auto* stage = std::get_if<plan::FromStage>(&from))
    return built_stage_(stage->stage).layers;
  const auto* image = std::get_if<plan::FromImage>(&from);
  if (image == nullptr) return std::nullopt;
  std::vector<LayerPtr> layers;
  for (const oci::DiffId& id : plan_.images[image->image].layers)
    layers.push_back(LayerHandle::remembered(id));
  return layers;
}

// One line for the layers below, one for each stage or image files are taken from.
std::string StepInputs::content(const plan::Step& step, const std::vector<LayerPtr>& below) const {
  std::string text = is_link(step) ? "" : digest_of(below);
  for (const plan::FileSource* from : sources_of(step)) {
    std::optional<std::vector<LayerPtr>> layers = layers_of(*from);
    text += "\n" + (layers ? join_ids(*layers) : "");
  }
  return text;
}

bool StepInputs::same_content(const plan::Step& step, const cache::Definition& definition,
                              const std::vector<LayerPtr>& below, const store::CacheRecord& before,
                              std::chrono::steady_clock::time_point until) const {
  const std::string_view then = before.definition;
  const std::string_view now = definition.text();
  if (!cache::equal_without(then, now, {"parent", "from", "mount.from"})) return false;
  const bool parent = !cache::equal_without(then, now, {"from", "mount.from"});
  const bool files = !cache::equal_without(then, now, {"parent"});
  std::vector<std::string> lines = base::split(before.extra, '\n');
  std::vector<const plan::FileSource*> sources = sources_of(step);
  if (lines.size() != sources.size() + 1) return false;
  if (parent) {
    bool hashed = std::all_of(below.begin(), below.end(),
                              [&](const LayerPtr& layer) { return layer->is_hashed_by(until); });
    if (!hashed || digest_of(below) != lines[0]) return false;
  }
  for (size_t i = 0; files && i < sources.size(); ++i)
    if (!same_files(step, i, *sources[i], lines[i + 1])) return false;
  return true;
}

std::optional<store::CacheRecord> StepInputs::find_same(
    const plan::Step& step, const cache::Definition& definition, const std::vector<LayerPtr>& below,
    const std::string& slot, const std::optional<store::CacheRecord>& before) const {
  constexpr int kMostLookedAt = 4;
  constexpr size_t kSmall = 64 << 10;  // definitions of large COPYs are megabytes
  if (!before) return std::nullopt;
  const auto until = std::chrono::steady_clock::now() + kLongestLook;
  if (same_content(step, definition, below, *before, until))
    if (auto found = store_.find_cache(before->key)) return found;
  if (definition.text().size() > kSmall) return std::nullopt;
  for (const store::CacheRecord& earlier : store_.recent_cache(slot, kMostLookedAt)) {
    if (earlier.key == before->key || earlier.definition.size() > kSmall) continue;
    if (!same_content(step, definition, below, earlier, until)) continue;
    if (auto found = store_.find_cache(earlier.key)) return found;
  }
  return std::nullopt;
}

bool StepInputs::same_files(const plan::Step& step, size_t nth, const plan::FileSource& from,
                            const std::string& ids_before) const {
  std::optional<std::vector<LayerPtr>> now = layers_of(from);
  if (!now) return true;  // files of a context are in the definition itself
  std::vector<LayerPtr> before;
  for (const std::string& id : base::split(ids_before, ' ')) {
    if (id.empty()) continue;
    oci::DiffId diff_id = oci::DiffId::parse(id);
    if (!store_.find_layer(diff_id)) return false;
    before.push_back(LayerHandle::remembered(diff_id));
  }
  return select_content(step, nth, sources_.layers(before, "what was copied before")) ==
         select_content(step, nth, sources_.layers(*now, "what is copied now"));
}

// What the step sees of a source, as text; empty when it would not find its files.
std::string StepInputs::select_content(const plan::Step& step, size_t nth,
                                       const SourceTree& source) const {
  cache::Definition definition("content");
  try {
    if (const auto* copy = std::get_if<plan::CopyStep>(&step.action)) {
      const plan::CopyStep& part = *parts_of(*copy).at(nth);
      std::vector<Selection> selections = select(part, *source.files, source.shown);
      define_files(part, *source.files, selections, source.keep_owner, definition);
    } else {
      std::vector<const plan::Mount*> binds;
      for (const plan::Mount& mount : std::get<plan::RunStep>(step.action).mounts)
        if (mount.type == plan::Mount::Type::kBind) binds.push_back(&mount);
      define_bind(*binds.at(nth), source, definition);
    }
  } catch (const base::Error& e) {
    if (e.code() != base::Code::kNotFound) throw;
    return base::str("missing in ", source.shown);  // the step itself will say it
  }
  return definition.text();
}

}  // namespace solve
