#include "cli/build/build_outputs.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <thread>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/sys/tree.h"
#include "base/sys/userns.h"
#include "base/text.h"
#include "builder/dockerfile/mount.h"
#include "cli/build/build_options.h"
#include "cli/images/attestation.h"
#include "cli/images/base_images.h"
#include "cli/images/push.h"
#include "cli/output_file.h"
#include "overlay/snapshot.h"
#include "store/archive/image_writer.h"
#include "store/layer/extract.h"
#include "store/layer/writer.h"
#include "store/oci/media_types.h"

namespace cli {

namespace {

AnnotationSpec parse_annotation(const std::string& text) {
  auto [left, value] = split_pair(text, "annotation");
  AnnotationSpec spec{"manifest", {}, left, value};
  size_t colon = left.find(':');
  std::string scope = left.substr(0, colon);
  std::string platform;
  if (size_t bracket = scope.find('['); bracket != std::string::npos && scope.ends_with(']')) {
    platform = scope.substr(bracket + 1, scope.size() - bracket - 2);
    scope.resize(bracket);
  }
  bool known = scope == "manifest" || scope == "index" || scope == "manifest-descriptor" ||
               scope == "index-descriptor";
  if (colon == std::string::npos || !known) return spec;  // a key may have colons of its own
  spec.scope = scope;
  spec.key = left.substr(colon + 1);
  if (!platform.empty()) spec.platform = oci::Platform::parse(platform);
  if (spec.key.empty())
    throw UsageError("--annotation needs [SCOPE:]KEY=VALUE, not " + base::printable(text));
  return spec;
}

bool parse_switch(const std::string& key, const std::string& value) {
  auto on = dockerfile::parse_bool(value);
  if (!on)
    throw UsageError("--output: " + key + " is true or false, not " + base::printable(value));
  return *on;
}

OutputSpec::Type parse_type(const std::string& text) {
  static const std::map<std::string, OutputSpec::Type, std::less<>> kTypes = {
      {"store", OutputSpec::Type::kStore},
      {"image", OutputSpec::Type::kStore},
      {"oci", OutputSpec::Type::kOci},
      {"oci-dir", OutputSpec::Type::kOciDir},
      {"docker", OutputSpec::Type::kDocker},
      {"local", OutputSpec::Type::kLocal},
      {"tar", OutputSpec::Type::kTar},
      {"registry", OutputSpec::Type::kRegistry},
      {"cacheonly", OutputSpec::Type::kCacheOnly}};
  auto found = kTypes.find(text);
  if (found != kTypes.end()) return found->second;
  for (const char* later : {"erofs", "squashfs", "ext4", "composefs"})
    if (text == later) throw UsageError(base::str("--output type=", later, " is not built yet"));
  throw unknown_word(
      "--output: unknown type", text,
      {"store", "registry", "oci", "oci-dir", "docker", "local", "tar", "cacheonly"});
}

OutputSpec parse_output(const std::string& text, ImageForm& form) {
  OutputSpec spec;
  if (text == "-") return {.type = OutputSpec::Type::kTar, .dest = "-"};
  if (text.find('=') == std::string::npos) {
    if (text.empty()) throw UsageError("--output needs a directory or type=TYPE,...");
    return {.type = OutputSpec::Type::kLocal, .dest = text};
  }
  std::map<std::string, std::string> fields = split_fields(text, "output");
  if (!fields.contains("type")) throw UsageError("--output needs a type, as in type=oci,dest=FILE");
  spec.type = parse_type(fields.extract("type").mapped());
  for (const auto& [key, value] : fields) {
    if (key == "dest")
      spec.dest = value;
    else if (key == "name")
      spec.names = base::split(value, ',');
    else if (key == "mode" && (value == "copy" || value == "delete"))
      spec.delete_others = value == "delete";
    else if (key == "push-by-digest" && spec.type == OutputSpec::Type::kRegistry)
      spec.by_digest = parse_switch(key, value);
    else if (key == "platform-split")
      spec.platform_split = parse_switch(key, value);
    else if (key == "compression")
      form.packing.how = parse_packing(value);
    else if (key == "compression-level")
      form.packing.level = parse_packing_level(value);
    else if (key == "force-compression")
      form.force = parse_switch(key, value);
    else if (key == "oci-mediatypes")
      form.docker = !parse_switch(key, value);
    else if (key == "tar" && spec.type == OutputSpec::Type::kOci) {
      if (!parse_switch(key, value)) spec.type = OutputSpec::Type::kOciDir;
    } else if (key.starts_with("annotation."))
      form.annotations.push_back({"manifest", {}, key.substr(11), value});
    else if (key.starts_with("annotation-"))
      form.annotations.push_back(parse_annotation(base::str(
          key.substr(11, key.find('.') - 11), ":", key.substr(key.find('.') + 1), "=", value)));
    else if (key == "mode")
      throw UsageError("--output: mode is copy or delete, not " + base::printable(value));
    else if (key != "rewrite-timestamp")  // read where the epoch is
      throw unknown_word("--output: unknown key", key,
                         {"type", "dest", "name", "mode", "push-by-digest", "platform-split",
                          "compression", "compression-level", "force-compression", "oci-mediatypes",
                          "tar", "annotation.KEY", "rewrite-timestamp"});
  }
  bool needs_dest = spec.takes_place();
  bool is_directory =
      spec.type == OutputSpec::Type::kLocal || spec.type == OutputSpec::Type::kOciDir;
  if (needs_dest && spec.dest.empty() && !is_directory) spec.dest = "-";
  if (needs_dest && (spec.dest.empty() || (is_directory && spec.dest == "-")))
    throw UsageError("--output " + base::printable(text) + " needs dest=DIRECTORY");
  return spec;
}

}  // namespace

oci::Annotations ImageForm::annotations_of(std::string_view scope,
                                           const oci::Platform* platform) const {
  oci::Annotations found;
  for (const AnnotationSpec& spec : annotations)
    if (spec.scope == scope &&
        (!spec.platform || (platform != nullptr && platform->satisfies(*spec.platform))))
      found[spec.key] = spec.value;
  return found;
}

ImageForm parse_image_form(const Arguments& arguments) {
  ImageForm form;
  form.docker = arguments.get("format") == "docker";
  form.packing = packing_of(arguments);
  form.force = arguments.is_on("force-compression");
  for (const std::string& text : arguments.all("annotation"))
    form.annotations.push_back(parse_annotation(text));
  // Those of a base image are never taken over, so these are the only ones there are.
  const std::vector<std::string> unset = arguments.all("unsetannotation");
  std::erase_if(form.annotations, [&](const AnnotationSpec& spec) {
    return std::find(unset.begin(), unset.end(), spec.key) != unset.end();
  });
  return form;
}

std::vector<BuildTarget> parse_targets(const Arguments& arguments) {
  const std::vector<std::string> stages = arguments.all("target"), tags = arguments.all("tag");
  for (const std::string& tag : tags)
    base::with_context("--tag", [&] { return oci::Reference::parse(tag); });
  if (stages.size() <= 1) return {{arguments.get("target"), tags}};
  if (!tags.empty() && tags.size() != stages.size())
    throw UsageError(base::str("several --target take one --tag each, in the same order; here are ",
                               stages.size(), " and ", tags.size()));
  std::vector<BuildTarget> targets;
  for (size_t i = 0; i < stages.size(); ++i)
    targets.push_back(
        {stages[i], tags.empty() ? std::vector<std::string>() : std::vector{tags[i]}});
  return targets;
}

std::vector<OutputSpec> parse_outputs(const Arguments& arguments, ImageForm& form) {
  std::vector<OutputSpec> outputs;
  for (const std::string& text : arguments.all("output"))
    outputs.push_back(parse_output(text, form));
  form.packing = with_level(form.packing);
  // As with the established tools, a push alone leaves the image here too.
  if (arguments.is_on("push")) {
    if (outputs.empty()) outputs.push_back({.type = OutputSpec::Type::kStore});
    outputs.push_back({.type = OutputSpec::Type::kRegistry});
  }
  auto is_store = [](const OutputSpec& spec) { return spec.type == OutputSpec::Type::kStore; };
  bool load = arguments.is_on("load") && std::none_of(outputs.begin(), outputs.end(), is_store);
  if (outputs.empty() || load) outputs.push_back({.type = OutputSpec::Type::kStore});
  auto to_stdout = [](const OutputSpec& spec) { return spec.dest == "-"; };
  if (std::count_if(outputs.begin(), outputs.end(), to_stdout) > 1)
    throw UsageError("only one --output can go to standard output");
  return outputs;
}

void require_attestable(const std::vector<OutputSpec>& outputs) {
  bool image = false;
  for (const OutputSpec& spec : outputs) {
    if (spec.type == OutputSpec::Type::kDocker)
      throw UsageError(
          "--output type=docker: a docker archive carries no attestations; write type=oci");
    image |= spec.is_image();
  }
  if (!image)
    throw UsageError(
        "attestations are about an image, and no --output is one; --metadata-file has the "
        "provenance too");
}

namespace {

/// Writes one output; made for one.
class OutputWriter {
 public:
  OutputWriter(Context& context, const OutputSpec& spec, const std::vector<BuiltImage>& images,
               store::Store& store, const OutputOptions& options)
      : context_(context), spec_(spec), images_(images), store_(store), options_(options) {
    for (const std::vector<std::string>* names : {&options.names, &spec.names})
      for (const std::string& name : *names) {
        auto reference = oci::Reference::parse(name).with_default_tag();
        if (std::find(names_.begin(), names_.end(), reference) == names_.end())
          names_.push_back(reference);
      }
  }

