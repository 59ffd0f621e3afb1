#include "cli/configuration.h"

#include <gtest/gtest.h>

#include "cli/context.h"

namespace cli {
namespace {

const Command kBuild{
    .name = "build",
    .summary = "",
    .flags = {
        {.name = "jobs", .letter = 'j', .value = "N"},
        {.name = "format", .value = "FORMAT", .choices = {"oci", "docker"}},
        {.name = "pull", .value = "WHEN", .implied = "always", .choices = {"always", "never"}},
        {.name = "secret", .value = "SPEC", .repeatable = true},
        {.name = "retry", .value = "N", .environment = "RETRY"},
        {.name = "squash"}}};
const Command kPrune{
    .name = "image prune", .aliases = {"prune images"}, .summary = "", .flags = {{.name = "all"}}};
const Command kPush{.name = "push", .summary = "", .flags = {{.name = "retry", .value = "N"}}};
const CommandTable kTable = {&kBuild, &kPrune, &kPush};

Arguments applied(const Command& command, const std::string& text,
                  std::vector<std::string> words = {}) {
  Configuration configuration;
  configuration.add(kTable, text, "file");
  words.insert(words.begin(), std::string(command.name));
  Invocation invocation = parse(kTable, words, [](const char* name) -> const char* {
    return std::string_view(name) == "RETRY" ? "7" : nullptr;
  });
  configuration.apply(invocation.arguments);
  return std::move(invocation.arguments);
}

TEST(ConfigurationFile, GivesAbsentFlagsTheirValues) {
  const Arguments arguments = applied(kBuild,
                                      "color = 'never'\n[build]\njobs = 4\npull = true\n"
                                      "secret = ['a', 'b']\nsquash = true\n");
  EXPECT_EQ(arguments.get("jobs"), "4");
  EXPECT_EQ(arguments.get("pull"), "always");
  EXPECT_EQ(arguments.all("secret"), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(arguments.is_on("squash"));
  EXPECT_EQ(arguments.get("color"), "never");
  EXPECT_EQ(arguments.origin("jobs"), "file:3");
}

TEST(ConfigurationFile, GivesWayToTheCommandLineAndTheEnvironment) {
  const Arguments arguments =
      applied(kBuild, "retry = 1\n[build]\njobs = 4\nsecret = ['a']\n", {"-j", "2", "--secret=c"});
  EXPECT_EQ(arguments.get("jobs"), "2");
  EXPECT_EQ(arguments.all("secret"), std::vector<std::string>{"c"});
  EXPECT_EQ(arguments.get("retry"), "7");
  EXPECT_EQ(arguments.origin("jobs"), "");
  EXPECT_EQ(arguments.origin("retry"), "$RETRY");
}

TEST(ConfigurationFile, SaysOneThingOfAllCommandsAndAnotherOfOne) {
  const std::string text = "retry = 1\njobs = 2\n[push]\nretry = 3\n";
  EXPECT_EQ(applied(kPush, text).get("retry"), "3");
  EXPECT_EQ(applied(kBuild, text).get("jobs"), "2");
  EXPECT_FALSE(applied(kPrune, text).is_on("all"));
  EXPECT_TRUE(applied(kPrune, "[image.prune]\nall = true\n").is_on("all"));
}

TEST(ConfigurationFile, OfSeveralTheFirstCounts) {
  Configuration configuration;
  configuration.add(kTable, "[build]\njobs = 1\n", "user");
  configuration.add(kTable, "[build]\njobs = 2\nformat = 'docker'\n", "system");
  Arguments arguments(kBuild, global_flags());
  configuration.apply(arguments);
  EXPECT_EQ(arguments.get("jobs"), "1");
  EXPECT_EQ(arguments.get("format"), "docker");
}

struct Wrong {
  const char* text;
  const char* message;
  int line;
  int column;
};

void PrintTo(const Wrong& wrong, std::ostream* out) { *out << wrong.text; }

class WrongConfiguration : public testing::TestWithParam<Wrong> {};

TEST_P(WrongConfiguration, IsToldWithItsPlace) {
  try {
    applied(kBuild, GetParam().text);
    FAIL() << "taken";
  } catch (const UsageError& e) {
    EXPECT_NE(e.message().find(GetParam().message), std::string::npos) << e.message();
    ASSERT_TRUE(e.place());
    EXPECT_EQ(e.place()->where.file, "file");
    EXPECT_EQ(e.place()->where.first_line, GetParam().line);
    EXPECT_EQ(e.place()->where.column, GetParam().column);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Texts, WrongConfiguration,
    testing::Values(Wrong{"\na = [", "array", 2, 6},
                    Wrong{"[build]\njbos = 1", "no flag --jbos", 2, 1},
                    Wrong{"jbos = 1", "no command has a flag --jbos", 1, 1},
                    Wrong{"config = 'x'", "no command has a flag --config", 1, 1},
                    Wrong{"[bulid]\njobs = 1", "no command \"bulid\"", 1, 2},
                    Wrong{"[build]\nformat = 'x'", "not one of oci, docker", 2, 1},
                    Wrong{"[build]\nsquash = 1", "either true or false", 2, 1},
                    Wrong{"[build]\njobs = [1]", "takes one value", 2, 1},
                    Wrong{"[build]\njobs = true", "a text or a number", 2, 1},
                    Wrong{"[build]\njobs = 2020-01-01", "a text or a number", 2, 1}));

}  // namespace
}  // namespace cli
