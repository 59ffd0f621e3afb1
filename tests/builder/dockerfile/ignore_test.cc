#include "builder/dockerfile/ignore.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/error.h"

namespace dockerfile {
namespace {

using testing::ElementsAre;
using Patterns = std::vector<std::string>;

bool ignores(const Patterns& patterns, std::string_view path) {
  return IgnoreMatcher::from_texts(patterns).ignores(path);
}

// The decision of a walk from the root down to `path`.
bool walk(const IgnoreMatcher& matcher, const std::string& path) {
  IgnoreMatcher::Visit visit;
  for (size_t at = 0; at != std::string::npos;) {
    at = path.find('/', at + 1);
    visit = matcher.visit(path.substr(0, at), visit.state);
  }
  return visit.ignored;
}

TEST(IgnoreG2, ReadsAndCleansLines) {
  Patterns texts;
  for (const auto& p :
       read_ignore_file("\xef\xbb\xbf# c\n a//b/./c/../d/ \r\n\n/x\n! /y \n #no\n!"))
    texts.push_back(p.text);
  EXPECT_THAT(texts, ElementsAre("a/b/d", "x", "!y", "#no", "!"));
  EXPECT_EQ(read_ignore_file("\n\nx")[0].line, 3);
}

TEST(IgnoreG2, RefusesALoneExclamationMarkNamingItsLine) {
  try {
    IgnoreMatcher matcher(read_ignore_file("a\n!\n", ".dockerignore"));
    FAIL();
  } catch (const base::Error& e) {
    EXPECT_STREQ(e.what(), "\"!\" needs a pattern after it");
    ASSERT_TRUE(e.place());
    EXPECT_EQ(e.place()->where.file, ".dockerignore");
    EXPECT_EQ(e.place()->where.first_line, 2);
  }
}

TEST(PathPattern, IsOneOnlyThroughAWildcardThatIsNotEscaped) {
  for (const char* pattern : {"a*", "?", "x[a]", "a\\\\*", "a\\b?"})
    EXPECT_TRUE(has_wildcard(pattern)) << pattern;
  for (const char* path : {"a", "a\\b", "a\\*", "a\\?b\\[", "\\"})
    EXPECT_FALSE(has_wildcard(path)) << path;
}

TEST(IgnoreG3, MatchesThePatternLanguage) {
  EXPECT_TRUE(ignores({"foo"}, "foo/bar"));
  EXPECT_FALSE(ignores({"foo"}, "a/foo"));
  EXPECT_TRUE(ignores({"**/foo"}, "foo"));
  EXPECT_TRUE(ignores({"**/foo"}, "a/b/foo"));
  EXPECT_TRUE(ignores({"a/**"}, "a/b"));
  EXPECT_FALSE(ignores({"a/**"}, "a"));
  EXPECT_TRUE(ignores({"a/**/b"}, "a/b"));
  EXPECT_TRUE(ignores({"a/**/b"}, "a/x/y/b"));
  EXPECT_FALSE(ignores({"a/**/b"}, "a/xb"));
  EXPECT_TRUE(ignores({"a?c"}, "abc"));
  EXPECT_FALSE(ignores({"a?c"}, "a/c"));
  EXPECT_TRUE(ignores({"[^a-c]x"}, "dx"));
  EXPECT_TRUE(ignores({"\\*"}, "*"));
  EXPECT_FALSE(ignores({"\\*"}, "a"));
  EXPECT_TRUE(ignores({"**/*.o"}, "a/b/c.o"));
}

TEST(IgnoreG3, RefusesMalformedPatterns) {
  for (const char* pattern : {"[", "[]a]", "[a-", "[-x]", "a\\", "[z-a]"})
    EXPECT_THROW(ignores({pattern}, "x"), base::Error) << pattern;
}

TEST(IgnoreG4, CarriesSkippedPatternsDownLikeTheReference) {
  auto matcher = IgnoreMatcher::from_texts({"a", "!a/b", "a"});
  EXPECT_FALSE(walk(matcher, "a/b"));
  EXPECT_TRUE(matcher.ignores("a/b"));
  EXPECT_TRUE(walk(matcher, "a/c"));
}

TEST(IgnoreG4, NeverIgnoresTheRoot) { EXPECT_FALSE(ignores({"**"}, ".")); }

TEST(IgnoreG5, ReadsIgnoredDirectoriesOnlyWhenSomethingMayComeBack) {
  auto matcher = IgnoreMatcher::from_texts({"*", "!src/keep", "!lib/*.a"});
  EXPECT_TRUE(matcher.may_reinclude_below("src"));
  EXPECT_FALSE(matcher.may_reinclude_below("src/keep"));
  EXPECT_TRUE(matcher.may_reinclude_below("lib"));
  EXPECT_FALSE(matcher.may_reinclude_below("doc"));
  EXPECT_TRUE(IgnoreMatcher::from_texts({"*", "!**/x"}).may_reinclude_below("doc"));
  EXPECT_FALSE(IgnoreMatcher::from_texts({"*"}).may_reinclude_below("doc"));
}

TEST(IgnoreG6, DecidesTheVectors) {
  EXPECT_TRUE(ignores({"*", "!keep"}, "other"));
  EXPECT_FALSE(ignores({"*", "!keep"}, "keep/below"));
  EXPECT_FALSE(ignores({"a", "!a/b"}, "a/b"));
  EXPECT_TRUE(ignores({"a", "!a/b"}, "a/c"));
  EXPECT_TRUE(ignores({"*.md"}, "x.md"));
  EXPECT_FALSE(ignores({"*.md"}, "d/x.md"));
  EXPECT_TRUE(ignores({"**/*.md"}, "d/x.md"));
  EXPECT_TRUE(ignores({"**"}, "any/thing"));
  EXPECT_FALSE(ignores({"!a"}, "a"));
  EXPECT_TRUE(ignores({"a/*", "!a/keep/*"}, "a/x"));
  EXPECT_FALSE(ignores({"a/*", "!a/keep/*"}, "a/keep/y"));
}

// Random lists: without re-includes the walk and the direct rule agree; with them, a directory said
// to hold nothing re-included holds nothing re-included.
TEST(IgnoreG4, HoldsOnRandomLists) {
  std::mt19937 random(7);
  const Patterns pieces = {"a", "b", "*", "**", "?", "a*"};
  auto path = [&](const Patterns& from) {
    std::string out;
    for (size_t i = 0, n = 1 + random() % 3; i < n; ++i)
      out += (i > 0 ? "/" : "") + from[random() % from.size()];
    return out;
  };
  for (int round = 0; round < 3000; ++round) {
    Patterns patterns;
    for (size_t i = 0, n = random() % 3; i < n; ++i) patterns.push_back(path(pieces));
    for (size_t i = 0, n = round % 2 ? random() % 3 : 0; i < n; ++i)
      patterns.push_back("!" + path(pieces));
    auto matcher = IgnoreMatcher::from_texts(patterns);
    std::string entry = path({"a", "b", "ab"});
    std::string parent = entry.substr(0, entry.rfind('/'));
    bool decided = walk(matcher, entry);
    std::string shown = testing::PrintToString(patterns) + " " + entry;
    if (!matcher.has_reincludes()) {
      EXPECT_EQ(decided, matcher.ignores(entry)) << shown;
    }
    if (parent != entry && walk(matcher, parent) && !decided) {
      EXPECT_TRUE(matcher.may_reinclude_below(parent)) << shown;
    }
  }
}

TEST(PathMatch, MatchesWithinOneComponent) {
  EXPECT_TRUE(path_match("a/*/c?", "a/b/cd"));
  EXPECT_FALSE(path_match("a/*", "a/b/c"));
  EXPECT_FALSE(path_match("**", "a/b"));
  EXPECT_TRUE(path_match("[a-c]\\?", "b?"));
  EXPECT_THROW(path_match("[", "x"), base::Error);
  EXPECT_TRUE(has_wildcard("a[b]"));
  EXPECT_FALSE(has_wildcard("a/b"));
}

TEST(CleanPath, IsLexical) {
  EXPECT_EQ(clean_path("a//b/./c/../d/"), "a/b/d");
  EXPECT_EQ(clean_path("/../a"), "/a");
  EXPECT_EQ(clean_path("../a"), "../a");
  EXPECT_EQ(clean_path(""), ".");
  EXPECT_EQ(clean_path("/"), "/");
}

}  // namespace
}  // namespace dockerfile
