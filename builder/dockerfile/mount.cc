#include "builder/dockerfile/mount.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/text.h"
#include "builder/dockerfile/glob.h"
#include "builder/dockerfile/word.h"

namespace dockerfile {

namespace {

[[noreturn]] void fail(std::string message, std::string help = {}) {
  base::Error error(base::Code::kInvalid, std::move(message), "invalid-mount");
  if (!help.empty()) error.add_help(std::move(help));
  throw error;
}

std::string meant(std::string_view word, const std::vector<std::string>& candidates) {
  std::string near = base::nearest(word, candidates);
  if (near.empty()) return "known are: " + base::join(candidates, ", ");
  return base::str("did you mean ", near, "?");
}

const std::vector<std::string>& type_names() {
  static const std::vector<std::string> names = {"bind", "cache", "tmpfs", "secret", "ssh"};
  return names;
}

const std::vector<std::string>& sharing_names() {
  static const std::vector<std::string> names = {"shared", "private", "locked"};
  return names;
}

const std::vector<std::string>& key_names() {
  static const std::vector<std::string> names = {
      "type", "target",   "dst",  "destination", "source", "src",     "from",
      "ro",   "readonly", "rw",   "readwrite",   "id",     "sharing", "mode",
      "uid",  "gid",      "size", "required",    "env"};
  return names;
}

template <typename Enum>
Enum choose(std::string_view value, const std::vector<std::string>& names, const char* what) {
  std::string lower = base::to_lower(value);
  auto found = std::find(names.begin(), names.end(), lower);
  if (found == names.end())
    fail(base::str("unknown ", what, " \"", base::printable(value, 60), "\""), meant(lower, names));
  return static_cast<Enum>(found - names.begin());
}

std::string base_name(std::string_view path) {
  std::string cleaned = clean_path(path);
  return cleaned.substr(cleaned.rfind('/') + 1);
}

class Resolver {
 public:
  explicit Resolver(const MountOptions& options) : options_(options) {
    mount_.where = options.where;
  }

  Mount run(const std::function<std::string(std::string_view)>& expand) {
    // The type may come last (OURS: any order), so it is looked for first.
    for (const auto& option : options_.options) {
      if (option.key == "type")
        mount_.type = choose<MountType>(expand(value_of(option)), type_names(), "mount type");
    }
    for (const auto& option : options_.options) {
      if (option.key == "type") continue;
      bool is_flag = option.key == "ro" || option.key == "readonly" || option.key == "rw" ||
                     option.key == "readwrite" || option.key == "required";
      std::string value;
      if (option.value) {
        value = option.key == "from" ? *option.value : expand(*option.value);
      } else if (is_flag) {
        value = "true";
      } else if (is_known(option.key)) {
        value_of(option);
      }
      apply(option.key, value);
    }
    finish();
    return std::move(mount_);
  }

 private:
  bool is(MountType type) const { return mount_.type == type; }
  std::string name() const { return type_names()[static_cast<size_t>(mount_.type)]; }
  static bool is_known(const std::string& key) {
    return std::find(key_names().begin(), key_names().end(), key) != key_names().end();
  }

  static const std::string& value_of(const MountOptions::Option& option) {
    if (!option.value)
      fail(base::str("mount option \"", base::printable(option.key, 60), "\" needs a value"));
    return *option.value;
  }

  void only_for(std::string_view key, std::initializer_list<MountType> types) const {
    if (std::find(types.begin(), types.end(), mount_.type) == types.end())
      fail(base::str("a ", name(), " mount has no option \"", key, "\""));
  }

  static bool boolean(std::string_view key, std::string_view value) {
    std::optional<bool> out = parse_bool(value);
    if (!out)
      fail(base::str("mount option \"", key, "\" takes true or false, not \"",
                     base::printable(value, 60), "\""));
    return *out;
  }

  // Ids end where the kernel's do; beyond there is one that means "leave it as it is".
  static uint32_t number(std::string_view key, std::string_view value, int radix) {
    int32_t out = 0;
    auto [stop, error] = std::from_chars(value.data(), value.data() + value.size(), out, radix);
    if (out < 0 || value.empty() || error != std::errc() || stop != value.data() + value.size())
      fail(base::str("mount option \"", key, "\" takes ", radix == 8 ? "an octal" : "a",
                     " number, not \"", base::printable(value, 60), "\""));
    return static_cast<uint32_t>(out);
  }

