#include "runner/container/control.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

#include "base/error.h"
#include "tests/support/temp_dir.h"

namespace {

using container::Control;

class ControlTest : public ::testing::Test {
 protected:
  sys::UniqueFd accept() {
    return sys::UniqueFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }
  support::TempDir dir_;
  // Longer than a socket's name may be.
  std::filesystem::path path_ = [this] {
    const auto directory = dir_ / std::string(150, 'x');
    std::filesystem::create_directory(directory);
    return directory / "control";
  }();
  sys::UniqueFd listener_ = container::listen_control(path_);
};

TEST_F(ControlTest, AsksAndIsAnswered) {
  auto control = Control::connect(path_);
  ASSERT_TRUE(control);
  std::jthread monitor([&] {
    const sys::UniqueFd client = accept();
    for (const char* answer : {"", "no"}) {
      container::receive_packet(client.get());
      container::send_packet(client.get(), 'r', answer, true);
    }
  });
  EXPECT_NO_THROW(control->ask('k', "15"));
  EXPECT_THROW(control->ask('p'), base::Error);
}

TEST_F(ControlTest, HearsOfTheEnd) {
  auto control = Control::connect(path_);
  std::jthread monitor([&] {
    const sys::UniqueFd client = accept();
    container::receive_packet(client.get());
    container::send_packet(client.get(), 'x', "7", true);
  });
  EXPECT_EQ(control->wait_for_end(), 7);
}

TEST_F(ControlTest, AMonitorThatDiesEndsTheConversation) {
  auto control = Control::connect(path_);
  accept();
  EXPECT_FALSE(control->wait_for_end());
  listener_.reset();
  EXPECT_FALSE(Control::connect(path_)) << "the socket's file is there, its owner is not";
}

}  // namespace
