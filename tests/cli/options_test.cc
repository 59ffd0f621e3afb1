#include "cli/options.h"

#include <gtest/gtest.h>

#include <set>

#include "cli/commands/commands.h"
#include "cli/help.h"
#include "tests/support/golden.h"

namespace cli {
namespace {

int nothing(Context&, const Arguments&) { return 0; }

const Command kBuild{
    .name = "build",
    .aliases = {"bud", "image build"},
    .summary = "build an image from a recipe",
    .usage = "[FLAGS] [CONTEXT]",
    .about = "Reads the recipe and the context and keeps the result in the store.",
    .group = "images",
    .flags = {{.name = "tag",
               .letter = 't',
               .value = "NAME",
               .help = "name for the result",
               .repeatable = true,
               .common = true},
              {.name = "file", .letter = 'f', .value = "PATH", .help = "recipe", .common = true},
              {.name = "pull",
               .value = "WHEN",
               .help = "base image policy",
               .implied = "always",
               .choices = {"always", "missing", "never", "newer"}},
              {.name = "no-cache", .help = "run every step", .common = true},
              {.name = "layers", .help = "keep step results", .negatable = true},
              {.name = "jobs",
               .letter = 'j',
               .value = "N",
               .help = "steps at a time",
               .group = "limits"},
              {.name = "memory",
               .letter = 'm',
               .value = "SIZE",
               .help = "memory of a step",
               .group = "limits"},
              {.name = "timeout", .value = "TIME", .help = "give up after", .group = "limits"},
              {.name = "progress",
               .value = "MODE",
               .help = "how to show progress",
               .environment = "TORTE_PROGRESS"},
              {.name = "net", .value = "N", .help = "old name", .hidden = true}},
    .examples = {{"torte build -t app .", "build the current directory"}},
    .positionals = {.max = 1},
    .run = nothing};
const Command kRun{
    .name = "run",
    .summary = "run a command in a new container",
    .usage = "[FLAGS] IMAGE [COMMAND ARG..]",
    .group = "containers",
    .flags = {{.name = "interactive", .letter = 'i', .help = "keep stdin open"},
              {.name = "tty", .letter = 't', .help = "give it a terminal"},
              {.name = "env",
               .letter = 'e',
               .value = "K=V",
               .help = "set a variable",
               .repeatable = true},
              {.name = "hostname", .letter = 'h', .value = "NAME", .help = "host name"}},
    .positionals = {.min = 1, .max = Positionals::kAny, .verbatim_after = 1},
    .run = nothing};
const Command kList{.name = "image ls",
                    .aliases = {"images"},
                    .summary = "list images",
                    .group = "images",
                    .flags = {{.name = "quiet", .letter = 'q', .help = "ids only"}},
                    .run = nothing};
const CommandTable kTable = {&kBuild, &kList, &kRun};

const char* no_environment(const char*) { return nullptr; }

Invocation read(std::vector<std::string> words) { return parse(kTable, words, no_environment); }

std::string failure(std::vector<std::string> words) {
  try {
    read(std::move(words));
  } catch (const UsageError& e) {
    std::string text = e.what();
    for (const std::string& help : e.helps()) text += "|" + help;
    return text;
  }
  return "no error";
}

TEST(Options, AcceptsEverySpellingOfAValue) {
  Invocation got = read({"build", "-t", "a", "-tb", "-t=c", "--tag", "d", "--tag=e", "."});
  EXPECT_EQ(got.command, &kBuild);
  EXPECT_EQ(got.arguments.all("tag"), (std::vector<std::string>{"a", "b", "c", "d", "e"}));
  EXPECT_EQ(got.arguments.find("tag"), "e");
  EXPECT_EQ(got.arguments.word(0), ".");
  EXPECT_FALSE(got.arguments.has("file"));
  EXPECT_EQ(got.arguments.get("file", "Recipe"), "Recipe");
}

TEST(Options, OptionalValueIsTakenOnlyWithEquals) {
  EXPECT_EQ(read({"build", "--pull", "dir"}).arguments.get("pull"), "always");
  EXPECT_EQ(read({"build", "--pull", "dir"}).arguments.word(0), "dir");
  EXPECT_EQ(read({"build", "--pull=never"}).arguments.get("pull"), "never");
  EXPECT_EQ(
      failure({"build", "--pull=nevr"}),
      "--pull: \"nevr\" is not one of always, missing, never, newer|did you mean --pull=never?");
}

TEST(Options, SwitchesTakeTrueAndFalseAndDeclaredNegation) {
  EXPECT_TRUE(read({"build", "--no-cache"}).arguments.is_on("no-cache"));
  EXPECT_FALSE(read({"build", "--no-cache=false"}).arguments.is_on("no-cache", true));
  EXPECT_FALSE(read({"build", "--no-layers"}).arguments.is_on("layers", true));
  EXPECT_TRUE(read({"build", "--layers=0", "--layers"}).arguments.is_on("layers"));
  EXPECT_EQ(failure({"build", "--no-tag"}).substr(0, 38),
            "torte build: unknown flag --no-tag|\"to");
  EXPECT_EQ(failure({"build", "--no-cache=maybe"}),
            "--no-cache is a switch: it takes true or false, not \"maybe\"");
}

TEST(Options, EverythingAfterTheImageBelongsToTheContainer) {
  Invocation got = read({"run", "-it", "-eA=1", "img", "ls", "-l", "--env", "--", "x"});
  EXPECT_TRUE(got.arguments.is_on("interactive"));
  EXPECT_TRUE(got.arguments.is_on("tty"));
  EXPECT_EQ(got.arguments.all("env"), std::vector<std::string>{"A=1"});
  EXPECT_EQ(got.arguments.words(),
            (std::vector<std::string>{"img", "ls", "-l", "--env", "--", "x"}));
  EXPECT_EQ(read({"run", "--", "-img", "-x"}).arguments.words(),
            (std::vector<std::string>{"-img", "-x"}));
}

TEST(Options, FlagsAndWordsMixUntilTwoDashes) {
  Invocation got = read({"build", "dir", "-f", "-", "--no-cache"});
  EXPECT_EQ(got.arguments.get("file"), "-");
  EXPECT_TRUE(got.arguments.is_on("no-cache"));
  EXPECT_EQ(read({"build", "--", "--no-cache"}).arguments.word(0), "--no-cache");
  EXPECT_EQ(read({"build", "-"}).arguments.word(0), "-");
}

TEST(Options, GlobalFlagsStandBeforeOrAfterTheCommand) {
  EXPECT_EQ(read({"--root", "/r", "build", "."}).arguments.get("root"), "/r");
  EXPECT_EQ(read({"build", ".", "--root=/r", "-q"}).arguments.get("root"), "/r");
  EXPECT_TRUE(read({"-q", "images"}).arguments.is_on("quiet"));
  EXPECT_EQ(read({"--root=/r"}).command, nullptr);
}

TEST(Options, FindsCommandsByNameGroupAndAlias) {
  EXPECT_EQ(read({"image", "ls"}).command, &kList);
  EXPECT_EQ(read({"images", "-q"}).command, &kList);
  EXPECT_EQ(read({"image", "build"}).command, &kBuild);
  EXPECT_EQ(read({"image", "--help"}).group, "image");
}

TEST(Options, EveryNameIsThatOfOneCommand) {
  std::set<std::string_view> names;
  for (const cli::Command* command : cli::command_table()) {
    EXPECT_TRUE(names.insert(command->name).second) << command->name;
    for (std::string_view alias : command->aliases)
      EXPECT_TRUE(names.insert(alias).second) << alias;
  }
}

TEST(Options, MistakesNameTheNearestThing) {
  EXPECT_EQ(failure({"biuld"}),
            "unknown command \"biuld\"|did you mean \"torte build\"?|\"torte --help\" lists the "
            "commands");
  EXPECT_EQ(
      failure({"build", "--tga", "x"}),
      "torte build: unknown flag --tga|did you mean --tag?|\"torte build --help\" lists the flags");
  EXPECT_EQ(
      failure({"image", "lss"}),
      "torte image: unknown command \"lss\"|did you mean \"torte image ls\"?|one of: build, ls");
  EXPECT_EQ(failure({"image"}), "torte image needs a command|one of: build, ls");
  EXPECT_EQ(failure({"build", "a", "b"}),
            "torte build: unexpected argument \"b\"|usage: torte build [FLAGS] [CONTEXT]");
  EXPECT_EQ(failure({"run"}),
            "torte run: an argument is missing|usage: torte run [FLAGS] IMAGE [COMMAND ARG..]");
  EXPECT_EQ(failure({"build", "-t"}), "-t needs a value: -t NAME");
  EXPECT_EQ(failure({"build", "-x"}).substr(0, 28), "torte build: unknown flag -x");
}

TEST(Options, HelpIsAskedForUnlessTheCommandOwnsTheLetter) {
  EXPECT_EQ(read({"build", "-h"}).help, Help::kShort);
  EXPECT_EQ(read({"build", "--help", "a", "b", "c"}).help, Help::kFull);
  EXPECT_EQ(read({"--help"}).help, Help::kFull);
  EXPECT_EQ(read({"run", "-h", "box", "img"}).arguments.get("hostname"), "box");
}

TEST(Options, TypedValues) {
  Invocation got = read({"build", "-j", "4", "-m1.5g", "--timeout=1h30m"});
  EXPECT_EQ(got.arguments.number("jobs"), 4u);
  EXPECT_EQ(got.arguments.size_bytes("memory"), 1610612736u);
  EXPECT_EQ(got.arguments.duration("timeout"), std::chrono::minutes(90));
  EXPECT_THROW(read({"build", "-j", "four"}).arguments.number("jobs"), UsageError);
  EXPECT_EQ(parse_duration("90"), std::chrono::seconds(90));
  EXPECT_EQ(parse_duration("250ms"), std::chrono::milliseconds(250));
  for (const char* bad : {"", "s", "-1s", "1x", "1h30", "1 s", "nan"})
    EXPECT_FALSE(parse_duration(bad)) << bad;
}

TEST(Options, AbsentFlagsComeFromTheirVariable) {
  auto lookup = [](const char* name) -> const char* {
    return std::string_view(name) == "TORTE_PROGRESS" ? "plain" : nullptr;
  };
  EXPECT_EQ(parse(kTable, std::vector<std::string>{"build"}, lookup).arguments.get("progress"),
            "plain");
  EXPECT_EQ(parse(kTable, std::vector<std::string>{"build", "--progress=json"}, lookup)
                .arguments.get("progress"),
            "json");
}

TEST(Help, MatchesItsGoldenFiles) {
  support::expect_golden("cli/help-short.txt", short_help(kBuild, 80));
  support::expect_golden("cli/help-full.txt", full_help(kBuild, 80));
  support::expect_golden("cli/help-program.txt", program_help(kTable, 80));
  support::expect_golden("cli/help-group.txt", program_help(kTable, 80, "image"));
}

}  // namespace
}  // namespace cli
