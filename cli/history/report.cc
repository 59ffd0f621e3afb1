#include "cli/history/report.h"

#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "base/error.h"
#include "base/hash.h"
#include "base/sys/fd.h"
#include "base/text.h"
#include "cli/history/charts.h"
#include "cli/history/html.h"
#include "store/oci/base64.h"

namespace cli {

namespace {

using base::str;
using Json = nlohmann::ordered_json;

constexpr std::string_view kStyle =
#include "report_css.inc"
    ;
constexpr std::string_view kScript =
#include "report_js.inc"
    ;

// Of a longer log the page has the beginning and the end.
constexpr uint64_t kMostLogBytes = 2 << 20;
constexpr size_t kTailBytes = 8 << 10;
constexpr size_t kTailLines = 40;
constexpr size_t kShownText = 200;
// What all steps together may say in a table: a page of many steps is to stay small.
constexpr size_t kShownOfAll = 30000;
constexpr size_t kLeastText = 24;
constexpr size_t kShownReasons = 2;
constexpr size_t kMostRows = 500;

std::string elapsed(double seconds) {
  return base::format_elapsed(std::chrono::microseconds(static_cast<int64_t>(seconds * 1e6)));
}

std::string script_hash() {
  base::Sha256 hash;
  hash.write(base::as_bytes(kScript));
  const base::Sha256::Value value = hash.finish();
  return oci::encode_base64(base::as_text(value));
}

std::string definition(const char* name, const std::string& text) {
  return text.empty() ? "" : str("<dt>", name, "</dt><dd>", html_text(text), "</dd>");
}

std::string list(const std::vector<std::string>& texts) {
  std::string out = "<ul>";
  for (const std::string& text : texts) out += "<li>" + html_text(text) + "</li>";
  return texts.empty() ? "" : out + "</ul>";
}

// --- logs

// Only files lie there; nothing that a link leads to is for a page that others see.
sys::UniqueFd find_log(const std::filesystem::path& build, int step) {
  const std::filesystem::path path = step_log_path(build, step);
  sys::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd && errno != ENOENT && errno != ELOOP) base::throw_errno("open " + path.string());
  struct stat st;
  if (!fd || ::fstat(fd.get(), &st) < 0 || !S_ISREG(st.st_mode)) return {};
  return fd;
}

std::string read_at(int fd, uint64_t offset, size_t size) {
  std::string bytes(size, '\0');
  size_t done = 0;
  while (done < size) {
    const ssize_t n =
        ::pread(fd, bytes.data() + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0) base::throw_errno("read the log of a step");
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

uint64_t size_of(int fd) {
  struct stat st;
  if (::fstat(fd, &st) < 0) base::throw_errno("stat the log of a step");
  return static_cast<uint64_t>(st.st_size);
}

std::string log_for_page(int fd) {
  const uint64_t size = size_of(fd);
  if (size <= kMostLogBytes) return read_at(fd, 0, size);
  const size_t half = kMostLogBytes / 2;
  return str(read_at(fd, 0, half), "\n\n... ", size - kMostLogBytes,
             " bytes are left out here: torte builds logs has them ...\n\n",
             read_at(fd, size - half, half));
}

// The last lines, as text.
std::vector<std::string> tail_of(int fd) {
  const uint64_t size = size_of(fd);
  const size_t kept = static_cast<size_t>(std::min<uint64_t>(size, kTailBytes));
  std::vector<std::string> lines = base::split(read_at(fd, size - kept, kept), '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  if (size > kept && lines.size() > 1) lines.erase(lines.begin());
  if (lines.size() > kTailLines)
    lines.erase(lines.begin(), lines.end() - static_cast<ptrdiff_t>(kTailLines));
  return lines;
}

class Report {
 public:
  Report(const BuildRecord& record, const std::vector<Explanation>& why,
         const std::filesystem::path& build, base::Sink& out)
      : record_(record),
        why_(why),
        build_(build),
        out_(out),
        shown_(std::clamp(kShownOfAll / std::max<size_t>(1, record.steps.size()), kLeastText,
                          kShownText)) {}

  void write() {
    const std::string name = record_.tag.empty() ? record_.recipe : record_.tag;
    put("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    put(
        str("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src "
            "data:; style-src 'unsafe-inline'; script-src 'sha256-",
            script_hash(), "'; base-uri 'none'; form-action 'none'\">"));
    put("<meta name=\"viewport\" content=\"width=device-width\"><link rel=\"icon\" "
        "href=\"data:,\">");
    put(str("<title>", html_text(name, 200), " - build ", html_text(short_build_id(record_.id)),
            "</title><style>", kStyle, "</style></head>\n<body>"));
    put(str("<header data-testid=\"summary\"><h1>", html_text(name), "</h1>"));
    write_summary();
    put("</header>\n<main>");
    if (!record_.error.empty()) write_error();
    write_charts();
    write_steps();
    write_layers();
    write_inputs();
    write_warnings();
    write_logs();
    put(str("</main>\n<footer><p class=\"soft\">Made by torte ", TORTE_VERSION,
            " from the record of build ", html_text(record_.id), ".</p></footer>\n<script>",
            kScript, "</script></body></html>\n"));
  }

 private:
  void put(std::string_view text) { out_.write(base::as_bytes(text)); }

  void write_summary() {
    put(str("<p>", record_.succeeded ? "Built" : "<span class=\"bad\">Failed</span>", " in ",
            elapsed(record_.seconds), ": ", record_.steps.size(), " steps, ", record_.cached,
            " cached, ", record_.warnings, record_.warnings == 1 ? " warning" : " warnings",
            "</p><dl>"));
    put(definition("Recipe", record_.recipe));
    put(definition("Platform", record_.platform));
    put(definition("Started", record_.started));
    put(definition("Image", record_.image));
    if (record_.size_bytes > 0)
      put(definition("Size", str(base::format_size(record_.size_bytes), ", ",
                                 base::format_size(record_.new_bytes), " new")));
    put("</dl><nav aria-label=\"Parts\">");
    for (const char* part : {"timeline", "graph", "steps", "layers", "inputs", "logs"})
      put(str("<a href=\"#", part, "\">", part, "</a>"));
    put("</nav>");
  }

  void begin(const char* id, const char* heading) {
    put(str("<section id=\"", id, "\" data-testid=\"", id, "\" aria-labelledby=\"h-", id,
            "\"><h2 id=\"h-", id, "\">", heading, "</h2>"));
  }
  void end() { put("</section>\n"); }

  void write_error() {
    begin("error", "Error");
    put(str("<div class=\"box error\"><p class=\"bad\">", html_text(record_.error),
            record_.error_id.empty() ? "" : str("  [", html_text(record_.error_id), "]"), "</p>"));
    if (!record_.error_place.empty())
      put(str("<p>at <code>", html_text(record_.error_place), "</code></p>"));
    put(list(record_.error_facts));
    if (!record_.error_helps.empty()) put("<p>What may help:</p>" + list(record_.error_helps));
    put("</div>");
    for (const StepRecord& step : record_.steps)
      if (step.result == "failed") write_failure(step);
    end();
  }

  void write_failure(const StepRecord& step) {
    put(str("<p><a href=\"#step=", step.step, "\">Step ", step.step, "</a> <code>",
            html_text(step.text), "</code></p>"));
    const sys::UniqueFd log = find_log(build_, step.step);
    if (!log) return;
    put("<p class=\"soft\">The last it printed:</p><pre data-testid=\"failure\">");
    for (const std::string& line : tail_of(log.get())) put(html_text(line, 400) + "\n");
    put("</pre>");
  }

  void write_charts() {
    begin("timeline", "Timeline");
    const std::string timeline = timeline_svg(record_);
    if (timeline.empty()) {
      put("<p class=\"soft\">The record has no times.</p>");
    } else {
      put("<p class=\"key\">");
      for (const auto& [kind, text] :
           std::initializer_list<std::pair<const char*, const char*>>{{"w", "look-up and queue"},
                                                                      {"r", "RUN"},
                                                                      {"c", "other steps"},
                                                                      {"k", "commit, export"},
                                                                      {"h", "cached"},
                                                                      {"m", "transfer"},
                                                                      {"f", "failed"}})
        put(str("<span><svg width=\"12\" height=\"12\" aria-hidden=\"true\"><rect class=\"", kind,
                "\" width=\"12\" height=\"12\"/></svg>", text, "</span>"));
      put("<span>outlined: what the end waited for</span></p>");
      put(str("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Timeline\">",
              timeline, "</div>"));
    }
    end();
    begin("graph", "Graph");
    put(str("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Graph\">",
            graph_svg(record_), "</div>"));
    end();
  }

  std::string reason_of(const Explanation& why) const {
    const size_t most = shown_ < kShownText ? 1 : kShownReasons;
    std::string out;
    size_t shown = 0;
    for (const MissRecord& miss : why.step->misses) {
      if (is_of_another_step(miss)) continue;
      if (++shown <= most) out += (out.empty() ? "" : "; ") + html_short(miss_text(miss), shown_);
    }
    if (shown > most) out += str("; ", shown - most, " more");
    for (int cause : why.causes)
      out += str(out.empty() ? "" : "; ", "follows from <a href=\"#step=", cause, "\">step ", cause,
                 "</a>");
    return out;
  }

  void write_steps() {
    begin("steps", "Steps");
    put("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Steps\">"
        "<table class=\"sortable\" data-testid=\"steps-table\"><thead><tr><th class=\"n\">Step</th>"
        "<th>Stage</th><th>Instruction</th><th>Result</th><th class=\"n\">Time</th><th>Why</th>"
        "</tr></thead><tbody>\n");
    for (const Explanation& why : why_) {
      const StepRecord& step = *why.step;
      put(str("<tr id=\"step=", step.step, "\"><td class=\"n\" data-v=\"", step.step, "\">",
              step.step, "<td>", html_short(step.stage, 24), " ", step.index, "/", step.count,
              "<td><code>", html_short(step.text, shown_), "</code><td",
              step.result == "failed" ? " class=\"bad\"" : "", ">", html_text(step.result),
              "<td class=\"n\" data-v=\"", static_cast<int64_t>(step.seconds * 1e3), "\">",
              elapsed(step.seconds), "<td>", reason_of(why), "</tr>\n"));
    }
    put("</tbody></table></div>");
    end();
  }

  static std::string largest_files(const LayerRecord& layer) {
    if (layer.largest.empty()) return "";
    std::string out = str("<details><summary>", html_short(layer.largest.front().path, 60), " ",
                          base::format_size(layer.largest.front().bytes), "</summary><ul>");
    for (const LayerRecord::File& file : layer.largest)
      out += str("<li>", html_short(file.path, 120), " ", base::format_size(file.bytes),
                 file.is_hidden ? ", hidden" : "", "</li>");
    return out + "</ul></details>";
  }

  void write_layers() {
    begin("layers", "Layers");
    std::vector<LayerRecord> layers = record_.layers;
    std::stable_sort(layers.begin(), layers.end(),
                     [](const LayerRecord& a, const LayerRecord& b) { return a.bytes > b.bytes; });
    if (layers.size() > kMostRows) layers.resize(kMostRows);
    if (layers.empty()) put("<p class=\"soft\">The record names none.</p>");
    if (!layers.empty()) {
      put("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Layers\">"
          "<table class=\"sortable\" data-testid=\"layers-table\"><thead><tr><th class=\"n\">Size"
          "</th><th>Share</th><th class=\"n\">Hidden</th><th>Made by</th><th>Largest "
          "files</th></tr>"
          "</thead><tbody>\n");
      const uint64_t largest = std::max<uint64_t>(1, layers.front().bytes);
      for (const LayerRecord& layer : layers)
        put(str("<tr><td class=\"n\" data-v=\"", layer.bytes, "\">", base::format_size(layer.bytes),
                "<td data-v=\"", layer.bytes,
                "\"><div class=\"bar\" style=\"width:", layer.bytes * 200 / largest,
                "px\"></div><td class=\"n\" data-v=\"", layer.hidden_bytes, "\">",
                layer.hidden_bytes > 0 ? base::format_size(layer.hidden_bytes) : "", "<td>",
                layer.is_base ? "<span class=\"soft\">base image</span>"
                              : str("<code>", html_short(layer.made_by, kShownText), "</code>"),
                "<td>", largest_files(layer), "</tr>\n"));
      put("</tbody></table></div><p class=\"soft\">Hidden: in files that later layers remove or "
          "replace.</p>");
    }
    end();
  }

  void write_inputs() {
    begin("inputs", "Inputs");
    put("<dl>" + definition("Context", record_.context));
    if (const ContextUseRecord& use = record_.context_use; use.bytes > 0) {
      put(definition("Context size", str(base::format_size(use.bytes), ", of which steps use ",
                                         base::format_size(use.used_bytes))));
      for (const ContextUseRecord::Entry& entry : use.unused)
        put(definition("No step uses", entry.path + "  " + base::format_size(entry.bytes)));
    }
    for (const auto& [name, identity] : record_.images)
      put(definition("Base image", name + "  " + identity));
    for (const auto& [address, found] : record_.sources)
      put(definition("Fetched", address + "  " + found));
    put(definition("Build arguments", base::join(record_.arguments, ", ")));
    put(definition("Secrets", base::join(record_.secrets, ", ")));
    put("</dl>");
    end();
  }

  void write_warnings() {
    if (record_.warning_texts.empty()) return;
    begin("warnings", "Warnings");
    put("<ul>");
    for (const WarningRecord& warning : record_.warning_texts)
      put(str("<li>", warning.line > 0 ? str("line ", warning.line, ": ") : "",
              html_text(warning.text), "  [", html_text(warning.id), "]</li>"));
    put("</ul>");
    end();
  }

  void write_logs() {
    begin("logs", "Logs");
    put("<noscript><p>The logs are in this file, but showing them needs its script. <code>torte "
        "builds logs</code> prints them.</p></noscript>");
    std::string options;
    const int failed = failed_step();
    for (const StepRecord& step : record_.steps) {
      if (!find_log(build_, step.step)) continue;
      options += str("<option value=\"", step.step, "\"", step.step == failed ? " selected" : "",
                     ">", step.step, " ", html_text(step.text, 80), "</option>");
    }
    if (options.empty()) put("<p class=\"soft\">No step printed anything.</p>");
    put(
        str("<div id=\"viewer\" hidden><div class=\"tools\"><label>Step <select id=\"choice\" "
            "data-testid=\"log-step\"",
            failed >= 0 ? " data-failed=\"1\"" : "", ">", options,
            "</select></label><label>Search <input id=\"query\" type=\"search\" "
            "data-testid=\"log-search\"></label><button type=\"button\" id=\"previous\">Previous"
            "</button><button type=\"button\" id=\"next\">Next</button><span id=\"count\" "
            "role=\"status\"></span></div><div id=\"lines\" tabindex=\"0\" role=\"region\" "
            "aria-label=\"Log\" data-testid=\"log\"><div id=\"filler\"></div><ol id=\"list\"></ol>"
            "</div></div>"));
    end();
    write_data();
  }

  int failed_step() const {
    for (const StepRecord& step : record_.steps)
      if (step.result == "failed" && find_log(build_, step.step)) return step.step;
    return -1;
  }

  // One log in memory at a time.
  void write_data() {
    put("<script type=\"application/json\" id=\"data\">{\"logs\":{");
    bool is_first = true;
    for (const StepRecord& step : record_.steps) {
      const sys::UniqueFd log = find_log(build_, step.step);
      if (!log) continue;
      put(str(
          is_first ? "" : ",", "\"", step.step, "\":",
          script_json(
              Json(log_for_page(log.get())).dump(-1, ' ', true, Json::error_handler_t::replace))));
      is_first = false;
    }
    put("}}</script>\n");
  }

  const BuildRecord& record_;
  const std::vector<Explanation>& why_;
  const std::filesystem::path& build_;
  base::Sink& out_;
  size_t shown_;  // bytes of an instruction, and of a reason
};

}  // namespace

void write_report(const BuildRecord& record, const std::vector<Explanation>& why,
                  const std::filesystem::path& build, base::Sink& out) {
  Report(record, why, build, out).write();
}

}  // namespace cli
