#include "builder/solve/solver.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <ctime>
#include <future>
#include <mutex>
#include <semaphore>
#include <thread>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "builder/cache/definition.h"
#include "builder/solve/copy_step.h"
#include "builder/solve/explanation.h"
#include "builder/solve/failed_image.h"
#include "builder/solve/forecast.h"
#include "builder/solve/layer_duplicates.h"
#include "builder/solve/owner.h"
#include "builder/solve/results.h"
#include "builder/solve/run_mounts.h"
#include "builder/solve/run_step.h"
#include "builder/solve/secret_scan.h"
#include "builder/solve/step_inputs.h"
#include "builder/solve/step_log.h"

namespace solve {

namespace event = base::event;

namespace {

constexpr int kMostJobs = 256;

std::string timestamp(int64_t seconds) {
  time_t time = seconds;
  tm parts;
  ::gmtime_r(&time, &parts);
  char text[40];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

// A step that could not be done because another one failed: only that one's failure is told.
base::Error stage_failed(const plan::Stage& stage) {
  return base::Error(base::Code::kCancelled, "stage " + stage.label() + " was not built",
                     "cancelled");
}

class Solver {
 public:
  Solver(const plan::Plan& plan, const Options& options, store::Store& store,
         base::EventSink& events)
      : plan_(plan),
        options_(options),
        store_(store),
        events_(events),
        lease_(store.lease()),
        asked_to_stop_(options.stop, [this] { stop_.request_stop(); }),
        results_(store, events, stop_.get_token(), options.remember),
        sources_(plan, options, store),
        inputs_(plan, options, store, sources_,
                [this](size_t stage) -> const StageState& { return built(stage); }),
        slots_(std::clamp(options.jobs > 0 ? options.jobs : default_jobs(), 1, kMostJobs)),
        stages_(plan.stages.size()) {
    options_.stop = stop_.get_token();
    results_.on_publish(options.published);
  }

  Result run() {
    try {
      if (options_.shared_cache != nullptr)
        options_.shared_cache->expect(
            [&] { return list_missing_keys(plan_, options_, store_, sources_); });
      build_and_publish();
      events_.emit(event::Activity{"commit", false});
      publish_image();
      events_.emit(event::Activity{"commit", true});
    } catch (...) {
      keep_what_is_done();
      offer(false);
      throw;
    }
    sources_.save_indexes();
    offer(true);
    return result_;
  }

 private:
  struct Building {
    StageState state;
    std::promise<void> promise;
    std::shared_future<void> done{promise.get_future()};
  };

  // Steps mostly wait for a network, a disk or one core: more of them than cores pay.
  static int default_jobs() {
    return std::max(8, 4 * static_cast<int>(std::thread::hardware_concurrency()));
  }

  void build_and_publish() {
    if (!options_.published) return build_stages();
    std::exception_ptr problem;
    {
      std::jthread publisher([&](const std::stop_token& stop) {
        try {
          publish_meanwhile(stop);
        } catch (...) {
          problem = std::current_exception();
        }
      });
      build_stages();
    }
    if (problem) std::rethrow_exception(problem);
  }

  // A layer is hashed in the background: nobody else is there to see when that is done.
  void publish_meanwhile(const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    while (!stop.stop_requested()) {
      never.wait_for(lock, stop, std::chrono::milliseconds(250), [] { return false; });
      results_.publish_ready();
    }
  }

  // Every stage has a thread that does one step after another and waits where it needs another
  // stage.
  void build_stages() {
    if (plan_.order.size() == 1) return build_stage(plan_.stages[plan_.order[0]]);
    {
      // Started in the order of need: should the machine refuse a thread, none waits for what never
      // starts.
      std::vector<std::jthread> threads;
      threads.reserve(plan_.order.size());
      try {
        for (size_t stage : plan_.order)
          threads.emplace_back([this, stage] { try_stage(plan_.stages[stage]); });
      } catch (const std::system_error&) {
        stop_.request_stop();
        throw;
      }
    }
    if (failure_) std::rethrow_exception(failure_);
    if (stop_.stop_requested())
      throw base::Error(base::Code::kCancelled, "build cancelled", "cancelled");
  }

  void try_stage(const plan::Stage& stage) {
    Building& building = stages_[stage.index];
    try {
      build_stage(stage);
      building.promise.set_value();
    } catch (...) {
      {
        // What was cancelled after the first failure is told with it, and not instead of it.
        std::lock_guard lock(mutex_);
        if (!failure_) failure_ = std::current_exception();
      }
      stop_.request_stop();
      building.promise.set_exception(std::make_exception_ptr(stage_failed(stage)));
    }
  }

  const StageState& built(size_t stage) {
    stages_[stage].done.get();
    return stages_[stage].state;
  }

  void build_stage(const plan::Stage& stage) {
    StageState& state = stages_[stage.index].state;
    begin_stage(stage, state);
    for (const plan::Step& step : stage.steps) {
      if (stop_.stop_requested())
        throw base::Error(base::Code::kCancelled, "build cancelled", "cancelled");
      build_step(stage, step, state);
      results_.publish_if_due();
    }
  }

  void begin_stage(const plan::Stage& stage, StageState& state) {
    const auto* from = std::get_if<plan::FromStage>(&stage.base);
    state = from != nullptr ? built(from->stage) : inputs_.base_of(stage);
    events_.emit(event::StepStart{stage.from_step});
    events_.emit(event::StepEnd{stage.from_step, event::StepResult::kCached, 0, ""});
    count(true);
  }

  void count(bool cached) {
    std::lock_guard lock(mutex_);
    ++result_.steps;
    if (cached) ++result_.cached;
  }

  // A step that waits for another stage has not begun: its time would be that of the other, and who
  // shows one step's lines at a time would show none of the other's.
  void wait_for_stages(const plan::Step& step) {
    for (const plan::FileSource* from : sources_of(step))
      if (const auto* other = std::get_if<plan::FromStage>(from)) built(other->stage);
  }

  void build_step(const plan::Stage& stage, const plan::Step& step, StageState& state) {
    wait_for_stages(step);
    events_.emit(event::StepStart{step.number});
    try {
      bool cached = find_or_make(stage, step, state);
      count(cached);
      events_.emit(event::StepEnd{
          step.number, cached ? event::StepResult::kCached : event::StepResult::kDone, 0, ""});
    } catch (base::Error& e) {
      bool cancelled = e.code() == base::Code::kCancelled;
      events_.emit(event::StepEnd{
          step.number, cancelled ? event::StepResult::kCancelled : event::StepResult::kFailed,
          std::max(e.exit_status(), 0), e.message()});
      locate(e, stage, step);
      if (std::string kept = keep_failed_image(stage); !kept.empty())
        e.add_fact("what the step left is kept as " + kept)
            .add_help("look at it with: torte run -it " + kept);
      throw;
    }
  }

  // Says where in the recipe it happened, unless the thrower knew better (the word of a COPY).
  void locate(base::Error& e, const plan::Stage& stage, const plan::Step& step) const {
    base::Place place = e.place() ? *e.place() : base::Place{step.where, nullptr, "", ""};
    place.source_text = plan_.source_text;
    place.detail =
        base::str("stage ", stage.label(), ", step ", step.index, " of ", stage.shown_count);
    e.set_place(std::move(place));
  }

  // Adds the step's layer to the stage; true when it was there already.
  bool find_or_make(const plan::Stage& stage, const plan::Step& step, StageState& state) {
    const cache::Definition definition = inputs_.define(stage, step, state);
    const cache::CacheKey key = definition.key();
    const std::string slot = base::str(options_.slot, "/", stage.label(), "/", step.index);
    const std::string forced = why_forced(stage, key);
    std::optional<store::CacheRecord> before;
    Results::Request request{.step = step.number, .key = key, .forced = !forced.empty()};
    request.recall = [&]() -> std::optional<store::CacheRecord> {
      before = store_.nearest_cache(slot);
      std::optional<store::CacheRecord> same =
          inputs_.find_same(step, definition, state.layers, slot, before);
      if (!same || is_too_old(*same)) return std::nullopt;
      same->key = key;
      same->definition = definition.text();
      same->slot = slot;
      same->extra = inputs_.content(step, state.layers);
      return same;
    };
    bool was_asked_for = false;
    if (options_.shared_cache != nullptr)
      request.fetch = [&] {
        was_asked_for = true;
        enter(step, event::StepPhase::Phase::kFetch);
        return options_.shared_cache->fetch({.key = key,
                                             .definition = definition.text(),
                                             .slot = slot,
                                             .extra = inputs_.content(step, state.layers)});
      };
    request.make = [&] {
      for (event::CacheMiss& miss : explain_miss(step.number, forced, before, definition))
        events_.emit(std::move(miss));
      if (was_asked_for) tell_who_lacks(step);
      return make(stage, step, state, {.key = key, .definition = definition.text(), .slot = slot},
                  before);
    };
    Results::Answer answer = results_.get(request);
    state.layers.push_back(std::move(answer.layer));
    if (options_.shared_cache != nullptr) {
      std::lock_guard lock(mutex_);
      finished_.push_back({key, definition.text(), step.text, state.layers});
    }
    state.key = key_above(step, state.key, key);
    return answer.cached;
  }

  bool is_too_old(const store::CacheRecord& record) const {
    return options_.cache_ttl &&
           record.created + *options_.cache_ttl < std::chrono::system_clock::now();
  }

  // Why what is remembered is not asked; empty where it is.
  std::string why_forced(const plan::Stage& stage, const cache::CacheKey& key) const {
    if (options_.no_cache) return "forced by --no-cache";
    if (options_.no_cache_stages.contains(stage.name)) return "forced by --no-cache-filter";
    if (!options_.cache_ttl) return "";
    std::optional<store::CacheRecord> remembered = store_.find_cache(key);
    return remembered && is_too_old(*remembered) ? "older than --cache-ttl" : "";
  }

  void tell_who_lacks(const plan::Step& step) {
    const std::vector<std::string> asked = options_.shared_cache->sources();
    if (!asked.empty())
      events_.emit(event::CacheMiss{step.number, "not in " + base::join(asked, ", "), "", "", ""});
  }

  void enter(const plan::Step& step, event::StepPhase::Phase phase) {
    events_.emit(event::StepPhase{step.number, phase});
  }

  // What the step made last time, if its layer is still there.
  std::optional<EarlierCopy> earlier_copy(const plan::Step& step, store::CacheRecord before) {
    if (!std::holds_alternative<plan::CopyStep>(step.action) || !before.result) return std::nullopt;
    if (!store_.find_layer(*before.result)) return std::nullopt;
    return EarlierCopy{std::move(before.definition),
                       overlay::open_stack(store_, {*before.result}).front()};
  }

  Results::Made make(const plan::Stage& stage, const plan::Step& step, const StageState& state,
                     store::CacheRecord record, std::optional<store::CacheRecord> before) {
    enter(step, event::StepPhase::Phase::kQueued);
    slots_.acquire();
    Slot slot(slots_);
    enter(step, event::StepPhase::Phase::kRun);
    auto begin = std::chrono::steady_clock::now();
    overlay::Stack below = is_link(step) ? overlay::Stack() : open_stack(store_, state.layers);
    overlay::Active active(store_, std::move(below), "build");
    std::optional<EarlierCopy> earlier;
    if (before) earlier = earlier_copy(step, std::move(*before));
    const CopyOptions copying{
        .earlier = earlier ? &*earlier : nullptr,
        .is_read_again = options_.reads_result || is_read_later(plan_, stage, step)};
    std::optional<layer::TreeFollower> follower;
    try {
      follower = std::visit(
          [&](const auto& action) { return execute(step, action, active, copying); }, step.action);
    } catch (const base::Error& e) {
      if (options_.keep_failed && e.code() == base::Code::kFailed)
        keep_failed(std::move(active), state.layers);
      throw;
    }
    enter(step, event::StepPhase::Phase::kCommit);
    // What follows from a step that somebody helped along is nobody else's result.
    if (meddled_) {
      record.key = record.slot = base::sha256_hex(base::as_bytes(store::unique_name("debug")));
      record.definition.clear();
    }
    int64_t now = ::time(nullptr);
    record.created = std::chrono::system_clock::from_time_t(now);
    LayerPtr layer =
        LayerHandle::made(store_, std::move(active).commit(), now, std::move(follower));
    record.duration = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - begin);
    return {std::move(layer), std::move(record),
            [this, &step, layers = state.layers] { return inputs_.content(step, layers); }};
  }

  std::optional<timespec> created_mtime() const {
    if (!options_.created_mtime) return std::nullopt;
    return timespec{*options_.created_mtime, 0};
  }

  // Each answers with who hashes the layer already, if anybody does.
  using Follower = std::optional<layer::TreeFollower>;

  Follower execute(const plan::Step&, const plan::CopyStep& step, overlay::Active& active,
                   CopyOptions options) {
    options.is_whole_layer = step.more.empty();
    // Several parts may have files of the same name; which of them a layer holds is not told.
    if (!options.is_whole_layer || inputs_.key_of(step.from)) options.earlier = nullptr;
    Follower follower = execute_copy(step, active, options);
    for (const plan::CopyStep& part : step.more) execute_copy(part, active, {});
    return follower;
  }

  Follower execute_copy(const plan::CopyStep& step, overlay::Active& active, CopyOptions options) {
    SourceTree source = step.sources.empty() ? sources_.context("") : inputs_.open(step.from);
    std::vector<Selection> selections;
    if (!step.sources.empty()) selections = select(step, *source.files, source.shown);
    options.keep_owner = source.keep_owner;
    options.created_mtime = created_mtime();
    return copy_files(step, *source.files, selections, active, options);
  }

  Follower execute(const plan::Step& planned, const plan::RunStep& step, overlay::Active& active,
                   const CopyOptions&) {
    StepLog log(options_.log_directory, options_.log_offset + planned.number);
    Secrets secrets = secrets_of(step);
    SecretMask output(secrets, [&](std::string_view bytes) {
      note_log(log, bytes);
      events_.emit(event::StepLog{planned.number, false, std::string(bytes)});
    });
    RunEnvironment environment{options_,
                               store_,
                               {},
                               {},
                               [&](std::string_view bytes) { output.feed(bytes); },
                               [&](const char* id, const std::string& text) {
                                 // Each text once: most hold for all steps.
                                 if (std::lock_guard lock(mutex_); warned_.insert(text).second)
                                   events_.emit(event::Warning{id, text, {}, false});
                               }};
    MountPreparer preparer(
        options_, store_, [&](const plan::FileSource& from) { return inputs_.open(from); },
        [&](const plan::FileSource& from) { return inputs_.key_of(from); }, snapshots_,
        snapshots_mutex_,
        [&] {
          events_.emit(event::StepWait{planned.number, "a step that holds its cache mount"});
        },
        [&](std::string text) {
          events_.emit(
              event::Warning{"CacheMountOwnerMismatch", std::move(text), planned.where, false});
        });
    preparer.prepare(step.mounts, environment);
    try {
      if (execute_run(step, active, std::move(environment))) meddled_ = true;
    } catch (...) {
      output.finish();
      throw;
    }
    output.finish();
    for (const std::string& id : output.found())
      warn_leak(planned, base::str("the secret ", base::printable(id),
                                   " was printed; it is masked in what is shown and kept"));
    for (const std::string& place : find_secrets(active.upper(), secrets))
      warn_leak(planned, base::str("the layer of this step holds the secret ", place));
    warn_of_duplicates(planned, active);
    return std::nullopt;
  }

  void warn_of_duplicates(const plan::Step& step, const overlay::Active& active) {
    constexpr uint64_t kWorthAWord = 1 << 20;
    const Duplicates found = find_duplicates(store_, active, kWorthAWord);
    if (found.files == 0) return;
    events_.emit(event::Warning{
        "LayerDuplicatesContent",
        base::str("the layer of this step stores ", base::format_size(found.bytes), " in ",
                  found.files, " unchanged file(s) once more, among them ",
                  base::printable(found.largest, 200),
                  ": set owner and mode where the files are made, for example with COPY --chown"),
        step.where, false});
  }

  void note_log(StepLog& log, std::string_view bytes) {
    const bool was_whole = log.problem().empty();
    log.write(bytes);
    if (was_whole && !log.problem().empty())
      events_.emit(event::Note{"the log of this step ends early: " + log.problem()});
  }

  // The secrets a step was given; others cannot be in what it made.
  Secrets secrets_of(const plan::RunStep& step) const {
    Secrets given;
    for (const plan::Mount& mount : step.mounts)
      if (auto secret = options_.secrets.find(mount.id);
          mount.type == plan::Mount::Type::kSecret && secret != options_.secrets.end())
        given.insert(*secret);
    return given;
  }

  void warn_leak(const plan::Step& step, std::string text) {
    events_.emit(event::Warning{"SecretLeaked", std::move(text), step.where, false});
  }

  // Takes the writable layer of a step that failed, for keep_failed_image().
  void keep_failed(overlay::Active active, std::vector<LayerPtr> below) {
    std::lock_guard lock(failed_mutex_);
    if (!failed_layers_.empty()) return;
    failed_layers_ = std::move(below);
    failed_layers_.push_back(
        LayerHandle::made(store_, std::move(active).commit(), ::time(nullptr)));
  }

  // An image of what the failing step left, to be looked at with `torte run`. Returns its name.
  std::string keep_failed_image(const plan::Stage& stage) {
    std::lock_guard lock(failed_mutex_);
    return failed_layers_.empty() ? "" : make_failed_image(store_, results_, stage, failed_layers_);
  }

  Follower execute(const plan::Step&, const plan::WorkdirStep& step, overlay::Active& active,
                   const CopyOptions&) {
    sys::RootedPath path(step.path);
    if (!active.below().empty()) path = active.merged().resolve(path);
    overlay::Attributes attributes;
    attributes.mtime = created_mtime();
    bool exists = !active.below().empty() && active.merged().stat(path);
    if (!step.user.empty() && !exists)
      if (auto owner = find_owner(active.below().empty() ? nullptr : &active.merged(), step.user)) {
        attributes.uid = owner->uid;
        attributes.gid = owner->gid;
      }
    active.target().make_path(path, attributes);
    return std::nullopt;
  }

  void publish_image() {
    const plan::Stage& target = plan_.stages[plan_.target];
    StageState& state = stages_[plan_.target].state;
    oci::ImageConfig config = target.config;
    config.raw.clear();
    // The base's part stays as its configuration names it: a tree that took something from the
    // layers below it goes by another name in the store than its diff id.
    std::vector<oci::DiffId> trees;
    for (const LayerPtr& layer : state.layers) trees.push_back(layer->diff_id());
    for (size_t i = config.diff_ids.size(); i < trees.size(); ++i)
      config.diff_ids.push_back(trees[i]);
    int64_t created = date_history(target, state, config);
    std::string bytes = config.to_json();

    result_.layers = trees;
    result_.base_layers = count_base_layers();
    result_.platform = target.platform.str();
    result_.created = created;
    result_.image = oci::Digest::sha256_of(bytes);
    store::Batch batch = store_.batch();
    std::shared_ptr<void> claims = results_.move_to(batch);
    if (!options_.keep_image) {
      result_.config = std::move(config);
      batch.commit();
      store_.touch_cache(results_.used_keys());
      result_.new_bytes = results_.new_bytes();
      return;
    }
    std::unique_ptr<store::BlobWriter> blob = store_.write_blob();
    blob->write(base::as_bytes(bytes));
    store::StagedBlob staged = blob->finish();
    oci::Digest id = staged.digest();
    batch.add_blob(std::move(staged));
    batch.add_image({.id = id,
                     .platform = target.platform.str(),
                     .created = std::chrono::system_clock::from_time_t(created),
                     .layers = trees});
    for (const std::string& name : options_.names) batch.set_name({name}, id);
    batch.commit();
    store_.touch_cache(results_.used_keys());
    result_.image = id;
    result_.new_bytes = results_.new_bytes();
    if (auto image = store_.find_image_by_id(id)) result_.size_bytes = image->size_bytes;
  }

  size_t count_base_layers() const {
    const plan::Stage* stage = &plan_.stages[plan_.target];
    while (const auto* below = std::get_if<plan::FromStage>(&stage->base))
      stage = &plan_.stages[below->stage];
    const auto* image = std::get_if<plan::FromImage>(&stage->base);
    return image == nullptr ? 0 : plan_.images[image->image].layers.size();
  }

  // Writes the history and the date of the image: each line has the date of its layer, lines
  // without one that of the layer before. Returns the date of the image.
  int64_t date_history(const plan::Stage& target, const StageState& state,
                       oci::ImageConfig& config) {
    size_t next_layer = state.layers.size();
    for (const plan::History& line : target.history) next_layer -= line.step != -1 ? 1 : 0;
    std::optional<int64_t> date = options_.source_date_epoch;
    for (const plan::History& line : target.history) {
      if (line.step != -1 && !options_.source_date_epoch)
        date = state.layers[next_layer]->created();
      if (line.step != -1) ++next_layer;
      config.history.push_back({date ? timestamp(*date) : config.created, line.created_by, "",
                                "torte", line.step == -1});
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
      std::shared_ptr<void> claims = results_.move_to(batch);
      batch.commit();
      sources_.save_indexes();
    } catch (const base::Error& e) {
      events_.emit(event::Note{base::str("finished steps could not be kept: ", e.what())});
    }
  }

  // Tells other machines. What goes wrong there is the cache's to say.
  void offer(bool succeeded) {
    if (options_.shared_cache == nullptr) return;
    std::set<oci::DiffId> in_result;
    if (succeeded)
      for (const LayerPtr& layer : stages_[plan_.target].state.layers)
        in_result.insert(layer->diff_id());
    std::vector<SharedStep> steps;
    for (const Finished& finished : finished_) {
      auto record = store_.find_cache(finished.key);
      if (!record) continue;
      SharedStep step{
          *std::move(record), finished.instruction, {}, finished.layers.size() - 1, false};
      for (const LayerPtr& layer : finished.layers) step.layers.push_back(layer->diff_id());
      step.in_result = in_result.contains(step.layers.back());
      steps.push_back(std::move(step));
    }
    options_.shared_cache->offer(steps);
  }

  using Slots = std::counting_semaphore<kMostJobs>;
  // Gives a place among the running steps back.
  class Slot {
   public:
    explicit Slot(Slots& slots) : slots_(slots) {}
    Slot(const Slot&) = delete;
    ~Slot() { slots_.release(); }

   private:
    Slots& slots_;
  };

  const plan::Plan& plan_;
  Options options_;  // with a stop token of our own: the first failure stops the other stages
  store::Store& store_;
  base::EventSink& events_;
  store::Lease lease_;
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> asked_to_stop_;
  Results results_;
  Sources sources_;
  StepInputs inputs_;
  Slots slots_;
  std::vector<Building> stages_;
  struct Finished {
    std::string key;
    std::string definition;
    std::string instruction;
    std::vector<LayerPtr> layers;
  };
  Snapshots snapshots_;
  std::mutex snapshots_mutex_;
  std::atomic<bool> meddled_{false};  // somebody helped a failing step along
  std::mutex failed_mutex_;
  std::vector<LayerPtr> failed_layers_;  // of the first step that failed
  std::mutex mutex_;                     // of what follows
  std::vector<Finished> finished_;
  std::set<std::string> warned_;
  std::exception_ptr failure_;
  Result result_{oci::Digest::sha256_of(""), 0, 0, 0, 0};
};

}  // namespace

Result solve(const plan::Plan& plan, const Options& options, store::Store& store,
             base::EventSink& events) {
  return Solver(plan, options, store, events).run();
}

}  // namespace solve
