#include "builder/dockerfile/parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace dockerfile {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Words = std::vector<std::string>;

Instruction only(std::string_view text) {
  Recipe recipe = parse(text, "Dockerfile");
  EXPECT_EQ(recipe.instructions.size(), 1u);
  return recipe.instructions.at(0);
}

std::string failure(std::string_view text) {
  try {
    parse(text, "Dockerfile");
  } catch (const RecipeError& e) {
    return e.id();
  }
  return "";
}

TEST(ParserL1, DropsByteOrderMarkOfTheFirstLineOnly) {
  EXPECT_EQ(only("\xef\xbb\xbf"
                 "FROM a")
                .name,
            "from");
  Recipe recipe = parse(
      "FROM a\n\xef\xbb\xbf"
      "RUN b",
      "f");
  EXPECT_EQ(recipe.instructions[1].keyword, Keyword::kUnknown);
}

TEST(ParserL1, RefusesFilesWithoutInstructions) {
  EXPECT_EQ(failure(""), "no-instructions");
  EXPECT_EQ(failure("# only\n\n# comments\n"), "no-instructions");
}

TEST(ParserL2, TakesCarriageReturnsAndLongLines) {
  EXPECT_THAT(only("FROM a\r\n").args, ElementsAre("a"));
  std::string text = "RUN " + std::string(1 << 20, 'x');
  EXPECT_EQ(only(text).args[0].size(), size_t{1} << 20);
}

TEST(ParserL2, KeepsLineEndsInBodies) {
  EXPECT_EQ(only("RUN <<E\r\na\r\nE\r\n").heredocs.at(0).content, "a\r\n");
}

TEST(ParserL3, DropsCommentsInsideContinuedInstructions) {
  EXPECT_THAT(only("RUN a \\\n  # note \\\n  b # kept").args, ElementsAre("a   b # kept"));
}

TEST(ParserL4, IgnoresBlanksBeforeAnInstructionOnly) {
  EXPECT_THAT(only(" \t RUN a\\\n  b").args, ElementsAre("a  b"));
}

TEST(ParserL5, ReadsDirectivesWhileEveryLineIsOne) {
  Recipe recipe =
      parse("# Syntax = docker/dockerfile:1 \n#escape=`\n# check = skip=all\nFROM a`\nb", "f");
  EXPECT_EQ(recipe.syntax, "docker/dockerfile:1");
  EXPECT_EQ(recipe.check, "skip=all");
  EXPECT_EQ(recipe.escape, '`');
  EXPECT_THAT(recipe.instructions[0].args, ElementsAre("ab"));
  EXPECT_THAT(recipe.instructions[0].doc_comments, IsEmpty());
}

TEST(ParserL5, ClosesTheZoneAtAnyOtherLine) {
  for (const char* first : {"\n", "# plain\n", "# unknown=1\n", "ARG a\n"})
    EXPECT_EQ(parse(std::string(first) + "# escape=`\nFROM a", "f").escape, '\\') << first;
}

TEST(ParserL5, RefusesRepeatedAndMalformedDirectives) {
  EXPECT_EQ(failure("# escape=`\n# escape=`\nFROM a"), "duplicate-directive");
  EXPECT_EQ(failure("# escape=x\nFROM a"), "invalid-escape");
}

TEST(ParserL5, SkipsAnInterpreterLine) {
  Recipe recipe = parse("#!/bin/torte\n# syntax=x\n# escape=`\nFROM a", "f");
  EXPECT_EQ(recipe.syntax, "x");
  EXPECT_EQ(recipe.escape, '`');
}

TEST(ParserL6, JoinsContinuedLines) {
  EXPECT_THAT(only("RUN a\\\nb").args, ElementsAre("ab"));
  EXPECT_THAT(only("RUN a \\  \t\n").args, ElementsAre("a"));
  EXPECT_THAT(only("\\\nRUN a").args, ElementsAre("a"));
  EXPECT_THAT(only("RUN a\\").args, ElementsAre("a"));
  Recipe recipe = parse("RUN a\\\\\nRUN b", "f");
  EXPECT_THAT(recipe.instructions[0].args, ElementsAre("a\\\\"));
  EXPECT_EQ(recipe.instructions.size(), 2u);
}

TEST(ParserL6, WarnsOfEmptyLinesInsideAnInstruction) {
  Recipe recipe = parse("RUN a \\\n\n\n b", "f");
  ASSERT_EQ(recipe.warnings.size(), 1u);
  EXPECT_EQ(recipe.warnings[0].id, "NoEmptyContinuation");
  EXPECT_EQ(recipe.warnings[0].where.first_line, 2);
  EXPECT_EQ(recipe.instructions[0].where.last_line, 4);
}

