#include "cli/terminal.h"

#include <gtest/gtest.h>
#include <pty.h>
#include <sys/ioctl.h>

#include <map>
#include <string>

#include "base/sys/fd.h"

namespace cli {
namespace {

std::map<std::string, std::string> environment;

const char* lookup(const char* name) {
  auto found = environment.find(name);
  return found == environment.end() ? nullptr : found->second.c_str();
}

class TerminalTest : public testing::Test {
 protected:
  void SetUp() override {
    int leader = -1;
    int follower = -1;
    winsize size{};
    size.ws_row = 30;
    size.ws_col = 120;
    ASSERT_EQ(openpty(&leader, &follower, nullptr, nullptr, &size), 0);
    leader_ = sys::UniqueFd(leader);
    follower_ = sys::UniqueFd(follower);
    environment = {{"TERM", "xterm"}, {"LANG", "C.UTF-8"}};
  }
  Terminal probe(ColorMode color = ColorMode::kAuto) const {
    return probe_terminal(follower_.get(), color, lookup);
  }
  sys::UniqueFd leader_;
  sys::UniqueFd follower_;
};

TEST_F(TerminalTest, SeesSizeColourAndUnicode) {
  Terminal terminal = probe();
  EXPECT_TRUE(terminal.is_terminal && terminal.color && terminal.unicode);
  EXPECT_EQ(terminal.width, 120);
  EXPECT_EQ(terminal.height, 30);
}

TEST_F(TerminalTest, NoColorAndDumbTerminalsAreRespected) {
  environment["NO_COLOR"] = "1";
  EXPECT_FALSE(probe().color);
  EXPECT_TRUE(probe().is_terminal);
  EXPECT_TRUE(probe(ColorMode::kAlways).color);
  environment["CLICOLOR_FORCE"] = "1";
  EXPECT_TRUE(probe().color);
  environment = {{"TERM", "dumb"}};
  EXPECT_FALSE(probe().is_terminal);
  EXPECT_FALSE(probe().color);
  EXPECT_FALSE(probe(ColorMode::kNever).color);
}

TEST_F(TerminalTest, TheFirstLocaleVariableDecides) {
  environment["LC_ALL"] = "C";
  EXPECT_FALSE(probe().unicode);
  environment["LC_ALL"] = "";
  environment["LC_CTYPE"] = "de_DE.utf8";
  EXPECT_TRUE(probe().unicode);
}

TEST_F(TerminalTest, APipeIsNoTerminal) {
  sys::Pipe pipe = sys::make_pipe();
  Terminal terminal = probe_terminal(pipe.write_end.get(), ColorMode::kAuto, lookup);
  EXPECT_FALSE(terminal.is_terminal || terminal.color);
  environment["CLICOLOR_FORCE"] = "1";
  EXPECT_TRUE(probe_terminal(pipe.write_end.get(), ColorMode::kAuto, lookup).color);
  EXPECT_FALSE(probe_terminal(pipe.write_end.get(), ColorMode::kNever, lookup).color);
}

}  // namespace
}  // namespace cli