  WrittenImage run() {
    switch (spec_.type) {
      case OutputSpec::Type::kStore:
        return write_store();
      case OutputSpec::Type::kCacheOnly:
        return {};
      case OutputSpec::Type::kRegistry:
        return push();
      case OutputSpec::Type::kLocal:
        write_local();
        return {};
      case OutputSpec::Type::kTar:
        write_tar();
        return {};
      default:
        return write_bundle();
    }
  }

 private:
  store::ImageRecord record_of(const BuiltImage& image) const {
    auto record = store_.find_image_by_id(*image.id);
    CHECK(record);
    return *std::move(record);
  }

  // The image with its manifest as it was asked for.
  OutgoingImage prepare(const BuiltImage& image, const Packing& packing) const {
    TransferOptions options = options_.transfer;
    if (!options_.form.force) options.keep_packed = image.base_layers;
    OutgoingImage out = prepare_image(store_, record_of(image), packing, options);
    bool docker = options_.form.docker;
    oci::Annotations annotations = options_.form.annotations_of("manifest", &image.platform);
    if (!docker && annotations.empty()) return out;
    out.manifest.raw.clear();
    if (docker) {
      if (!annotations.empty())
        throw base::Error(base::Code::kUnsupported, "images of format docker have no annotations",
                          "format-annotations");
      out.manifest.media_type = oci::media_type::kDockerManifest;
      out.manifest.config.media_type = oci::media_type::kDockerConfig;
      for (oci::Descriptor& layer : out.manifest.layers) {
        oci::LayerType type;
        if (oci::find_layer_type(layer.media_type, &type))
          layer.media_type = oci::layer_media_type(type.encoding, true);
      }
    }
    for (const auto& [key, value] : annotations) out.manifest.annotations[key] = value;
    return out;
  }

