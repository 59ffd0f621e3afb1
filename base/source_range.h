#pragma once

#include <memory>
#include <string>

namespace base {

/// A place in a file the user wrote. Lines and columns count from 1; 0 means unknown.
struct SourceRange {
  std::string file;
  int first_line = 0;
  int last_line = 0;
  int column = 0;  ///< in first_line, in bytes
  int width = 0;   ///< of the marked text in bytes; 0 marks to the end of the line
};

/// A SourceRange with what is needed to show it: the file's text and words beside the mark.
struct Place {
  SourceRange where;
  std::shared_ptr<const std::string> source_text;  ///< the whole file; null shows no excerpt
  std::string label;   ///< after the caret: "not among the 1,204 files of context ./web"
  std::string detail;  ///< after the position: "stage \"web\", step 5 of 7"
};

}  // namespace base
