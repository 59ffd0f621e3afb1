// The commands that show and tidy the store, as scripts use them.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/sys/fd.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/dispatch.h"
#include "tests/support/store_fixture.h"

namespace cli {
namespace {

struct Result {
  int status = 0;
  std::string out;
  std::string err;
};

std::string content(int fd) {
  std::string text(static_cast<size_t>(lseek(fd, 0, SEEK_END)), '\0');
  EXPECT_EQ(pread(fd, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  return text;
}

struct StoreCommands : testing::Test {
  support::TempDir temp;

  Result torte(std::vector<std::string> words) {
    sys::UniqueFd out(memfd_create("out", MFD_CLOEXEC));
    sys::UniqueFd err(memfd_create("err", MFD_CLOEXEC));
    Context context = make_context([](const char*) -> const char* { return nullptr; });
    context.out_fd = out.get();
    context.err_fd = err.get();
    words.insert(words.begin(), {"--root", temp.path().string()});
    const int status = dispatch(command_table(), context, words);
    return {status, content(out.get()), content(err.get())};
  }
  nlohmann::json json(std::vector<std::string> words) {
    words.insert(words.end(), {"--format", "json"});
    return nlohmann::json::parse(torte(std::move(words)).out);
  }
  std::unique_ptr<store::Store> open() {
    return store::Store::open(temp.path(), store::Access::kReadWrite);
  }
};

TEST_F(StoreCommands, AnAbsentStoreIsAnEmptyOneAndIsNotMade) {
  for (const char* command : {"images", "df", "fsck", "info"})
    EXPECT_EQ(torte({command}).status, 0) << command;
  EXPECT_EQ(torte({"images", "-a", "-q", "--no-trunc"}).out, "");
  EXPECT_EQ(torte({"prune", "--dry-run"}).status, 0);
  EXPECT_TRUE(std::filesystem::is_empty(temp.path()));
}

TEST_F(StoreCommands, ImagesListsEveryNameAndEachIdOnce) {
  const oci::Digest id = support::add_image(*open(), "app", {"a"});
  EXPECT_EQ(torte({"tag", "app", "localhost:5000/team/app:2"}).status, 0);
  EXPECT_EQ(torte({"images", "-a", "-q", "--no-trunc"}).out, id.str() + "\n");
  EXPECT_EQ(torte({"images", "--format", "{{.Repository}}|{{.Tag}}"}).out,
            "app|latest\nlocalhost:5000/team/app|2\n");
  EXPECT_EQ(torte({"images", "-q"}).out, std::string(id.short_hex()) + "\n");
  EXPECT_EQ(json({"images", "app"}).size(), 1u);
}

TEST_F(StoreCommands, ImagesFilters) {
  support::add_image(*open(), "app:1", {"a"});
  support::add_image(*open(), "", {"b"});
  EXPECT_EQ(json({"images"}).size(), 2u);
  EXPECT_EQ(json({"images", "--filter", "dangling=true"}).size(), 1u);
  EXPECT_EQ(json({"images", "--filter", "dangling=false"}).size(), 1u);
  EXPECT_EQ(json({"images", "--filter", "reference=ap*"}).size(), 1u);
  EXPECT_EQ(json({"images", "--filter", "reference=other"}).size(), 0u);
  EXPECT_EQ(json({"images", "--filter", "platform=linux/arm64"}).size(), 0u);
  EXPECT_EQ(torte({"images", "--filter", "colour=red"}).status, 2);
  EXPECT_EQ(torte({"images", "--filter", "since=nothing"}).status, 1);
}

TEST_F(StoreCommands, RmiRemovesWhatItCanAndFailsForTheRest) {
  support::add_image(*open(), "one", {"a"});
  support::add_image(*open(), "two", {"b"});
  const Result result = torte({"rmi", "one", "nothing", "two"});
  EXPECT_EQ(result.status, 1);
  EXPECT_NE(result.err.find("nothing"), std::string::npos);
  EXPECT_NE(result.out.find("freed "), std::string::npos);
  EXPECT_EQ(torte({"images", "-q"}).out, "");
  EXPECT_EQ(torte({"rmi", "-f", "nothing"}).status, 0);
  EXPECT_EQ(torte({"rmi"}).status, 2);
}

TEST_F(StoreCommands, UntagLeavesTheImageForPrune) {
  support::add_image(*open(), "one", {"a"});
  EXPECT_EQ(torte({"untag", "one"}).status, 0);
  EXPECT_EQ(json({"images"}).size(), 1u);
  EXPECT_EQ(json({"prune", "--dry-run"})["images"].size(), 1u);
  EXPECT_EQ(json({"prune"})["images"].size(), 1u);
  EXPECT_EQ(json({"images"}).size(), 0u);
}

TEST_F(StoreCommands, PruneTakesOnlyWhatItsNameSays) {
  auto store = open();
  support::add_image(*store, "one", {"a"});
  store::Batch batch = store->batch();
  batch.add_cache({.key = "k", .result = support::layer_id("a")});
  batch.commit();
  EXPECT_EQ(json({"cache", "prune", "-a", "--dry-run"})["images"].size(), 0u);
  EXPECT_EQ(json({"cache", "prune", "-a", "--dry-run"})["cache"].size(), 1u);
  EXPECT_EQ(json({"image", "prune", "-a", "-f"})["cache"].size(), 0u);
  EXPECT_EQ(json({"images"}).size(), 0u);
  EXPECT_TRUE(store->find_cache("k"));
  EXPECT_EQ(torte({"prune", "--filter", "colour=red"}).status, 2);
}

TEST_F(StoreCommands, FsckFailsUntilRepaired) {
  const oci::Digest id = support::add_image(*open(), "one", {"a"});
  EXPECT_EQ(torte({"fsck"}).status, 0);
  std::ofstream(open()->layout().blob(id)) << "rubbish";
  const Result found = torte({"fsck"});
  EXPECT_EQ(found.status, 1);
  EXPECT_NE(found.out.find(id.str()), std::string::npos);
  const Result repaired = torte({"fsck", "--repair"});
  EXPECT_EQ(repaired.status, 0);
  EXPECT_NE(repaired.out.find("lost: docker.io/library/one:latest"), std::string::npos);
  EXPECT_EQ(torte({"fsck"}).status, 0);
}

TEST_F(StoreCommands, DeepFsckFindsATreeThatNoLongerGivesItsDiffId) {
  support::add_image(*open(), "one", {"a"});  // its diff id is made up
  EXPECT_EQ(torte({"fsck"}).status, 0);
  EXPECT_EQ(torte({"fsck", "--deep"}).status, 1);
}

}  // namespace
}  // namespace cli