  // Names images in the store. Where one name stands for several platforms, this machine's has the
  // name itself, the others the name with the platform behind the tag.
  WrittenImage write_store() {
    WrittenImage written;
    for (const BuiltImage& image : images_) {
      if (options_.form.is_special()) {
        OutgoingImage out = prepare(image, options_.form.packing);
        std::unique_ptr<store::BlobWriter> blob = store_.write_blob();
        blob->write(base::as_bytes(out.manifest.bytes()));
        store_.set_manifest(*image.id, blob->commit());
        written.descriptor = out.manifest.describe();
      }
      bool own_name = &image == &main_image();
      for (const oci::Reference& name : names_) {
        const oci::Reference own = own_name ? name : name_of_platform(name, image.platform);
        store_.tag({own.str()}, *image.id);
      }
    }
    return written;
  }

  WrittenImage push() {
    if (names_.empty()) throw UsageError("a push needs a name: -t REGISTRY/NAME");
    std::vector<oci::Reference> names = std::exchange(names_, {});
    WrittenImage written = write_store();  // with the manifest it shall have
    if (images_.size() > 1) return push_several(names);
    for (const oci::Reference& name : names) {
      const BuiltImage& image = images_.front();
      oci::Digest digest = push_image(store_, *options_.registries, record_of(image),
                                      spec_.by_digest ? name.with_digest(*image.id) : name,
                                      Packing::kAsIs, options_.transfer);
      if (options_.transfer.events != nullptr)
        options_.transfer.events->emit(
            base::event::Note{base::str("pushed ", name.familiar(), " ", digest.str())});
    }
    // The push remembered the manifest it made.
    if (!written.descriptor)
      if (auto manifest = find_manifest(store_, record_of(images_.front()), true))
        written.descriptor = manifest->describe();
    return written;
  }