  void apply(const std::string& key, const std::string& value) {
    constexpr auto kBind = MountType::kBind, kCache = MountType::kCache, kTmpfs = MountType::kTmpfs,
                   kSecret = MountType::kSecret, kSsh = MountType::kSsh;
    if (key == "target" || key == "dst" || key == "destination") {
      mount_.target = value;
    } else if (key == "source" || key == "src") {
      only_for(key, {kBind, kCache, kSecret});
      mount_.source = value;
    } else if (key == "from") {
      only_for(key, {kBind, kCache});
      mount_.from = value;
    } else if (key == "ro" || key == "readonly") {
      read_only_ = boolean(key, value);
    } else if (key == "rw" || key == "readwrite") {
      read_only_ = !boolean(key, value);
    } else if (key == "id") {
      mount_.id = value;
    } else if (key == "sharing") {
      only_for(key, {kCache});
      mount_.sharing = choose<Sharing>(value, sharing_names(), "cache sharing");
    } else if (key == "mode" || key == "uid" || key == "gid") {
      only_for(key, {kCache, kSecret, kSsh});
      auto& field = key == "mode" ? mount_.mode : key == "uid" ? mount_.uid : mount_.gid;
      field = number(key, value, key == "mode" ? 8 : 10);
    } else if (key == "size") {
      only_for(key, {kTmpfs});
      std::optional<uint64_t> size = base::parse_size(value);
      if (!size)
        fail(base::str("\"", base::printable(value, 60), "\" is no size"), "for example 64m");
      mount_.size_bytes = *size;
    } else if (key == "required") {
      only_for(key, {kSecret, kSsh});
      mount_.required = boolean(key, value);
    } else if (key == "env") {
      mount_.env = value;
      has_env_ = true;
    } else {
      fail(base::str("unknown mount option \"", base::printable(key, 60), "\""),
           meant(key, key_names()));
    }
  }

  void finish() {
    mount_.read_only = read_only_.value_or(!is(MountType::kCache) && !is(MountType::kTmpfs));
    if (is(MountType::kSecret)) return finish_secret();
    if (is(MountType::kSsh)) {
      if (mount_.id.empty()) mount_.id = "default";
      return;
    }
    // Without a target it is the working directory, which only the stage knows.
    if (!mount_.target.empty() && clean_path(mount_.target) == "/")
      fail("a mount cannot have / as its target");
    if (is(MountType::kBind) && mount_.source.empty()) mount_.source = "/";
  }

  void finish_secret() {
    if (!mount_.source.empty() && !mount_.id.empty())
      fail("a secret mount takes id or source, not both");
    if (mount_.id.empty()) mount_.id = std::exchange(mount_.source, {});
    if (mount_.id.empty() && mount_.target.empty()) fail("a secret mount needs an id");
    if (mount_.id.empty()) mount_.id = base_name(mount_.target);
    if (mount_.target.empty() && !has_env_)
      mount_.target = base::str("/run/secrets/", base_name(mount_.id));
    if (has_env_ && mount_.env.empty()) mount_.env = mount_.id;
  }

  const MountOptions& options_;
  Mount mount_;
  std::optional<bool> read_only_;
  bool has_env_ = false;
};

}  // namespace

std::string MountOptions::from() const {
  std::string out;
  for (const Option& option : options)
    if (option.key == "from") out = option.value.value_or("");
  return out;
}

std::optional<bool> parse_bool(std::string_view text) {
  std::string lower = base::to_lower(text);
  if (lower == "true" || lower == "t" || lower == "1") return true;
  if (lower == "false" || lower == "f" || lower == "0") return false;
  return std::nullopt;
}

std::vector<std::string> split_csv(std::string_view text) {
  std::vector<std::string> out;
  for (size_t at = 0;; ++at) {
    std::string field;
    if (at < text.size() && text[at] == '"') {
      for (++at;; ++at) {
        if (at >= text.size()) fail("a double quote is not closed");
        if (text[at] == '"' && text.substr(at, 2) != "\"\"") break;
        if (text[at] == '"') ++at;
        field += text[at];
      }
      ++at;
      if (at < text.size() && text[at] != ',') fail("text after a closing double quote");
    } else {
      size_t end = std::min(text.find(',', at), text.size());
      field = text.substr(at, end - at);
      if (field.find('"') != std::string::npos) fail("a double quote inside an unquoted option");
      at = end;
    }
    out.push_back(std::move(field));
    if (at >= text.size()) return out;
  }
}

MountOptions split_mount(std::string_view text, base::SourceRange where) {
  MountOptions out;
  out.text = text;
  out.where = std::move(where);
  for (const std::string& field : split_csv(text)) {
    size_t equals = field.find('=');
    MountOptions::Option option{base::to_lower(field.substr(0, equals)), std::nullopt};
    if (equals != std::string::npos) option.value = field.substr(equals + 1);
    if (option.key == "from" && option.value && has_variable(*option.value)) {
      fail("variables are not expanded in the mount option \"from\"",
           "give the image a name with FROM ... AS name and use that name");
    }
    out.options.push_back(std::move(option));
  }
  return out;
}

Mount resolve_mount(const MountOptions& options,
                    const std::function<std::string(std::string_view)>& expand) {
  return Resolver(options).run(expand);
}

}  // namespace dockerfile
