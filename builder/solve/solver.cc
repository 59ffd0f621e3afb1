#include "builder/solve/solver.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "builder/cache/definition.h"
#include "builder/solve/copy_step.h"
#include "builder/solve/layers.h"
#include "builder/solve/owner.h"
#include "builder/solve/run_mounts.h"
#include "builder/solve/run_step.h"
#include "builder/solve/sources.h"
#include "builder/solve/step_log.h"

namespace solve {

namespace event = base::event;

namespace {

/// A stage as far as it is built.
struct StageState {
  std::string key;               // stands for everything so far in cache keys
  std::vector<LayerPtr> layers;  // bottom first, base image included
};

std::string timestamp(int64_t seconds) {
  time_t time = seconds;
  tm parts;
  ::gmtime_r(&time, &parts);
  char text[40];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

class Solver {
 public:
  Solver(const plan::Plan& plan, const Options& options, store::Store& store,
         base::EventSink& events)
      : plan_(plan), options_(options), store_(store), events_(events), lease_(store.lease()),
        sources_(plan, options, store), unpublished_(store), stages_(plan.stages.size()) {}

  Result run() {
    try {
      for (size_t stage : plan_.order) build_stage(plan_.stages[stage]);
      publish_image();
    } catch (...) {
      keep_what_is_done();
      throw;
    }
    sources_.save_indexes();
    return result_;
  }

 private:
  void build_stage(const plan::Stage& stage) {
    StageState& state = stages_[stage.index];
    begin_stage(stage, state);
    for (const plan::Step& step : stage.steps) {
      if (options_.stop.stop_requested())
        throw base::Error(base::Code::kCancelled, "build cancelled", "cancelled");
      build_step(stage, step, state);
      unpublished_.publish_if_due();
    }
  }

  void begin_stage(const plan::Stage& stage, StageState& state) {
    events_.emit(event::StepStart{stage.from_step});
    cache::Definition definition("base");
    if (const auto* from = std::get_if<plan::FromStage>(&stage.base)) {
      state = stages_[from->stage];
    } else if (const auto* image = std::get_if<plan::FromImage>(&stage.base)) {
      const plan::BaseImage& base = plan_.images[image->image];
      for (const oci::DiffId& id : base.layers) state.layers.push_back(LayerHandle::remembered(id));
      definition.add("image", base.identity);
      state.key = definition.key();
    } else {
      definition.add("image", "scratch");
      state.key = definition.key();
    }
    events_.emit(event::StepEnd{stage.from_step, event::StepResult::kCached, 0, ""});
    ++result_.steps;
    ++result_.cached;
  }

  void build_step(const plan::Stage& stage, const plan::Step& step, StageState& state) {
    events_.emit(event::StepStart{step.number});
    ++result_.steps;
    try {
      find_or_make(stage, step, state);
    } catch (base::Error& e) {
      bool cancelled = e.code() == base::Code::kCancelled;
      events_.emit(event::StepEnd{step.number,
                                  cancelled ? event::StepResult::kCancelled : event::StepResult::kFailed,
                                  std::max(e.exit_status(), 0), e.message()});
      locate(e, stage, step);
      throw;
    }
  }

  // Says where in the recipe it happened, unless the thrower knew better (the word of a COPY).
  void locate(base::Error& e, const plan::Stage& stage, const plan::Step& step) const {
    base::Place place = e.place() ? *e.place() : base::Place{step.where, nullptr, "", ""};
    place.source_text = plan_.source_text;
    place.detail = base::str("stage ", stage.label(), ", step ", step.index, " of ", stage.shown_count);
    e.set_place(std::move(place));
  }

  void find_or_make(const plan::Stage& stage, const plan::Step& step, StageState& state) {
    cache::Definition definition(step_kind(step));
    bool independent = is_link(step);
    if (!independent) definition.add("parent", state.key);
    definition.add("platform", stage.platform.str());
    std::visit([&](const auto& action) { define(action, state, definition); }, step.action);
    cache::CacheKey key = definition.key();
    std::string slot = base::str(options_.slot, "/", stage.label(), "/", step.index);
    bool forced = options_.no_cache || options_.no_cache_stages.contains(stage.name);
    std::optional<store::CacheRecord> record;
    if (!forced) record = store_.find_cache(key);
    if (record) {
      state.layers.push_back(LayerHandle::remembered(
          *record->result, std::chrono::system_clock::to_time_t(record->created)));
      used_keys_.push_back(key);
      ++result_.cached;
      events_.emit(event::StepEnd{step.number, event::StepResult::kCached, 0, ""});
    } else {
      if (options_.explain) explain(step, slot, definition, forced);
      make(stage, step, state, {.key = key, .definition = definition.text(), .slot = slot});
      events_.emit(event::StepEnd{step.number, event::StepResult::kDone, 0, ""});
    }
    if (!independent) {
      state.key = key;
    } else {
      // A linked layer does not read what is below it, but what is above reads both.
      cache::Definition both("stacked");
      both.add("parent", state.key);
      both.add("layer", key);
      state.key = both.key();
    }
  }

  static std::string_view step_kind(const plan::Step& step) {
    if (std::holds_alternative<plan::RunStep>(step.action)) return "run";
    if (std::holds_alternative<plan::WorkdirStep>(step.action)) return "workdir";
    return std::get<plan::CopyStep>(step.action).add ? "add" : "copy";
  }

  static bool is_link(const plan::Step& step) {
    const auto* copy = std::get_if<plan::CopyStep>(&step.action);
    return copy != nullptr && copy->link;
  }

  void explain(const plan::Step& step, const std::string& slot, const cache::Definition& definition,
               bool forced) {
    if (forced) {
      events_.emit(event::CacheMiss{step.number, "forced by --no-cache", "", "", ""});
      return;
    }
    std::optional<store::CacheRecord> before = store_.nearest_cache(slot);
    if (!before) {
      events_.emit(event::CacheMiss{step.number, "never built here", "", "", ""});
      return;
    }
    constexpr size_t kMostShown = 10;
    std::vector<cache::Change> changes = cache::compare(before->definition, definition.text());
    for (size_t i = 0; i < std::min(changes.size(), kMostShown); ++i)
      events_.emit(event::CacheMiss{step.number, "changed input", changes[i].field,
                                    changes[i].old_value, changes[i].new_value});
  }

  // What a FileSource names, with the text that stands for it in a key when its files do not.
  SourceTree open_source(const plan::FileSource& from) {
    if (const auto* stage = std::get_if<plan::FromStage>(&from))
      return sources_.layers(stages_[stage->stage].layers,
                             base::str("stage ", plan_.stages[stage->stage].label()));
    if (const auto* image = std::get_if<plan::FromImage>(&from)) {
      std::vector<LayerPtr> layers;
      for (const oci::DiffId& id : plan_.images[image->image].layers)
        layers.push_back(LayerHandle::remembered(id));
      return sources_.layers(layers, "image " + plan_.images[image->image].reference);
    }
    if (const auto* named = std::get_if<plan::FromNamed>(&from)) return sources_.context(named->name);
    return sources_.context("");
  }

  std::optional<std::string> source_key(const plan::FileSource& from) const {
    if (const auto* stage = std::get_if<plan::FromStage>(&from)) return stages_[stage->stage].key;
    if (const auto* image = std::get_if<plan::FromImage>(&from))
      return plan_.images[image->image].identity;
    return std::nullopt;
  }

  void define(const plan::CopyStep& step, StageState&, cache::Definition& definition) {
    define_copy(step, definition);
    for (const plan::CopyStep& part : step.more) define_copy(part, definition);
    if (!step.more.empty()) selections_.clear();
  }

  void define_copy(const plan::CopyStep& step, cache::Definition& definition) {
    definition.add("destination", step.destination);
    definition.add("chown", step.chown);
    definition.add("chmod", step.chmod);
    for (const std::string& exclude : step.excludes) definition.add("exclude", exclude);
    if (step.parents) definition.add("parents", "true");
    if (step.link) definition.add("link", "true");
    if (step.unpack) definition.add("unpack", *step.unpack ? "true" : "false");
    for (const plan::InlineFile& file : step.files) definition.add("inline " + file.name, file.content);
    if (step.sources.empty()) return;
    if (std::optional<std::string> key = source_key(step.from)) {
      definition.add("from", *key);
      for (const std::string& source : step.sources) definition.add("source", source);
      return;
    }
    SourceTree source = open_source(step.from);
    selections_ = select(step, *source.files, source.shown);
    if (step.parents)
      for (const std::string& pattern : step.sources) definition.add("source", pattern);
    define_files(step, *source.files, selections_, source.keep_owner, definition);
  }

  void define(const plan::RunStep& step, StageState&, cache::Definition& definition) {
    define_run(step, options_, definition);
    for (const plan::Mount& mount : step.mounts) {
      if (mount.type != plan::Mount::Type::kBind) continue;
      if (std::optional<std::string> key = source_key(mount.from))
        definition.add("mount.from", *key);
      else
        define_bind(mount, open_source(mount.from), definition);
    }
  }

  void define(const plan::WorkdirStep& step, StageState&, cache::Definition& definition) {
    definition.add("path", step.path);
    definition.add("user", step.user);
  }

  void make(const plan::Stage&, const plan::Step& step, StageState& state,
            store::CacheRecord record) {
    auto begin = std::chrono::steady_clock::now();
    bool independent = is_link(step);
    overlay::Stack below = independent ? overlay::Stack() : open_stack(store_, state.layers);
    overlay::Active active(store_, std::move(below), "build");
    std::visit([&](const auto& action) { execute(step, action, active); }, step.action);
    int64_t now = ::time(nullptr);
    record.created = std::chrono::system_clock::from_time_t(now);
    LayerPtr layer = LayerHandle::made(std::move(active).commit(), now);
    record.duration = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - begin);
    unpublished_.add(layer, std::move(record));
    state.layers.push_back(std::move(layer));
  }

  std::optional<timespec> created_mtime() const {
    if (!options_.source_date_epoch) return std::nullopt;
    return timespec{*options_.source_date_epoch, 0};
  }

  void execute(const plan::Step&, const plan::CopyStep& step, overlay::Active& active) {
    execute_copy(step, active);
    for (const plan::CopyStep& part : step.more) execute_copy(part, active);
  }

  void execute_copy(const plan::CopyStep& step, overlay::Active& active) {
    SourceTree source;
    std::vector<Selection> selections;
    if (!step.sources.empty()) {
      source = open_source(step.from);
      bool fresh = selections_.empty() || source_key(step.from);
      selections = fresh ? select(step, *source.files, source.shown) : std::move(selections_);
      selections_.clear();
    } else {
      source = sources_.context("");
    }
    copy_files(step, *source.files, selections, source.keep_owner, active, created_mtime());
  }

  void execute(const plan::Step& planned, const plan::RunStep& step, overlay::Active& active) {
    StepLog log(options_.log_directory, planned.number);
    RunEnvironment environment{options_, store_, {}, {}, [&](std::string_view bytes) {
                                 log.write(bytes);
                                 events_.emit(event::StepLog{planned.number, false, std::string(bytes)});
                               }};
    MountPreparer preparer(
        options_, store_, [&](const plan::FileSource& from) { return open_source(from); },
        [&](const plan::FileSource& from) { return source_key(from); });
    for (const plan::Mount& mount : step.mounts) preparer.prepare(mount, environment);
    execute_run(step, active, std::move(environment));
  }

  void execute(const plan::Step&, const plan::WorkdirStep& step, overlay::Active& active) {
    sys::RootedPath path(step.path);
    if (!active.below().empty()) path = active.merged().resolve(path);
    overlay::Attributes attributes;
    attributes.mtime = created_mtime();
    bool exists = !active.below().empty() && active.merged().stat(path);
    if (!step.user.empty() && !exists) {
      Owner owner = resolve_owner(active.below().empty() ? nullptr : &active.merged(), step.user);
      attributes.uid = owner.uid;
      attributes.gid = owner.gid;
    }
    active.target().make_path(path, attributes);
  }

  void publish_image() {
    const plan::Stage& target = plan_.stages[plan_.target];
    StageState& state = stages_[plan_.target];
    oci::ImageConfig config = target.config;
    config.raw.clear();
    // The base's part stays as its configuration names it: a tree that took something from the layers
    // below it goes by another name in the store than its diff id.
    std::vector<oci::DiffId> trees;
    for (const LayerPtr& layer : state.layers) trees.push_back(layer->diff_id());
    for (size_t i = config.diff_ids.size(); i < trees.size(); ++i) config.diff_ids.push_back(trees[i]);
    int64_t created = date_history(target, state, config);
    std::string bytes = config.to_json();

    store::Batch batch = store_.batch();
    unpublished_.move_to(batch, true);
    std::unique_ptr<store::BlobWriter> blob = store_.write_blob();
    blob->write(base::as_bytes(bytes));
    store::StagedBlob staged = blob->finish();
    oci::Digest id = staged.digest();
    batch.add_blob(std::move(staged));
    batch.add_image({.id = id, .platform = target.platform.str(),
                     .created = std::chrono::system_clock::from_time_t(created),
                     .layers = trees});
    for (const std::string& name : options_.names) batch.set_name({name}, id);
    batch.commit();
    store_.touch_cache(used_keys_);
    result_.image = id;
    result_.new_bytes = unpublished_.new_bytes();
    if (auto image = store_.find_image_by_id(id)) result_.size_bytes = image->size_bytes;
  }

  // Writes the history and the date of the image: each line has the date of its layer, lines without
  // one that of the layer before. Returns the date of the image.
  int64_t date_history(const plan::Stage& target, const StageState& state, oci::ImageConfig& config) {
    size_t next_layer = state.layers.size();
    for (const plan::History& line : target.history) next_layer -= line.step != -1 ? 1 : 0;
    std::optional<int64_t> date = options_.source_date_epoch;
    for (const plan::History& line : target.history) {
      if (line.step != -1 && !options_.source_date_epoch) date = state.layers[next_layer]->created();
      if (line.step != -1) ++next_layer;
      config.history.push_back({date ? timestamp(*date) : config.created, line.created_by, "", "torte",
                                line.step == -1});
    }
    if (!date && config.created.empty()) date = ::time(nullptr);
    if (date) config.created = timestamp(*date);
    for (oci::HistoryEntry& entry : config.history)
      if (entry.created.empty()) entry.created = config.created;
    return date.value_or(::time(nullptr));
  }

  // After a failure the finished steps stay remembered, so that the next try goes on from there.
  void keep_what_is_done() {
    try {
      store::Batch batch = store_.batch();
      unpublished_.move_to(batch, true);
      batch.commit();
      sources_.save_indexes();
    } catch (const base::Error& e) {
      events_.emit(event::Note{base::str("finished steps could not be kept: ", e.what())});
    }
  }

  const plan::Plan& plan_;
  const Options& options_;
  store::Store& store_;
  base::EventSink& events_;
  store::Lease lease_;
  Sources sources_;
  Unpublished unpublished_;
  std::vector<StageState> stages_;
  std::vector<Selection> selections_;  // of the COPY that is being defined, for its execution
  std::vector<std::string> used_keys_;
  Result result_{oci::Digest::sha256_of(""), 0, 0, 0, 0};
};

}  // namespace

Result solve(const plan::Plan& plan, const Options& options, store::Store& store,
             base::EventSink& events) {
  return Solver(plan, options, store, events).run();
}

}  // namespace solve
