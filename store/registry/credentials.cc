#include "store/registry/credentials.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/sys/process.h"
#include "base/text.h"
#include "store/oci/base64.h"

namespace registry {

namespace {

using Json = nlohmann::json;
using std::filesystem::path;

constexpr uint64_t kMostFileBytes = 4 << 20;
constexpr std::string_view kDockerHub = "https://index.docker.io/v1/";

std::optional<std::string> variable(const char* (*lookup)(const char*), const char* name) {
  const char* value = lookup == nullptr ? nullptr : lookup(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

/// A file as a JSON object; an absent or empty one is an empty object.
Json read_file(const path& file) {
  std::optional<std::string> text = sys::find_user_file(file, kMostFileBytes);
  if (!text || base::trim(*text).empty()) return Json::object();
  Json document = Json::parse(*text, nullptr, false);
  if (!document.is_object())
    throw base::Error(base::Code::kInvalid,
                      file.string() + " is not a JSON object with credentials", "bad-authfile");
  return document;
}

const Json* member(const Json& object, std::string_view key) {
  auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

std::string text_of(const Json& object, std::string_view key) {
  const Json* value = member(object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

/// "https://host/v1/" as old tools wrote it, without what is not host or repository.
std::string plain_key(std::string_view key) {
  if (key == kDockerHub) return "docker.io";
  for (std::string_view scheme : {"https://", "http://"})
    if (key.starts_with(scheme)) {
      key.remove_prefix(scheme.size());
      key = key.substr(0, key.find('/'));
    }
  while (key.ends_with('/')) key.remove_suffix(1);
  if (key == "index.docker.io" || key == "registry-1.docker.io") return "docker.io";
  return std::string(key);
}

/// Whether a key of a file speaks for a repository: the host, or a part of the path below it.
bool covers(std::string_view key, std::string_view name) {
  return name.starts_with(key) && (name.size() == key.size() || name[key.size()] == '/');
}

std::optional<Credential> read_entry(const Json& entry, const std::string& source) {
  if (!entry.is_object()) return std::nullopt;
  Credential out{text_of(entry, "username"), text_of(entry, "password"),
                 text_of(entry, "identitytoken"), source};
  std::string packed = text_of(entry, "auth");
  if (!packed.empty()) {
    auto plain = oci::decode_base64(packed);
    size_t colon = plain ? plain->find(':') : std::string::npos;
    if (colon == std::string::npos)
      throw base::Error(base::Code::kInvalid,
                        source + ": an \"auth\" that is not base64 of user:password",
                        "bad-authfile");
    out.user = plain->substr(0, colon);
    out.password = plain->substr(colon + 1);
    while (out.password.ends_with('\0')) out.password.pop_back();
  }
  if (out.user.empty() && out.password.empty() && out.identity_token.empty()) return std::nullopt;
  return out;
}

std::string helper_program(const std::string& name) {
  bool good = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
  });
  if (!good)
    throw base::Error(base::Code::kInvalid,
                      "credential helper " + base::printable(name) + " has no plain name",
                      "bad-authfile");
  return "docker-credential-" + name;
}

std::optional<Credential> ask_helper(const std::string& name, const std::string& host) {
  std::string program = helper_program(name);
  std::string output;
  sys::ExitStatus status = base::with_context("credentials of " + host, [&] {
    return sys::run_filter({program, "get"}, credential_key(host), output);
  });
  if (status.shell_status() != 0) {
    // Every helper says so in these words when it simply has none.
    if (output.find("credentials not found") != std::string::npos) return std::nullopt;
    throw base::Error(base::Code::kDenied,
                      base::str(program, " get failed: ", base::printable(base::trim(output), 200)),
                      "credential-helper");
  }
  Json answer = Json::parse(output, nullptr, false);
  if (!answer.is_object())
    throw base::Error(base::Code::kInvalid, program + " did not answer with a JSON object",
                      "credential-helper");
  Credential out{text_of(answer, "Username"), text_of(answer, "Secret"), {}, program};
  if (out.user == "<token>") {
    out.identity_token = std::exchange(out.password, {});
    out.user.clear();
  }
  if (out.password.empty() && out.identity_token.empty()) return std::nullopt;
  return out;
}

/// The helper a file names for a host, or "".
std::string helper_for(const Json& document, const std::string& host) {
  if (const Json* helpers = member(document, "credHelpers");
      helpers != nullptr && helpers->is_object())
    for (const auto& [key, value] : helpers->items())
      if (plain_key(key) == host && value.is_string()) return value.get<std::string>();
  return "";
}

std::optional<Credential> find_in(const path& file, const std::string& host,
                                  const std::string& name) {
  Json document = read_file(file);
  if (std::string helper = helper_for(document, host); !helper.empty())
    return ask_helper(helper, host);
  const Json* entries = member(document, "auths");
  if (file.filename() == ".dockercfg") entries = &document;
  const Json* best = nullptr;
  size_t best_size = 0;
  if (entries != nullptr && entries->is_object())
    for (const auto& [key, value] : entries->items()) {
      std::string plain = plain_key(key);
      if (!covers(plain, name) || plain.size() < best_size) continue;
      best = &value;
      best_size = plain.size();
    }
  if (best != nullptr)
    if (auto found = read_entry(*best, file.string())) return found;
  if (std::string helper = text_of(document, "credsStore"); !helper.empty())
    return ask_helper(helper, host);
  return std::nullopt;
}

void write_file(const path& file, const Json& document) {
  sys::make_directories(file.parent_path());
  sys::write_file_durably(file, document.dump(2) + "\n", 0600);
}

}  // namespace

std::string credential_key(std::string_view host) {
  return host == "docker.io" ? std::string(kDockerHub) : std::string(host);
}

CredentialFiles find_credential_files(const std::optional<path>& chosen,
                                      const char* (*lookup)(const char*)) {
  if (chosen) return {{*chosen}, *chosen};
  if (auto file = variable(lookup, "REGISTRY_AUTH_FILE")) return {{*file}, *file};
  CredentialFiles files;
  path home = variable(lookup, "HOME").value_or("/");
  if (auto runtime = variable(lookup, "XDG_RUNTIME_DIR"))
    files.readable.push_back(path(*runtime) / "containers/auth.json");
  path config = variable(lookup, "XDG_CONFIG_HOME").value_or((home / ".config").string());
  files.readable.push_back(config / "containers/auth.json");
  path docker = variable(lookup, "DOCKER_CONFIG").value_or((home / ".docker").string());
  files.readable.push_back(docker / "config.json");
  files.readable.push_back(home / ".dockercfg");
  files.writable = config / "containers/auth.json";
  std::error_code ignored;
  for (const path& file : files.readable)
    if (file.filename() != ".dockercfg" && std::filesystem::exists(file, ignored)) {
      files.writable = file;
      break;
    }
  return files;
}

std::optional<Credential> Credentials::find(const std::string& host,
                                            const std::string& repository) {
  if (only_ && !withheld_.lock()->contains(host)) return only_;
  for (const path& file : files_.readable)
    if (auto found = find_in(file, host, host + "/" + repository)) return found;
  return std::nullopt;
}

std::string Credentials::store(const std::string& host, const Credential& credential) {
  Json document = read_file(files_.writable);
  std::string helper = helper_for(document, host);
  if (helper.empty()) helper = text_of(document, "credsStore");
  if (!helper.empty()) {
    bool token = !credential.identity_token.empty();
    Json entry = {{"ServerURL", credential_key(host)},
                  {"Username", token ? "<token>" : credential.user},
                  {"Secret", token ? credential.identity_token : credential.password}};
    std::string output;
    std::string program = helper_program(helper);
    if (sys::run_filter({program, "store"}, entry.dump(), output).shell_status() != 0)
      throw base::Error(
          base::Code::kDenied,
          base::str(program, " store failed: ", base::printable(base::trim(output), 200)),
          "credential-helper");
    return program;
  }
  Json& entry = document["auths"][credential_key(host)];
  entry = Json::object();
  entry["auth"] = oci::encode_base64(credential.user + ":" + credential.password);
  if (!credential.identity_token.empty()) entry["identitytoken"] = credential.identity_token;
  write_file(files_.writable, document);
  return files_.writable.string();
}

bool Credentials::erase(const std::string& host) {
  bool erased = false;
  for (const path& file : files_.readable) {
    Json document = read_file(file);
    std::string helper = helper_for(document, host);
    if (helper.empty()) helper = text_of(document, "credsStore");
    if (!helper.empty() && ask_helper(helper, host)) {
      std::string output;
      erased |= sys::run_filter({helper_program(helper), "erase"}, credential_key(host), output)
                    .shell_status() == 0;
    }
    Json* entries = document.contains("auths") ? &document["auths"] : nullptr;
    if (entries == nullptr || !entries->is_object()) continue;
    std::vector<std::string> keys;
    for (const auto& [key, value] : entries->items())
      if (plain_key(key) == host) keys.push_back(key);
    for (const std::string& key : keys) entries->erase(key);
    if (keys.empty()) continue;
    write_file(file, document);
    erased = true;
  }
  return erased;
}

std::vector<std::string> Credentials::list() {
  std::vector<std::string> hosts;
  for (const path& file : files_.readable) {
    Json document = read_file(file);
    if (const Json* entries = member(document, "auths"); entries != nullptr && entries->is_object())
      for (const auto& [key, value] : entries->items()) hosts.push_back(plain_key(key));
  }
  std::sort(hosts.begin(), hosts.end());
  hosts.erase(std::unique(hosts.begin(), hosts.end()), hosts.end());
  return hosts;
}

}  // namespace registry
