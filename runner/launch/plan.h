#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "runner/launch/init/operations.h"

namespace launch {

/// A list of operations being written down: first composed and checked, carried out later by the
/// launcher (init/). Operations are executed in the order they are added. A value.
class Plan {
 public:
  /// A slot that starts with an inherited descriptor (borrowed until the launch is over). Inherited
  /// slots must all be asked for before the first new_slot().
  int inherit(int fd);
  /// A slot to be filled by an operation.
  int new_slot();

  /// Adds an operation; `what` is how an error names it. Returns a reference that is valid until
  /// the next add(), for fields beyond the usual.
  wire::Operation& add(wire::Kind kind, std::string what, wire::Operation fields = {},
                       std::string_view text = {});

  /// The operation added last.
  wire::Operation& last() { return entries_.back().operation; }

  /// The bytes the launcher reads.
  std::string encode() const;
  size_t size() const { return entries_.size(); }
  const std::string& what(size_t index) const { return entries_.at(index).what; }
  wire::Kind kind(size_t index) const { return entries_.at(index).operation.kind; }
  const std::vector<int>& inherited() const { return inherited_; }

 private:
  struct Entry {
    wire::Operation operation;
    std::string text;
    std::string what;
  };
  std::vector<int> inherited_;
  int slots_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace launch
