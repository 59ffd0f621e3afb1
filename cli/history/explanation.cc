#include "cli/history/explanation.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdio>
#include <initializer_list>
#include <set>
#include <string_view>

#include "base/text.h"

namespace cli {

namespace {

using Json = nlohmann::ordered_json;

// What a shared cache lacks is no change of the step.
bool is_own(const MissRecord& miss) {
  return !is_of_another_step(miss) && !miss.reason.starts_with("not in ");
}

bool is_base(const StepRecord& step) { return step.needs.empty(); }

// A FROM of another stage: it does nothing itself and hands that one's result on.
bool is_handed_on(const StepRecord& step) { return step.index == 1 && !is_base(step); }

// The steps it needs that are others than before. A FROM never runs: what is new about it is the
// image behind its name.
std::vector<int> causes_of(const BuildRecord& record, const StepRecord& step) {
  const auto is_new = [&](std::initializer_list<std::string_view> components) {
    return std::any_of(step.misses.begin(), step.misses.end(), [&](const MissRecord& miss) {
      return std::find(components.begin(), components.end(), miss.component) != components.end();
    });
  };
  const bool below = is_new({"parent"});
  const bool elsewhere = is_new({"from", "mount.from"});
  std::vector<int> causes;
  for (int need : step.needs) {
    const StepRecord* other = record.find_step(need);
    if (other == nullptr || !(other->stage == step.stage ? below : elsewhere)) continue;
    // A damaged record may lead in circles.
    for (size_t i = 0; other != nullptr && is_handed_on(*other) && i < record.steps.size(); ++i)
      other = record.find_step(other->needs.front());
    if (other != nullptr && (other->ran() || is_base(*other))) causes.push_back(other->step);
  }
  return causes;
}

// Steps above this one, at any distance, that ran for nothing but another step.
void add_affected(const BuildRecord& record, Explanation& explanation) {
  std::set<int> changed{explanation.step->step};
  // Stages are recorded in the order of need, but their numbers need not be.
  for (bool grows = true; grows;) {
    grows = false;
    for (const StepRecord& step : record.steps) {
      const bool depends = std::any_of(step.needs.begin(), step.needs.end(),
                                       [&](int need) { return changed.contains(need); });
      if (!depends || changed.contains(step.step)) continue;
      if (is_handed_on(step)) {
        changed.insert(step.step);
        grows = true;
      }
      if (!step.ran()) continue;
      if (std::any_of(step.misses.begin(), step.misses.end(), is_own)) continue;
      changed.insert(step.step);
      explanation.affected.push_back(step.step);
      explanation.affected_seconds += step.seconds;
      grows = true;
    }
  }
  std::sort(explanation.affected.begin(), explanation.affected.end());
}

void add_moved_images(const BuildRecord& record, const BuildRecord& earlier, Explanation& one) {
  const bool follows_from_base = std::any_of(one.causes.begin(), one.causes.end(), [&](int cause) {
    return is_base(*record.find_step(cause));
  });
  if (!follows_from_base) return;
  for (const auto& [name, identity] : record.images) {
    auto then = earlier.images.find(name);
    if (then != earlier.images.end() && then->second != identity)
      one.moved_images.push_back({name, then->second, identity});
  }
}

// The last results of the same places of the same recipe.
void find_before(const BuildRecord& record, std::vector<Explanation>& all,
                 const std::filesystem::path& builds) {
  size_t missing = static_cast<size_t>(std::count_if(
      all.begin(), all.end(), [](const Explanation& one) { return one.step->ran(); }));
  for (const std::string& name : list_builds(builds)) {
    if (missing == 0) return;
    if (name >= record.id) continue;
    const BuildRecord earlier = read_build(builds, name);
    if (earlier.recipe != record.recipe) continue;
    for (Explanation& one : all) {
      if (!one.before.empty() || !one.step->ran()) continue;
      for (const StepRecord& step : earlier.steps) {
        if (step.stage != one.step->stage || step.index != one.step->index) continue;
        if (step.result != "done" && step.result != "cached") continue;
        one.before = earlier.id;
        add_moved_images(record, earlier, one);
        one.before_result = step.result;
        --missing;
        break;
      }
    }
  }
}

std::string elapsed(double seconds) {
  return base::format_elapsed(std::chrono::microseconds(static_cast<int64_t>(seconds * 1e6)));
}

// "done" is how a step ended; of one that failed the status matters.
std::string headline(const StepRecord& step) {
  if (step.result == "cached") return "cached";
  if (step.result == "done") return "miss, ran " + elapsed(step.seconds);
  if (step.result == "failed")
    return base::str("miss, failed",
                     step.exit_status > 0 ? base::str(" with ", step.exit_status) : "", " after ",
                     elapsed(step.seconds));
  return step.ran() ? "miss, cancelled after " + elapsed(step.seconds) : step.result;
}

std::string label(const StepRecord& step) {
  return base::str("[", base::printable(step.stage), " ", step.index, "/", step.count, "]");
}

std::string numbers(const std::vector<int>& steps) {
  std::string text;
  for (int step : steps) text += base::str(" ", step);
  return text;
}

// Long digests tell people nothing: "digest=1c9e77a0.." is enough to see that they differ.
std::string shortened(const std::string& value) {
  constexpr size_t kShown = 12;
  constexpr size_t kDigest = 40;
  std::string out;
  for (size_t i = 0; i < value.size();) {
    size_t end = i;
    while (end < value.size() && std::isxdigit(static_cast<unsigned char>(value[end])) != 0) ++end;
    const size_t length = end - i;
    if (length >= kDigest) {
      out += value.substr(i, kShown) + "..";
    } else {
      end = std::max(end, i + 1);
      out += value.substr(i, end - i);
    }
    i = end;
  }
  return out;
}

// The value repeats what the name of the field says: "PATH=/bin", "a.txt<tab>type=8 mode=420".
std::string without_name(const std::string& component, const std::string& value) {
  const size_t blank = component.find(' ');
  if (blank == std::string::npos) return value;
  const std::string name = component.substr(blank + 1);
  if (!value.starts_with(name) || value.size() <= name.size()) return value;
  const char next = value[name.size()];
  return next == '=' || next == '\t' ? value.substr(name.size() + 1) : value;
}

std::string word_shown(const std::string& word) {
  std::optional<uint64_t> mode;
  if (word.starts_with("mode=")) mode = base::parse_decimal(word.substr(5));
  if (!mode) return shortened(word);
  char octal[32];
  std::snprintf(octal, sizeof octal, "mode=%04o", static_cast<unsigned>(*mode));
  return octal;
}

// What is new of a file: "digest=1c9e.. -> digest=77b0..", without the words that are the same.
std::string file_change(const std::string& old_value, const std::string& new_value) {
  const std::vector<std::string> old_words = base::split(old_value, ' ');
  const std::vector<std::string> new_words = base::split(new_value, ' ');
  std::string old_shown, new_shown;
  for (size_t i = 0; i < std::max(old_words.size(), new_words.size()); ++i) {
    const std::string old_word = i < old_words.size() ? old_words[i] : "";
    const std::string new_word = i < new_words.size() ? new_words[i] : "";
    if (old_word == new_word) continue;
    old_shown += (old_shown.empty() ? "" : " ") + word_shown(old_word);
    new_shown += (new_shown.empty() ? "" : " ") + word_shown(new_word);
  }
  return old_shown + " -> " + new_shown;
}

}  // namespace

// Fields of a definition that stand for other steps of the recipe.
bool is_of_another_step(const MissRecord& miss) {
  return miss.component == "parent" || miss.component == "from" || miss.component == "mount.from";
}

std::string miss_text(const MissRecord& miss) {
  constexpr size_t kMostShown = 160;
  if (miss.component.empty()) return base::printable(miss.reason);
  const std::string what = base::printable(miss.component, kMostShown);
  const std::string old_value = without_name(miss.component, miss.old_value);
  const std::string new_value = without_name(miss.component, miss.new_value);
  const bool is_file = miss.component.starts_with("file ");
  if (miss.old_value.empty())
    return what +
           (is_file ? ": new" : ": new, " + base::printable(shortened(new_value), kMostShown));
  if (miss.new_value.empty())
    return what + (is_file ? ": gone"
                           : ": gone, was " + base::printable(shortened(old_value), kMostShown));
  if (is_file)
    return base::str(what, ": ", base::printable(file_change(old_value, new_value), kMostShown));
  if (old_value == new_value) return what + ": another value";  // hidden
  return base::str(what, ": ", base::printable(shortened(old_value), kMostShown), " -> ",
                   base::printable(shortened(new_value), kMostShown));
}

std::vector<Explanation> explain_build(const BuildRecord& record, std::optional<uint64_t> step,
                                       const std::filesystem::path& builds) {
  std::vector<Explanation> all;
  if (step) {
    all.emplace_back().step = &get_step(record, *step);
  } else {
    for (const StepRecord& one : record.steps) all.emplace_back().step = &one;
  }
  for (Explanation& one : all) {
    if (!one.step->ran()) continue;
    one.causes = causes_of(record, *one.step);
    add_affected(record, one);
  }
  find_before(record, all, builds);
  return all;
}

namespace {

std::string cause_text(const BuildRecord& record, int cause) {
  const StepRecord& step = *record.find_step(cause);
  return base::str("step ", cause, "  ", label(step), " ", base::printable(step.text, 80));
}

std::string step_text(const BuildRecord& record, const Explanation& one, bool shows_all) {
  constexpr size_t kShownMisses = 10;
  const StepRecord& step = *one.step;
  std::string out = base::str("step ", step.step, "  ", label(step), " ",
                              base::printable(step.text, 100), "\n  ", headline(step));
  if (!one.before.empty())
    out += base::str(" (", one.before_result == "cached" ? "hit" : "ran", " in build ",
                     short_build_id(one.before), ")");
  out += "\n";
  size_t own = 0;
  for (const MissRecord& miss : step.misses) {
    if (is_of_another_step(miss)) continue;
    if (++own <= kShownMisses || shows_all)
      out +=
          base::str("    ", miss.component.empty() ? "" : "changed input: ", miss_text(miss), "\n");
  }
  if (own > kShownMisses && !shows_all)
    out += base::str("    ", own - kShownMisses, " more: --all shows them\n");
  for (int cause : one.causes) out += "    follows from " + cause_text(record, cause) + "\n";
  for (const Explanation::MovedImage& image : one.moved_images)
    out += base::str("    base image ", base::printable(image.name), ": ",
                     base::printable(shortened(image.old_identity)), " -> ",
                     base::printable(shortened(image.new_identity)), "\n");
  if (step.misses.empty() && step.ran()) out += "    the record does not say why\n";
  const bool is_cause = std::any_of(step.misses.begin(), step.misses.end(), is_own);
  if (!one.affected.empty() && (is_cause || !one.moved_images.empty()))
    out += base::str("    also affected: steps", numbers(one.affected), " (",
                     elapsed(one.affected_seconds), ")\n");
  return out;
}

}  // namespace

std::string explanation_text(const BuildRecord& record, const std::vector<Explanation>& all,
                             ExplanationForm form) {
  std::string out;
  size_t left_out = 0;
  for (const Explanation& one : all) {
    if (!one.step->ran() && !form.shows_cached)
      ++left_out;
    else
      out += step_text(record, one, form.shows_all);
  }
  if (left_out > 0)
    out += base::str(left_out, left_out == 1 ? " step" : " steps", " of ", all.size(),
                     " did not run\n");
  return out;
}

std::string explanation_json(const BuildRecord& record, const std::vector<Explanation>& all) {
  Json json = {{"build", record.id}, {"steps", Json::array()}};
  for (const Explanation& one : all) {
    const StepRecord& step = *one.step;
    Json item = {{"step", step.step},     {"stage", step.stage},    {"index", step.index},
                 {"count", step.count},   {"text", step.text},      {"line", step.line},
                 {"result", step.result}, {"seconds", step.seconds}};
    item["misses"] = Json::array();
    for (const MissRecord& miss : step.misses)
      item["misses"].push_back({{"reason", miss.reason},
                                {"component", miss.component},
                                {"old", miss.old_value},
                                {"new", miss.new_value}});
    item["causes"] = one.causes;
    item["affected"] = one.affected;
    item["affectedSeconds"] = one.affected_seconds;
    item["movedImages"] = Json::array();
    for (const Explanation::MovedImage& image : one.moved_images)
      item["movedImages"].push_back(
          {{"name", image.name}, {"old", image.old_identity}, {"new", image.new_identity}});
    item["before"] = one.before;
    item["beforeResult"] = one.before_result;
    json["steps"].push_back(std::move(item));
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace cli
