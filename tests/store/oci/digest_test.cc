#include "store/oci/digest.h"

#include <gtest/gtest.h>

#include <unordered_set>

#include "base/error.h"

namespace {

const std::string kEmptyHex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

TEST(Digest, CannotBeMadeFromAnythingMalformed) {
  for (const std::string& bad :
       {std::string(), std::string("sha256"), std::string("sha256:"),
        "sha256:" + kEmptyHex.substr(1), "sha256:" + kEmptyHex + "0", "SHA256:" + kEmptyHex,
        "md5:" + kEmptyHex, "sha512:" + kEmptyHex, "sha256:" + std::string(64, 'A'),
        std::string("sha256:../../../../../../../../../../tmp/aaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        "sha256:" + kEmptyHex + "\n", std::string("sha256:") + std::string(64, '\0')}) {
    EXPECT_FALSE(oci::Digest::try_parse(bad)) << bad;
    EXPECT_THROW(oci::Digest::parse(bad), base::Error) << bad;
  }
}

TEST(Digest, KnowsItsParts) {
  oci::Digest empty = oci::Digest::sha256_of("");
  EXPECT_EQ(empty.str(), "sha256:" + kEmptyHex);
  EXPECT_EQ(empty.algorithm(), "sha256");
  EXPECT_EQ(empty.hex(), kEmptyHex);
  EXPECT_EQ(empty.short_hex(), "e3b0c44298fc");
  EXPECT_EQ(oci::Digest::parse("sha512:" + std::string(128, '0')).hex().size(), 128u);
  EXPECT_EQ(std::unordered_set<oci::Digest>({empty, oci::Digest::parse(empty.str())}).size(), 1u);
}

TEST(Verifier, AcceptsTheRightBytesOfBothAlgorithms) {
  for (const char* name :
       {"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"}) {
    oci::Verifier verifier(oci::Digest::parse(name), 3);
    verifier.write(base::as_bytes("a"));
    verifier.write(base::as_bytes("bc"));
    EXPECT_NO_THROW(verifier.finish());
  }
}

TEST(Verifier, RefusesOtherBytesFewerBytesAndMoreBytes) {
  oci::Digest abc = oci::Digest::sha256_of("abc");
  oci::Verifier other(abc, 3);
  other.write(base::as_bytes("abd"));
  EXPECT_THROW(other.finish(), base::Error);
  oci::Verifier fewer(abc, 4);
  fewer.write(base::as_bytes("abc"));
  EXPECT_THROW(fewer.finish(), base::Error);
  oci::Verifier more(abc, 2);
  EXPECT_THROW(more.write(base::as_bytes("abc")), base::Error);
}

TEST(VerifiedSource, ThrowsAtTheEndOfWrongBytes) {
  auto source = std::make_unique<base::MemorySource>(base::as_bytes("abd"));
  oci::VerifiedSource verified(std::move(source), oci::Digest::sha256_of("abc"), 3);
  EXPECT_THROW(base::read_all(verified, 100), base::Error);
  auto good = std::make_unique<base::MemorySource>(base::as_bytes("abc"));
  oci::VerifiedSource fine(std::move(good), oci::Digest::sha256_of("abc"), 3);
  EXPECT_EQ(base::read_all(fine, 100), "abc");
}

}  // namespace
