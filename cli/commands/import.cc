// torte import: a tar of a root file system becomes an image of one layer.
#include <unistd.h>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/images/image_changes.h"
#include "cli/images/open_store.h"
#include "cli/interrupt.h"
#include "overlay/built_layer.h"
#include "overlay/unpack.h"
#include "store/layer/compression.h"
#include "store/layer/writer.h"
#include "store/oci/reference.h"
#include "store/oci/timestamp.h"
#include "store/store.h"

namespace cli {

namespace {

struct NewTree {
  overlay::TreePtr tree;
  store::LayerRecord record;
};

/// Unpacks the tar, whatever it is packed with. The layer is what torte itself would write of the
/// tree, so that nothing of the tar's own form needs to be kept.
NewTree unpack(store::Store& store, base::Source& source, const layer::Limits& limits,
               std::stop_token stop) {
  auto plain = layer::decompress_any(source, limits);
  overlay::UnpackOptions unpacking;
  unpacking.limits = limits;
  unpacking.stop = stop;
  overlay::Unpacked unpacked = overlay::unpack_layer(store, *plain, {}, unpacking);
  layer::WriteOptions writing;
  writing.stop = stop;
  store::LayerRecord record =
      overlay::built_layer(layer::tar_digest(sys::Root::open(unpacked.tree->path()), writing));
  record.tree_size_bytes = unpacked.disk_bytes;
  return {std::move(unpacked.tree), std::move(record)};
}

oci::ImageConfig make_config(const Arguments& arguments, const oci::DiffId& diff_id) {
  auto now = std::chrono::time_point_cast<std::chrono::nanoseconds>(
      std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()));
  oci::ImageConfig config;
  config.created = oci::format_timestamp(now);
  config.platform = oci::Platform::host();
  if (auto text = arguments.find("platform")) config.platform = oci::Platform::parse(*text);
  config.diff_ids = {diff_id};
  oci::HistoryEntry entry{.created = config.created};
  entry.created_by = "torte import " + arguments.word(0);
  entry.comment = arguments.get("message");
  config.history = {std::move(entry)};
  apply_changes(config, arguments.all("change"));
  return config;
}

sys::UniqueFd open_source(const Context& context, const std::string& source) {
  if (source.find("://") != std::string::npos)
    throw base::Error(base::Code::kUnsupported,
                      "import " + base::printable(source) + ": URLs are not supported yet",
                      "not-built")
        .add_help("download it first, or pipe it in: curl ... | torte import - NAME");
  if (source != "-") return sys::open_user_file(source);
  if (::isatty(context.in_fd) == 1) throw UsageError("standard input is a terminal, not a tar");
  return sys::UniqueFd(::dup(context.in_fd));
}

int run_import(Context& context, const Arguments& arguments) {
  Interrupt interrupt;
  std::vector<oci::Reference> names;
  if (!arguments.word(1).empty())
    names.push_back(oci::Reference::parse(arguments.word(1)).with_default_tag());
  // Looked at before the work: a mistake in them should not cost the unpacking.
  oci::ImageConfig trial;
  trial.platform = oci::Platform::host();
  apply_changes(trial, arguments.all("change"));
  std::string source = arguments.word(0);
  sys::UniqueFd fd = open_source(context, source);
  sys::FdSource bytes(fd.get(), source);
  layer::Limits limits;
  if (auto most = arguments.size_bytes("max-unpacked")) limits.unpacked_bytes = *most;

  auto store = make_store(context);
  store::Lease lease = store->lease();
  NewTree layer = base::with_context(
      "import " + source, [&] { return unpack(*store, bytes, limits, interrupt.token()); });
  oci::DiffId diff_id = layer.record.diff_id;
  oci::ImageConfig config = make_config(arguments, diff_id);
  auto writer = store->write_blob();
  writer->write(base::as_bytes(config.bytes()));
  store::StagedBlob staged = writer->finish();
  oci::Digest id = staged.digest();

  store::Batch batch = store->batch();
  batch.add_layer({std::move(layer.record), layer.tree->path()});
  batch.add_blob(std::move(staged));
  store::ImageRecord record{.id = id};
  record.platform = config.platform.normalized().str();
  record.created = std::chrono::time_point_cast<store::Time::duration>(
      oci::parse_timestamp(config.created).value());
  record.layers = {diff_id};
  batch.add_image(std::move(record));
  for (const oci::Reference& name : names) batch.set_name({.name = name.str()}, id);
  batch.commit();
  context.out(id.str() + "\n");
  return 0;
}

}  // namespace

const Command& import_command() {
  static const Command kCommand{
      .name = "import",
      .aliases = {"image import"},
      .summary = "make an image of a tar of a root file system",
      .usage = "[FLAGS] FILE|- [NAME]",
      .about =
          "Reads a tar, packed with gzip, zstd, xz, bzip2 or not at all, and makes an image with "
          "its files as the only layer. Prints the image id.",
      .group = "images",
      .flags = {{.name = "change",
                 .letter = 'c',
                 .value = "INSTRUCTION",
                 .help = "change the configuration, as in a recipe: -c 'CMD [\"sh\"]'",
                 .repeatable = true,
                 .common = true},
                {.name = "message",
                 .letter = 'm',
                 .value = "TEXT",
                 .help = "comment for the history",
                 .common = true},
                {.name = "platform",
                 .value = "OS/ARCH",
                 .help = "platform of the image (default: this machine's)"},
                {.name = "max-unpacked",
                 .value = "SIZE",
                 .help = "refuse a tar that unpacks to more than this"}},
      .examples = {{"torte import rootfs.tar.gz base:1 -c 'ENTRYPOINT [\"/init\"]'",
                    "an image of a tar"},
                   {"debootstrap ... && tar -C root -c . | torte import - debian", "from a pipe"}},
      .positionals = {1, 2},
      .run = run_import,
  };
  return kCommand;
}

}  // namespace cli
