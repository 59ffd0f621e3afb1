// torte fsck: is the store what its records say?
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/sys/root.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/images/open_store.h"
#include "cli/table.h"
#include "store/layer/compression.h"
#include "store/layer/tar_digest.h"
#include "store/layer/verify.h"

namespace cli {

namespace {

using Json = nlohmann::json;

// The checksum is what tells, when the layer leaves, whether its tree changed.
void require_checksum(const store::LayerRecord& record, uint32_t crc32) {
  if (!record.tar_crc32 || *record.tar_crc32 == crc32) return;
  throw base::Error(base::Code::kCorrupt,
                    base::str("its tree is right, but its record keeps the checksum ",
                              *record.tar_crc32, " instead of ", crc32),
                    "layer-damaged");
}

// A layer that was built gives its diff id again. One that came from elsewhere may have been
// written by another tar: it is compared with its blob; when that is gone there is nothing to
// compare with.
bool is_sound(store::Store& store, const store::LayerRecord& record,
              const std::filesystem::path& path) {
  const sys::Root tree = sys::Root::open(path);
  if (const layer::TarDigest tar = layer::tar_digest(tree); tar.diff_id == record.diff_id) {
    require_checksum(record, tar.crc32);
    return true;
  }
  if (record.origin == store::Origin::kBuilt) return false;
  for (const store::LayerBlob& each : record.blobs) {
    auto blob = store.find_blob(each.digest);
    if (!blob) continue;
    const auto tar = layer::decompress_any(*blob);
    const std::vector<layer::Difference> differences = layer::verify(tree, *tar);
    if (differences.empty()) return true;
    const layer::Difference& first = differences.front();
    throw base::Error(
        base::Code::kCorrupt,
        base::str("its tree differs in ", differences.size(), " place(s), first ",
                  base::printable(first.path, 200), ": ", base::printable(first.what, 100)),
        "layer-damaged");
  }
  return true;
}

Json report_json(const store::FsckReport& report) {
  Json problems = Json::array();
  for (const store::Problem& problem : report.problems)
    problems.push_back(
        {{"object", problem.object}, {"text", problem.text}, {"repaired", problem.repaired}});
  return {
      {"problems", std::move(problems)}, {"leftovers", report.leftovers}, {"lost", report.lost},
      {"images", report.images},         {"layers", report.layers},       {"blobs", report.blobs}};
}

std::string report_text(const store::FsckReport& report) {
  std::string out;
  for (const store::Problem& problem : report.problems)
    out += base::str(base::printable(problem.object), ": ", base::printable(problem.text),
                     problem.repaired ? " (removed)" : "", "\n");
  for (const std::string& name : report.lost)
    out += base::str("lost: ", base::printable(name), ": pull or build it again\n");
  if (!report.leftovers.empty())
    out += base::str(report.leftovers.size(),
                     " leftover(s) that nothing names: torte prune takes them\n");
  out += base::str(report.problems.empty() ? "sound: " : "looked at ", report.images, " image(s), ",
                   report.layers, " layer(s), ", report.blobs, " blob(s)\n");
  return out;
}

// For writing where that is possible: only then others can be kept from changing what is looked at.
std::unique_ptr<store::Store> open_for_check(const Context& context, bool repair) {
  auto store = find_store(context);
  if (!store) return store;
  try {
    return open_store(context);
  } catch (const base::Error& e) {
    if (repair || e.code() != base::Code::kDenied) throw;
    return store;
  }
}

int run_fsck(Context& context, const Arguments& arguments) {
  const bool repair = arguments.is_on("repair");
  auto store = open_for_check(context, repair);
  store::FsckReport report;
  if (store) {
    report = store->fsck(
        {.deep = arguments.is_on("deep"),
         .repair = repair,
         .verifier = [&](const store::LayerRecord& record, const std::filesystem::path& tree) {
           return is_sound(*store, record, tree);
         }});
  }
  const std::string format = arguments.get("format");
  if (format == "json")
    context.out(report_json(report).dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  else if (!format.empty())
    context.out(render_documents(Json::array({report_json(report)}), format));
  else if (!context.quiet || !report.problems.empty())
    context.out(report_text(report));
  for (const store::Problem& problem : report.problems)
    if (!problem.repaired) return 1;
  return 0;
}

}  // namespace

const Command& fsck_command() {
  static const Command kCommand{
      .name = "fsck",
      .aliases = {"verify-store", "system fsck"},
      .summary = "check the store",
      .usage = "[FLAGS]",
      .about =
          "Checks records, presence and sizes, and the digests of manifests and configurations. "
          "--deep reads everything: digests of all blobs, diff ids or contents of all layers. "
          "Status 1 when something is wrong.",
      .group = "images",
      .flags = {{.name = "deep", .help = "read and hash everything", .common = true},
                {.name = "repair",
                 .help = "remove what is broken, and say what to pull or build again",
                 .common = true},
                {.name = "format", .value = "FORMAT", .help = "json, or a template"}},
      .examples = {{"torte fsck --deep", "every byte"}},
      .run = run_fsck,
  };
  return kCommand;
}

}  // namespace cli
