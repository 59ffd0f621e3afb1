#include "builder/dockerfile/mount.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace dockerfile {
namespace {

using testing::ElementsAre;

Mount mount(std::string_view text) {
  return resolve_mount(split_mount(text, {}), [](std::string_view v) { return std::string(v); });
}

TEST(MountR6, ReadsFieldsInQuotes) {
  EXPECT_THAT(split_csv("a,\"b,\"\"c\",d"), ElementsAre("a", "b,\"c", "d"));
  EXPECT_THAT(split_csv("a,"), ElementsAre("a", ""));
  EXPECT_THROW(split_csv("\"a"), base::Error);
  EXPECT_THROW(split_csv("a\"b"), base::Error);
}

TEST(MountR6, HasTheDefaultsOfEachType) {
  Mount bind = mount("target=/x");
  EXPECT_EQ(bind.type, MountType::kBind);
  EXPECT_TRUE(bind.read_only);
  EXPECT_EQ(bind.source, "/");
  Mount cache = mount("TYPE=Cache,dst=/c,sharing=locked,mode=0700,uid=1");
  EXPECT_FALSE(cache.read_only);
  EXPECT_EQ(cache.sharing, Sharing::kLocked);
  EXPECT_EQ(cache.mode, 0700u);
  EXPECT_EQ(cache.uid, 1u);
  EXPECT_EQ(mount("type=tmpfs,target=/t,size=64m").size_bytes, 64u << 20);
  EXPECT_EQ(mount("type=ssh").id, "default");
}

TEST(MountR6, TakesOptionsInAnyOrder) {
  EXPECT_EQ(mount("size=1k,target=/t,type=tmpfs").size_bytes, 1024u);
  EXPECT_TRUE(mount("required,id=x,type=secret").required);
}

TEST(MountR6, ResolvesSecrets) {
  Mount file = mount("type=secret,id=a/tok");
  EXPECT_EQ(file.target, "/run/secrets/tok");
  EXPECT_EQ(file.env, "");
  Mount variable = mount("type=secret,id=tok,env=TOKEN");
  EXPECT_EQ(variable.target, "");
  EXPECT_EQ(variable.env, "TOKEN");
  EXPECT_EQ(mount("type=secret,target=/a/b").id, "b");
  EXPECT_EQ(mount("type=secret,src=s").id, "s");
  EXPECT_THROW(mount("type=secret"), base::Error);
  EXPECT_THROW(mount("type=secret,id=a,src=b"), base::Error);
}

TEST(MountR6, RefusesWhatATypeDoesNotHave) {
  for (const char* text :
       {"target=/", "type=bind,target=/x,sharing=shared", "type=bind,target=/x,mode=1",
        "type=tmpfs,target=/x,source=/y", "type=ssh,source=x", "type=secret,id=a,from=b",
        "target=/x,size=1", "target=/x,ro=maybe", "target=/x,uid=-1", "type=cache,target=/x,mode=9",
        "type=tmpfs,target=/x,size=lots", "target", "id,target=/x",
        "type=cache,target=/x,uid=4294967295", "type=cache,target=/x,uid=-1",
        "type=secret,id=a,gid=2147483648", "type=cache,target=/x,mode=-1"})
    EXPECT_THROW(mount(text), base::Error) << text;
}

TEST(MountR6, SuggestsTheNearestKey) {
  try {
    mount("type=cache,taget=/x");
    FAIL();
  } catch (const base::Error& e) {
    EXPECT_EQ(e.id(), "invalid-mount");
    EXPECT_THAT(e.helps(), ElementsAre("did you mean target?"));
  }
}

TEST(MountV1, ExpandsAllButFrom) {
  EXPECT_THROW(split_mount("from=$x,target=/a", {}), base::Error);
  Mount out = resolve_mount(split_mount("type=cache,target=$t,from=base", {}),
                            [](std::string_view v) { return v == "$t" ? "/x" : std::string(v); });
  EXPECT_EQ(out.target, "/x");
  EXPECT_EQ(out.from, "base");
}

}  // namespace
}  // namespace dockerfile
