#include "runner/launch/plan.h"

#include <gtest/gtest.h>

#include <cstring>

namespace {

using launch::Plan;
using launch::wire::Kind;

TEST(Plan, IsWrittenAsTheLauncherReadsIt) {
  Plan plan;
  int root = plan.inherit(17);
  int made = plan.new_slot();
  plan.add(Kind::kHostname, "set host name", {}, std::string_view("abc\0", 4));
  plan.add(Kind::kAttach, "attach", {.a = made, .b = root});
  std::string bytes = plan.encode();

  launch::wire::PlanHeader header;
  ASSERT_GE(bytes.size(), sizeof header);
  memcpy(&header, bytes.data(), sizeof header);
  EXPECT_EQ(header.operation_count, 2u);
  EXPECT_EQ(header.size, bytes.size());
  EXPECT_EQ(header.slot_count, 1u);
  EXPECT_EQ(header.slots[root], 17);

  launch::wire::Operation operation;
  const char* next = bytes.data() + sizeof header;
  memcpy(&operation, next, sizeof operation);
  EXPECT_EQ(operation.kind, Kind::kHostname);
  EXPECT_STREQ(next + sizeof operation, "abc");
  next += sizeof operation + 8;  // texts are padded
  memcpy(&operation, next, sizeof operation);
  EXPECT_EQ(operation.kind, Kind::kAttach);
  EXPECT_EQ(operation.a, made);
  EXPECT_EQ(plan.what(1), "attach");
}

TEST(Plan, RefusesMoreSlotsThanTheLauncherHas) {
  Plan plan;
  for (int i = 0; i < launch::wire::kMaxSlots; ++i) plan.new_slot();
  EXPECT_ANY_THROW(plan.new_slot());
}

}  // namespace
