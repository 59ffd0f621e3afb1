#pragma once

#define CURL_DISABLE_TYPECHECK 1
#include <curl/curl.h>

/// libcurl, loaded when the first request is made. It pulls in some thirty shared objects, five
/// times the whole start of the program; commands that stay on this machine must not pay for them.
/// [spec/performance.md rule 5]
namespace registry {

struct CurlLibrary {
  decltype(&::curl_easy_init) easy_init;
  decltype(&::curl_easy_cleanup) easy_cleanup;
  decltype(&::curl_easy_reset) easy_reset;
  decltype(&::curl_easy_perform) easy_perform;
  decltype(&::curl_easy_setopt) easy_setopt;
  decltype(&::curl_easy_getinfo) easy_getinfo;
  decltype(&::curl_easy_strerror) easy_strerror;
  decltype(&::curl_easy_pause) easy_pause;
  decltype(&::curl_multi_init) multi_init;
  decltype(&::curl_multi_cleanup) multi_cleanup;
  decltype(&::curl_multi_setopt) multi_setopt;
  decltype(&::curl_multi_add_handle) multi_add_handle;
  decltype(&::curl_multi_remove_handle) multi_remove_handle;
  decltype(&::curl_multi_perform) multi_perform;
  decltype(&::curl_multi_poll) multi_poll;
  decltype(&::curl_multi_info_read) multi_info_read;
  decltype(&::curl_slist_append) slist_append;
  decltype(&::curl_slist_free_all) slist_free_all;
};

/// Loads it once. Throws Unsupported, naming the Debian package, when it is not installed.
const CurlLibrary& curl_library();

/// The registrable domain of a host ("example.co.uk" of "a.b.example.co.uk") by the public suffix
/// list; the host itself when the list is not installed or the host has none. [publicsuffix.org]
const char* registrable_domain(const char* host);

}  // namespace registry
