#include "builder/dockerfile/word.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/error.h"

namespace dockerfile {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::optional<std::string> sample(std::string_view name) {
  static const std::map<std::string, std::string, std::less<>> env = {{"PWD", "/home"},
                                                                      {"SHELL", "bash"},
                                                                      {"NULL", ""},
                                                                      {"LIST", "80  90/udp"},
                                                                      {"FILE", "a/b.tar.gz"}};
  auto found = env.find(name);
  if (found == env.end()) return std::nullopt;
  return found->second;
}

// The expansion, or "error".
std::string run(std::string_view word, ExpandOptions options = {}) {
  try {
    return expand(word, sample, options);
  } catch (const base::Error& e) {
    EXPECT_EQ(e.code(), base::Code::kInvalid);
    return "error";
  }
}

TEST(WordV6, ExpandsTheTestVectors) {
  const std::vector<std::pair<const char*, const char*>> vectors = {
      {"he'll'o", "hello"},
      {"he\\'llo", "he'llo"},
      {"he'llo", "error"},
      {"\"abc\\tdef\"", "abc\\tdef"},
      {"abc\\tdef", "abctdef"},
      {"hello\\", "hello"},
      {"he$PWD", "he/home"},
      {"he\\$PWD", "he$PWD"},
      {"'$PWD'", "$PWD"},
      {"he$.x", "he$.x"},
      {"$1x", "x"},
      {"$999aaa", "aaa"},
      {"$@@@", "@@"},
      {"he${XXX:-$PWD}xx", "he/homexx"},
      {"he${XXX:-${PWD:-y}}", "he/home"},
      {"${XXX:+y}", ""},
      {"${PWD:+${SHELL}}", "bash"},
      {"${NULL?}", ""},
      {"${NULL:?}", "error"},
      {"${XXX?}", "error"},
      {"${PWD:=0}", "error"},
      {"${XXX:YYY}", "error"},
      {"${{a}", "error"},
      {"${aaa}}", "}"},
      {"${XXX:-b {foo}", "b {foo"},
      {"${}", "error"},
      {"${:-x}", "error"},
      {"${PWD", "error"},
      {"$", "$"},
      {"a$", "a$"}};
  for (const auto& [word, expected] : vectors) EXPECT_EQ(run(word), expected) << word;
}

TEST(WordV3, UsesTheEscapeCharacterOfTheRecipe) {
  ExpandOptions options;
  options.escape = '`';
  EXPECT_EQ(run("C:\\x`$PWD", options), "C:\\x$PWD");
  EXPECT_EQ(run("\"`\"\\\"", options), "\"\\");
}

TEST(WordV3, ReportsUndefinedNamesThatVanish) {
  std::vector<std::string> names;
  ExpandOptions options;
  options.undefined = [&](std::string_view name) { names.emplace_back(name); };
  EXPECT_EQ(run("$A${B}${C:-x}${D+y}$PWD", options), "x/home");
  EXPECT_THAT(names, ElementsAre("A", "B"));
}

TEST(WordV4, TrimsAndReplacesByPattern) {
  EXPECT_EQ(run("${FILE#*/}"), "b.tar.gz");
  EXPECT_EQ(run("${FILE%.*}"), "a/b.tar");
  EXPECT_EQ(run("${FILE%%.*}"), "a/b");
  EXPECT_EQ(run("${FILE##*.}"), "gz");
  EXPECT_EQ(run("${FILE/a*r/x}"), "x.gz");
  EXPECT_EQ(run("${FILE//./_}"), "a/b_tar_gz");
  EXPECT_EQ(run("${FILE//\\//-}"), "a-b.tar.gz");
  EXPECT_EQ(run("${FILE/?b/}"), "a.tar.gz");
  EXPECT_EQ(run("${FILE#nothing}"), "a/b.tar.gz");
  EXPECT_EQ(run("${FILE//x}"), "error");
  EXPECT_EQ(run("${FILE:#a}"), "error");
  EXPECT_EQ(run("${FILE#\\q}"), "error");
}

TEST(WordV4, RequiredVariablesSayTheirText) {
  try {
    expand("${TOKEN:?give a token}", sample);
    FAIL();
  } catch (const base::Error& e) {
    EXPECT_STREQ(e.what(), "TOKEN: give a token");
    EXPECT_EQ(e.id(), "required-variable");
  }
}

TEST(WordV5, SplitsExpandedValues) {
  EXPECT_THAT(expand_words("$LIST 'x  y'", sample), ElementsAre("80", "90/udp", "x  y"));
  EXPECT_THAT(expand_words("\"$LIST\"", sample), ElementsAre("80  90/udp"));
}

TEST(WordHeredocBody, TreatsQuotesAsText) {
  ExpandOptions options;
  options.quotes_are_text = true;
  EXPECT_EQ(run("\"$PWD\" 'it' \\$x", options), "\"/home\" 'it' $x");
}

TEST(WordLimits, StopsDoublingEarly) {
  std::string value = "x";
  auto lookup = [&](std::string_view) { return std::optional(value); };
  EXPECT_THROW(
      {
        for (int i = 0; i < 64; ++i) value = expand("$a$a", lookup);
      },
      base::Error);
  EXPECT_LE(value.size(), size_t{1} << 20);
}

TEST(WordLimits, StopsDeepNesting) {
  std::string word;
  for (int i = 0; i < 100000; ++i) word += "${x:-";
  EXPECT_EQ(run(word), "error");
}

TEST(WordLimits, MatchesHostilePatternsInBoundedTime) {
  std::string value(1 << 16, 'a');
  auto lookup = [&](std::string_view) { return std::optional(value); };
  EXPECT_EQ(expand("${v/*a*a*a*a*a*a*b/x}", lookup), value);
  EXPECT_EQ(expand("${v##*a*a*a*a*b}", lookup), value);
}

}  // namespace
}  // namespace dockerfile
