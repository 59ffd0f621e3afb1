#pragma once

#include <string>
#include <vector>

#include "builder/dockerfile/lines.h"
#include "builder/dockerfile/parser.h"

namespace dockerfile {

/// Splits one logical line into keyword, flags and arguments (L7-L12); `begin` is where the
/// instruction starts in it. Fills everything of `out` but where, heredocs and doc_comments; marks
/// it broken when it adds an error. ONBUILD parses its trigger.
class ArgumentReader {
 public:
  ArgumentReader(const LogicalLine& line, char escape, const std::string& file,
                 std::vector<Diagnostic>& errors, std::vector<Diagnostic>& warnings)
      : line_(line), escape_(escape), file_(file), errors_(errors), warnings_(warnings) {}

  Instruction read(size_t begin = 0);

 private:
  struct Word {
    std::string text;
    size_t begin, size;  // in the logical line, quotes included
  };
  size_t read_flags(Instruction& out, size_t begin, size_t limit);
  void read_arguments(Instruction& out);
  bool read_json(Instruction& out, size_t begin);
  void read_text(Instruction& out, size_t begin);
  void read_list(Instruction& out, size_t begin);
  void read_pairs(Instruction& out);
  void read_healthcheck(Instruction& out);
  void read_trigger(Instruction& out);
  std::vector<Word> words(size_t begin) const;
  void add_arg(Instruction& out, std::string text, size_t begin, size_t size);
  void error(Instruction& out, std::string id, std::string message, size_t begin, size_t size,
             std::vector<std::string> helps = {});
  base::SourceRange range(size_t begin, size_t size) const;

  const LogicalLine& line_;
  char escape_;
  const std::string& file_;
  std::vector<Diagnostic>& errors_;
  std::vector<Diagnostic>& warnings_;
  size_t begin_ = 0, end_ = 0;  // the arguments, trimmed
  int depth_ = 0;               // of ONBUILD inside ONBUILD
};

}  // namespace dockerfile
