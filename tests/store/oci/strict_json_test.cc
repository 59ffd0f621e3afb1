#include "store/oci/strict_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace {

using oci::parse_strict_json;

TEST(StrictJson, ReadsOneDocument) {
  auto json = parse_strict_json(R"({"a":[1,{"b":null}],"c":"d","e":[]})", "x");
  EXPECT_EQ(json.dump(), R"({"a":[1,{"b":null}],"c":"d","e":[]})");
  EXPECT_EQ(parse_strict_json(" 7 ", "x"), 7);
}

TEST(StrictJson, RefusesWhatParsersReadDifferently) {
  for (const std::string& bad :
       {std::string(), std::string("{}{}"), std::string("{} x"), std::string(R"({"a":1,"a":2})"),
        std::string(R"({"x":{"a":1,"\u0061":2}})"), std::string("{\"k\":\"\xff\"}"),
        std::string("\xef\xbb\xbf{}"), std::string("{'a':1}"), std::string("[1,]"),
        std::string("{}\0", 3), std::string("{}\0{}", 5), std::string("NaN"),
        std::string("[1e999]"), std::string("// c\n{}")}) {
    EXPECT_THROW(parse_strict_json(bad, "x"), base::Error) << bad;
  }
}

TEST(StrictJson, RefusesDeepNestingWithoutRecursion) {
  std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_THROW(parse_strict_json(deep, "x"), base::Error);
  std::string fine = std::string(64, '[') + std::string(64, ']');
  EXPECT_NO_THROW(parse_strict_json(fine, "x"));
  EXPECT_THROW(parse_strict_json("[" + fine + "]", "x"), base::Error);
}

TEST(StrictJson, RefusesMoreValuesThanAnyDocumentNeeds) {
  std::string many = "[";
  for (int i = 0; i < 600'000; ++i) many += "1,";
  EXPECT_THROW(parse_strict_json(many + "1]", "x"), base::Error);
}

TEST(StrictJson, MessagesAreShortAndPrintable) {
  try {
    parse_strict_json("{\"\x1b[31m\":1,\"\x1b[31m\":1}", "manifest");
    FAIL();
  } catch (const base::Error& e) {
    EXPECT_EQ(std::string(e.what()).find('\x1b'), std::string::npos);
    EXPECT_EQ(std::string(e.what()).rfind("manifest: ", 0), 0u);
  }
}

}  // namespace
