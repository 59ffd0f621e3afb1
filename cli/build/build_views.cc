#include "cli/build/build_views.h"

#include <system_error>

#include "base/text.h"
#include "cli/history/explanation.h"
#include "cli/history/report.h"
#include "cli/history/trace.h"
#include "cli/output_file.h"

namespace cli {

void write_report_file(const Context& context, const std::string& path, const BuildRecord& record,
                       const std::filesystem::path& builds) {
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
                       const BuildRecord& record, const std::filesystem::path& builds) {
  if (auto path = arguments.find("trace")) write_trace_file(context, *path, record);
  if (auto path = arguments.find("report")) write_report_file(context, *path, record, builds);
}

}  // namespace cli
