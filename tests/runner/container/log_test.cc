#include "runner/container/log.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temp_dir.h"

namespace {

using container::LogLine;
using container::LogWriter;

class LogTest : public ::testing::Test {
 protected:
  std::string read(container::LogOptions options = {}) {
    std::string text;
    container::read_log(dir_ / "log", options, [] { return false; },
                        [&](const LogLine& line) { text += (line.is_error ? "!" : "") + line.text; });
    return text;
  }
  support::TempDir dir_;
};

TEST_F(LogTest, KeepsLinesAndStreamsApart) {
  LogWriter log(dir_ / "log", {});
  log.write(false, "one\ntw");
  log.write(true, "bad\n");
  log.write(false, "o\nrest");
  EXPECT_EQ(read(), "one\n!bad\ntwo\n");
  log.flush();
  EXPECT_EQ(read(), "one\n!bad\ntwo\nrest");
}

TEST_F(LogTest, GivesBackWhatJsonMustEscape) {
  const std::string text = "\"quoted\" back\\slash \t\x01\x7f \xc3\xa4\n";
  LogWriter(dir_ / "log", {}).write(false, text);
  EXPECT_EQ(read(), text);
}

TEST_F(LogTest, ReplacesBytesThatAreNoText) {
  LogWriter(dir_ / "log", {}).write(false, "a\xff" "b\n");
  EXPECT_EQ(read(), "a\xef\xbf\xbd" "b\n");
}

TEST_F(LogTest, CutsLinesThatNeverEnd) {
  LogWriter log(dir_ / "log", {});
  log.write(false, std::string(20 << 10, 'x'));
  EXPECT_EQ(read().size(), size_t{16 << 10});
}

TEST_F(LogTest, ShowsTheLastLines) {
  LogWriter(dir_ / "log", {}).write(false, "1\n2\n3\n");
  EXPECT_EQ(read({.tail = 2}), "2\n3\n");
  EXPECT_EQ(read({.tail = 0}), "");
}

TEST_F(LogTest, PutsFullFilesAsideAndReadsThemInOrder) {
  container::LogConfig config;
  config.max_bytes = 150;
  config.files = 3;
  LogWriter log(dir_ / "log", config);
  std::string all;
  for (int i = 0; i < 8; ++i) {
    log.write(false, std::to_string(i) + "\n");
    all += std::to_string(i) + "\n";
  }
  EXPECT_TRUE(all.ends_with(read()));
  EXPECT_TRUE(std::filesystem::exists(dir_ / "log.2"));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "log.3"));
}

TEST_F(LogTest, PassesOverATornLine) {
  LogWriter log(dir_ / "log", {});
  log.write(false, "whole\n");
  std::ofstream(dir_ / "log", std::ios::app) << "{\"log\":\"to\n";
  log.write(false, "again\n");
  EXPECT_EQ(read(), "whole\nagain\n");
}

}  // namespace
