#include "store/event_log.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace store {
namespace {

class EventLog : public testing::Test {
 protected:
  void log(const std::string& name) {
    log_event(layout_, {.type = "container",
                        .action = "start",
                        .id = "1",
                        .name = name,
                        .attributes = {{"exitCode", "0"}}});
  }
  support::TempDir directory_;
  Layout layout_{directory_.path()};
};

TEST_F(EventLog, IsReadAsItWasWrittenAndGoesOn) {
  EventReader reader(layout_);
  EXPECT_FALSE(reader.next());
  log("a\nb \xff");
  const auto event = reader.next();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->type, "container");
  EXPECT_EQ(event->action, "start");
  EXPECT_EQ(event->name, "a\nb \xef\xbf\xbd");
  EXPECT_EQ(event->attributes.at("exitCode"), "0");
  EXPECT_NE(event->time, oci::Timestamp{});
  EXPECT_FALSE(reader.next());
  log("second");
  EXPECT_EQ(reader.next()->name, "second");
}

TEST_F(EventLog, PassesOverTornLines) {
  log("one");
  std::ofstream(layout_.events(), std::ios::app)
      << "{\"time\":\"2020-01-\n[]\n{\"time\":\"2020-01-01T00:00:00Z\",\"id\":5}\n";
  log("two");
  EventReader reader(layout_);
  EXPECT_EQ(reader.next()->name, "one");
  EXPECT_EQ(reader.next()->name, "two");
  EXPECT_FALSE(reader.next());
}

TEST_F(EventLog, IsBoundedAndAReaderMissesNothingMeanwhile) {
  EventReader reader(layout_);
  const std::string padding(4000, 'x');
  constexpr int kEvents = 1000;
  int seen = 0;
  for (int i = 0; i < kEvents; ++i) {
    log(std::to_string(i) + padding);
    while (const auto event = reader.next())
      EXPECT_EQ(event->name, std::to_string(seen++) + padding);
  }
  EXPECT_EQ(seen, kEvents);
  EXPECT_LT(std::filesystem::file_size(layout_.events()), 2u << 20);
  EXPECT_LT(std::filesystem::file_size(layout_.old_events()), 2u << 20);
  EventReader late(layout_);
  int left = 0;
  while (late.next()) ++left;
  EXPECT_GT(left, 250);
  EXPECT_LT(left, kEvents);
}

TEST_F(EventLog, IsNobodysTroubleWhereItCannotBeWritten) {
  std::filesystem::create_directory(layout_.events());
  log("lost");
  EXPECT_FALSE(EventReader(layout_).next());
}

}  // namespace
}  // namespace store
