#include "cli/table.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace cli {
namespace {

using Json = nlohmann::json;

Table images() {
  Table table({"NAME", "ID", "COMMAND"});
  table.add({"app", "9f31c0a2d4e5", "/bin/sh -c something long"});
  table.add({"\xe6\x97\xa5\xe6\x9c\xac", "1", "bad\x1b[2J"});
  return table;
}

const Json kItems =
    Json::parse(R"([{"id": "9f31", "name": "app"}, {"id": "1", "name": "longer"}])");

TEST(Table, AlignsColumnsAndEscapes) {
  EXPECT_EQ(images().render(0),
            "NAME  ID            COMMAND\n"
            "app   9f31c0a2d4e5  /bin/sh -c something long\n"
            "\xe6\x97\xa5\xe6\x9c\xac  1             bad\\x1b[2J\n");
}

TEST(Table, CutsOnlyTheLastColumnAndOnlyOnATerminal) {
  EXPECT_EQ(images().render(32),
            "NAME  ID            COMMAND\n"
            "app   9f31c0a2d4e5  /bin/sh -...\n"
            "\xe6\x97\xa5\xe6\x9c\xac  1             bad\\x1b[2J\n");
}

TEST(Listing, SpeaksTheFormatAskedFor) {
  Table table({"NAME"});
  table.add({"app"});
  EXPECT_EQ(render_listing(table, kItems, "", 0), "NAME\napp\n");
  EXPECT_EQ(render_listing(table, kItems, "table", 0), "NAME\napp\n");
  EXPECT_EQ(render_listing(table, kItems, "json", 0),
            "[{\"id\":\"9f31\",\"name\":\"app\"},{\"id\":\"1\",\"name\":\"longer\"}]\n");
  EXPECT_EQ(render_listing(table, kItems, "json-lines", 0),
            "{\"id\":\"9f31\",\"name\":\"app\"}\n{\"id\":\"1\",\"name\":\"longer\"}\n");
  EXPECT_EQ(render_listing(table, kItems, "{{.ID}}={{.Name}}", 0), "9f31=app\n1=longer\n");
  EXPECT_EQ(render_listing(table, kItems, "table {{.Name}}\\t{{.ID}}", 0),
            "NAME    ID\napp     9f31\nlonger  1\n");
  EXPECT_THROW(render_listing(table, kItems, "{{.Nope}}", 0), base::Error);
}

TEST(TerminalSafe, KeepsLinesAndTabsOnly) {
  EXPECT_EQ(terminal_safe("a\tb\n\x1b[2Jc"), "a\tb\n\\x1b[2Jc");
}

TEST(Documents, AreIndentedUnlessATemplateSaysOtherwise) {
  EXPECT_EQ(render_documents(Json::array({{{"a", 1}}}), ""),
            "[\n    {\n        \"a\": 1\n    }\n]\n");
  EXPECT_EQ(render_documents(kItems, "{{.name}}"), "app\nlonger\n");
}

}  // namespace
}  // namespace cli
