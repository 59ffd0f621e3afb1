// torte builds: what was built here, and what its steps printed.
#include <nlohmann/json.hpp>

#include <sys/stat.h>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/sys/root.h"
#include "base/sys/tree.h"
#include "base/text.h"
#include "cli/build/build_views.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/history/build_record.h"
#include "cli/history/explanation.h"
#include "cli/images/open_store.h"
#include "cli/output_file.h"
#include "cli/table.h"
#include "store/layout.h"

namespace cli {

namespace {

using Json = nlohmann::json;
constexpr uint64_t kMostRecordBytes = 64 << 20;

std::filesystem::path builds_of(const Context& context) {
  return store::Layout(context.root).builds();
}

Json read_record(const std::filesystem::path& build) {
  std::optional<std::string> text = sys::find_user_file(build / "record.json", kMostRecordBytes);
  Json json = Json::parse(text.value_or(""), nullptr, false);
  if (json.is_object()) return json;
  // Still running, or its process was killed.
  return {{"id", build.filename().string()},
          {"succeeded", false},
          {"error", "unfinished"},
          {"steps", Json::array()}};
}

std::string seconds_text(const Json& record) {
  double seconds = record.value("seconds", 0.0);
  return base::format_elapsed(std::chrono::microseconds(static_cast<int64_t>(seconds * 1e6)));
}

int run_ls(Context& context, const Arguments& arguments) {
  Table table({"ID", "STARTED", "TIME", "RESULT", "STEPS", "CACHED", "TAG", "RECIPE"});
  Json items = Json::array();
  for (const std::string& name : list_builds(builds_of(context))) {
    Json record = read_record(builds_of(context) / name);
    if (arguments.is_on("quiet-ids")) {
      context.out(short_build_id(name) + "\n");
      continue;
    }
    table.add({short_build_id(name), record.value("started", ""), seconds_text(record),
               record.value("succeeded", false) ? "ok" : "failed",
               base::str(record["steps"].size()), base::str(record.value("cached", 0)),
               record.value("tag", ""), record.value("recipe", "")});
    record.erase("steps");
    items.push_back(std::move(record));
  }
  if (!arguments.is_on("quiet-ids")) print_listing(context, table, items, arguments.get("format"));
  return 0;
}

int run_show(Context& context, const Arguments& arguments) {
  std::string name = find_build(builds_of(context), arguments.word(0));
  Json record = read_record(builds_of(context) / name);
  if (arguments.get("format") == "json") {
    context.out(record.dump(2) + "\n");
    return 0;
  }
  std::string out = base::str(
      "build ", short_build_id(name), "  ", base::printable(record.value("tag", "")), "  ",
      record.value("platform", ""), "\n", "recipe   ", base::printable(record.value("recipe", "")),
      "\n", "started  ", record.value("started", ""), ", took ", seconds_text(record), "\n");
  if (record.value("succeeded", false))
    out += base::str("image    ", record.value("image", ""), "\n");
  else
    out += base::str("failed   ", base::printable(record.value("error", "")), "\n");
  Table table({"STEP", "RESULT", "TIME", "STAGE", "TEXT"});
  for (const Json& step : record["steps"])
    table.add({base::str(step.value("step", 0)), step.value("result", ""), seconds_text(step),
               step.value("stage", ""), step.value("text", "")});
  context.out(out + "\n" + table.render(context.out_terminal().width));
  return 0;
}

int run_logs(Context& context, const Arguments& arguments) {
  std::filesystem::path build =
      builds_of(context) / find_build(builds_of(context), arguments.word(0));
  Json record = read_record(build);
  std::optional<uint64_t> wanted = arguments.number("step");
  bool known = false;
  for (const Json& step : record["steps"]) {
    int number = step.value("step", 0);
    if (wanted && *wanted != static_cast<uint64_t>(number)) continue;
    known = true;
    std::filesystem::path path = step_log_path(build, number);
    struct stat st;
    if (::stat(path.c_str(), &st) < 0) continue;
    if (!wanted)
      context.out(base::str("[", step.value("stage", ""), " ", step.value("index", 0), "/",
                            step.value("count", 0), "] ", step.value("text", ""), "\n"));
    sys::UniqueFd fd = sys::open_user_file(path);
    sys::FdSource source(fd.get(), path.string());
    sys::FdSink sink(context.out_fd, "standard output");
    base::copy(source, sink);
  }
  if (wanted && !known)
    throw base::Error(base::Code::kNotFound, base::str("the build has no step ", *wanted),
                      "step-missing")
        .add_help("torte builds show lists its steps");
  return 0;
}

// The build a word means, as a value.
BuildRecord get_build(const Context& context, const std::string& word) {
  std::filesystem::path builds = builds_of(context);
  return read_build(builds, find_build(builds, word));
}

int run_trace(Context& context, const Arguments& arguments) {
  write_trace_file(context, arguments.get("output", "-"), get_build(context, arguments.word(0)));
  return 0;
}

int run_report(Context& context, const Arguments& arguments) {
  BuildRecord record = get_build(context, arguments.word(0));
  const std::string path = arguments.get("output", short_build_id(record.id) + ".html");
  write_report_file(context, path, std::move(record), *open_store(context));
  return 0;
}

int run_export(Context& context, const Arguments& arguments) {
  const std::filesystem::path builds = builds_of(context);
  const std::string name = find_build(builds, arguments.word(0));
  write_tar(context, arguments.get("output", short_build_id(name) + ".tar"),
            sys::Root::open(builds / name));
  return 0;
}

int run_explain(Context& context, const Arguments& arguments) {
  std::optional<uint64_t> step;
  if (const std::string word = arguments.word(1); !word.empty()) {
    step = base::parse_decimal(word);
    if (!step)
      throw UsageError(
          base::str("STEP is a number of torte builds show, not ", base::printable(word)));
  }
  const BuildRecord record = get_build(context, arguments.word(0));
  const std::vector<Explanation> all = explain_build(record, step, builds_of(context));
  context.out(arguments.get("format") == "json"
                  ? explanation_json(record, all)
                  : explanation_text(record, all,
                                     {.shows_cached = step || arguments.is_on("all"),
                                      .shows_all = arguments.is_on("all")}));
  return 0;
}

int run_rm(Context& context, const Arguments& arguments) {
  if (arguments.words().empty() && !arguments.is_on("all"))
    throw UsageError("builds rm needs an id, or --all");
  std::filesystem::path builds = builds_of(context);
  std::vector<std::string> names;
  if (arguments.is_on("all")) names = list_builds(builds);
  for (const std::string& word : arguments.words()) names.push_back(find_build(builds, word));
  for (const std::string& name : names) sys::remove_tree(builds / name);
  return 0;
}

}  // namespace

const std::vector<const Command*>& builds_commands() {
  static const Command kLs{
      .name = "builds ls",
      .aliases = {"builds"},
      .summary = "list the builds of this store",
      .usage = "[FLAGS]",
      .group = "build and run",
      .flags = {{.name = "quiet-ids", .letter = 'q', .help = "only the ids"},
                {.name = "format",
                 .value = "FORMAT",
                 .help = "table, json, json-lines or a template"}},
      .examples = {{"torte builds ls", "newest first; kept for 30 days, 200 at most"}},
      .positionals = {0, 0},
      .run = run_ls,
      .in_user_namespace = false};
  static const Command kShow{.name = "builds show",
                             .summary = "show one build and its steps",
                             .usage = "[FLAGS] [ID|^N|last]",
                             .group = "build and run",
                             .flags = {{.name = "format",
                                        .value = "FORMAT",
                                        .help = "text or json",
                                        .choices = {"text", "json"}}},
                             .examples = {{"torte builds show", "the last one"},
                                          {"torte builds show ^2", "the one before"}},
                             .positionals = {0, 1},
                             .run = run_show,
                             .in_user_namespace = false};
  static const Command kLogs{
      .name = "builds logs",
      .summary = "print what the steps of a build printed",
      .usage = "[FLAGS] [ID|^N|last]",
      .group = "build and run",
      .flags =
          {{.name = "step", .value = "N", .help = "only this step, byte for byte", .common = true}},
      .examples = {{"torte builds logs last --step 4", "the whole output of one step"}},
      .positionals = {0, 1},
      .run = run_logs,
      .in_user_namespace = false};
  static const Command kRm{.name = "builds rm",
                           .summary = "forget builds and their logs",
                           .usage = "[FLAGS] [ID...]",
                           .group = "build and run",
                           .flags = {{.name = "all", .letter = 'a', .help = "all of them"}},
                           .examples = {{"torte builds rm --all", "images and cache stay"}},
                           .positionals = {0, Positionals::kAny},
                           .run = run_rm,
                           .in_user_namespace = false};
  static const Command kTrace{
      .name = "builds trace",
      .summary = "what took how long, as trace events",
      .usage = "[FLAGS] [ID|^N|last]",
      .about =
          "Writes the JSON that chrome://tracing and Perfetto load: a lane for each step that "
          "ran at once, the waiting of steps, transfers, and what else the build did.",
      .group = "build and run",
      .flags = {{.name = "output",
                 .letter = 'o',
                 .value = "FILE",
                 .help = "write it there (default: standard output)"}},
      .examples = {{"torte builds trace -o build.trace.json", "of the last build"}},
      .positionals = {0, 1},
      .run = run_trace,
      .in_user_namespace = false};
  static const Command kReport{
      .name = "builds report",
      .summary = "a build as a page to look at or to hand on",
      .usage = "[FLAGS] [ID|^N|last]",
      .about =
          "Writes one HTML file that needs no network: summary, error, timeline, graph, steps "
          "with the reason of each, layers, inputs and logs.",
      .group = "build and run",
      .flags = {{.name = "output",
                 .letter = 'o',
                 .value = "FILE",
                 .help = "write it there; - is standard output (default: ID.html)"}},
      .examples = {{"torte builds report -o build.html", "of the last build"}},
      .positionals = {0, 1},
      .run = run_report};
  static const Command kExport{
      .name = "builds export",
      .summary = "record and logs of a build as a tar",
      .usage = "[FLAGS] [ID|^N|last]",
      .about =
          "Writes record.json and the logs, step-N.log, to hand on. `torte builds report` makes "
          "a page of them.",
      .group = "build and run",
      .flags = {{.name = "output",
                 .letter = 'o',
                 .value = "FILE",
                 .help = "write it there; - is standard output (default: ID.tar)"}},
      .examples = {{"torte builds export last -o build.tar", "of the last build"}},
      .positionals = {0, 1},
      .run = run_export,
      .in_user_namespace = false};
  static const Command kExplain{
      .name = "explain",
      .aliases = {"builds explain"},
      .summary = "say why steps of a build ran again",
      .usage = "[FLAGS] [ID|^N|last] [STEP]",
      .about =
          "For each step that ran: which input changed, old and new; the steps it follows "
          "from; those that ran because of it. STEP is a number of `torte builds show`.",
      .group = "build and run",
      .flags = {{.name = "all",
                 .letter = 'a',
                 .help = "all changes of a step, and steps that did not run"},
                {.name = "format",
                 .value = "FORMAT",
                 .help = "text or json",
                 .choices = {"text", "json"}}},
      .examples = {{"torte explain", "the last build"}, {"torte explain last 4", "one step of it"}},
      .positionals = {0, 2},
      .run = run_explain,
      .in_user_namespace = false};
  static const std::vector<const Command*> kAll = {&kLs,     &kShow,   &kLogs,    &kTrace,
                                                   &kReport, &kExport, &kExplain, &kRm};
  return kAll;
}

}  // namespace cli
