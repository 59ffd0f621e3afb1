#include "store/registry/credentials.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

#include "base/error.h"
#include "tests/support/temp_dir.h"

namespace registry {
namespace {

class CredentialsTest : public ::testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& text) {
    std::filesystem::path file = dir_.path() / name;
    std::ofstream(file) << text;
    return file;
  }
  Credentials with(const std::string& text) {
    auto file = write("auth.json", text);
    return Credentials({{file}, file});
  }
  support::TempDir dir_;
};

TEST_F(CredentialsTest, LongestMatchWins) {
  // a:1, b:2, c:3
  auto all = with(R"({"auths":{"r.example":{"auth":"YTox"},"r.example/team":{"auth":"Yjoy"},
                               "https://r.example/v1/":{"auth":"YToz"}, "other.example":{"auth":"Yzoz"}}})");
  EXPECT_EQ(all.find("r.example", "team/app")->user, "b");
  EXPECT_EQ(all.find("other.example", "x")->password, "3");
  EXPECT_EQ(all.find("r.example", "teams/app")->user, "a");
  EXPECT_FALSE(all.find("r.example.evil", "x"));
  EXPECT_FALSE(all.find("r", "x"));
}

TEST_F(CredentialsTest, DockerHubIsKeptUnderItsOldAddress) {
  auto hub =
      with(R"({"auths":{"https://index.docker.io/v1/":{"auth":"YToxOjI=","identitytoken":"t"}}})");
  auto found = hub.find("docker.io", "library/a");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->password, "1:2");
  EXPECT_EQ(found->identity_token, "t");
}

TEST_F(CredentialsTest, WhatWasGivenForACommandIsNotForMirrors) {
  auto credentials = with(R"({"auths":{"mirror.example":{"auth":"bTpw"}}})");
  credentials.use_only({.user = "given"});
  credentials.withhold_from("mirror.example");
  EXPECT_EQ(credentials.find("r.example", "a")->user, "given");
  EXPECT_EQ(credentials.find("mirror.example", "a")->user, "m");
}

TEST_F(CredentialsTest, AFileThatIsNoneIsAnErrorNamingIt) {
  auto bad = with("[1]");
  EXPECT_THROW(bad.find("r.example", "a"), base::Error);
  auto worse = with(R"({"auths":{"r.example":{"auth":"***"}}})");
  EXPECT_THROW(worse.find("r.example", "a"), base::Error);
}

TEST_F(CredentialsTest, WhatIsStoredIsFoundAndErasedAndNobodyElseMayReadIt) {
  std::filesystem::path file = dir_.path() / "new/auth.json";
  Credentials all({{file}, file});
  all.store("docker.io", {"u", "p:w", {}, {}});
  all.store("r.example:5000", {"v", "q", {}, {}});
  struct stat st;
  ASSERT_EQ(::stat(file.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600U);
  EXPECT_EQ(all.find("docker.io", "library/a")->password, "p:w");
  EXPECT_EQ(all.list(), (std::vector<std::string>{"docker.io", "r.example:5000"}));
  EXPECT_TRUE(all.erase("docker.io"));
  EXPECT_FALSE(all.erase("docker.io"));
  EXPECT_FALSE(all.find("docker.io", "library/a"));
  EXPECT_TRUE(all.find("r.example:5000", "a"));
}

TEST_F(CredentialsTest, HelpersAreAskedForTheRegistriesThatNameThem) {
  auto helper = write("docker-credential-torte-test", R"(#!/bin/sh
read -r server
case $1:$server in
get:token.example) echo '{"Username":"<token>","Secret":"idt"}' ;;
get:r.example) echo '{"ServerURL":"r.example","Username":"u","Secret":"p"}' ;;
get:*) echo "credentials not found in native keychain"; exit 1 ;;
esac
)");
  ::chmod(helper.c_str(), 0755);
  std::string path = dir_.path().string() + ":" + std::getenv("PATH");
  ::setenv("PATH", path.c_str(), 1);
  auto all = with(
      R"({"credsStore":"torte-test","credHelpers":{"bad.example":"../evil"},"auths":{"plain.example":{"auth":"YTox"}}})");
  EXPECT_EQ(all.find("r.example", "a")->password, "p");
  EXPECT_EQ(all.find("token.example", "a")->identity_token, "idt");
  EXPECT_FALSE(all.find("none.example", "a"));
  EXPECT_EQ(all.find("plain.example", "a")->user, "a");
  EXPECT_THROW(all.find("bad.example", "a"), base::Error);
}

TEST_F(CredentialsTest, OneFileIsTheOnlyOneWhenItIsChosen) {
  auto files = find_credential_files("/x/auth.json", nullptr);
  EXPECT_EQ(files.readable, std::vector<std::filesystem::path>{"/x/auth.json"});
  EXPECT_EQ(files.writable, "/x/auth.json");
}

}  // namespace
}  // namespace registry
