#include "store/archive/tar_index.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/sys/process.h"
#include "tests/support/layout_fixture.h"
#include "tests/support/temp_dir.h"

namespace {

std::unique_ptr<archive::FileSet> index_of(const std::string& bytes) {
  return archive::tar_files(sys::sealed_memfd("tar", base::as_bytes(bytes)), "t.tar");
}

std::string member(const std::string& name, const std::string& content) {
  std::string tar = support::small_tar(name, content);
  return tar.substr(0, tar.size() - 1024);
}

TEST(TarIndex, FindsFilesUnderAnySpellingAndTheLastCounts) {
  auto files = index_of(member("./a/b", "one") + member("/c", "two") + member("c", "three"));
  EXPECT_EQ(files->find(sys::RootedPath("/a/b"))->read_text(9), "one");
  EXPECT_EQ(files->find(sys::RootedPath("c"))->read_text(9), "three");
  EXPECT_FALSE(files->find(sys::RootedPath("/a")));
  EXPECT_THROW(files->find(sys::RootedPath("c"))->read_text(2), base::Error);
}

TEST(TarIndex, RefusesCutAndLyingArchives) {
  std::string whole = member("a", std::string(2000, 'x'));
  EXPECT_THROW(index_of(whole.substr(0, 1500)), base::Error);
  EXPECT_THROW(index_of(whole + whole.substr(0, 300)), base::Error);
  std::string broken = whole;
  broken[0] = 'b';
  EXPECT_THROW(index_of(broken), base::Error);
  EXPECT_NO_THROW(index_of(whole.substr(0, 512 + 2000)));  // only the padding is missing
}

TEST(TarIndex, ReadsWhatTarWritesLongNamesAndLinksIncluded) {
  support::TempDir dir;
  std::string name = std::string(120, 'n') + "/" + std::string(120, 'm');
  dir.write("in/" + name, "long");
  std::filesystem::create_symlink(std::string(120, 'n') + "/../" + name, dir / "in/link");
  std::filesystem::create_hard_link(dir / ("in/" + name), dir / "in/z");
  std::filesystem::create_symlink("loop", dir / "in/loop");
  for (const char* format : {"gnu", "pax"}) {
    std::string out = (dir / format).string();
    ASSERT_EQ(
        sys::run_program({"tar", "-C", (dir / "in").string(), "--format", format, "-cf", out, "."})
            .code,
        0);
    auto files = archive::tar_files(sys::UniqueFd(::open(out.c_str(), O_RDONLY | O_CLOEXEC)), out);
    EXPECT_EQ(files->find(sys::RootedPath(name))->read_text(9), "long");
    EXPECT_EQ(files->find(sys::RootedPath("link"))->read_text(9), "long");
    EXPECT_EQ(files->find(sys::RootedPath("z"))->read_text(9), "long");
    EXPECT_THROW(files->find(sys::RootedPath("loop")), base::Error);
  }
}

}  // namespace
