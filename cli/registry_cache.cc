#include "cli/registry_cache.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/text.h"
#include "cli/known_layers.h"
#include "cli/options.h"
#include "cli/push.h"
#include "store/oci/limits.h"
#include "store/oci/media_types.h"
#include "store/oci/timestamp.h"

namespace cli {

namespace {

constexpr const char* kKey = "org.torte.cache.key";
constexpr const char* kDelta = "org.torte.cache.delta";
constexpr const char* kInstruction = "org.torte.cache.instruction";
constexpr const char* kDuration = "org.torte.cache.duration-ms";
constexpr const char* kVersion = "org.torte.cache.engine-version";
constexpr const char* kSize = "org.torte.cache.tar-bytes";
constexpr const char* kCreated = "org.torte.cache.created";

std::string tag_of(const CacheSpec& spec, const std::string& key) {
  // A change of the rules for keys changes the 1, so that old entries are never read.
  return "k1-" + (spec.scope.empty() ? "" : spec.scope + "-") + key;
}

bool flag_value(const std::string& key, const std::string& value) {
  if (value == "true" || value == "1") return true;
  if (value == "false" || value == "0") return false;
  throw UsageError(base::str("cache ", key, ": ", base::printable(value, 40), " is neither true nor false"));
}

/// An ordinary configuration, so that any tool can pull an entry and run it.
oci::ImageConfig config_of(const solve::SharedStep& step) {
  oci::ImageConfig config;
  config.platform = oci::Platform::host();
  config.created = oci::format_timestamp(step.record.created);
  config.diff_ids = step.layers;
  for (size_t i = 0; i < step.layers.size(); ++i)
    config.history.push_back({config.created, i == step.delta ? step.instruction : "earlier step", {}, "torte build cache", false});
  return config;
}

}  // namespace

CacheSpec CacheSpec::parse(const std::string& text, const char* flag) {
  std::map<std::string, std::string> fields;
  for (const std::string& field : base::split(text, ',')) {
    size_t equals = field.find('=');
    // Alone, a name is what other tools take it for.
    if (equals == std::string::npos) fields["ref"] = field;
    else fields[field.substr(0, equals)] = field.substr(equals + 1);
  }
  std::string type = fields.contains("type") ? fields["type"] : "registry";
  if (type != "registry")
    throw base::Error(base::Code::kUnsupported,
                      base::str("--", flag, " type=", base::printable(type, 40), " is not built; type=registry is"),
                      "not-built");
  for (const auto& [key, value] : fields)
    if (key != "type" && key != "ref" && key != "scope" && key != "mode" && key != "ignore-error")
      throw UsageError(base::str("--", flag, ": unknown key ", base::printable(key, 40)));
  if (fields["ref"].empty()) throw UsageError(base::str("--", flag, " needs ref=REGISTRY/REPOSITORY"));
  CacheSpec spec{oci::Reference::parse(fields["ref"])};
  spec.scope = fields["scope"];
  if (spec.scope.size() > 40 || spec.scope.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") != std::string::npos)
    throw UsageError(base::str("--", flag, ": scope is up to 40 of a-z, 0-9 and _"));
  std::string mode = fields["mode"];
  if (!mode.empty() && mode != "min" && mode != "max") throw UsageError(base::str("--", flag, ": mode is min or max"));
  spec.all_steps = mode == "max";
  if (fields.contains("ignore-error")) spec.ignore_error = flag_value("ignore-error", fields["ignore-error"]);
  return spec;
}

void RegistryCache::note(const std::string& text) const {
  if (options_.events != nullptr) options_.events->emit(base::event::Note{text});
}

bool RegistryCache::fetch(const store::CacheRecord& record) {
  for (const CacheSpec& spec : from_) {
    try {
      if (fetch_from(spec, record)) return true;
    } catch (const base::Error& e) {
      if (e.code() == base::Code::kCancelled && options_.stop.stop_requested()) throw;
      note(base::str("cache ", spec.repository.name(), " is passed over: ", e.what()));
    }
  }
  return false;
}

bool RegistryCache::fetch_from(const CacheSpec& spec, const store::CacheRecord& record) {
  registry::Repository repository = registries_.repository(spec.repository);
  auto document = repository.find_document(tag_of(spec, record.key));
  if (!document) return false;
  oci::Manifest entry = oci::Manifest::parse(document->bytes, document->media_type);
  auto told = [&](const char* name) {
    auto found = entry.annotations.find(name);
    return found == entry.annotations.end() ? std::string() : found->second;
  };
  auto delta = base::parse_decimal(told(kDelta));
  if (told(kKey) != record.key || !delta || *delta >= entry.layers.size())
    throw base::Error(base::Code::kInvalid, "the entry of " + record.key.substr(0, 12) + " is not one of torte's");
  oci::ImageConfig config = oci::ImageConfig::parse(repository.read_blob(entry.config, oci::kMaxConfigBytes));
  entry.require_matching(config);
  // The layers below are known: their steps were found before this one. None comes before it is needed.
  store::CacheRecord found = record;
  found.result = config.diff_ids[*delta];
  if (auto time = oci::parse_timestamp(told(kCreated)))
    found.created = std::chrono::time_point_cast<store::Time::duration>(*time);
  found.duration = std::chrono::milliseconds(base::parse_decimal(told(kDuration)).value_or(0) % 1'000'000'000);
  remember_step(store_, repository, entry.layers[*delta], base::parse_decimal(told(kSize)).value_or(0),
                std::move(found));
  return true;
}

void RegistryCache::offer(const std::vector<solve::SharedStep>& steps) {
  for (const CacheSpec& spec : to_) {
    try {
      for (const solve::SharedStep& step : steps)
        if (spec.all_steps || step.in_result) offer_to(spec, step);
    } catch (base::Error& e) {
      e.add_context("cache to " + spec.repository.name());
      if (!spec.ignore_error) throw;
      note(base::str(e.what(), "; the build itself is not affected"));
    }
  }
}

void RegistryCache::offer_to(const CacheSpec& spec, const solve::SharedStep& step) {
  registry::Repository repository = registries_.repository(spec.repository);
  std::string tag = tag_of(spec, step.record.key);
  if (repository.find_digest(tag)) return;
  oci::ImageConfig config = config_of(step);
  std::string config_text = config.to_json();
  oci::Manifest manifest{.media_type = std::string(oci::media_type::kManifest),
                         .config = oci::Descriptor::of(oci::media_type::kConfig, config_text)};
  for (const oci::DiffId& layer : step.layers)
    manifest.layers.push_back(push_layer(store_, registries_, repository, layer, Packing::kAsIs, options_));
  repository.put_blob(manifest.config.digest, manifest.config.size_bytes, [&](uint64_t offset) {
    return std::make_unique<base::MemorySource>(base::as_bytes(config_text).subspan(offset));
  });
  manifest.annotations = {{kKey, step.record.key},
                          {kDelta, std::to_string(step.delta)},
                          {kInstruction, base::printable(step.instruction, 200)},
                          {kDuration, std::to_string(step.record.duration.count())},
                          {kVersion, TORTE_VERSION},
                          {kSize, std::to_string(step.record.size_bytes)},
                          {kCreated, oci::format_timestamp(step.record.created)}};
  repository.put_document(manifest.bytes(), manifest.media_type, tag);
}

}  // namespace cli
