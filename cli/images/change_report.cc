#include "cli/images/change_report.h"

#include <fcntl.h>

#include <array>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "base/text.h"
#include "cli/context.h"
#include "cli/table.h"
#include "cli/text_diff.h"

namespace cli {

namespace {

using Json = nlohmann::json;
using layer::DescribedChange;
using layer::PathState;

/// Larger ones are not compared line by line.
constexpr uint64_t kMostTextBytes = 4 << 20;

std::string octal(uint32_t mode) {
  std::array<char, 8> text;
  snprintf(text.data(), text.size(), "%04o", mode);
  return text.data();
}

std::string owner(const PathState& state) { return base::str(state.uid, ":", state.gid); }

std::string size_text(const std::optional<PathState>& state) {
  if (!state || (state->type == 'd' && state->size_bytes == 0)) return "-";
  return base::format_size(state->size_bytes);
}

/// What changed beside the content.
std::string attributes(const DescribedChange& change) {
  if (!change.before || !change.after) return "";
  std::vector<std::string> parts;
  const PathState& before = *change.before;
  const PathState& after = *change.after;
  if (before.type != after.type)
    parts.push_back(base::str("type ", before.type, " -> ", after.type));
  if (before.mode != after.mode)
    parts.push_back(base::str("mode ", octal(before.mode), " -> ", octal(after.mode)));
  if (owner(before) != owner(after))
    parts.push_back(base::str("owner ", owner(before), " -> ", owner(after)));
  return base::join(parts, ", ");
}

Json state_json(const std::optional<PathState>& state) {
  if (!state) return nullptr;
  return {{"type", std::string(1, state->type)},
          {"mode", octal(state->mode)},
          {"uid", state->uid},
          {"gid", state->gid},
          {"size", state->size_bytes}};
}

std::string summary(const std::vector<DescribedChange>& changes) {
  size_t added = 0, changed = 0, deleted = 0;
  uint64_t more = 0, less = 0;
  for (const DescribedChange& change : changes) {
    ++(change.change.kind == 'A' ? added : change.change.kind == 'D' ? deleted : changed);
    const uint64_t before = change.before ? change.before->size_bytes : 0;
    const uint64_t after = change.after ? change.after->size_bytes : 0;
    (after > before ? more : less) += after > before ? after - before : before - after;
  }
  return base::str(added, " added, ", changed, " changed, ", deleted, " deleted: +",
                   base::format_size(more), ", -", base::format_size(less), "\n");
}

/// The text of a file or the target of a link; nullopt for anything else, and what people would not
/// read.
std::optional<std::string> read_text(const sys::Root& root, const std::string& text,
                                     const PathState& state) {
  const sys::RootedPath path(text);
  if (state.type == 'l') {
    sys::UniqueFd parent = root.open_at(path.parent(), O_PATH | O_DIRECTORY | O_NOFOLLOW);
    return sys::read_link_at(parent.get(), text.substr(text.rfind('/') + 1).c_str());
  }
  if (state.type != 'f' || state.size_bytes > kMostTextBytes) return std::nullopt;
  sys::UniqueFd fd = root.open_at(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  sys::FdSource source(fd.get(), base::printable(text));
  std::string bytes = base::read_all(source, kMostTextBytes);
  return is_text(bytes) ? std::optional(std::move(bytes)) : std::nullopt;
}

/// One side of a comparison: empty where nothing is.
struct Side {
  std::string name;
  std::optional<std::string> text;
};

Side side_of(const char* prefix, const std::string& path, const sys::Root* root,
             const std::optional<PathState>& state) {
  if (!state || state->type == 'd' || root == nullptr) return {"/dev/null", ""};
  return {base::printable(prefix + path), read_text(*root, path, *state)};
}

bool has_content(const std::optional<PathState>& state) {
  return state && (state->type == 'f' || state->type == 'l');
}

/// For what is not shown: a change of mode alone is none of the content.
bool same_bytes(const std::string& path, const DescribedChange& change, const sys::Root* before,
                const sys::Root& after) {
  if (before == nullptr || !change.before || !change.after || change.before->type != 'f' ||
      change.after->type != 'f' || change.before->size_bytes != change.after->size_bytes)
    return false;
  const auto digest = [&](const sys::Root& root) {
    sys::UniqueFd fd = root.open_at(sys::RootedPath(path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    sys::FdSource source(fd.get(), base::printable(path));
    base::Sha256 sum;
    base::copy(source, sum);
    return sum.finish();
  };
  return digest(*before) == digest(after);
}

std::string content_of(const DescribedChange& change, const sys::Root* before,
                       const sys::Root& after) {
  if (!has_content(change.before) && !has_content(change.after)) return "";
  const Side from = side_of("a", change.change.path, before, change.before);
  const Side to = side_of("b", change.change.path, &after, change.after);
  if (from.text && to.text) return unified_diff(*from.text, *to.text, from.name, to.name);
  if (same_bytes(change.change.path, change, before, after)) return "";
  return base::str("Files ", from.name, " and ", to.name, " differ: ", size_text(change.before),
                   " -> ", size_text(change.after), "\n");
}

}  // namespace

void print_statistics(const Context& context, const std::vector<DescribedChange>& changes,
                      const std::string& format) {
  Table table({"CHANGE", "PATH", "BEFORE", "AFTER", "ATTRIBUTES"});
  Json items = Json::array();
  for (const DescribedChange& change : changes) {
    const std::string kind(1, change.change.kind);
    table.add({kind, change.change.path, size_text(change.before), size_text(change.after),
               attributes(change)});
    items.push_back({{"change", kind},
                     {"path", change.change.path},
                     {"before", state_json(change.before)},
                     {"after", state_json(change.after)}});
  }
  print_listing(context, table, items, format);
  if (format.empty()) context.out(summary(changes));
}

void print_contents(const Context& context, const std::vector<DescribedChange>& changes,
                    const sys::Root* before, const sys::Root& after) {
  for (const DescribedChange& change : changes) {
    std::string text = content_of(change, before, after);
    context.out(context.out_terminal().is_terminal ? terminal_safe(text) : text);
  }
}

}  // namespace cli