TEST(ParserL7, KeepsUnknownKeywords) {
  Instruction instruction = only("Foo bar");
  EXPECT_EQ(instruction.keyword, Keyword::kUnknown);
  EXPECT_EQ(instruction.name, "foo");
  EXPECT_EQ(instruction.written, "Foo");
}

TEST(ParserL8, TakesFlagsUntilAnotherWord) {
  Instruction in = only("COPY --from='a b' --chown=\\1 x --y z");
  EXPECT_THAT(in.flags, ElementsAre("--from=a b", "--chown=1"));
  EXPECT_THAT(in.args, ElementsAre("x", "--y", "z"));
}

TEST(ParserL8, EndsFlagsAtALoneDoubleDash) {
  Instruction in = only("CMD --a -- --b");
  EXPECT_THAT(in.flags, ElementsAre("--a"));
  EXPECT_THAT(in.args, ElementsAre("--b"));
  EXPECT_THAT(only("COPY --").args, IsEmpty());
}

TEST(ParserL9, SplitsArgumentsByInstruction) {
  EXPECT_THAT(only("WORKDIR  a b ").args, ElementsAre("a b"));
  EXPECT_THAT(only("COPY \"a b\"\tc").args, ElementsAre("\"a", "b\"", "c"));
  EXPECT_THAT(only("ARG a=\"1 2\" b").args, ElementsAre("a=\"1 2\"", "b"));
  EXPECT_THAT(only("HEALTHCHECK --retries=1 CMD  x y").args, ElementsAre("CMD", "x y"));
  Instruction onbuild = only("ONBUILD COPY --link a b");
  ASSERT_TRUE(onbuild.trigger);
  EXPECT_THAT(onbuild.args, IsEmpty());
  EXPECT_THAT(onbuild.trigger->flags, ElementsAre("--link"));
}

TEST(ParserL10, ReadsTheJsonForm) {
  Instruction in = only("CMD [ \"a\\tb\", \"\\u00e9\", \\\n \"\\ud83d\\ude00\" ]");
  EXPECT_TRUE(in.json);
  EXPECT_THAT(in.args, ElementsAre("a\tb", "\xc3\xa9", "\xf0\x9f\x98\x80"));
  EXPECT_TRUE(only("CMD []").json);
}

TEST(ParserL10, FallsBackWhenItIsNoJson) {
  for (const char* text :
       {"CMD ['a']", "CMD [\"a\",]", "CMD [\"\\d\"]", "CMD [\"a\"] b", "CMD [\"a"}) {
    Recipe recipe = parse(text, "f");
    EXPECT_FALSE(recipe.instructions[0].json) << text;
    ASSERT_EQ(recipe.warnings.size(), 1u) << text;
    EXPECT_EQ(recipe.warnings[0].id, "JSONFormInvalid");
  }
  for (const char* text : {"RUN [ -f x ] && y", "RUN [[ -f x ]] && y", "RUN [A.B]::C = 1"})
    EXPECT_THAT(parse(text, "f").warnings, IsEmpty()) << text;
}

TEST(ParserL10, RefusesElementsThatAreNoStrings) {
  EXPECT_EQ(failure("CMD [\"a\", [\"b\"]]"), "json-form-not-strings");
  EXPECT_EQ(failure("CMD [1]"), "json-form-not-strings");
}

TEST(ParserL10, SurvivesDeepNesting) {
  EXPECT_FALSE(only("CMD " + std::string(1 << 20, '[')).json);
}

TEST(ParserL11, KeepsQuotesAndEscapesInWords) {
  EXPECT_THAT(only("ENV a=b\\ c d='e f' g=\"h\\\" i\"").args,
              ElementsAre("a", "b\\ c", "=", "d", "'e f'", "=", "g", "\"h\\\" i\"", "="));
  EXPECT_THAT(only("ENV a='b\\' c=d").args, ElementsAre("a", "'b\\'", "=", "c", "d", "="));
  EXPECT_THAT(only("ENV a=b\\").args, ElementsAre("a", "b", "="));
}

TEST(ParserL12, ReadsTheLegacyForm) {
  EXPECT_THAT(only("ENV a b=c  d").args, ElementsAre("a", "b=c  d", ""));
  EXPECT_EQ(failure("ENV a"), "missing-value");
  EXPECT_EQ(failure("ENV a=b c"), "missing-value");
}

