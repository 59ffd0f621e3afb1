#include "store/registry/settings.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace registry {
namespace {

Settings from(std::string_view toml) {
  Settings settings;
  settings.add(toml, "registries.conf");
  return settings;
}

std::string route(const Settings& settings, const char* reference) {
  std::string out;
  for (const Endpoint& place : settings.route(oci::Reference::parse(reference)))
    out += (out.empty() ? "" : " ") + place.host + "/" + place.path + (place.insecure ? "!" : "");
  return out;
}

TEST(Settings, WithoutAnEntryTheNameItselfIsTheWay) {
  EXPECT_EQ(route({}, "debian:12"), "docker.io/library/debian");
}

TEST(Settings, MirrorsComeFirstAndTheRegistryLast) {
  Settings settings = from(R"(
[[registry]]
location = "docker.io"
[[registry.mirror]]
location = "mirror.example:5000"
insecure = true
[[registry.mirror]]
location = "other.example/hub"
pull-from-mirror = "digest-only"
)");
  EXPECT_EQ(route(settings, "debian:12"),
            "mirror.example:5000/library/debian! docker.io/library/debian");
  EXPECT_EQ(route(settings, ("debian@sha256:" + std::string(64, 'a')).c_str()),
            "mirror.example:5000/library/debian! other.example/hub/library/debian "
            "docker.io/library/debian");
  EXPECT_TRUE(settings.is_insecure("mirror.example:5000"));
  EXPECT_FALSE(settings.is_insecure("docker.io"));
}

TEST(Settings, TheLongestPrefixCountsAndOnlyAtTheEndOfAPart) {
  Settings settings = from(R"(
[[registry]]
prefix = "r.example/team"
location = "inside.example:5000/copy"
[[registry]]
prefix = "r.example"
blocked = true
[[registry]]
prefix = "*.wild.example"
insecure = true
)");
  EXPECT_EQ(route(settings, "r.example/team/app:1"), "inside.example:5000/copy/app");
  EXPECT_THROW(route(settings, "r.example/teams/app:1"), base::Error);
  EXPECT_EQ(route(settings, "r.example2/a:1"), "r.example2/a");
  EXPECT_EQ(route(settings, "a.b.wild.example/x:1"), "a.b.wild.example/x!");
  EXPECT_EQ(route(settings, "wild.example/x:1"), "wild.example/x");
}

TEST(Settings, MistakesNameFileAndLine) {
  for (const char* text : {"[[registry]]\nlocation = ", "[registries.search]\nregistries = ['x']",
                           "[[registry]]\nblocked = true"}) {
    try {
      from(text);
      ADD_FAILURE() << text;
    } catch (const base::Error& e) {
      EXPECT_TRUE(std::string(e.what()).starts_with("registries.conf: ")) << e.what();
    }
  }
}

}  // namespace
}  // namespace registry
