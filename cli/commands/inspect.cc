// torte inspect: everything the store knows of an image.
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/containers/container_json.h"
#include "cli/containers/network_options.h"
#include "cli/context.h"
#include "cli/images/attestation.h"
#include "cli/images/registries.h"
#include "cli/images/transfer.h"
#include "cli/table.h"
#include "store/oci/limits.h"
#include "store/oci/reference.h"
#include "store/oci/timestamp.h"

namespace cli {

namespace {

using Json = nlohmann::json;

Json names_as_set(const std::set<std::string>& names) {
  Json out = Json::object();
  for (const std::string& name : names) out[name] = Json::object();
  return out;
}

Json config_json(const oci::ContainerConfig& config) {
  Json out = {{"user", config.user},
              {"env", config.env},
              {"entrypoint", config.entrypoint},
              {"cmd", config.cmd},
              {"workingDir", config.working_dir},
              {"labels", config.labels},
              {"exposedPorts", names_as_set(config.exposed_ports)},
              {"volumes", names_as_set(config.volumes)},
              {"stopSignal", config.stop_signal},
              {"shell", config.shell},
              {"onBuild", config.on_build},
              {"healthcheck", nullptr}};
  if (const auto& check = config.healthcheck)
    out["healthcheck"] = {{"test", check->test},
                          {"interval", check->interval.count()},
                          {"timeout", check->timeout.count()},
                          {"startPeriod", check->start_period.count()},
                          {"startInterval", check->start_interval.count()},
                          {"retries", check->retries}};
  return out;
}

Json layers_json(store::Store& store, const store::ImageRecord& image,
                 const oci::ImageConfig& config) {
  Json out = Json::array();
  for (size_t i = 0; i < config.diff_ids.size(); ++i) {
    Json item = {{"diffId", config.diff_ids[i].str()}, {"blobs", Json::array()}};
    if (auto layer = store.find_layer(image.layers.at(i))) {
      item["size"] = layer->tar_size_bytes;
      for (const store::LayerBlob& blob : layer->blobs)
        item["blobs"].push_back({{"digest", blob.digest.str()},
                                 {"mediaType", blob.media_type},
                                 {"size", blob.size_bytes},
                                 {"compression", blob.compression}});
    }
    out.push_back(std::move(item));
  }
  return out;
}

/// Keys are the OCI names in lowerCamelCase, with the few other names (repoTags) that scripts for
/// docker's inspect ask for; templates find them in any case.
Json image_json(store::Store& store, const store::ImageRecord& image,
                const oci::ImageConfig& config) {
  Json tags = Json::array();
  Json digests = Json::array();
  for (const store::Name& name : image.names) {
    tags.push_back(name.name);
    auto reference = oci::Reference::try_parse(name.name);
    if (reference && name.digest) digests.push_back(reference->name() + "@" + name.digest->str());
  }
  Json diff_ids = Json::array();
  for (const oci::DiffId& id : config.diff_ids) diff_ids.push_back(id.str());
  Json history = Json::array();
  for (const oci::HistoryEntry& entry : config.history)
    history.push_back({{"created", entry.created},
                       {"createdBy", entry.created_by},
                       {"author", entry.author},
                       {"comment", entry.comment},
                       {"emptyLayer", entry.empty_layer}});
  Json attestations = Json::array();
  for (const Predicate& predicate : find_predicates(store, image))
    attestations.push_back(predicate.type);
  return {{"id", image.id.str()},
          {"repoTags", std::move(tags)},
          {"repoDigests", std::move(digests)},
          {"manifest", image.manifest ? Json(image.manifest->str()) : Json(nullptr)},
          {"created", config.created},
          {"author", config.author},
          {"os", config.platform.os},
          {"architecture", config.platform.architecture},
          {"variant", config.platform.variant},
          {"size", image.size_bytes},
          {"config", config_json(config.config)},
          {"rootfs", {{"type", "layers"}, {"layers", std::move(diff_ids)}}},
          {"layers", layers_json(store, image, config)},
          {"attestations", std::move(attestations)},
          {"history", std::move(history)}};
}

constexpr std::string_view kRemote = "docker://";

/// An image where it is, in a registry: null when only bytes were asked for, and they are printed.
Json inspect_remote(Context& context, const Arguments& arguments, Registries& registries,
                    const std::string& name) {
  oci::Reference reference = oci::Reference::parse(name).with_default_tag();
  registry::Repository repository = registries.repository(reference);
  if (arguments.is_on("raw")) {
    context.out(
        repository.get_document(reference.digest() ? reference.digest()->str() : reference.tag())
            .bytes);
    return nullptr;
  }
  oci::Platform platform = oci::Platform::host();
  if (auto text = arguments.find("platform")) platform = oci::Platform::parse(*text);
  registry::ResolvedImage found = repository.resolve(reference, platform);
  std::string text = repository.read_blob(found.manifest.config, oci::kMaxConfigBytes);
  if (arguments.is_on("config")) {
    context.out(text);
    return nullptr;
  }
  oci::ImageConfig config = oci::ImageConfig::parse(text);
  found.manifest.require_matching(config);
  Json layers = Json::array();
  for (size_t i = 0; i < found.manifest.layers.size(); ++i) {
    const oci::Descriptor& layer = found.manifest.layers[i];
    layers.push_back({{"diffId", config.diff_ids[i].str()},
                      {"digest", layer.digest.str()},
                      {"mediaType", layer.media_type},
                      {"size", layer.size_bytes}});
  }
  return {{"name", reference.name()},           {"id", found.manifest.config.digest.str()},
          {"digest", found.top.str()},          {"manifest", found.document.digest.str()},
          {"created", config.created},          {"author", config.author},
          {"os", config.platform.os},           {"architecture", config.platform.architecture},
          {"variant", config.platform.variant}, {"config", config_json(config.config)},
          {"layers", std::move(layers)}};
}

int run_inspect(Context& context, const Arguments& arguments) {
  std::unique_ptr<store::Store> store;
  Registries registries(context, arguments, {}, nullptr);
  Json items = Json::array();
  const bool only_container =
      arguments.command().name == "container inspect" || arguments.get("type") == "container";
  std::optional<container::Containers> containers;
  for (const std::string& word : arguments.words()) {
    if (word.starts_with(kRemote)) {
      Json item = inspect_remote(context, arguments, registries, word.substr(kRemote.size()));
      if (!item.is_null()) items.push_back(std::move(item));
      continue;
    }
    if (!store) {
      store =
          store::Store::open(context.root, store::Access::kReadOnly, {.durable = context.durable});
      containers.emplace(store->layout(), store.get(), network_state(context));
    }
    // A container first, as with other engines; a name of both is told apart by --type.
    const bool may_be_container =
        only_container ||
        (!arguments.is_on("raw") && !arguments.is_on("config") && arguments.get("type") != "image");
    if (const auto id = may_be_container ? containers->find(word) : std::nullopt) {
      items.push_back(container_json(*containers, containers->read(*id)));
      continue;
    }
    if (only_container) containers->get(word);
    store::ImageRecord image = store->get_image(word);
    if (auto text = arguments.find("platform");
        text && !oci::Platform::parse(image.platform).satisfies(oci::Platform::parse(*text)))
      throw base::Error(base::Code::kNotFound,
                        base::str(word, " is for ", image.platform, ", not for ", *text),
                        "platform-missing");
    if (arguments.is_on("raw")) {
      if (!image.manifest)
        throw base::Error(base::Code::kNotFound,
                          word + " has no manifest yet: its layers were never packed",
                          "no-manifest")
            .add_help("torte save or torte push makes one");
      context.out(store->read_blob(*image.manifest, oci::kMaxManifestBytes));
      continue;
    }
    std::string config = store->read_blob(image.id, oci::kMaxConfigBytes);
    if (arguments.is_on("config"))
      context.out(config);
    else
      items.push_back(image_json(*store, image, oci::ImageConfig::parse(config)));
  }
  if (!arguments.is_on("raw") && !arguments.is_on("config"))
    print_documents(context, items, arguments.get("format"));
  return 0;
}

}  // namespace

const Command& inspect_command() {
  static const Command kCommand{
      .name = "inspect",
      .aliases = {"image inspect"},
      .summary = "show everything about an image or a container",
      .usage = "[FLAGS] NAME...",
      .about =
          "Prints a JSON array with one object for each image or container, or what a template "
          "makes of them. "
          "docker://NAME looks at an image where it is, in a registry.",
      .group = "images",
      .flags = with_registry_flags(
          {{.name = "format",
            .letter = 'f',
            .value = "TEMPLATE",
            .help = "json, or a template: '{{.Config.Env}}'",
            .common = true},
           {.name = "raw", .help = "print the exact bytes of the manifest"},
           {.name = "config", .help = "print the exact bytes of the configuration"},
           {.name = "platform",
            .value = "OS/ARCH",
            .help = "fail unless the image is for this platform"},
           {.name = "type",
            .value = "TYPE",
            .help = "what NAME is",
            .choices = {"image", "container"}}}),
      .examples = {{"torte inspect -f '{{json .Config.Cmd}}' app", "what app:latest runs"},
                   {"torte inspect --raw app | sha256sum", "its digest"}},
      .positionals = {1, Positionals::kAny},
      .run = run_inspect,
      .in_user_namespace = false,
  };
  return kCommand;
}

const Command& container_inspect_command() {
  static const Command kCommand = [] {
    Command command = inspect_command();
    command.name = "container inspect";
    command.aliases = {};
    command.summary = "show everything about a container";
    command.group = "containers";
    command.examples = {{"torte container inspect -f '{{.State.ExitCode}}' app", "how it ended"}};
    return command;
  }();
  return kCommand;
}

}  // namespace cli
