#include "builder/dockerfile/git_reference.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "builder/dockerfile/commands.h"

namespace {

using dockerfile::GitReference;

TEST(GitReferenceTest, FileNamesAreOfThePathAlone) {
  EXPECT_EQ(dockerfile::url_file_name("https://h/a/b%20c?x=http://y/z#http://w"), "b c");
  EXPECT_EQ(dockerfile::url_file_name("h?x=http://y/z"), "");
  EXPECT_EQ(dockerfile::url_file_name("https://h/%2e%2e"), "");
}

TEST(GitReferenceTest, TheFragmentHoldsRefAndDirectory) {
  auto git = GitReference::parse("https://host/a/b.git#v1.2:docs/img");
  EXPECT_EQ(git.remote, "https://host/a/b.git");
  EXPECT_EQ(git.ref, "v1.2");
  EXPECT_EQ(git.subdirectory, "docs/img");
  EXPECT_EQ(GitReference::parse("git@host:p.git#:docs").subdirectory, "docs");
  EXPECT_EQ(GitReference::parse("git@host:p.git").remote, "git@host:p.git");
  EXPECT_EQ(GitReference::parse("github.com/a/b").remote, "https://github.com/a/b");
}

TEST(GitReferenceTest, TheQuerySaysTheSameAndMore) {
  auto git = GitReference::parse(
      "https://h/"
      "p.git?tag=v1&subdir=a%2Fb&commit=ABCDEF1234&submodules=false&keep-git-dir&mtime=commit");
  EXPECT_EQ(git.remote, "https://h/p.git");
  EXPECT_EQ(git.ref, "v1");
  EXPECT_EQ(git.ref_kind, GitReference::RefKind::kTag);
  EXPECT_EQ(git.subdirectory, "a/b");
  EXPECT_EQ(git.checksum, "abcdef1234");
  EXPECT_EQ(git.submodules, false);
  EXPECT_EQ(git.keep_git_dir, true);
  EXPECT_TRUE(git.commit_times);
}

TEST(GitReferenceTest, ContradictionsAndUnknownKeysAreErrors) {
  for (const char* text :
       {"https://h/p.git?tag=a&branch=b", "https://h/p.git?ref=a&ref=b", "https://h/p.git?ref=a#b",
        "https://h/p.git?subdir=a#:b", "https://h/p.git?color=red", "https://h/p.git?mtime=now",
        "https://h/p.git?commit=1234567&checksum=1234567", "https://h/p.git?checksum=xyz",
        "https://h/p.git?submodules=maybe", "https://h/p.git#--upload-pack=x",
        "https://h/p.git#a..b", "https://h/p.git#a b", "https://h/p.git?fetch-by-commit=true"})
    EXPECT_THROW(GitReference::parse(text), base::Error) << text;
}

TEST(GitReferenceTest, OnlyContextsMayLeaveTheSchemeOut) {
  EXPECT_TRUE(dockerfile::is_git_context("github.com/a/b"));
  EXPECT_TRUE(dockerfile::is_git_context("https://h/p.git?ref=x"));
  EXPECT_FALSE(dockerfile::is_git_context("https://h/p.tar.gz"));
  EXPECT_FALSE(dockerfile::is_git_context("./github.com"));
  EXPECT_EQ(dockerfile::source_kind("github.com/a/b"), dockerfile::SourceKind::kPath);
}

TEST(GitReferenceTest, PasswordsAreLeftOutOfMessages) {
  EXPECT_EQ(dockerfile::without_userinfo("https://me:secret@h/p"), "https://h/p");
  EXPECT_EQ(dockerfile::without_userinfo("https://h/p@2"), "https://h/p@2");
  EXPECT_EQ(dockerfile::without_userinfo("git@h:p"), "git@h:p");
  EXPECT_EQ(dockerfile::without_userinfo("https://proxy/https://me:secret@h/p?u=http://x:y@z"),
            "https://proxy/https://h/p?u=http://z");
}

}  // namespace
