#include "cli/build/build_views.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <vector>

#include "base/text.h"
#include "cli/history/explanation.h"
#include "cli/history/report.h"
#include "cli/history/trace.h"
#include "cli/output_file.h"
#include "store/layer/contents.h"
#include "store/oci/digest.h"

namespace cli {

namespace {

constexpr size_t kMostFiles = 300;  // of all layers
constexpr size_t kMostFilesOfOne = 10;

// What the files of the layers take, where all trees are there: none is fetched or unpacked for a
// page.
void measure(const store::Store& store, BuildRecord& record) {
  std::vector<sys::Root> trees;
  for (const LayerRecord& layer : record.layers) {
    const std::optional<oci::DiffId> id = oci::DiffId::try_parse(layer.diff_id);
    if (std::error_code ignored;
        !id || !std::filesystem::exists(store.layout().layer_tree(*id), ignored))
      return;
    trees.push_back(sys::Root::open(store.layout().layer_tree(*id)));
  }
  if (trees.empty()) return;
  const size_t files = std::clamp<size_t>(kMostFiles / trees.size(), 1, kMostFilesOfOne);
  std::vector<layer::LayerContents> contents = layer::measure_layers(trees, files);
  for (size_t i = 0; i < contents.size(); ++i) {
    record.layers[i].hidden_bytes = contents[i].hidden_bytes;
    for (layer::SizedFile& file : contents[i].largest)
      record.layers[i].largest.push_back({std::move(file.path), file.size_bytes, file.hidden});
  }
}

}  // namespace

void write_report_file(const Context& context, const std::string& path, BuildRecord record,
                       store::Store& store) {
  const store::Lease lease = store.lease();
  const std::filesystem::path builds = store.layout().builds();
  measure(store, record);
  OutputFile file(path, context.out_fd);
  write_report(record, explain_build(record, {}, builds), builds / record.id, file);
  file.commit();
}

void write_trace_file(const Context& context, const std::string& path, const BuildRecord& record) {
  const std::string text = chrome_trace(record);
  OutputFile file(path, context.out_fd);
  file.write(base::as_bytes(text));
  file.commit();
}

void require_places(const Arguments& arguments) {
  for (const char* flag : {"iidfile", "metadata-file", "trace", "report"}) {
    auto path = arguments.find(flag);
    if (!path) continue;
    const std::string start = base::str("--", flag, " ", base::printable(*path), ": ");
    if (path->empty()) throw UsageError(start + "a file has a name");
    if (std::error_code ignored; std::filesystem::is_directory(*path, ignored))
      throw UsageError(start + "that is a directory");
    std::error_code problem;
    if (!std::filesystem::exists(std::filesystem::absolute(*path).parent_path(), problem))
      throw UsageError(start + "there is no such directory");
  }
}

size_t views_on_standard_output(const Arguments& arguments) {
  size_t count = 0;
  for (const char* flag : {"trace", "report"}) count += arguments.get(flag) == "-" ? 1 : 0;
  return count;
}

void write_build_views(const Context& context, const Arguments& arguments,
                       const BuildRecord& record, store::Store& store) {
  if (auto path = arguments.find("trace")) write_trace_file(context, *path, record);
  if (auto path = arguments.find("report")) write_report_file(context, *path, record, store);
}

}  // namespace cli
