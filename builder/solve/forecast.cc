#include "builder/solve/forecast.h"

#include "base/error.h"
#include "base/text.h"
#include "builder/solve/step_inputs.h"

namespace solve {

namespace {

/// A stage as far as it was foretold.
struct Foretold {
  StageState state;
  bool is_known = true;    ///< its key is what a build would compute
  bool has_layers = true;  ///< all of them are remembered
};

class Forecaster {
 public:
  Forecaster(const plan::Plan& plan, const Options& options, store::Store& store, Sources& sources)
      : plan_(plan),
        options_(options),
        store_(store),
        inputs_(plan, options, store, sources,
                [this](size_t stage) -> const StageState& { return stages_[stage].state; }),
        stages_(plan.stages.size()) {}

  std::map<int, Prediction> run() {
    for (size_t index : plan_.order) {
      const plan::Stage& stage = plan_.stages[index];
      begin(stage);
      for (const plan::Step& step : stage.steps) out_[step.number] = look(stage, step);
    }
    return std::move(out_);
  }
  std::vector<std::string> missing_keys() {
    for_keys_ = true;
    try {
      run();
    } catch (const base::Error& e) {
      // The build meets it too, and tells its place in the recipe.
      if (e.code() == base::Code::kCancelled) throw;
    }
    return std::move(missing_);
  }

 private:
  void begin(const plan::Stage& stage) {
    Foretold& foretold = stages_[stage.index];
    if (const auto* from = std::get_if<plan::FromStage>(&stage.base)) {
      foretold = stages_[from->stage];
    } else {
      foretold.state = inputs_.base_of(stage);
      if (const auto* image = std::get_if<plan::FromImage>(&stage.base))
        foretold.is_known = !plan_.images[image->image].is_unknown;
    }
  }

  bool is_known(const plan::FileSource& from) const {
    if (const auto* stage = std::get_if<plan::FromStage>(&from))
      return stages_[stage->stage].is_known;
    if (const auto* image = std::get_if<plan::FromImage>(&from))
      return !plan_.images[image->image].is_unknown;
    if (const auto* named = std::get_if<plan::FromNamed>(&from))
      return options_.named_contexts.contains(named->name);
    return true;
  }
  bool has_layers(const plan::FileSource& from) const {
    const auto* stage = std::get_if<plan::FromStage>(&from);
    return stage == nullptr || stages_[stage->stage].has_layers;
  }

  Prediction look(const plan::Stage& stage, const plan::Step& step) {
    Foretold& foretold = stages_[stage.index];
    bool layers = foretold.has_layers || is_link(step);
    for (const plan::FileSource* from : sources_of(step)) {
      if (!is_known(*from)) foretold.is_known = false;
      if (!has_layers(*from)) layers = false;
    }
    if (!foretold.is_known) return Prediction::kUnknown;
    std::optional<store::CacheRecord> found;
    try {
      found = find(stage, step, foretold.state, layers);
    } catch (const base::Error& e) {
      if (e.code() != base::Code::kNotFound) throw;
      foretold.is_known = false;  // a file that is not there: the build itself will say so
      return Prediction::kUnknown;
    }
    if (!found || !found->result) {
      foretold.has_layers = false;
      return Prediction::kRuns;
    }
    foretold.state.layers.push_back(LayerHandle::remembered(*found->result));
    return Prediction::kCached;
  }

  std::optional<store::CacheRecord> find(const plan::Stage& stage, const plan::Step& step,
                                         StageState& state, bool has_layers) {
    const cache::Definition definition = inputs_.define(stage, step, state);
    const cache::CacheKey key = definition.key();
    const bool forced = options_.no_cache || options_.no_cache_stages.contains(stage.name);
    std::optional<store::CacheRecord> found;
    if (!forced) found = store_.find_cache(key);
    if (!forced && !found) missing_.push_back(key);
    if (!forced && !found && has_layers && !for_keys_) {
      const std::string slot = base::str(options_.slot, "/", stage.label(), "/", step.index);
      found = inputs_.find_same(step, definition, state.layers, slot, store_.nearest_cache(slot));
    }
    if (found && options_.cache_ttl &&
        found->created + *options_.cache_ttl < std::chrono::system_clock::now())
      found.reset();
    state.key = key_above(step, state.key, key);
    return found;
  }

  const plan::Plan& plan_;
  const Options& options_;
  store::Store& store_;
  StepInputs inputs_;
  std::vector<Foretold> stages_;
  std::map<int, Prediction> out_;
  std::vector<std::string> missing_;
  bool for_keys_ = false;  ///< nothing else is of interest
};

}  // namespace

std::map<int, Prediction> forecast(const plan::Plan& plan, const Options& options,
                                   store::Store& store) {
  Sources sources(plan, options, store);
  return Forecaster(plan, options, store, sources).run();
}

std::vector<std::string> list_missing_keys(const plan::Plan& plan, const Options& options,
                                           store::Store& store, Sources& sources) {
  return Forecaster(plan, options, store, sources).missing_keys();
}

}  // namespace solve
