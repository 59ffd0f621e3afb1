#include "cli/build/registry_cache.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "cli/images/known_layers.h"
#include "cli/images/push.h"
#include "cli/options.h"
#include "store/oci/limits.h"
#include "store/oci/media_types.h"
#include "store/oci/timestamp.h"

namespace cli {

namespace {

constexpr const char* kInline =
    "org.torte.cache.inline";  // a JSON object: key of a step → index of its layer
constexpr const char* kKey = "org.torte.cache.key";
constexpr const char* kDelta = "org.torte.cache.delta";
constexpr const char* kDiffId = "org.torte.cache.diff-id";
constexpr const char* kInstruction = "org.torte.cache.instruction";
constexpr const char* kDuration = "org.torte.cache.duration-ms";
constexpr const char* kVersion = "org.torte.cache.engine-version";
constexpr const char* kSize = "org.torte.cache.tar-bytes";
constexpr const char* kCreated = "org.torte.cache.created";

constexpr const char* kRecord =
    "org.torte.cache.record";  // a field of the configuration: definition, extra

std::string tag_of(const CacheSpec& spec, const std::string& key) {
  // A change of the rules for keys changes the 1, so that old entries are never read.
  return "k1-" + (spec.scope.empty() ? "" : spec.scope + "-") + key;
}

/// The key in a tag of that scope.
std::optional<std::string> find_key(const CacheSpec& spec, const std::string& tag) {
  const std::string head = tag_of(spec, "");
  if (!tag.starts_with(head)) return std::nullopt;
  std::string key = tag.substr(head.size());
  if (key.size() != 64 || key.find_first_not_of("0123456789abcdef") != std::string::npos)
    return std::nullopt;
  return key;
}

/// A place that cannot be asked for anything.
bool is_unusable(const base::Error& e) {
  return e.code() == base::Code::kUnavailable || e.code() == base::Code::kDenied;
}

/// What the key was made of, for machines that have no recipe to compute it from. Nothing for the
/// largest: a configuration has its limit.
std::string record_field(const store::CacheRecord& record) {
  constexpr size_t kMostBytes = oci::kMaxConfigBytes / 4;
  if (record.definition.size() + record.extra.size() > kMostBytes) return {};
  nlohmann::json field = {{kRecord, {{"definition", record.definition}, {"extra", record.extra}}}};
  return field.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// The record that a configuration tells; nullopt where it tells none, or one of another key.
std::optional<store::CacheRecord> told_record(const oci::ImageConfig& config,
                                              const std::string& key) {
  nlohmann::json fields = nlohmann::json::parse(config.other_fields, nullptr, false);
  if (!fields.is_object() || !fields.contains(kRecord)) return std::nullopt;
  const nlohmann::json& told = fields[kRecord];
  const auto text = [&](const char* name) {
    return told.is_object() && told.contains(name) && told[name].is_string()
               ? told[name].get<std::string>()
               : "";
  };
  store::CacheRecord record{.key = key, .definition = text("definition"), .slot = "imported"};
  record.extra = text("extra");
  if (base::sha256_hex(base::as_bytes(record.definition)) != key) return std::nullopt;
  return record;
}

bool flag_value(const std::string& key, const std::string& value) {
  if (value == "true" || value == "1") return true;
  if (value == "false" || value == "0") return false;
  throw UsageError(
      base::str("cache ", key, ": ", base::printable(value, 40), " is neither true nor false"));
}

/// An ordinary configuration, so that any tool can pull an entry and run it.
oci::ImageConfig config_of(const solve::SharedStep& step) {
  oci::ImageConfig config;
  config.platform = oci::Platform::host();
  config.created = oci::format_timestamp(step.record.created);
  config.diff_ids = step.layers;
  config.other_fields = record_field(step.record);
  for (size_t i = 0; i < step.layers.size(); ++i)
    config.history.push_back({config.created,
                              i == step.delta ? step.instruction : "earlier step",
                              {},
                              "torte build cache",
                              false});
  return config;
}

using Fields = std::map<std::string, std::string>;

Fields read_fields(const std::string& text) {
  Fields fields;
  for (const std::string& field : base::split(text, ',')) {
    size_t equals = field.find('=');
    // Alone, a name is what other tools take it for.
    if (equals == std::string::npos)
      fields["ref"] = field;
    else
      fields[field.substr(0, equals)] = field.substr(equals + 1);
  }
  return fields;
}

/// Which of the fields says where the cache is, for this type and direction.
std::string place_field(CacheSpec::Type type, bool to) {
  switch (type) {
    case CacheSpec::Type::kRegistry:
      return "ref";
    case CacheSpec::Type::kLocal:
      return to ? "dest" : "src";
    case CacheSpec::Type::kInline:
      break;
  }
  return "";
}

CacheSpec::Type parse_type(const std::string& type, const char* flag) {
  if (type == "registry") return CacheSpec::Type::kRegistry;
  if (type == "local") return CacheSpec::Type::kLocal;
  if (type == "inline") return CacheSpec::Type::kInline;
  throw base::Error(base::Code::kUnsupported,
                    base::str("--", flag, " type=", base::printable(type, 40),
                              " is not built; type=registry, local and inline are"),
                    "not-built");
}

}  // namespace

CacheSpec CacheSpec::parse(const std::string& text, const char* flag) {
  Fields fields = read_fields(text);
  bool to = std::string_view(flag) == "cache-to";
  CacheSpec spec;
  spec.type = parse_type(fields.contains("type") ? fields["type"] : "registry", flag);
  if (spec.type == Type::kInline && !to)
    throw UsageError(
        "--cache-from needs type=registry,ref=IMAGE for an image with an inline cache");
  std::string where = place_field(spec.type, to);
  for (const auto& [key, value] : fields)
    if (key != "type" && key != where && key != "scope" && key != "mode" && key != "ignore-error")
      throw UsageError(base::str("--", flag, ": unknown key ", base::printable(key, 40)));
  if (!where.empty() && fields[where].empty())
    throw UsageError(base::str("--", flag, " needs ", where,
                               spec.type == Type::kLocal ? "=DIRECTORY" : "=REGISTRY/REPOSITORY"));
  if (spec.type == Type::kRegistry) spec.repository = oci::Reference::parse(fields[where]);
  if (spec.type == Type::kLocal)
    spec.directory = std::filesystem::absolute(fields[where]).lexically_normal();
  spec.scope = fields["scope"];
  if (spec.scope.size() > 40 ||
      spec.scope.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") != std::string::npos)
    throw UsageError(base::str("--", flag, ": scope is up to 40 of a-z, 0-9 and _"));
  std::string mode = fields["mode"];
  if (!mode.empty() && mode != "min" && mode != "max")
    throw UsageError(base::str("--", flag, ": mode is min or max"));
  spec.all_steps = mode == "max";
  if (fields.contains("ignore-error"))
    spec.ignore_error = flag_value("ignore-error", fields["ignore-error"]);
  return spec;
}

RegistryCache::RegistryCache(store::Store& store, Registries& registries,
                             const std::vector<CacheSpec>& from, const std::vector<CacheSpec>& to,
                             TransferOptions options)
    : store_(store), registries_(registries), options_(std::move(options)) {
  auto add = [this](const CacheSpec& spec, std::vector<std::unique_ptr<Source>>& list) {
    auto source = std::make_unique<Source>();
    source->spec = spec;
    source->place = open(spec);
    list.push_back(std::move(source));
  };
  for (const CacheSpec& spec : from) add(spec, from_);
  for (const CacheSpec& spec : to) {
    if (spec.type == CacheSpec::Type::kInline)
      inline_ = true;
    else
      add(spec, to_);
  }
}

std::unique_ptr<CachePlace> RegistryCache::open(const CacheSpec& spec) {
  if (spec.type == CacheSpec::Type::kLocal)
    return directory_place(store_, registries_, spec.directory, options_);
  return registry_place(store_, registries_, *spec.repository, options_);
}

void RegistryCache::note(const std::string& text) const {
  if (options_.events != nullptr) options_.events->emit(base::event::Note{text});
}

void RegistryCache::expect(const std::function<std::vector<std::string>()>& list) {
  std::vector<Source*> far;
  for (const std::unique_ptr<Source>& source : from_)
    if (source->spec.type == CacheSpec::Type::kRegistry && !source->gone)
      far.push_back(source.get());
  if (far.empty()) return;
  const std::vector<std::string> keys = list();
  if (keys.size() < 2) return;  // one is asked for when its turn comes
  std::vector<std::jthread> others;
  for (Source* source : far) others.emplace_back([this, source, &keys] { ask_for(*source, keys); });
}

void RegistryCache::ask_for(Source& source, const std::vector<std::string>& keys) const {
  constexpr size_t kAtOnce = 16;
  constexpr size_t kMostKeptBytes = 256 << 10;  // larger ones are asked for again
  source.expected.clear();
  std::mutex mutex;
  std::atomic<size_t> next = 0;
  const auto give_up = [&] {
    std::lock_guard lock(mutex);
    source.expected_error = std::current_exception();  // told by the first step that asks
    next = keys.size();
  };
  const auto work = [&] {
    for (size_t i = next++; i < keys.size(); i = next++) {
      try {
        auto entry = source.place->find(tag_of(source.spec, keys[i]));
        std::lock_guard lock(mutex);
        if (!entry || entry->bytes.size() <= kMostKeptBytes)
          source.expected.emplace(keys[i], std::move(entry));
      } catch (const base::Error& e) {
        // What is wrong with one entry its own step asks again, and tells.
        if (is_unusable(e) || e.code() == base::Code::kCancelled) give_up();
      } catch (...) {
        give_up();
      }
    }
  };
  std::vector<std::jthread> others;
  for (size_t i = 1; i < std::min(keys.size(), kAtOnce); ++i) others.emplace_back(work);
  work();
  others.clear();
  source.expected_at = std::chrono::steady_clock::now();
}

std::optional<registry::Document> RegistryCache::find_entry(Source& source,
                                                            const std::string& key) {
  constexpr std::chrono::seconds kMissLasts{10};
  if (source.expected_error) std::rethrow_exception(source.expected_error);
  auto expected = source.expected.find(key);
  const bool known =
      expected != source.expected.end() &&
      (expected->second || std::chrono::steady_clock::now() - source.expected_at < kMissLasts);
  return known ? expected->second : source.place->find(tag_of(source.spec, key));
}

std::vector<std::string> RegistryCache::sources() const {
  std::vector<std::string> names;
  for (const std::unique_ptr<Source>& source : from_)
    names.push_back(source->spec.repository ? source->spec.repository->str()
                                            : source->spec.directory.string());
  return names;
}

bool RegistryCache::fetch(const store::CacheRecord& record) {
  struct Answer {
    std::optional<registry::Document> entry = {};
    std::exception_ptr error = {};
  };
  std::vector<Answer> answers(from_.size());
  auto ask = [&](size_t i) {
    Source& source = *from_[i];
    if (source.gone) return;
    try {
      answers[i].entry = find_entry(source, record.key);
      if (!answers[i].entry) std::call_once(source.looked, [&] { read_inline(source); });
    } catch (...) {
      answers[i].error = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> others;
    for (size_t i = 1; i < from_.size(); ++i) others.emplace_back(ask, i);
    if (!from_.empty()) ask(0);
  }
  for (size_t i = 0; i < from_.size(); ++i) {
    Source& source = *from_[i];
    try {
      if (answers[i].error) std::rethrow_exception(answers[i].error);
      if (answers[i].entry ? take_entry(source, *answers[i].entry, record)
                           : take_inline(source, record))
        return true;
    } catch (const base::Error& e) {
      if (e.code() == base::Code::kCancelled && options_.stop.stop_requested()) throw;
      if (is_unusable(e) && source.gone.exchange(true)) continue;
      note(base::str("cache ", source.place->name(), " is passed over: ", e.what()));
    }
  }
  return false;
}

bool RegistryCache::take_entry(Source& source, const registry::Document& document,
                               const store::CacheRecord& record) {
  CachePlace& place = *source.place;
  oci::Manifest entry = oci::Manifest::parse(document.bytes, document.media_type);
  auto told = [&](const char* name) {
    auto found = entry.annotations.find(name);
    return found == entry.annotations.end() ? std::string() : found->second;
  };
  auto delta = base::parse_decimal(told(kDelta));
  if (told(kKey) != record.key || !delta || *delta >= entry.layers.size())
    throw base::Error(base::Code::kInvalid,
                      "the entry of " + record.key.substr(0, 12) + " is not one of torte's",
                      "bad-document");
  // What is told of the layer is proven when it comes.
  auto diff_id = oci::Digest::try_parse(told(kDiffId));
  if (!diff_id) {
    oci::ImageConfig config =
        oci::ImageConfig::parse(place.read_blob(entry.config, oci::kMaxConfigBytes));
    entry.require_matching(config);
    diff_id = config.diff_ids[*delta].digest();
  }
  // The layers below are known: their steps were found before this one. None comes before it is
  // needed.
  store::CacheRecord found = record;
  found.result = oci::DiffId(*diff_id);
  if (auto time = oci::parse_timestamp(told(kCreated)))
    found.created = std::chrono::time_point_cast<store::Time::duration>(*time);
  found.duration =
      std::chrono::milliseconds(base::parse_decimal(told(kDuration)).value_or(0) % 1'000'000'000);
  remember_step(store_, place.source(), entry.layers[*delta],
                base::parse_decimal(told(kSize)).value_or(0), std::move(found));
  return true;
}

bool RegistryCache::import_entry(Source& source, const std::string& tag, const std::string& key,
                                 bool fetch_layer) {
  auto document = source.place->find(tag);
  if (!document) return false;  // removed meanwhile
  oci::Manifest entry = oci::Manifest::parse(document->bytes, document->media_type);
  auto record = told_record(
      oci::ImageConfig::parse(source.place->read_blob(entry.config, oci::kMaxConfigBytes)), key);
  if (!record || !take_entry(source, *document, *record)) return false;
  if (!fetch_layer) return true;
  auto taken = store_.find_cache(key);
  CHECK(taken && taken->result);
  fetch_known_layers(store_, registries_, {*taken->result}, options_);
  return true;
}

ImportedSteps RegistryCache::import_all(bool fetch_layers) {
  ImportedSteps done;
  for (const std::unique_ptr<Source>& source : from_)
    for (const std::string& tag : source->place->list_tags()) {
      auto key = find_key(source->spec, tag);
      if (!key) continue;
      const bool known = store_.find_cache(*key).has_value();
      const bool added = !known && base::with_context(tag, [&] {
        return import_entry(*source, tag, *key, fetch_layers);
      });
      ++(known ? done.known : added ? done.added : done.untold);
    }
  return done;
}

/// Looks once whether the name given leads to an image that tells its steps.
void RegistryCache::read_inline(Source& source) {
  const CacheSpec& spec = source.spec;
  if (spec.type != CacheSpec::Type::kRegistry ||
      (spec.repository->tag().empty() && !spec.repository->digest()))
    return;
  auto document = source.place->find(spec.repository->digest() ? spec.repository->digest()->str()
                                                               : spec.repository->tag());
  if (!document ||
      oci::document_kind(document->bytes, document->media_type) != oci::DocumentKind::kManifest)
    return;
  oci::Manifest image = oci::Manifest::parse(document->bytes, document->media_type);
  auto told = image.annotations.find(kInline);
  if (told == image.annotations.end()) return;
  nlohmann::json steps = nlohmann::json::parse(told->second, nullptr, false);
  if (!steps.is_object()) return;
  oci::ImageConfig config =
      oci::ImageConfig::parse(source.place->read_blob(image.config, oci::kMaxConfigBytes));
  image.require_image();
  image.require_matching(config);
  for (const auto& [key, layer] : steps.items())
    if (layer.is_number_unsigned() && layer.get<uint64_t>() < config.diff_ids.size())
      source.inline_steps.emplace(key, layer.get<size_t>());
  source.image = std::move(image);
  source.config = std::move(config);
}

bool RegistryCache::take_inline(Source& source, const store::CacheRecord& record) {
  auto step = source.inline_steps.find(record.key);
  if (step == source.inline_steps.end()) return false;
  store::CacheRecord found = record;
  found.result = source.config->diff_ids[step->second];
  if (auto time = oci::parse_timestamp(source.config->created))
    found.created = std::chrono::time_point_cast<store::Time::duration>(*time);
  remember_step(store_, source.place->source(), source.image->layers[step->second], 0,
                std::move(found));
  return true;
}

void RegistryCache::offer(const std::vector<solve::SharedStep>& steps) {
  if (inline_)
    for (const solve::SharedStep& step : steps)
      if (step.in_result) inline_steps_.emplace(step.record.key, step.layers[step.delta]);
  for (const std::unique_ptr<Source>& target : to_) {
    try {
      for (const solve::SharedStep& step : steps)
        if (target->spec.all_steps || step.in_result) offer_to(*target->place, target->spec, step);
    } catch (base::Error& e) {
      if (e.code() == base::Code::kCancelled && options_.stop.stop_requested()) throw;
      e.add_context("cache to " + target->place->name());
      if (target->spec.ignore_error)
        note(base::str(e.what(), "; the build itself is not affected"));
      else if (!failure_)
        failure_ = std::current_exception();
    }
  }
}

void RegistryCache::require_offered() const {
  if (failure_) std::rethrow_exception(failure_);
}

std::optional<std::pair<std::string, std::string>> RegistryCache::inline_annotation(
    const std::vector<oci::DiffId>& layers) {
  if (!inline_) return std::nullopt;
  nlohmann::json steps = nlohmann::json::object();
  for (const auto& [key, layer] : inline_steps_)
    if (auto place = std::find(layers.begin(), layers.end(), layer); place != layers.end())
      steps[key] = place - layers.begin();
  return std::pair(std::string(kInline), steps.dump());
}

void RegistryCache::offer_to(CachePlace& place, const CacheSpec& spec,
                             const solve::SharedStep& step) {
  std::string tag = tag_of(spec, step.record.key);
  if (place.has(tag)) return;
  oci::ImageConfig config = config_of(step);
  std::string config_text = config.to_json();
  oci::Manifest manifest{.media_type = std::string(oci::media_type::kManifest),
                         .config = oci::Descriptor::of(oci::media_type::kConfig, config_text)};
  for (const oci::DiffId& layer : step.layers) manifest.layers.push_back(place.put_layer(layer));
  manifest.annotations = {{kKey, step.record.key},
                          {kDelta, std::to_string(step.delta)},
                          {kInstruction, base::printable(step.instruction, 200)},
                          {kDuration, std::to_string(step.record.duration.count())},
                          {kDiffId, step.layers[step.delta].str()},
                          {kVersion, TORTE_VERSION},
                          {kSize, std::to_string(step.record.size_bytes)},
                          {kCreated, oci::format_timestamp(step.record.created)}};
  place.put_entry(manifest, config_text, tag);
}

}  // namespace cli
