#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "builder/dockerfile/diagnostic.h"
#include "builder/dockerfile/heredoc.h"
#include "builder/dockerfile/lines.h"

namespace dockerfile {

enum class Keyword {
  kUnknown,
  kAdd,
  kArg,
  kCmd,
  kCopy,
  kEntrypoint,
  kEnv,
  kExpose,
  kFrom,
  kHealthcheck,
  kLabel,
  kMaintainer,
  kOnbuild,
  kRun,
  kShell,
  kStopsignal,
  kUser,
  kVolume,
  kWorkdir,
};

/// The keyword named `name` in any case; kUnknown for anything else.
Keyword find_keyword(std::string_view name);
/// All keywords in upper case, in alphabetic order.
const std::vector<std::string>& keyword_names();

/// One instruction as written: split into words, nothing expanded, grammar not yet checked.
///
/// `args` by instruction (L9): ENV and LABEL have three for each pair, name, value and "=" (empty
/// in the legacy form); HEALTHCHECK its type word and then its command; ONBUILD and unknown
/// keywords none; shell forms one text; the others their words. Quotes and escapes are kept except
/// in the JSON form, which is decoded.
struct Instruction {
  Keyword keyword = Keyword::kUnknown;
  std::string name;                ///< lower case
  std::string written;             ///< the keyword as written
  base::SourceRange where;         ///< all lines, bodies included; column and width of the keyword
  std::vector<std::string> flags;  ///< "--from=x", quotes and escapes removed (L8)
  std::vector<Span> flag_spans;    ///< one a flag
  std::vector<std::string> args;
  std::vector<Span> arg_spans;                 ///< one an argument
  bool json = false;                           ///< the JSON form was used
  std::vector<Heredoc> heredocs;               ///< an ONBUILD has those of its trigger
  std::shared_ptr<const Instruction> trigger;  ///< ONBUILD only; null when it is missing
  std::string text;                            ///< the logical line, trimmed, continuations removed
  std::string rest;                            ///< what follows the keyword and flags, trimmed
  std::vector<std::string> doc_comments;       ///< comment lines directly above, without `#` (L14)
  char escape = '\\';
  bool additions = false;  ///< the recipe is in torte's own language: Recipe::has_additions()
  bool broken = false;     ///< an error was reported already; args are incomplete

  base::SourceRange range(Span span) const;
  /// Place of an argument or flag; that of the keyword when there is no such one.
  base::SourceRange arg_range(size_t index) const;
  base::SourceRange flag_range(size_t index) const;
};

/// A parsed recipe: text → instructions (this file) → typed commands (commands.h).
struct Recipe {
  std::string file;    ///< name shown to the user
  char escape = '\\';  ///< `# escape=`
  std::string syntax;  ///< `# syntax=`, as written; recorded, never fetched (L5)
  Span syntax_span;
  std::string check;  ///< `# check=`, as written (section 13)
  Span check_span;
  std::vector<Instruction> instructions;
  std::vector<Diagnostic> warnings;  ///< NoEmptyContinuation, JSONFormInvalid
  std::string source;                ///< the whole text, for excerpts

  /// `# syntax=torte/1`: what torte adds to the language may be used (section 15).
  bool has_additions() const;
  /// Physical line `line` (from 1) without its end; empty beyond the file.
  std::string_view source_line(int line) const;
};

/// Largest recipe in bytes (spec/security.md section 4).
inline constexpr size_t kMaxRecipeSize = size_t{16} << 20;
/// Most instructions of a recipe; reading stops there with an error.
inline constexpr size_t kMaxInstructions = 50'000;

/// Reads a recipe (L1-L14). Throws RecipeError with every lexical error; see validate.h for one
/// call that also checks each instruction's grammar. Pure, linear in the size of the text.
Recipe parse(std::string_view text, std::string file);

/// The same, but adds errors to `errors` and returns what could be read; instructions with an error
/// are kept and marked broken.
Recipe parse_collecting(std::string_view text, std::string file, std::vector<Diagnostic>& errors);

/// Reads one ONBUILD trigger out of an image configuration: one instruction with the bodies of its
/// heredocs (S8). `origin` names it in messages. Throws RecipeError.
Instruction parse_trigger(std::string_view text, const std::string& origin);

/// What an ONBUILD adds to the image configuration: its text without the word, bodies included
/// (S8).
std::string trigger_text(const Instruction& onbuild);

}  // namespace dockerfile
