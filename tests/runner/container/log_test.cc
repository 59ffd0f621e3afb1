#include "runner/container/log.h"

#include <gtest/gtest.h>

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <fstream>

#include "base/error.h"

#include "tests/support/temp_dir.h"

namespace {

using container::LogLine;
using container::LogWriter;

class LogTest : public ::testing::Test {
 protected:
  std::string read(container::LogOptions options = {}) {
    std::string text;
    container::read_log(
        dir_ / "log", options, [] { return false; },
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
  LogWriter(dir_ / "log", {})
      .write(false,
             "a\xff"
             "b\n");
  EXPECT_EQ(read(),
            "a\xef\xbf\xbd"
            "b\n");
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

TEST_F(LogTest, WritesPlainLinesForK8sFileAndReadsThemBack) {
  container::LogConfig config;
  config.driver = "k8s-file";
  LogWriter log(dir_ / "log", config);
  log.write(false, "one \"quoted\" \xff\ntwo");
  log.write(true, "bad\n");
  log.flush();
  EXPECT_EQ(read(), "one \"quoted\" \xff\n!bad\ntwo");
  std::ifstream file(dir_ / "log");
  std::string line;
  std::getline(file, line);
  EXPECT_EQ(line.substr(line.find(' ')), " stdout F one \"quoted\" \xff");
  std::getline(file, line);
  EXPECT_EQ(line.substr(line.find(' ')), " stderr F bad");
  std::getline(file, line);
  EXPECT_EQ(line.substr(line.find(' ')), " stdout P two");
}

TEST_F(LogTest, PassesOverLinesThatAreNone) {
  std::ofstream(dir_ / "log")
      << "\nhalf\n2020-01-01T00:00:00Z stdout\n2020-01-01T00:00:00Z stdout F\n{\n"
         "2020-01-01T00:00:00Z stdout F whole\n";
  EXPECT_EQ(read(), "whole\n");
}

TEST_F(LogTest, SendsALineToTheJournalWithItsFields) {
  const std::filesystem::path path = dir_ / "socket";
  EXPECT_THROW(container::Journal(path, ""), base::Error);
  const sys::UniqueFd server(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(server.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  container::Config config;
  config.id = std::string(64, 'a');
  config.name = "web";
  config.log.tag = "a\nb";
  container::Journal journal(path, container::journal_fields(config));
  journal.write(true, "trouble\n");
  char bytes[4096];
  const ssize_t size = ::recv(server.get(), bytes, sizeof bytes, MSG_DONTWAIT);
  ASSERT_GT(size, 0);
  const std::string text(bytes, static_cast<size_t>(size));
  EXPECT_NE(text.find("CONTAINER_ID=aaaaaaaaaaaa\n"), std::string::npos);
  EXPECT_NE(text.find("CONTAINER_NAME=web\n"), std::string::npos);
  EXPECT_NE(text.find(std::string("CONTAINER_TAG\n\3\0\0\0\0\0\0\0a\nb\n", 26)), std::string::npos);
  EXPECT_NE(text.find("PRIORITY=3\nMESSAGE=trouble\n"), std::string::npos);
}

}  // namespace
