#include <map>
#include <tuple>

#include "base/text.h"
#include "builder/dockerfile/interpret.h"
#include "builder/dockerfile/mode.h"
#include "builder/dockerfile/word.h"

namespace dockerfile {

namespace {

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

bool is_hex(std::string_view text) {
  return !text.empty() &&
         text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

bool is_plain(std::string_view text) {
  return text.find_first_of("$'\"\\`") == std::string_view::npos;
}

std::optional<Heredoc> start_of(const Instruction& in, const std::string& word) {
  if (in.json) return std::nullopt;  // the JSON form turns heredocs off (L10)
  try {
    return heredoc_start(word);
  } catch (const base::Error&) {
    return std::nullopt;
  }
}

// Finds the body of each heredoc source. Of two bodies with one name the last one counts for both,
// as REF has it.
class Bodies {
 public:
  explicit Bodies(const Instruction& in) {
    for (const Heredoc& heredoc : in.heredocs) last_[heredoc.name] = &heredoc;
  }

  std::shared_ptr<const Heredoc> find(Heredoc start) {
    auto& known = made_[{start.name, start.expand, start.chomp}];
    if (!known) {
      auto last = last_.find(start.name);
      if (last != last_.end()) start.content = last->second->content;
      known = std::make_shared<const Heredoc>(std::move(start));
    }
    return known;
  }

 private:
  std::map<std::string, const Heredoc*> last_;
  std::map<std::tuple<std::string, bool, bool>, std::shared_ptr<const Heredoc>> made_;
};

CopySource read_source(Findings& findings, size_t index, bool add, Bodies& bodies) {
  const Instruction& in = findings.instruction();
  CopySource out{in.args[index], nullptr, in.arg_range(index)};
  if (std::optional<Heredoc> start = start_of(in, in.args[index])) {
    out.text = start->name;
    out.heredoc = bodies.find(std::move(*start));
  } else if (!add && source_kind(out.text) != SourceKind::kPath) {
    findings.value_error_at(out.where, "copy-source-url",
                            base::str("COPY cannot fetch \"", base::printable(out.text, 200), "\""),
                            {"use ADD for URLs and git repositories"});
  }
  return out;
}

void check_flags(Findings& findings, const Flags& flags, const Copy& copy) {
  if (copy.from && has_variable(*copy.from)) {
    findings.value_error_at(copy.from_where, "from-variable",
                            "variables are not expanded in --from",
                            {"give the image a name with FROM ... AS name and use that name"});
  }
  if (copy.from && copy.from->empty())
    findings.value_error_at(copy.from_where, "invalid-flag-value", "--from is empty");
  if (copy.chmod && !copy.chmod->empty() && is_plain(*copy.chmod))
    check_value(findings, flags.where("chmod"), [&] { FileMode mode(*copy.chmod); });
  if (!copy.checksum) return;
  if (copy.sources.size() > 1) {
    findings.value_error_at(flags.where("checksum"), "checksum-sources",
                            "--checksum needs exactly one source");
  }
  const std::string& sum = *copy.checksum;
  bool is_digest = starts_with(sum, "sha256:") && sum.size() == 71 && is_hex(sum.substr(7));
  if (is_plain(sum) && !is_digest && !(is_hex(sum) && sum.size() <= 64)) {
    findings.value_error_at(flags.where("checksum"), "invalid-checksum",
                            "--checksum takes sha256: and 64 hex digits, or a git commit");
  }
}

}  // namespace

Copy interpret_copy(Findings& findings) {
  const Instruction& in = findings.instruction();
  bool add = in.keyword == Keyword::kAdd;
  std::vector<FlagSpec> known = {{"chown", FlagSpec::kText},
                                 {"chmod", FlagSpec::kText},
                                 {"link", FlagSpec::kBool},
                                 {"exclude", FlagSpec::kTexts},
                                 {"if-exists", FlagSpec::kBool, true}};
  if (add) {
    known.push_back({"checksum", FlagSpec::kText});
    known.push_back({"keep-git-dir", FlagSpec::kBool});
    known.push_back({"unpack", FlagSpec::kBool});
  } else {
    known.push_back({"from", FlagSpec::kText});
    known.push_back({"parents", FlagSpec::kBool});
  }
  Flags flags(known, findings);
  Copy out;
  out.add = add;
  if (in.args.size() < 2) {
    findings.error("missing-argument",
                   base::str(findings.keyword(), " needs a source and a destination"));
    return out;
  }
  Bodies bodies(in);
  for (size_t i = 0; i + 1 < in.args.size(); ++i)
    out.sources.push_back(read_source(findings, i, add, bodies));
  out.dest = in.args.back();
  out.dest_where = in.arg_range(in.args.size() - 1);
  if (start_of(in, out.dest)) {
    findings.error_at(out.dest_where, "heredoc-destination",
                      base::str(findings.keyword(), " cannot write to a here-document"));
  }
  out.from = flags.text("from");
  out.from_where = flags.where("from");
  out.chown = flags.text("chown");
  out.chmod = flags.text("chmod");
  out.link = flags.boolean("link").value_or(false);
  out.parents = flags.boolean("parents").value_or(false);
  out.excludes = flags.texts("exclude");
  out.if_exists = flags.boolean("if-exists").value_or(false);
  out.checksum = flags.text("checksum");
  out.keep_git_dir = flags.boolean("keep-git-dir");
  out.unpack = flags.boolean("unpack");
  check_flags(findings, flags, out);
  return out;
}

SourceKind source_kind(std::string_view text) {
  bool http = starts_with(text, "http://") || starts_with(text, "https://");
  if (starts_with(text, "git://") || starts_with(text, "ssh://")) return SourceKind::kGit;
  if (starts_with(text, "git@") && text.find(':') != std::string_view::npos)
    return SourceKind::kGit;
  if (!http) return SourceKind::kPath;
  std::string_view address = text.substr(0, text.find_first_of("?#"));
  bool git = address.size() > 4 && address.substr(address.size() - 4) == ".git";
  return git ? SourceKind::kGit : SourceKind::kHttp;
}

}  // namespace dockerfile
