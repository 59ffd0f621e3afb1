#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "builder/dockerfile/parser.h"

namespace dockerfile {

/// Gathers what is wrong with one instruction.
class Findings {
 public:
  explicit Findings(const Instruction& instruction) : instruction_(instruction) {}
  /// An error at the keyword, at an argument, at a flag, at a place.
  void error(std::string id, std::string message, std::vector<std::string> helps = {});
  void error_at(base::SourceRange where, std::string id, std::string message,
                std::vector<std::string> helps = {});
  /// An error of a value: it matters only when the stage is built (S5).
  void value_error_at(base::SourceRange where, std::string id, std::string message,
                      std::vector<std::string> helps = {});
  const Instruction& instruction() const { return instruction_; }
  /// "RUN"
  std::string keyword() const;
  bool empty() const { return list_.empty(); }
  std::vector<Diagnostic> take() { return std::move(list_); }

 private:
  const Instruction& instruction_;
  std::vector<Diagnostic> list_;
};

/// A flag that an instruction knows (L8).
struct FlagSpec {
  enum Kind { kText, kTexts, kBool };
  std::string_view name;     ///< without dashes
  Kind kind;                 ///< kTexts may be repeated
  bool is_addition = false;  ///< only torte knows it
};

/// The flags of one instruction, checked against what it knows.
class Flags {
 public:
  /// Adds an error for each unknown, repeated or malformed flag to `findings`.
  Flags(const std::vector<FlagSpec>& known, Findings& findings);

  std::optional<std::string> text(std::string_view name) const;
  std::vector<std::string> texts(std::string_view name) const;
  std::optional<bool> boolean(std::string_view name) const;
  /// Where the flag, or its nth repetition, was written; the keyword when it was not.
  base::SourceRange where(std::string_view name, size_t nth = 0) const;

 private:
  struct Value {
    std::string text;
    size_t index;
  };
  void read(size_t index, const std::vector<FlagSpec>& known, Findings& findings);
  const Instruction& instruction_;
  std::map<std::string, std::vector<Value>, std::less<>> values_;
};

}  // namespace dockerfile
