#include "base/hash.h"

#include <gtest/gtest.h>

namespace {

TEST(Sha256, MatchesKnownValues) {
  EXPECT_EQ(base::sha256_hex(base::as_bytes("")),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  base::Sha256 hash;
  hash.write(base::as_bytes("a"));
  hash.write(base::as_bytes("bc"));
  EXPECT_EQ(hash.count(), 3u);
  EXPECT_EQ(hash.finish_hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