  // The images go by their digests, then the index that joins them by the names.
  WrittenImage push_several(const std::vector<oci::Reference>& names) {
    oci::Index index{.media_type = std::string(options_.form.docker ? oci::media_type::kDockerList
                                                                    : oci::media_type::kIndex)};
    index.annotations = options_.form.annotations_of("index", nullptr);
    for (const BuiltImage& image : images_) {
      for (const oci::Reference& name : names)
        push_image(store_, *options_.registries, record_of(image), name.with_digest(*image.id),
                   Packing::kAsIs, options_.transfer);
      std::optional<oci::Manifest> manifest = find_manifest(store_, record_of(image), true);
      CHECK(manifest);  // the push remembered it
      oci::Descriptor entry = manifest->describe();
      entry.platform = image.platform;
      entry.annotations = options_.form.annotations_of("manifest-descriptor", &image.platform);
      index.manifests.push_back(std::move(entry));
    }
    for (const oci::Reference& name : names) {
      oci::Digest digest = options_.registries->repository(name).put_document(
          index.bytes(), index.media_type, spec_.by_digest ? "" : name.tag());
      if (options_.transfer.events != nullptr)
        options_.transfer.events->emit(
            base::event::Note{base::str("pushed ", name.familiar(), " ", digest.str())});
    }
    return {index.describe()};
  }

  const BuiltImage& main_image() const {
    for (const BuiltImage& image : images_)
      if (image.platform.satisfies(oci::Platform::host())) return image;
    return images_.front();
  }

  WrittenImage write_bundle() {
    if (spec_.type == OutputSpec::Type::kOciDir)
      return add_images(*archive::write_oci_directory(spec_.dest));
    refuse_terminal();
    OutputFile file(spec_.dest, context_.out_fd);
    bool docker = spec_.type == OutputSpec::Type::kDocker;
    if (docker && images_.size() > 1)
      throw UsageError("a docker archive holds one platform; write type=oci");
    auto writer = docker ? archive::write_docker_archive(file) : archive::write_oci_archive(file);
    WrittenImage written = add_images(*writer);
    file.commit();
    return written;
  }

  WrittenImage add_images(archive::ImageWriter& writer) {
    WrittenImage written;
    bool docker_archive = spec_.type == OutputSpec::Type::kDocker;
    oci::Index index{.media_type = std::string(options_.form.docker ? oci::media_type::kDockerList
                                                                    : oci::media_type::kIndex)};
    for (const BuiltImage& image : images_) {
      OutgoingImage out =
          prepare(image, docker_archive ? Packing(Packing::kNone) : options_.form.packing);
      oci::Annotations beside =
          options_.form.annotations_of("manifest-descriptor", &image.platform);
      if (images_.size() == 1) {
        for (const auto& [key, value] : options_.form.annotations_of("index-descriptor", nullptr))
          beside[key] = value;
        add_blobs(writer, out);
        writer.add_image(out.manifest, out.config, names_, beside);
        if (!docker_archive)
          add_attestations(store_, writer, record_of(image), out.manifest.describe(), names_);
        written.descriptor = out.manifest.describe();
        break;
      }
      add_blobs(writer, out);
      oci::Descriptor entry = writer.add_manifest(out.manifest, out.config);
      add_attestations(store_, writer, record_of(image), out.manifest.describe(), names_);
      entry.annotations = beside;
      index.manifests.push_back(std::move(entry));
    }
    if (images_.size() > 1) {
      index.annotations = options_.form.annotations_of("index", nullptr);
      writer.add_index(index, names_, options_.form.annotations_of("index-descriptor", nullptr));
      written.descriptor = index.describe();
    }
    writer.finish();
    return written;
  }

  void add_blobs(archive::ImageWriter& writer, const OutgoingImage& image) {
    auto add = [&](const oci::Descriptor& blob) {
      writer.add_blob(
          blob, [&](base::Sink& out) { write_blob(store_, image, blob, out, options_.transfer); });
    };
    for (const oci::Descriptor& layer : image.manifest.layers) add(layer);
    add(image.manifest.config);
  }

