#include "cli/error_texts.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "base/text.h"

namespace cli {
namespace {

TEST(ErrorTexts, FindsTheTextOfOneErrorAndNothingOfTheNext) {
  std::optional<ErrorText> text = find_error_text("copy-source-missing");
  ASSERT_TRUE(text);
  EXPECT_EQ(text->id, "copy-source-missing");
  EXPECT_NE(text->body.find("relative to the build context"), std::string_view::npos);
  EXPECT_EQ(text->body.find("## "), std::string_view::npos);
  EXPECT_FALSE(find_error_text("copy-source"));
  EXPECT_FALSE(find_error_text(""));
}

TEST(ErrorTexts, HasTheFirstAndTheLastOfThePage) {
  std::vector<ErrorText> texts = error_texts();
  ASSERT_GT(texts.size(), 2u);
  for (size_t i = 1; i < texts.size(); ++i) EXPECT_LT(texts[i - 1].id, texts[i].id);
  EXPECT_FALSE(base::trim(texts.front().body).empty());
  EXPECT_EQ(texts.back().id, "zstd-window");
  EXPECT_TRUE(texts.back().body.ends_with("\n"));
}

TEST(ErrorTexts, BreaksParagraphsToTheWidthAndLeavesCommandsAsTheyStand) {
  const ErrorText text{"some-error",
                       "\n\nOne two three four five six seven eight\nnine ten.\n\n    torte  run "
                       "-p 8080:80 --name a-long-one IMAGE\n    x\n\nEnd.\n"};
  EXPECT_EQ(render_error_text(text, 40),
            "some-error\n\n"
            "One two three four five six seven eight\nnine ten.\n\n"
            "    torte  run -p 8080:80 --name a-long-one IMAGE\n    x\n\n"
            "End.\n");
  EXPECT_EQ(render_error_text({"some-error", "\n\nOne\ntwo.\n"}, 0), "some-error\n\nOne two.\n");
}

TEST(ErrorTexts, ListsEveryErrorWithItsFirstSentence) {
  std::string list = render_error_list(400);
  EXPECT_EQ(static_cast<size_t>(std::count(list.begin(), list.end(), '\n')), error_texts().size());
  EXPECT_NE(list.find("\nname-in-use                      Another container has this name\n"),
            std::string::npos)
      << list;
  for (const std::string& line : base::split(render_error_list(80), '\n'))
    EXPECT_LE(line.size(), 80u) << line;
}

}  // namespace
}  // namespace cli
