#include "store/layer/pax.h"

#include <gtest/gtest.h>

namespace {

using layer::parse_pax;
using layer::parse_pax_time;

TEST(Pax, ReadsRecordsAndKeepsTheLastOfEqualKeys) {
  auto records = parse_pax("12 path=abc\n12 path=abd\n14 size=12345\n");
  ASSERT_TRUE(records.has_value());
  EXPECT_EQ(records->at("path"), "abd");
  EXPECT_EQ(records->at("size"), "12345");
}

TEST(Pax, RefusesLengthsThatLie) {
  EXPECT_FALSE(parse_pax("99999 path=x\n"));
  EXPECT_FALSE(parse_pax("12 nonsense"));
  EXPECT_FALSE(parse_pax("11 path=abc\n"));
  EXPECT_FALSE(parse_pax("3 \n"));
  EXPECT_FALSE(parse_pax("-5 a=b\n"));
  EXPECT_FALSE(parse_pax("99999999999999999999 a=b\n"));
  EXPECT_FALSE(parse_pax("path=abc\n"));
}

TEST(Pax, RefusesNulInNamesOnly) {
  EXPECT_FALSE(parse_pax(std::string_view("12 path=a\0c\n", 12)));
  EXPECT_TRUE(parse_pax(std::string_view("25 SCHILY.xattr.user.a=\0\n", 25)));
  EXPECT_FALSE(parse_pax(std::string_view("25 SCHILY.xattr.user.\0=a\n", 25)));
}

TEST(Pax, ValuesMayHoldNewlinesAndEqualsSigns) {
  auto records = parse_pax("18 comment=a=b\nc=\n");
  ASSERT_TRUE(records.has_value());
  EXPECT_EQ(records->at("comment"), "a=b\nc=");
}

TEST(Pax, TimesRoundTowardsThePast) {
  EXPECT_EQ(parse_pax_time("12"), (layer::TarTime{12, 0}));
  EXPECT_EQ(parse_pax_time("12."), (layer::TarTime{12, 0}));
  EXPECT_EQ(parse_pax_time("12.5"), (layer::TarTime{12, 500'000'000}));
  EXPECT_EQ(parse_pax_time("12.1234567899"), (layer::TarTime{12, 123'456'789}));
  EXPECT_EQ(parse_pax_time("-1.5"), (layer::TarTime{-2, 500'000'000}));
  EXPECT_EQ(parse_pax_time("-0.25"), (layer::TarTime{-1, 750'000'000}));
  for (const char* bad : {"", "NaN", "1e5", "1.x", "1.-5", ".5", "0x10", " 1"})
    EXPECT_FALSE(parse_pax_time(bad)) << bad;
}

TEST(Pax, WrittenLengthsCountTheirOwnDigits) {
  for (size_t size : {1u, 86u, 87u, 88u, 89u, 90u, 984u, 985u, 986u, 987u, 988u, 9980u, 9981u}) {
    std::string text;
    layer::append_pax(text, "comment", std::string(size, 'v'));
    auto records = parse_pax(text);
    ASSERT_TRUE(records.has_value()) << size;
    EXPECT_EQ(records->at("comment").size(), size);
  }
}

}  // namespace
