#include "store/registry/header_fields.h"

#include <gtest/gtest.h>

namespace registry {
namespace {

TEST(Challenges, AreReadWithQuotesAndCommasInside) {
  auto list = parse_challenges(
      "Bearer realm=\"https://auth.example/token\",service=\"r\", "
      "scope=\"repository:a/b:pull,push\"");
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0].scheme, "bearer");
  EXPECT_EQ(list[0].get("realm"), "https://auth.example/token");
  EXPECT_EQ(list[0].get("scope"), "repository:a/b:pull,push");
  EXPECT_EQ(list[0].get("error"), "");
}

TEST(Challenges, MayBeSeveralInOneHeader) {
  auto list = parse_challenges("Basic realm=\"a \\\"b\\\"\", Negotiate, BEARER realm=https://x/y");
  ASSERT_EQ(list.size(), 3U);
  EXPECT_EQ(list[0].get("realm"), "a \"b\"");
  EXPECT_EQ(list[1].scheme, "negotiate");
  EXPECT_EQ(list[2].get("realm"), "https://x/y");
}

TEST(Challenges, AreLeftOutFromWhereTheyBreakTheGrammar) {
  EXPECT_TRUE(parse_challenges("").empty());
  EXPECT_TRUE(parse_challenges("\"Bearer\"").empty());
  EXPECT_TRUE(parse_challenges("Bearer realm=\"https://open").empty());
  EXPECT_EQ(parse_challenges("Basic realm=\"a\", Bearer realm=\"").size(), 1U);
  EXPECT_LE(
      parse_challenges(std::string(100000, 'a') + ",a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a").size(),
      16U);
}

TEST(NextLink, IsFoundAmongOthers) {
  EXPECT_EQ(parse_next_link("</v2/a/tags/list?n=2>; rel=\"next\""), "/v2/a/tags/list?n=2");
  EXPECT_EQ(parse_next_link("</x>; rel=prev, </y>; title=\"a,b\"; rel=NEXT"), "/y");
  EXPECT_FALSE(parse_next_link("</x>; rel=prev"));
  EXPECT_FALSE(parse_next_link("</x"));
  EXPECT_FALSE(parse_next_link(""));
}

TEST(Ranges, AreReadExactly) {
  auto range = parse_content_range("bytes 10-99/100");
  ASSERT_TRUE(range);
  EXPECT_EQ(range->first, 10U);
  EXPECT_EQ(range->last, 99U);
  EXPECT_EQ(range->total, 100U);
  EXPECT_TRUE(parse_content_range("bytes 0-0/*"));
  for (const char* text :
       {"bytes 9-1/10", "bytes 0-10/10", "bytes */10", "10-99/100", "bytes 0-1", ""})
    EXPECT_FALSE(parse_content_range(text)) << text;
  EXPECT_EQ(parse_upload_range("0-99"), 100U);
  EXPECT_EQ(parse_upload_range("bytes=0-99"), 100U);
  for (const char* text : {"0-0", "1-99", "99", "", "0-18446744073709551615", "0--1"})
    EXPECT_FALSE(parse_upload_range(text)) << text;
}

TEST(RetryAfter, IsSecondsOrADate) {
  EXPECT_EQ(parse_retry_after("2", 0), 2U);
  EXPECT_EQ(parse_retry_after("Thu, 01 Jan 1970 00:01:40 GMT", 40), 60U);
  EXPECT_EQ(parse_retry_after("Thu, 01 Jan 1970 00:01:40 GMT", 400), 0U);
  EXPECT_FALSE(parse_retry_after("soon", 0));
  EXPECT_FALSE(parse_retry_after("-1", 0));
}

}  // namespace
}  // namespace registry
