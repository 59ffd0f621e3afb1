#include "builder/dockerfile/commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "builder/dockerfile/validate.h"

namespace dockerfile {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

template <typename T>
T read(std::string_view text) {
  return std::get<T>(interpret(parse(text, "Dockerfile").instructions.at(0)));
}

// Ids of everything wrong with a recipe: its grammar, and when that is right, its values.
std::vector<std::string> errors(std::string_view text) {
  std::vector<std::string> out;
  auto collect = [&](auto work) {
    try {
      work();
    } catch (const RecipeError& e) {
      for (const Diagnostic& d : e.diagnostics()) out.push_back(d.id);
    }
  };
  collect([&] {
    Recipe recipe = parse_and_validate(text, "Dockerfile");
    for (const Instruction& instruction : recipe.instructions)
      collect([&] { interpret(instruction); });
  });
  return out;
}

std::vector<std::string> step_errors(std::string_view line) {
  return errors("FROM scratch\n" + std::string(line));
}

TEST(CommandFromS1, HasImageNameAndPlatform) {
  From from = read<From>("# base for all\nFROM --platform=$BUILDPLATFORM img As Base");
  EXPECT_EQ(from.image, "img");
  EXPECT_EQ(from.name, "base");
  EXPECT_EQ(from.name_as_written, "Base");
  EXPECT_EQ(from.platform, "$BUILDPLATFORM");
  EXPECT_EQ(from.description, "for all");
}

TEST(CommandFromS1, RefusesOtherShapes) {
  EXPECT_THAT(errors("FROM"), ElementsAre("from-arguments"));
  EXPECT_THAT(errors("FROM a b"), ElementsAre("from-arguments"));
  EXPECT_THAT(errors("FROM a IS b"), ElementsAre("from-arguments"));
  EXPECT_THAT(errors("FROM a AS 1b"), ElementsAre("invalid-stage-name"));
  EXPECT_THAT(errors("FROM --x=1 a"), ElementsAre("unknown-flag"));
}

TEST(CommandOrderA1, AllowsOnlyArgBeforeFrom) {
  EXPECT_THAT(errors("ARG v=1\nFROM a:$v"), IsEmpty());
  EXPECT_THAT(errors("RUN a\nRUN b\nFROM c"), ElementsAre("before-from"));
  EXPECT_THAT(errors("ARG v"), ElementsAre("no-from"));
}

TEST(CommandUnknownL7, SuggestsTheNearestKeyword) {
  try {
    parse_and_validate("FROM a\n  RUNN x", "Dockerfile");
    FAIL();
  } catch (const RecipeError& e) {
    const Diagnostic& d = e.diagnostics().at(0);
    EXPECT_EQ(d.id, "unknown-instruction");
    EXPECT_THAT(d.helps, ElementsAre("did you mean RUN?"));
    EXPECT_EQ(d.where.first_line, 2);
    EXPECT_EQ(d.where.column, 3);
    EXPECT_EQ(d.where.width, 4);
  }
}

TEST(CommandFlagsL8, AreCheckedOnEveryInstruction) {
  EXPECT_THAT(step_errors("CMD --version"), ElementsAre("unknown-flag"));
  EXPECT_THAT(step_errors("ARG --x a"), ElementsAre("unknown-flag"));
  EXPECT_THAT(step_errors("STOPSIGNAL --x 9"), ElementsAre("unknown-flag"));
  EXPECT_THAT(step_errors("HEALTHCHECK --retries=1 NONE"), ElementsAre("unknown-flag"));
  EXPECT_THAT(step_errors("COPY --from a b c"), ElementsAre("missing-flag-value"));
  EXPECT_THAT(step_errors("COPY --link= a b"), ElementsAre("invalid-flag-value"));
  EXPECT_THAT(step_errors("COPY --link=1 a b"), ElementsAre("invalid-flag-value"));
  EXPECT_THAT(step_errors("COPY --link --link a b"), ElementsAre("duplicate-flag"));
  EXPECT_THAT(step_errors("COPY --exclude=a --exclude=b a b"), IsEmpty());
  EXPECT_TRUE(read<Copy>("COPY --link=TRUE a b").link);
}

TEST(CommandRun, ReadsFlags) {
  dockerfile::Run run = read<dockerfile::Run>(
      "RUN --mount=type=cache,target=/c --mount=target=$x --network=none --security=insecure "
      "--device=vendor/gpu=all,required make");
  EXPECT_EQ(run.mounts.size(), 2u);
  EXPECT_EQ(run.network, Network::kNone);
  EXPECT_TRUE(run.insecure);
  ASSERT_EQ(run.devices.size(), 1u);
  EXPECT_EQ(run.devices[0].name, "vendor/gpu=all");
  EXPECT_TRUE(run.devices[0].required);
  EXPECT_THAT(run.command.args, ElementsAre("make"));
}

TEST(CommandRun, RefusesBadFlagsAtTheirPlace) {
  try {
    read<dockerfile::Run>("RUN --mount=type=cahce,target=/c --network=lan x");
    FAIL();
  } catch (const RecipeError& e) {
    ASSERT_EQ(e.diagnostics().size(), 2u);
    EXPECT_EQ(e.diagnostics()[0].where.column, 5);
    EXPECT_THAT(e.diagnostics()[0].helps, ElementsAre("did you mean cache?"));
    EXPECT_EQ(e.diagnostics()[1].id, "invalid-flag-value");
  }
}

TEST(CommandRunR1, RefusesEmptyCommandsButForTheShellsOwn) {
  for (const char* line : {"RUN []", "CMD", "ENTRYPOINT"})
    EXPECT_THAT(step_errors(line), ElementsAre("missing-argument")) << line;
  EXPECT_THAT(step_errors("RUN"), IsEmpty());
  EXPECT_THAT(step_errors("CMD []\nENTRYPOINT []"), IsEmpty());
}

TEST(CommandRunR2, KnowsASingleHeredoc) {
  EXPECT_TRUE(read<dockerfile::Run>("RUN <<EOF\nx\nEOF").is_single_heredoc());
  EXPECT_TRUE(read<dockerfile::Run>("RUN --network=none <<-'E F'\nx\nE F").is_single_heredoc());
  EXPECT_FALSE(read<dockerfile::Run>("RUN <<EOF bash\nx\nEOF").is_single_heredoc());
  EXPECT_FALSE(read<dockerfile::Run>("RUN cat <<A <<B\nA\nB").is_single_heredoc());
  EXPECT_FALSE(read<dockerfile::Run>("RUN x").is_single_heredoc());
}

TEST(CommandCopyC71, ReadsFlagsAndSources) {
  Copy copy =
      read<Copy>("COPY --from=b --chown=1:2 --chmod=u+x --parents --exclude=*.o a <<F c/\nhi\nF");
  EXPECT_EQ(copy.from, "b");
  EXPECT_EQ(copy.chown, "1:2");
  EXPECT_TRUE(copy.parents);
  EXPECT_THAT(copy.excludes, ElementsAre("*.o"));
  ASSERT_EQ(copy.sources.size(), 2u);
  EXPECT_EQ(copy.sources[1].text, "F");
  EXPECT_EQ(copy.sources[1].heredoc->body(), "hi\n");
  EXPECT_EQ(copy.dest, "c/");
  Copy add = read<Copy>("ADD --unpack=false --keep-git-dir https://h/x.git /d");
  EXPECT_TRUE(add.add);
  EXPECT_EQ(add.unpack, false);
  EXPECT_EQ(add.keep_git_dir, true);
}

TEST(CommandCopyC71, RefusesMistakes) {
  EXPECT_THAT(step_errors("COPY a"), ElementsAre("missing-argument"));
  EXPECT_THAT(step_errors("COPY a <<E\nE"), ElementsAre("heredoc-destination"));
  EXPECT_THAT(step_errors("COPY --chmod=9 a b"), ElementsAre("invalid-mode"));
  EXPECT_THAT(step_errors("COPY --chmod=$m a b"), IsEmpty());
  EXPECT_THAT(step_errors("COPY --from=$x a b"), ElementsAre("from-variable"));
  EXPECT_THAT(step_errors("COPY https://x/y b"), ElementsAre("copy-source-url"));
  EXPECT_THAT(step_errors("COPY --checksum=x a b"), ElementsAre("unknown-flag"));
  EXPECT_THAT(step_errors("ADD --checksum=xyz a b"), ElementsAre("invalid-checksum"));
  EXPECT_THAT(step_errors("ADD --checksum=abcd a b c/"), ElementsAre("checksum-sources"));
}

TEST(CommandCopyC72, TellsSourceKindsApart) {
  EXPECT_EQ(source_kind("a/b"), SourceKind::kPath);
  EXPECT_EQ(source_kind("https://h/x.tar"), SourceKind::kHttp);
  EXPECT_EQ(source_kind("https://h/x.git#v1:sub"), SourceKind::kGit);
  EXPECT_EQ(source_kind("https://h/x.git?ref=v1"), SourceKind::kGit);
  EXPECT_EQ(source_kind("git@h:x"), SourceKind::kGit);
  EXPECT_EQ(source_kind("ssh://h/x"), SourceKind::kGit);
}

TEST(CommandPairsL12, HaveNames) {
  EXPECT_EQ(read<Env>("ENV a=1 b=2").pairs.size(), 2u);
  EXPECT_TRUE(read<Label>("LABEL a b").legacy);
  EXPECT_THAT(step_errors("ENV =x"), ElementsAre("empty-name"));
  EXPECT_THAT(step_errors("LABEL"), ElementsAre("missing-argument"));
  EXPECT_THAT(step_errors("ARG =x"), ElementsAre("empty-name"));
  Arg arg = read<Arg>("# b is it\nARG a b=");
  EXPECT_FALSE(arg.args[0].value);
  EXPECT_EQ(arg.args[1].value, "");
  EXPECT_EQ(arg.args[1].description, "is it");
}

TEST(CommandHealthcheck, ReadsDurations) {
  Healthcheck check = read<Healthcheck>(
      "HEALTHCHECK --interval=1m30s --timeout=500ms --start-period=1.5h --retries=3 CMD a b");
  EXPECT_EQ(check.interval, std::chrono::seconds(90));
  EXPECT_EQ(check.timeout, std::chrono::milliseconds(500));
  EXPECT_EQ(check.start_period, std::chrono::minutes(90));
  EXPECT_EQ(check.retries, 3);
  EXPECT_FALSE(check.command.json);
  EXPECT_THAT(check.command.args, ElementsAre("a b"));
  EXPECT_TRUE(read<Healthcheck>("HEALTHCHECK none").none);
}

TEST(CommandHealthcheck, RefusesMistakes) {
  for (const char* line :
       {"HEALTHCHECK", "HEALTHCHECK CMD", "HEALTHCHECK CMD []", "HEALTHCHECK NONE x",
        "HEALTHCHECK TCP 80", "HEALTHCHECK --interval=1 CMD x", "HEALTHCHECK --interval=1us CMD x",
        "HEALTHCHECK --retries=-1 CMD x"})
    EXPECT_EQ(step_errors(line).size(), 1u) << line;
}

TEST(CommandOthers, CheckTheirArguments) {
  for (const char* line :
       {"WORKDIR", "USER", "STOPSIGNAL", "STOPSIGNAL NOPE", "SHELL", "SHELL []", "SHELL sh -c",
        "EXPOSE", "EXPOSE 99999", "VOLUME", "VOLUME []", "VOLUME [\"\"]", "MAINTAINER", "ONBUILD",
        "ONBUILD FROM a", "ONBUILD ONBUILD RUN x", "ONBUILD MAINTAINER x"})
    EXPECT_EQ(step_errors(line).size(), 1u) << line;
  for (const char* line : {"STOPSIGNAL $s", "EXPOSE $p 80", "VOLUME /a /b", "SHELL [\"sh\"]"})
    EXPECT_THAT(step_errors(line), IsEmpty()) << line;
}

TEST(CommandOnbuildS8, KeepsItsText) {
  Onbuild onbuild = read<Onbuild>("ONBUILD   RUN a \\\n  b");
  EXPECT_EQ(onbuild.text, "RUN a   b");
  EXPECT_EQ(onbuild.trigger->keyword, Keyword::kRun);
}

TEST(CommandErrorsS5, OfValuesAreNoMistakesOfGrammar) {
  for (const char* line : {"EXPOSE 99999", "STOPSIGNAL NOPE", "COPY --chmod=9 a b",
                           "COPY --from=$x a b", "COPY --from= a b", "COPY https://x/y b",
                           "ADD --checksum=xyz a b", "RUN --mount=type=foo x", "RUN --mount=a x"}) {
    Recipe recipe = parse("FROM scratch\n" + std::string(line), "Dockerfile");
    EXPECT_THAT(validate(recipe), IsEmpty()) << line;
    EXPECT_THROW(interpret(recipe.instructions.back()), RecipeError) << line;
  }
  for (const char* line :
       {"COPY a", "RUN --mount x", "RUN --mount= x", "RUN --mount=from=$x,target=/x y",
        "RUN --device= x", "COPY --link=x a b", "HEALTHCHECK --interval=1 CMD x"})
    EXPECT_EQ(validate(parse("FROM scratch\n" + std::string(line), "Dockerfile")).size(), 1u)
        << line;
}

TEST(CommandErrors, OfParserAndGrammarComeTogether) {
  EXPECT_THAT(errors("FROM a\nFOO\nENV x\nCOPY y"),
              ElementsAre("unknown-instruction", "missing-value", "missing-argument"));
}

}  // namespace
}  // namespace dockerfile
