#include "base/sys/copy_content.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "base/sys/fd.h"
#include "tests/support/temp_dir.h"

namespace {

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class CopyContent : public testing::Test {
 protected:
  struct stat copy(const sys::Copied& copied = {}) {
    sys::UniqueFd from(::open((dir_ / "from").c_str(), O_RDONLY | O_CLOEXEC));
    sys::UniqueFd to(::open((dir_ / "to").c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    struct stat st;
    EXPECT_EQ(::fstat(from.get(), &st), 0);
    sys::copy_content(from.get(), to.get(), st, copied);
    EXPECT_EQ(::fstat(to.get(), &st), 0);
    return st;
  }

  support::TempDir dir_;
};

TEST_F(CopyContent, CopiesEmptySmallAndLargeFiles) {
  for (size_t size : {size_t{0}, size_t{1}, size_t{64} << 10, (size_t{33} << 20) + 7}) {
    std::string text(size, 'a');
    for (size_t i = 0; i < size; i += 4096) text[i] = static_cast<char>('b' + i / 4096 % 24);
    dir_.write("from", text);
    uint64_t told = 0;
    copy([&](uint64_t bytes) { told += bytes; });
    EXPECT_EQ(told, size);
    EXPECT_TRUE(content_of(dir_ / "to") == text) << size;
    std::filesystem::remove(dir_ / "to");
  }
}

TEST_F(CopyContent, KeepsHolesAndASparseEnd) {
  {
    sys::UniqueFd from(::open((dir_ / "from").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_EQ(::pwrite(from.get(), "middle", 6, 40 << 20), 6);
    ASSERT_EQ(::ftruncate(from.get(), 80 << 20), 0);
  }
  struct stat st = copy();
  EXPECT_EQ(st.st_size, 80 << 20);
  EXPECT_LT(st.st_blocks * 512, 1 << 20);
  EXPECT_TRUE(content_of(dir_ / "to") == content_of(dir_ / "from"));
}

TEST_F(CopyContent, EndsWhenToldTo) {
  dir_.write("from", std::string(size_t{40} << 20, 'x'));
  EXPECT_THROW(copy([](uint64_t) { throw std::runtime_error("enough"); }), std::runtime_error);
  EXPECT_LT(std::filesystem::file_size(dir_ / "to"), size_t{40} << 20);
}

using CopyPastCache = CopyContent;

TEST_F(CopyPastCache, CopiesWholeBlocksAndTheRest) {
  for (size_t size : {size_t{1}, size_t{4} << 20, (size_t{9} << 20) + 7}) {
    std::string text(size, 'a');
    for (size_t i = 0; i < size; i += 4096) text[i] = static_cast<char>('b' + i / 4096 % 24);
    dir_.write("from", text);
    sys::UniqueFd from(::open((dir_ / "from").c_str(), O_RDONLY | O_CLOEXEC));
    sys::UniqueFd to(::open((dir_ / "to").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    struct stat st;
    ASSERT_EQ(::fstat(from.get(), &st), 0);
    std::string told;
    std::span<const std::byte> last;
    // A piece stays as it is while the next one is read and written.
    auto read_last = [&] { told.append(reinterpret_cast<const char*>(last.data()), last.size()); };
    std::shared_ptr<const void> last_owner;
    sys::copy_past_cache(from.get(), to.get(), st, [&](auto bytes, auto owner) {
      read_last();
      last = bytes;
      last_owner = std::move(owner);
    });
    read_last();
    EXPECT_TRUE(told == text) << size;
    EXPECT_TRUE(content_of(dir_ / "to") == text) << size;
    std::filesystem::remove(dir_ / "to");
  }
}

}  // namespace
