#include "overlay/packed_mount.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"
#include "base/sys/mount.h"
#include "base/sys/process.h"
#include "base/text.h"
#include "overlay/packed_server.h"
#include "store/seek_file.h"

namespace overlay {

namespace {

constexpr std::string_view kReady = "ok";
constexpr uint64_t kMaxReport = 64 << 10;

layer::Compression compression_of(const store::LayerBlob& blob) {
  for (layer::Compression each : {layer::Compression::kGzip, layer::Compression::kZstd})
    if (blob.compression.starts_with(layer::compression_name(each))) return each;
  return layer::Compression::kNone;
}

/// False when the layer had better be unpacked.
bool have_index(store::Store& store, const oci::DiffId& layer, const store::LayerBlob& blob) {
  if (find_seek_index(store.layout(), blob.digest)) return true;
  store::BlobReader bytes = store.open_blob(blob.digest);
  const layer::SeekIndex index = layer::build_seek_index(bytes, blob.digest, compression_of(blob));
  if (index.diff_id != layer)
    throw base::Error(base::Code::kCorrupt,
                      base::str("blob ", blob.digest.str(), " is not of layer ", layer.str()),
                      "diff-id-mismatch");
  if (!index.whole_reason.empty()) return false;
  store.put_index(store::seek_index_name(blob.digest), index.format());
  return true;
}

/// A served image as the only tree of a stack. Keeps the detached mount, whose files would be
/// nobody's without it.
class ServedTree : public Tree {
 public:
  explicit ServedTree(sys::UniqueFd mount)
      : Tree(base::str("/proc/self/fd/", mount.get(), "/."), nullptr), mount_(std::move(mount)) {}

 private:
  sys::UniqueFd mount_;
};

/// Before Linux 6.15 an overlay refuses layers from mounts that are attached nowhere.
void require_stackable(const store::Store& store, const Stack& served) {
  try {
    View view(store, served);
  } catch (const base::SystemError& e) {
    if (e.error_number() != EINVAL) throw;
    throw base::Error(base::Code::kUnsupported, "overlayfs does not take a detached mount",
                      "no-fuse");
  }
}

sys::UniqueFd open_fuse() {
  sys::UniqueFd fuse(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (fuse) return fuse;
  throw base::Error(base::Code::kUnsupported, base::SystemError("open /dev/fuse", errno).message(),
                    "no-fuse");
}

sys::UniqueFd make_file_system(int fuse) {
  try {
    sys::FsContext context("fuse");
    context.set_string("source", "torte");
    context.set_string("subtype", "torte");
    context.set_string("fd", std::to_string(fuse));
    context.set_string("rootmode", "40000");
    context.set_string("user_id", "0");
    context.set_string("group_id", "0");
    context.set_flag("allow_other");
    context.set_flag("default_permissions");
    context.set_flag("ro");
    return context.mount(MOUNT_ATTR_RDONLY);
  } catch (const base::SystemError& e) {
    throw base::Error(base::Code::kUnsupported,
                      base::str("no FUSE file system here: ", e.message()), "no-fuse");
  }
}

int descriptor(const std::string& word) {
  const auto number = base::parse_decimal(word);
  CHECK(number && *number <= INT32_MAX);
  return static_cast<int>(*number);
}

}  // namespace

std::optional<std::vector<oci::Digest>> find_packed_layers(store::Store& store,
                                                           const std::vector<oci::DiffId>& layers) {
  bool all_unpacked = true;
  std::vector<store::LayerBlob> found;
  for (const oci::DiffId& layer : layers) {
    all_unpacked = all_unpacked && store.find_layer(layer);
    const auto record = store.find_known_layer(layer);
    if (!record) return std::nullopt;
    const auto here =
        std::find_if(record->blobs.begin(), record->blobs.end(),
                     [&](const auto& blob) { return store.find_blob(blob.digest).has_value(); });
    if (here == record->blobs.end()) return std::nullopt;
    found.push_back(*here);
  }
  if (all_unpacked) return std::nullopt;
  std::vector<oci::Digest> blobs;
  for (size_t i = 0; i < layers.size(); ++i) {
    if (!have_index(store, layers[i], found[i])) return std::nullopt;
    blobs.push_back(found[i].digest);
  }
  return blobs;
}

bool can_serve_packed() { return ::access("/dev/fuse", R_OK | W_OK) == 0; }

sys::UniqueFd mount_packed_image(const store::Store& store, const std::vector<oci::Digest>& blobs) {
  sys::UniqueFd fuse = open_fuse();
  sys::UniqueFd mount = make_file_system(fuse.get());
  sys::Pipe report = sys::make_pipe();
  std::vector<std::string> words = {"torte",
                                    "--root",
                                    store.layout().root().string(),
                                    kPackedServerCommand,
                                    std::to_string(fuse.get()),
                                    std::to_string(report.write_end.get())};
  for (const oci::Digest& blob : blobs) words.push_back(blob.str());
  sys::Process server = sys::start_self(words, {fuse.get(), report.write_end.get()});
  fuse.reset();
  report.write_end.reset();
  sys::FdSource source(report.read_end.get(), "the image server's report");
  const std::string said = base::read_all(source, kMaxReport);
  const sys::ExitStatus status = server.wait();
  if (said == kReady) return mount;
  throw base::Error(base::Code::kSystem,
                    said.empty()
                        ? base::str("the image server ended with status ", status.shell_status())
                        : "the image server: " + said,
                    "image-server");
}

Stack open_lowers(store::Store& store, const std::vector<oci::DiffId>& layers) {
  try {
    if (const auto blobs = find_packed_layers(store, layers)) {
      Stack served = {std::make_shared<ServedTree>(mount_packed_image(store, *blobs))};
      require_stackable(store, served);
      return served;
    }
  } catch (const base::Error& e) {
    if (e.id() != "no-fuse") throw;
  }
  return open_stack(store, layers);
}

int run_packed_server(const store::Layout& layout, const std::vector<std::string>& words) {
  sys::UniqueFd fuse(descriptor(words.at(0)));
  sys::UniqueFd report(descriptor(words.at(1)));
  try {
    std::vector<oci::Digest> blobs;
    for (size_t i = 2; i < words.size(); ++i) blobs.push_back(oci::Digest::parse(words[i]));
    PackedImage image(layout, blobs);
    // Whoever started us waits for this process only; the one that stays is nobody's child. There
    // is one thread yet.
    const pid_t child = ::fork();
    if (child < 0) base::throw_errno("fork");
    if (child > 0) return 0;
    if (::chdir("/") < 0) base::throw_errno("change directory");
    serve_packed_image(image, fuse.get(), [&] {
      sys::write_all(report.get(), base::as_bytes(kReady), "report");
      report.reset();
    });
  } catch (const base::Error& e) {
    if (!report) throw;
    sys::write_all(report.get(), base::as_bytes(std::string_view(e.what())), "report");
    return 1;
  }
  return 0;
}

}  // namespace overlay
