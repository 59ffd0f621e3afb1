#include "cli/template.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/options.h"

namespace cli {
namespace {

using Json = nlohmann::json;

const Json kValue = Json::parse(R"({
  "id": "sha256:abc", "name": "app", "size": 42, "dangling": false, "nothing": null,
  "tags": ["a", "b", "c"], "labels": {"x.y": "1", "z": "two"}, "empty": [],
  "networkSettings": {"ports": {"80/tcp": [{"hostIp": "::", "hostPort": "8080"}]}},
  "mounts": [{"type": "bind", "source": "/a"}, {"type": "volume", "source": "v"}]})");

std::string render(std::string_view text) { return Template(text).render(kValue); }

std::string failure(std::string_view text) {
  try {
    render(text);
  } catch (const base::Error& e) {
    std::string out = e.what();
    for (const std::string& fact : e.facts()) out += "|" + fact;
    for (const std::string& help : e.helps()) out += "|" + help;
    return out;
  }
  return "no error";
}

TEST(Template, PrintsFieldsInAnyCase) {
  EXPECT_EQ(render("{{.id}} {{.ID}} {{ .Name }}"), "sha256:abc sha256:abc app");
  EXPECT_EQ(render("{{.Size}}{{.Dangling}}{{.nothing}}|{{.Nothing.deeper}}"), "42false|");
  EXPECT_EQ(render("{{.tags}} {{.labels}}"), "[a b c] map[x.y:1 z:two]");
  EXPECT_EQ(render("{{$.name}} {{.NetworkSettings.Ports}}"),
            "app map[80/tcp:[map[hostIp::: hostPort:8080]]]");
}

TEST(Template, CallsFunctions) {
  EXPECT_EQ(render("{{json .tags}} {{.labels | json}}"), R"(["a","b","c"] {"x.y":"1","z":"two"})");
  EXPECT_EQ(render("{{join .tags \", \"}} {{.tags | join \"-\"}}"), "a, b, c a-b-c");
  EXPECT_EQ(render("{{upper .name}} {{lower \"ABC\"}} {{title \"a bc\"}}"), "APP abc A Bc");
  EXPECT_EQ(render("{{index .tags 1}} {{index .labels \"x.y\"}} [{{index .labels \"none\"}}]"),
            "b 1 []");
  EXPECT_EQ(render("{{len .tags}} {{len .name}} {{len .empty}}"), "3 3 0");
  EXPECT_EQ(render("{{index (split .id \":\") 1}}"), "abc");
  EXPECT_EQ(render("{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort}}"), "8080");
  EXPECT_EQ(render("{{println .name 1}}"), "app 1\n");
  EXPECT_EQ(render("{{printf \"%-5s|%3d|%q|%v%%\" .name .size .name .tags}}"),
            "app  | 42|\"app\"|[a b c]%");
  EXPECT_EQ(render("{{truncate .id 6}}{{pad \"x\" 1 2}}|"), "sha256 x  |");
}

TEST(Template, ComparesAndCombines) {
  EXPECT_EQ(render("{{eq .name \"app\"}} {{ne .size 42}} {{eq .name \"x\" \"app\"}}"),
            "true false true");
  EXPECT_EQ(render("{{lt 1 2}} {{ge .size 43}}"), "true false");
  EXPECT_EQ(render("{{and .name .size}} {{or .empty .name}} {{not .dangling}}"), "42 app true");
}

TEST(Template, Branches) {
  EXPECT_EQ(render("{{if .dangling}}a{{else if eq .name \"app\"}}b{{else}}c{{end}}"), "b");
  EXPECT_EQ(render("{{if .empty}}a{{end}}{{if not .empty}}b{{end}}"), "b");
  EXPECT_EQ(
      render("{{with .labels}}{{.z}}{{else}}none{{end}} {{with .empty}}x{{else}}{{.name}}{{end}}"),
      "two app");
}

TEST(Template, Ranges) {
  EXPECT_EQ(render("{{range .tags}}<{{.}}>{{end}}"), "<a><b><c>");
  EXPECT_EQ(render("{{range .mounts}}{{.Type}}={{.Source}} {{$.name}};{{end}}"),
            "bind=/a app;volume=v app;");
  EXPECT_EQ(render("{{range $i, $t := .tags}}{{if $i}},{{end}}{{$i}}{{$t}}{{end}}"), "0a,1b,2c");
  EXPECT_EQ(render("{{range $k, $v := .labels}}{{$k}}={{$v}} {{end}}"), "x.y=1 z=two ");
  EXPECT_EQ(
      render("{{range $p, $c := .NetworkSettings.Ports}}{{$p}}->{{(index $c 0).HostPort}}{{end}}"),
      "80/tcp->8080");
  EXPECT_EQ(render("{{range .empty}}x{{else}}none{{end}}"), "none");
  EXPECT_EQ(render("{{$n := len .tags}}{{$n}}"), "3");
}

TEST(Template, TrimsAndUnescapes) {
  EXPECT_EQ(render("a  {{- .name -}}  b {{/* nothing */}}c"), "aappb c");
  EXPECT_EQ(render("{{.name}}\\t{{.size}}\\n"), "app\t42\n");
  EXPECT_EQ(render("{{\"a}}b\\t\"}}"), "a}}b\t");
}

TEST(Template, UnknownFieldsListTheKnown) {
  EXPECT_EQ(
      failure("{{.Nmae}}"),
      "--format: there is no field \"Nmae\"|fields: dangling, empty, id, labels, mounts, name, "
      "networkSettings, nothing, size, tags");
  EXPECT_EQ(
      failure("{{.networkSetings}}").find("did you mean .networkSettings?") != std::string::npos,
      true);
  EXPECT_EQ(failure("{{.name.x}}"),
            "--format: there is no field \"x\"|the value is a string and has no fields");
}

TEST(Template, MistakesNameTheirColumn) {
  for (std::string_view bad :
       {"{{", "{{.a", "{{if .a}}", "{{end}}", "{{else}}", "{{nosuch .a}}", "{{.a | .b}}", "{{\"x}}",
        "{{(.a}}", "{{}}", "{{.a .b}}", "{{if .a}}{{else}}{{else}}{{end}}", "{{1x}}"})
    EXPECT_THROW(Template{bad}, UsageError) << bad;
  EXPECT_EQ(failure("ab{{nosuch .a}}"), "--format: column 11: there is no function \"nosuch\"");
  for (std::string_view bad :
       {"{{index .tags 9}}", "{{len .size}}", "{{lt 1 \"a\"}}", "{{$x}}", "{{range .name}}{{end}}",
        "{{upper}}", "{{printf \"%d\" .name}}", "{{printf \"%s\"}}", "{{pad \"\" 99999 1}}"})
    EXPECT_THROW(render(bad), base::Error) << bad;
  std::string deep;
  for (int i = 0; i < 5000; ++i) deep += "(";
  EXPECT_THROW(Template("{{" + deep + "}}"), UsageError);
}

TEST(Template, HeadingsStandForFields) {
  EXPECT_EQ(Template("{{.ID}}\\t{{.createdAt}}\\t{{upper .Config.User}}{{if .x}} {{.y}}{{end}}")
                .render_headings(),
            "ID\tCREATED AT\tUSER Y");
}

}  // namespace
}  // namespace cli
