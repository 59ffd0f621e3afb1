#include "builder/dockerfile/checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace dockerfile {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> checks(std::string_view text, std::string_view argument = {}) {
  Recipe recipe = parse(text, "Dockerfile");
  std::vector<std::string> out;
  for (const Diagnostic& d : run_checks(recipe, check_config(recipe, argument))) {
    EXPECT_TRUE(d.warning);
    out.push_back(d.id);
  }
  return out;
}

TEST(Checks, PassACleanRecipe) {
  EXPECT_THAT(checks("ARG V=1\nFROM img:$V AS build\nWORKDIR /x\nWORKDIR y\nCMD [\"a\"]"),
              IsEmpty());
}

TEST(Checks, FindEachTrigger) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"FROM a AS Build", "StageNameCasing"},
      {"FROM a as build", "FromAsCasing"},
      {"FROM a\nRUN x \\\n\n y", "NoEmptyContinuation"},
      {"FROM a\nRUN x\nrun y", "ConsistentInstructionCasing"},
      {"FROM a\nRun x", "ConsistentInstructionCasing"},
      {"FROM a AS b\nFROM a AS b", "DuplicateStageName"},
      {"FROM a AS scratch", "ReservedStageName"},
      {"FROM a\nCMD x", "JSONArgsRecommended"},
      {"FROM a\nMAINTAINER x", "MaintainerDeprecated"},
      {"ARG VER=1\nFROM a:$VAR", "UndefinedArgInFrom"},
      {"FROM a\nWORKDIR x", "WorkdirRelativePath"},
      {"FROM a\nCMD [\"x\"]\nCMD [\"y\"]", "MultipleInstructionsDisallowed"},
      {"FROM a\nENV x y", "LegacyKeyValueFormat"},
      {"FROM --platform=$TARGETPLATFORM a", "RedundantTargetPlatform"},
      {"FROM a\nENV DB_PASSWORD=x", "SecretsUsedInArgOrEnv"},
      {"ARG V\nFROM a:$V", "InvalidDefaultArgInFrom"},
      {"FROM --platform=linux/amd64 a", "FromPlatformFlagConstDisallowed"},
      {"FROM a\nEXPOSE 80/TCP", "ExposeProtoCasing"},
      {"FROM a\nEXPOSE 1.2.3.4:80:80", "ExposeInvalidFormat"},
      {"FROM a\nVOLUME ['x']", "JSONFormInvalid"},
  };
  for (const auto& [text, id] : cases) EXPECT_THAT(checks(text), ElementsAre(id)) << text;
}

TEST(Checks, KnowTheExceptions) {
  EXPECT_THAT(checks("FROM --platform=linux/arm64 a AS build-arm64"), IsEmpty());
  EXPECT_THAT(checks("FROM a\nSHELL [\"x\"]\nCMD y"), IsEmpty());
  EXPECT_THAT(checks("FROM a AS b\nWORKDIR /x\nFROM b\nWORKDIR y"), IsEmpty());
  EXPECT_THAT(checks("FROM a\nARG PUBLIC_KEY\nARG TOKEN_FILE\nARG MONKEY"), IsEmpty());
  EXPECT_THAT(checks("FROM --platform=$BUILDPLATFORM a"), IsEmpty());
}

TEST(Checks, ReportTheEarlierOfTwo) {
  Recipe recipe = parse("FROM a\nCMD [\"x\"]\nCMD [\"y\"]", "f");
  EXPECT_EQ(run_checks(recipe, {}).at(0).where.first_line, 2);
}

TEST(Checks, SuggestGlobalArguments) {
  Recipe recipe = parse("ARG VERSION=1\nFROM a:$VERSOIN", "f");
  EXPECT_EQ(run_checks(recipe, {}).at(0).helps.at(0), "did you mean VERSION?");
}

TEST(CheckConfig, SkipsByDirectiveArgumentAndComment) {
  EXPECT_THAT(checks("# check=skip=MaintainerDeprecated,x\nFROM a\nMAINTAINER b"), IsEmpty());
  EXPECT_THAT(checks("# check=skip=all\nFROM a\nMAINTAINER b"), IsEmpty());
  EXPECT_THAT(checks("# check=skip=all\nFROM a\nMAINTAINER b", "error=true"),
              ElementsAre("MaintainerDeprecated"));
  EXPECT_THAT(checks("FROM a\n# check=skip=MaintainerDeprecated\nMAINTAINER b"), IsEmpty());
}

TEST(CheckConfig, ReadsOptions) {
  CheckConfig config = CheckConfig::parse("skip=A, b ; error=true;experimental=all");
  EXPECT_TRUE(config.error);
  EXPECT_FALSE(config.wants("a"));
  EXPECT_FALSE(config.wants("B"));
  EXPECT_TRUE(config.wants("InvalidDefinitionDescription"));
  EXPECT_FALSE(CheckConfig().wants("InvalidDefinitionDescription"));
  EXPECT_THROW(CheckConfig::parse("skpi=a"), base::Error);
  EXPECT_THROW(CheckConfig::parse("error=perhaps"), base::Error);
}

TEST(CheckConfig, RefusesABadDirectiveAtItsPlace) {
  Recipe recipe = parse("# check=nonsense\nFROM a", "Dockerfile");
  try {
    check_config(recipe);
    FAIL();
  } catch (const RecipeError& e) {
    EXPECT_EQ(e.diagnostics()[0].where.column, 9);
  }
}

}  // namespace
}  // namespace dockerfile
