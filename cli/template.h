#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace cli {

namespace tmpl {
struct Node;
}

/// The part of Go's template language that scripts around container tools use (spec/ux.md 8):
///
///     {{.Name}} {{.Config.Env}} {{json .X}} {{.X | lower}} {{(index .Ports 0).HostPort}}
///     {{range .X}}..{{else}}..{{end}}  {{range $k, $v := .X}}  {{if}}..{{else if}}  {{with}}  {{-
///     trims -}} index len join split upper lower title truncate pad print println printf eq ne lt
///     le gt ge and or not
///
/// Values are JSON. A field is looked up as written, then without regard to case, so that the
/// capital names of other tools find our lowerCamelCase keys; an unknown field is an error that
/// lists the fields there are. A missing key of `index` and null print as nothing.
class Template {
 public:
  /// Throws UsageError naming the column of the mistake. `\t` and `\n` written out are taken as tab
  /// and line break.
  explicit Template(std::string_view text);
  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;
  ~Template();

  /// Throws base::Error Invalid for unknown fields and wrong arguments.
  std::string render(const nlohmann::json& value) const;
  /// The template with column headings for fields: {{.CreatedAt}} gives "CREATED AT".
  std::string render_headings() const;

 private:
  std::unique_ptr<const tmpl::Node> root_;
};

}  // namespace cli
