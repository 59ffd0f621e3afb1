#pragma once

#include "base/bytes.h"
#include "store/store.h"

namespace store {

/// Tells the store of bytes that lie in a tree of its staging, or are about to: Store::wrote().
class WrittenSink : public base::Sink {
 public:
  explicit WrittenSink(Store& store) : store_(store) {}
  void write(base::Bytes bytes) override { store_.wrote(bytes.size()); }

 private:
  Store& store_;
};

}  // namespace store