TEST(ParserL13, ReadsBodiesInOrder) {
  Instruction in = only("COPY <<A 3<<-'B' /x\n1\nA\n\t2\n\tB\n");
  ASSERT_EQ(in.heredocs.size(), 2u);
  EXPECT_EQ(in.heredocs[0].content, "1\n");
  EXPECT_TRUE(in.heredocs[0].expand);
  EXPECT_EQ(in.heredocs[1].fd, 3);
  EXPECT_FALSE(in.heredocs[1].expand);
  EXPECT_TRUE(in.heredocs[1].chomp);
  EXPECT_EQ(in.heredocs[1].content, "\t2\n");
  EXPECT_EQ(in.heredocs[1].body(), "2\n");
  EXPECT_EQ(in.where.last_line, 5);
}

TEST(ParserL13, KnowsWhatIsNoHeredoc) {
  for (const char* text :
       {"RUN cat <<<x", "RUN cat<<X", "RUN \"<<X\"", "RUN [\"<<X\"]", "USER <<X", "RUN it's <<X"})
    EXPECT_THAT(only(text).heredocs, IsEmpty()) << text;
}

TEST(ParserL13, AllowsBlanksBeforeTheName) {
  EXPECT_EQ(only("RUN <<  EOF > x\na\nEOF").heredocs.at(0).name, "EOF");
}

TEST(ParserL13, RefusesUnterminatedBodies) {
  EXPECT_EQ(failure("RUN <<EOF\na\n EOF\n"), "unterminated-heredoc");
}

TEST(ParserL13, GivesTriggersTheirBodies) {
  Instruction in = only("ONBUILD RUN <<E\nx\nE");
  EXPECT_EQ(in.heredocs.size(), 1u);
  EXPECT_EQ(trigger_text(in), "RUN <<E\nx\nE");
  EXPECT_EQ(parse_trigger(trigger_text(in), "image").heredocs.at(0).content, "x\n");
}

TEST(ParserL14, AttachesCommentsDirectlyAbove) {
  Recipe recipe = parse("# a\n\n# b\n# c\nFROM x\nRUN y", "f");
  EXPECT_THAT(recipe.instructions[0].doc_comments, ElementsAre("b", "c"));
  EXPECT_THAT(recipe.instructions[1].doc_comments, IsEmpty());
}

TEST(ParserPlaces, PointAtTheWordAlsoBehindContinuations) {
  Recipe recipe = parse("FROM a\n  COPY --from=b \\\n  src dst\n", "Dockerfile");
  const Instruction& in = recipe.instructions[1];
  EXPECT_EQ(in.where.first_line, 2);
  EXPECT_EQ(in.where.column, 3);
  EXPECT_EQ(in.where.width, 4);
  EXPECT_EQ(in.flag_range(0).column, 8);
  EXPECT_EQ(in.flag_range(0).width, 8);
  EXPECT_EQ(in.arg_range(1).first_line, 3);
  EXPECT_EQ(in.arg_range(1).column, 7);
  EXPECT_EQ(in.arg_range(1).width, 3);
  EXPECT_EQ(recipe.source_line(3), "  src dst");
}

TEST(ParserErrors, AreAllReportedAtOnce) {
  try {
    parse("FROM a\nENV x\nCMD [1]\nRUN <<E\n", "Dockerfile");
    FAIL();
  } catch (const RecipeError& e) {
    EXPECT_EQ(e.diagnostics().size(), 3u);
    EXPECT_THAT(e.what(), testing::StartsWith("Dockerfile:2:5: "));
  }
}

TEST(ParserLimits, RefusesRecipesAboveTheLimit) {
  EXPECT_EQ(failure(std::string(kMaxRecipeSize + 1, '#')), "recipe-too-large");
  std::string text;
  for (size_t i = 0; i <= kMaxInstructions; ++i) text += "RUN x\n";
  EXPECT_EQ(failure(text), "too-many-instructions");
  text = "ARG";
  for (int i = 0; i < 200'000; ++i) text += " a";
  EXPECT_EQ(failure(text), "too-many-words");
}

TEST(ParserTrigger, IsExactlyOneInstruction) {
  EXPECT_THROW(parse_trigger("RUN a\nRUN b", "image x"), RecipeError);
  EXPECT_EQ(parse_trigger("RUN a", "image x").keyword, Keyword::kRun);
}

}  // namespace
}  // namespace dockerfile
