#include "cli/build/build_views.h"

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

void write_build_views(const Context& context, const Arguments& arguments,
                       const BuildRecord& record, const std::filesystem::path& builds) {
  if (auto path = arguments.find("trace")) write_trace_file(context, *path, record);
  if (auto path = arguments.find("report")) write_report_file(context, *path, record, builds);
}

}  // namespace cli
