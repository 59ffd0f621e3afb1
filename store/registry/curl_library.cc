#include "store/registry/curl_library.h"

#include <dlfcn.h>

#include "base/error.h"

namespace registry {

namespace {

template <typename Function>
void bind(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  if (function == nullptr)
    throw base::Error(base::Code::kUnsupported, std::string("the installed libcurl has no ") + name,
                      "libcurl-missing");
}

CurlLibrary load() {
  // Never unloaded: its own global state belongs to the process.
  void* library = ::dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr)
    throw base::Error(base::Code::kUnsupported,
                      "registries and downloads need libcurl, which is not installed",
                      "libcurl-missing")
        .add_help("install Debian's package libcurl4");
  decltype(&::curl_global_init) global_init = nullptr;
  bind(library, "curl_global_init", global_init);
  if (global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
    throw base::Error(base::Code::kUnsupported, "libcurl does not start", "libcurl-missing");
  CurlLibrary out = {};
  bind(library, "curl_easy_init", out.easy_init);
  bind(library, "curl_easy_cleanup", out.easy_cleanup);
  bind(library, "curl_easy_reset", out.easy_reset);
  bind(library, "curl_easy_perform", out.easy_perform);
  bind(library, "curl_easy_setopt", out.easy_setopt);
  bind(library, "curl_easy_getinfo", out.easy_getinfo);
  bind(library, "curl_easy_strerror", out.easy_strerror);
  bind(library, "curl_easy_pause", out.easy_pause);
  bind(library, "curl_multi_init", out.multi_init);
  bind(library, "curl_multi_cleanup", out.multi_cleanup);
  bind(library, "curl_multi_setopt", out.multi_setopt);
  bind(library, "curl_multi_add_handle", out.multi_add_handle);
  bind(library, "curl_multi_remove_handle", out.multi_remove_handle);
  bind(library, "curl_multi_perform", out.multi_perform);
  bind(library, "curl_multi_poll", out.multi_poll);
  bind(library, "curl_multi_info_read", out.multi_info_read);
  bind(library, "curl_slist_append", out.slist_append);
  bind(library, "curl_slist_free_all", out.slist_free_all);
  return out;
}

}  // namespace

const CurlLibrary& curl_library() {
  static const CurlLibrary kLibrary = load();
  return kLibrary;
}

const char* registrable_domain(const char* host) {
  // libcurl brings libpsl with it; this only asks the list it already uses for cookies.
  using Builtin = const void* (*)();
  using Domain = const char* (*)(const void*, const char*);
  static void* const kLibrary = ::dlopen("libpsl.so.5", RTLD_NOW | RTLD_LOCAL);
  if (kLibrary == nullptr) return host;
  static const auto kBuiltin = reinterpret_cast<Builtin>(::dlsym(kLibrary, "psl_builtin"));
  static const auto kDomain = reinterpret_cast<Domain>(::dlsym(kLibrary, "psl_registrable_domain"));
  if (kBuiltin == nullptr || kDomain == nullptr) return host;
  const char* domain = kDomain(kBuiltin(), host);
  return domain == nullptr ? host : domain;
}

}  // namespace registry
