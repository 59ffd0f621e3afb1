#include "cli/build/plan_steps.h"

#include <algorithm>

#include "base/text.h"
#include "builder/solve/context_use.h"
#include "builder/solve/step_inputs.h"

namespace cli {

namespace {

int last_step(const plan::Stage& stage) {
  return stage.steps.empty() ? stage.from_step : stage.steps.back().number;
}

// The step before it, and the last ones of the stages it takes files from.
std::vector<int> needs_of(const plan::Plan& plan, const plan::Step& step, int before) {
  std::vector<int> needs{before};
  for (const plan::FileSource* from : solve::sources_of(step))
    if (const auto* other = std::get_if<plan::FromStage>(from))
      needs.push_back(last_step(plan.stages[other->stage]));
  std::sort(needs.begin(), needs.end());
  needs.erase(std::unique(needs.begin(), needs.end()), needs.end());
  return needs;
}

}  // namespace

std::vector<base::event::StepPlanned> planned_steps(const plan::Plan& plan, int offset,
                                                    bool names_platform) {
  std::vector<base::event::StepPlanned> steps;
  for (size_t index : plan.order) {
    const plan::Stage& stage = plan.stages[index];
    std::string label = stage.label();
    if (names_platform) label = base::str(stage.platform.str(), " ", label);
    std::vector<int> needs;
    if (const auto* below = std::get_if<plan::FromStage>(&stage.base))
      needs.push_back(last_step(plan.stages[below->stage]));
    int before = stage.from_step;
    steps.push_back({before, label, 1, stage.shown_count, stage.from_text, stage.where, needs});
    for (const plan::Step& step : stage.steps) {
      steps.push_back({step.number, label, step.index, stage.shown_count, step.text, step.where,
                       needs_of(plan, step, before)});
      before = step.number;
    }
  }
  for (base::event::StepPlanned& step : steps) {
    step.step += offset;
    for (int& need : step.needs) need += offset;
  }
  return steps;
}

namespace {

// Of the stages below it too, bottom first. The lines of its history would have the values of
// arguments in them.
std::vector<std::string> texts_of(const plan::Plan& plan, const plan::Stage& stage) {
  std::vector<std::string> texts;
  if (const auto* below = std::get_if<plan::FromStage>(&stage.base))
    texts = texts_of(plan, plan.stages[below->stage]);
  for (const plan::Step& step : stage.steps) texts.push_back(step.text);
  return texts;
}

}  // namespace

std::vector<LayerRecord> layers_of(const plan::Plan& plan, const BuiltImage& image,
                                   store::Store& store) {
  const std::vector<std::string> made_by = texts_of(plan, plan.stages[plan.target]);
  std::vector<LayerRecord> layers;
  for (size_t i = 0; i < image.layers.size(); ++i) {
    std::optional<store::LayerRecord> known = store.find_layer(image.layers[i]);
    LayerRecord& layer = layers.emplace_back();
    layer.diff_id = image.layers[i].str();
    layer.bytes = known ? known->tar_size_bytes : 0;
    layer.is_base = i < image.base_layers;
    // Squashing leaves fewer of them than there were steps.
    if (!layer.is_base && image.layers.size() - image.base_layers == made_by.size())
      layer.made_by = made_by[i - image.base_layers];
  }
  return layers;
}

ContextUseRecord context_use(const plan::Plan& plan, const solve::Options& options,
                             store::Store& store) {
  constexpr size_t kMostNamed = 10;
  solve::ContextUse use = solve::measure_context(plan, options, store);
  ContextUseRecord record{use.bytes, use.used_bytes};
  for (size_t i = 0; i < std::min(use.unused.size(), kMostNamed); ++i)
    record.unused.push_back({std::move(use.unused[i].path), use.unused[i].bytes});
  return record;
}

}  // namespace cli