  void write_files(const BuiltImage& image, base::Sink& out) const {
    overlay::View view(store_, overlay::open_stack(store_, image.layers));
    layer::WriteOptions writing;
    writing.plain = true;
    writing.fixed_mtime = options_.source_date_epoch;
    writing.stop = options_.transfer.stop;
    layer::write_tree(view.root(), out, writing);
  }

  void write_tar() {
    if (images_.size() > 1)
      throw UsageError("--output type=tar holds one platform; write type=local or type=oci");
    refuse_terminal();
    OutputFile file(spec_.dest, context_.out_fd);
    write_files(images_.front(), file);
    file.commit();
  }

  void write_local() {
    bool split = spec_.platform_split.value_or(images_.size() > 1);
    if (!split && images_.size() > 1)
      throw UsageError("several platforms in one directory would overwrite each other");
    std::filesystem::path dest = std::filesystem::absolute(spec_.dest).lexically_normal();
    if (spec_.delete_others) empty(dest);
    for (const BuiltImage& image : images_) {
      std::filesystem::path directory = dest;
      if (split) {
        std::string platform = image.platform.str();
        std::replace(platform.begin(), platform.end(), '/', '_');
        directory /= platform;
      }
      sys::make_directories(directory, 0755);
      base::with_context("write " + directory.string(), [&] { unpack_into(image, directory); });
    }
  }

  void empty(const std::filesystem::path& dest) {
    std::filesystem::path here = std::filesystem::current_path();
    auto [end, ignored] = std::mismatch(here.begin(), here.end(), dest.begin(), dest.end());
    bool below_here = end == here.end() && dest != here;
    if (!below_here && !options_.allow_delete)
      throw base::Error(base::Code::kDenied,
                        "--output mode=delete would empty " + dest.string() +
                            ", which is not below the working directory",
                        "not-allowed")
          .add_help("allow it with --allow local.delete");
    struct stat st;
    if (::lstat(dest.c_str(), &st) < 0) return;
    if (!S_ISDIR(st.st_mode))
      throw base::Error(base::Code::kInvalid, dest.string() + " is not a directory",
                        "output-invalid");
    sys::Root root = sys::Root::open(dest);
    for (const std::string& name : sys::list_names(root.fd()))
      sys::remove_tree_at(root.fd(), name.c_str());
  }

  // One thread writes the files as a tar, this one unpacks it: nothing lies between.
  void unpack_into(const BuiltImage& image, const std::filesystem::path& directory) {
    sys::Pipe pipe = sys::make_pipe();
    std::exception_ptr failure;
    std::thread producer([&] {
      try {
        sys::FdSink sink(pipe.write_end.get(), "output");
        write_files(image, sink);
      } catch (...) {
        failure = std::current_exception();
      }
      pipe.write_end.reset();
    });
    std::exception_ptr unpacking;
    try {
      layer::ArchiveOptions options;
      // An ordinary user's files are his own, whoever owns them in the image.
      if (sys::userns_mode() != sys::UsernsMode::kNone) options.owner.emplace(0, 0);
      options.stop = options_.transfer.stop;
      sys::FdSource source(pipe.read_end.get(), "output");
      layer::extract_archive(source, sys::Root::open(directory), options);
      base::CountingSink rest;
      base::copy(source, rest);
    } catch (...) {
      unpacking = std::current_exception();
      pipe.read_end.reset();
    }
    producer.join();
    if (failure && !unpacking) std::rethrow_exception(failure);
    if (unpacking) std::rethrow_exception(unpacking);
  }

  void refuse_terminal() const {
    if (spec_.dest == "-" && ::isatty(context_.out_fd) == 1)
      throw UsageError("an archive on a terminal helps nobody: give dest=FILE, or redirect");
  }

  Context& context_;
  const OutputSpec& spec_;
  const std::vector<BuiltImage>& images_;
  store::Store& store_;
  const OutputOptions& options_;
  std::vector<oci::Reference> names_;
};

}  // namespace

WrittenImage write_output(Context& context, const OutputSpec& spec,
                          const std::vector<BuiltImage>& images, store::Store& store,
                          const OutputOptions& options) {
  return OutputWriter(context, spec, images, store, options).run();
}

}  // namespace cli
