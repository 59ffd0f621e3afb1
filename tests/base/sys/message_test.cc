#include "base/sys/message.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>

#include "base/bytes.h"

namespace {

class Message : public testing::Test {
 protected:
  Message() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    here_ = sys::UniqueFd(ends[0]);
    there_ = sys::UniqueFd(ends[1]);
  }
  static size_t open_descriptors() {
    size_t count = 0;
    for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator("/proc/self/fd"))
      ++count;
    return count;
  }
  static ino_t inode_of(int fd) {
    struct stat st = {};
    EXPECT_EQ(::fstat(fd, &st), 0);
    return st.st_ino;
  }

  sys::UniqueFd here_, there_;
  std::array<std::byte, 16> buffer_;
};

TEST_F(Message, CarriesBytesAndADescriptor) {
  ASSERT_TRUE(sys::send_message(here_.get(), "hello", there_.get()));
  sys::UniqueFd fd;
  ASSERT_EQ(sys::receive_message(there_.get(), buffer_, fd), 5u);
  EXPECT_EQ(base::as_text(base::Bytes(buffer_).first(5)), "hello");
  ASSERT_TRUE(fd);
  EXPECT_EQ(inode_of(fd.get()), inode_of(there_.get()));
  ASSERT_TRUE(sys::send_message(here_.get(), "x"));
  ASSERT_EQ(sys::receive_message(there_.get(), buffer_, fd), 1u);
  EXPECT_FALSE(fd);
}

TEST_F(Message, ClosesDescriptorsThatNobodyAskedFor) {
  const std::array<int, 2> two = {here_.get(), there_.get()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof two)] = {};
  char byte = 'x';
  iovec part = {&byte, 1};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof two);
  memcpy(CMSG_DATA(header), two.data(), sizeof two);
  ASSERT_EQ(::sendmsg(here_.get(), &message, 0), 1);
  const size_t before = open_descriptors();
  sys::UniqueFd fd;
  ASSERT_EQ(sys::receive_message(there_.get(), buffer_, fd), 1u);
  EXPECT_TRUE(fd);
  fd.reset();
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(Message, SaysWhenTheOtherSideIsGone) {
  here_.reset();
  EXPECT_FALSE(sys::send_message(there_.get(), "x"));
  sys::UniqueFd fd;
  EXPECT_EQ(sys::receive_message(there_.get(), buffer_, fd), 0u);
}

}  // namespace
