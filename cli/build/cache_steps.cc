#include "cli/build/cache_steps.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"

namespace cli {

namespace {

std::string field_of(std::string_view definition, std::string_view name) {
  for (const std::string& line : base::split(definition, '\n'))
    if (line.starts_with(name) && line.size() > name.size() && line[name.size()] == ' ')
      return line.substr(name.size() + 1);
  return "";
}

class StepList {
 public:
  explicit StepList(store::Store& store) : images_(store.list_images()) {
    for (store::CacheRecord& record : store.list_cache())
      if (record.result && store.find_known_layer(*record.result))
        records_.emplace(record.key, std::move(record));
  }

  std::vector<solve::SharedStep> run(const std::optional<store::ImageRecord>& image) const {
    std::set<oci::DiffId> wanted;
    if (image) wanted.insert(image->layers.begin(), image->layers.end());
    std::vector<solve::SharedStep> steps;
    for (const auto& [key, record] : records_) {
      if (image && !wanted.contains(*record.result)) continue;
      solve::SharedStep step{record, describe_step(record.definition), state_after(record), 0,
                             true};
      step.delta = step.layers.size() - 1;
      steps.push_back(std::move(step));
    }
    return steps;
  }

 private:
  std::vector<oci::DiffId> state_after(const store::CacheRecord& record) const {
    std::vector<oci::DiffId> layers = chain_of(record);
    // What the first step of the chain stood on is in the images it became part of.
    for (const store::ImageRecord& image : images_) {
      auto at = std::search(image.layers.begin(), image.layers.end(), layers.begin(), layers.end());
      if (at == image.layers.end()) continue;
      layers.insert(layers.begin(), image.layers.begin(), at);
      break;
    }
    return layers;
  }

  /// Of the step and those it stood on, as far as they are remembered.
  std::vector<oci::DiffId> chain_of(const store::CacheRecord& record) const {
    std::vector<oci::DiffId> layers;
    std::set<std::string> seen;  // definitions may have been written by others
    for (const store::CacheRecord* step = &record;
         step != nullptr && seen.insert(step->key).second;) {
      layers.push_back(*step->result);
      auto below = records_.find(field_of(step->definition, "parent"));
      step = below == records_.end() ? nullptr : &below->second;
    }
    std::reverse(layers.begin(), layers.end());
    return layers;
  }

  std::vector<store::ImageRecord> images_;
  std::map<std::string, store::CacheRecord> records_;
};

}  // namespace

std::string describe_step(std::string_view definition) {
  std::string kind, last_argument, place;
  for (const std::string& line : base::split(definition, '\n')) {
    const size_t blank = line.find(' ');
    if (blank == std::string::npos) continue;
    const std::string field = line.substr(0, blank);
    const std::string value = line.substr(blank + 1);
    if (field.starts_with("torte-step")) kind = base::to_upper(value);
    if (field == "argv") last_argument = value;
    if (field == "destination") place = "to " + value;
    if (field == "path") place = value;
  }
  return kind + " " + (place.empty() ? last_argument : place);
}

std::vector<solve::SharedStep> list_shared_steps(store::Store& store,
                                                 const std::optional<store::ImageRecord>& image) {
  return StepList(store).run(image);
}

}  // namespace cli
