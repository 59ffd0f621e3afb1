#include "builder/dockerfile/git_reference.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "builder/dockerfile/commands.h"

namespace dockerfile {

namespace {

constexpr std::string_view kShortHost = "github.com/";

[[noreturn]] void fail(std::string_view text, std::string_view what) {
  throw base::Error(
      base::Code::kInvalid,
      base::str("git reference \"", base::printable(without_userinfo(text), 200), "\": ", what),
      "git-reference");
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decode_percent(std::string_view text, bool plus_is_blank = true) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
    if (text[i] == '%' && high >= 0 && low >= 0) {
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += text[i] == '+' && plus_is_blank ? ' ' : text[i];
    }
  }
  return out;
}

bool parse_bool(std::string_view text, std::string_view key, const std::string& value) {
  std::string lower = base::to_lower(value);
  if (lower.empty() || lower == "true" || lower == "1" || lower == "t") return true;
  if (lower == "false" || lower == "0" || lower == "f") return false;
  fail(text, base::str(key, " is true or false, not ", base::printable(value, 40)));
}

// What git could take for an option, or never has as the name of a ref.
bool is_bad_ref(std::string_view ref) {
  if (ref.starts_with('-') || ref.find("..") != std::string_view::npos) return true;
  for (char c : ref)
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f ||
        std::string_view("~^:?*[\\").find(c) != std::string_view::npos)
      return true;
  return false;
}

/// Reads `?key=value&...` into a reference.
class Query {
 public:
  Query(std::string_view text, GitReference& out) : text_(text), out_(out) {}

  void read(std::string_view query) {
    for (const std::string& part : base::split(query, '&')) {
      if (part.empty()) continue;
      size_t equals = part.find('=');
      std::string key = decode_percent(part.substr(0, equals));
      std::string value =
          equals == std::string::npos ? "" : decode_percent(part.substr(equals + 1));
      if (key == "commit") key = "checksum";
      if (!seen_.insert(key).second) fail(text_, base::str("the key ", key, " is given twice"));
      set(key, value);
    }
    if (seen_.contains("tag") + seen_.contains("branch") + seen_.contains("ref") > 1)
      fail(text_, "ref, tag and branch exclude each other");
  }
  bool has_ref() const {
    return seen_.contains("tag") || seen_.contains("branch") || seen_.contains("ref");
  }
  bool has(const char* key) const { return seen_.contains(key); }

 private:
  void set(const std::string& key, const std::string& value) {
    if (key == "ref" || key == "tag" || key == "branch") {
      if (value.empty()) fail(text_, key + " is empty");
      out_.ref = value;
      out_.ref_kind = key == "tag"      ? GitReference::RefKind::kTag
                      : key == "branch" ? GitReference::RefKind::kBranch
                                        : GitReference::RefKind::kAny;
    } else if (key == "subdir") {
      out_.subdirectory = value;
    } else if (key == "checksum") {
      out_.checksum = base::to_lower(value);
    } else if (key == "submodules") {
      out_.submodules = parse_bool(text_, key, value);
    } else if (key == "keep-git-dir") {
      out_.keep_git_dir = parse_bool(text_, key, value);
    } else if (key == "fetch-by-commit") {
      out_.fetch_by_commit = parse_bool(text_, key, value);
    } else if (key == "mtime") {
      if (value != "checkout" && value != "commit") fail(text_, "mtime is checkout or commit");
      out_.commit_times = value == "commit";
    } else {
      fail(text_, base::str("unknown key ", base::printable(key, 60)));
    }
  }

  std::string_view text_;
  GitReference& out_;
  std::set<std::string, std::less<>> seen_;
};

}  // namespace

GitReference GitReference::parse(std::string_view text) {
  GitReference out;
  std::string whole(text);
  if (whole.starts_with(kShortHost)) whole = "https://" + whole;
  size_t hash = whole.find('#');
  std::string fragment = hash == std::string::npos ? "" : whole.substr(hash + 1);
  whole.resize(std::min(hash, whole.size()));
  Query query(text, out);
  bool is_url = whole.find("://") != std::string::npos;
  size_t mark = is_url ? whole.find('?') : std::string::npos;
  if (mark != std::string::npos) {
    query.read(std::string_view(whole).substr(mark + 1));
    whole.resize(mark);
  }
  size_t colon = fragment.find(':');
  std::string ref = fragment.substr(0, colon);
  std::string subdirectory = colon == std::string::npos ? "" : fragment.substr(colon + 1);
  if (!ref.empty()) {
    if (query.has_ref()) fail(text, "the fragment and the query both name a ref");
    out.ref = ref;
  }
  if (!subdirectory.empty()) {
    if (query.has("subdir")) fail(text, "the fragment and the query both name a directory");
    out.subdirectory = subdirectory;
  }
  if (is_bad_ref(out.ref)) fail(text, "that is no name of a branch, tag or commit");
  if (out.checksum.find_first_not_of("0123456789abcdef") != std::string::npos ||
      out.checksum.size() > 64 || (query.has("checksum") && out.checksum.size() < 7))
    fail(text, "a commit has 7 to 64 hex digits");
  if (out.fetch_by_commit && out.checksum.empty()) fail(text, "fetch-by-commit needs a commit");
  if (whole.starts_with('-') || whole.find('\0') != std::string::npos ||
      whole.find('\n') != std::string::npos)
    fail(text, "that is no address of a repository");
  out.remote = std::move(whole);
  return out;
}

bool is_git_context(std::string_view text) {
  return source_kind(text) == SourceKind::kGit ||
         (text.starts_with(kShortHost) && text.size() > kShortHost.size());
}

std::string url_file_name(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return "";
  std::vector<std::string> parts = base::split(decode_percent(url.substr(scheme + 3), false), '/');
  for (size_t i = parts.size(); i-- > 1;) {
    if (parts[i].empty()) continue;
    bool bad = parts[i] == "." || parts[i] == ".." || parts[i].find('\0') != std::string::npos;
    return bad ? "" : parts[i];
  }
  return "";
}

std::string without_userinfo(std::string_view text) {
  std::string out;
  // A URL may hold another one: https://proxy.example/https://user:secret@host.example/file
  for (size_t scheme; (scheme = text.find("://")) != std::string_view::npos;) {
    out += text.substr(0, scheme + 3);
    text.remove_prefix(scheme + 3);
    const size_t at = text.substr(0, text.find_first_of("/?#")).rfind('@');
    if (at != std::string_view::npos) text.remove_prefix(at + 1);
  }
  return out += text;
}

std::string words_without_userinfo(std::string_view text) {
  if (text.find("://") == std::string_view::npos) return std::string(text);
  std::string out;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(" \t\r\n\"'"), text.size() - 1) + 1;
    out += without_userinfo(text.substr(0, end));
    text.remove_prefix(end);
  }
  return out;
}

}  // namespace dockerfile
