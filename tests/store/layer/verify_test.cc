#include "store/layer/verify.h"

#include "tests/store/layer/tree_fixture.h"

namespace {

using namespace tarbytes;

class Verify : public TreeTest {
 protected:
  std::string differences(const std::string& tar) const {
    base::MemorySource source(base::as_bytes(tar));
    std::string text;
    for (const layer::Difference& difference : layer::verify(tree(), source))
      text += difference.path + ": " + difference.what + "\n";
    return text;
  }
  const std::string tar_ = directory("d", 0711) + file("d/f", "content") + file("d/f", "last") +
                           soft_link("l", "d") + file("l/through", "x") + hardlink("h", "d/f") +
                           file("d/.wh.gone", "") + directory("o") + file("o/.wh..wh..opq", "") +
                           directory("x") + file("x/y") + file("x", "file") + file("i/j") +
                           file(".wh.f", "") + file("f") + end();
};

TEST_F(Verify, FindsNothingInAFreshTree) {
  extract(tar_);
  EXPECT_EQ(differences(tar_), "");
}

TEST_F(Verify, NamesEveryKindOfDamage) {
  extract(tar_);
  dir_.write("tree/d/f", "lost");
  EXPECT_NE(differences(tar_).find("/d/f: time"), std::string::npos);
  struct timespec times[2] = {{0, UTIME_OMIT}, {0, 0}};
  ::utimensat(AT_FDCWD, (dir_ / "tree/d/f").c_str(), times, 0);
  EXPECT_EQ(differences(tar_), "/d/f: content\n");
  extract_into("tree", tar_);
  ::chmod((dir_ / "tree/f").c_str(), 0600);
  ::unlink((dir_ / "tree/l").c_str());
  std::filesystem::create_symlink("/d", dir_ / "tree/l");
  ::lchown((dir_ / "tree/x").c_str(), 3, 3);
  dir_.write("tree/extra/file", "");
  ::unlink((dir_ / "tree/d/gone").c_str());
  ::unlink((dir_ / "tree/h").c_str());
  std::string text = differences(tar_);
  for (const char* line :
       {"/f: mode 0600, not 0644\n", "/x: owner 3:3, not 0:0\n", "/extra: not in the archive\n",
        "/d/gone: whiteout is missing\n", "/h: missing\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
}

}  // namespace
