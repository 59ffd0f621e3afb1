#include "cli/dispatch.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <stdexcept>

#include "base/sys/fd.h"
#include "base/text.h"
#include "builder/dockerfile/validate.h"
#include "cli/commands/commands.h"
#include "tests/support/temp_dir.h"

namespace cli {
namespace {

// What the test's command does.
int (*action)(Context&) = nullptr;

int act(Context& context, const Arguments&) { return action(context); }

const Command kAct{.name = "act", .summary = "acts", .run = act};
const Command kRun{.name = "run", .summary = "runs", .run = act, .failure_status = 125};
const CommandTable kTable = {&kAct, &kRun};

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

Result dispatch_line(std::vector<std::string> words, int (*what)(Context&) = nullptr) {
  action = what;
  sys::UniqueFd out(memfd_create("out", MFD_CLOEXEC));
  sys::UniqueFd err(memfd_create("err", MFD_CLOEXEC));
  Context context = make_context([](const char*) -> const char* { return nullptr; });
  context.out_fd = out.get();
  context.err_fd = err.get();
  int status = dispatch(kTable, context, words);
  return {status, content(out.get()), content(err.get())};
}

TEST(Dispatch, PassesTheStatusOfTheCommand) {
  EXPECT_EQ(dispatch_line({"act"},
                          [](Context& c) {
                            c.out("result\n");
                            return 7;
                          })
                .status,
            7);
}

TEST(Dispatch, StatusSaysWhatKindOfFailureItWas) {
  auto fail = [](Context&) -> int {
    throw base::Error(base::Code::kNotFound, "no image", "no-image");
  };
  Result result = dispatch_line({"act"}, fail);
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.err, "error: no image  [no-image]\n");
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(dispatch_line({"run"}, fail).status, 125);
  EXPECT_EQ(dispatch_line({"act", "--nope"}).status, 2);
  EXPECT_EQ(dispatch_line({"nope"}).status, 2);
  EXPECT_EQ(dispatch_line({}).status, 2);
  EXPECT_EQ(
      dispatch_line({"act"},
                    [](Context&) -> int { throw base::Error(base::Code::kCancelled, "stopped"); })
          .status,
      130);
}

TEST(Dispatch, InternalFaultsAreNeverABareExceptionText) {
  auto fault = [](Context&) -> int { throw std::out_of_range("vector::_M_range_check"); };
  Result result = dispatch_line({"act"}, fault);
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.err.find("vector"), std::string::npos);
  EXPECT_NE(result.err.find("[internal]"), std::string::npos);
  EXPECT_NE(dispatch_line({"--log-level=debug", "act"}, fault).err.find("vector"),
            std::string::npos);
}

TEST(Dispatch, GlobalFlagsReachTheContext) {
  Result result = dispatch_line({"--root", "/a", "act", "--run-root=/b", "-q"}, [](Context& c) {
    c.out(base::str(c.root.string(), " ", c.run_root.string(), " ", c.quiet ? "quiet" : "loud"));
    return 0;
  });
  EXPECT_EQ(result.out, "/a /b quiet");
}

TEST(Dispatch, HelpAndVersionGoToStandardOutput) {
  EXPECT_EQ(dispatch_line({"--version"}).out, "torte " TORTE_VERSION "\n");
  EXPECT_EQ(dispatch_line({"act", "--help"}).out.substr(0, 5), "acts\n");
  EXPECT_EQ(dispatch_line({"--help"}).status, 0);
}

TEST(Dispatch, ErrorsAreEventsWhenProgressIsJson) {
  Result result = dispatch_line({"act"}, [](Context& c) -> int {
    auto progress = c.make_progress("json");
    throw base::Error(base::Code::kNotFound, "no image", "no-image");
  });
  EXPECT_EQ(result.err,
            "{\"v\":1,\"type\":\"error\",\"id\":\"no-image\",\"message\":\"no "
            "image\",\"facts\":[],\"helps\":[]}\n");
  EXPECT_EQ(dispatch_line({"act"},
                          [](Context& c) {
                            c.make_progress("fancy");
                            return 0;
                          })
                .status,
            2);
}

std::string recipe_path;

TEST(Dispatch, ShowsEveryMistakeOfARecipeWithItsLine) {
  support::TempDir dir;
  dir.write("Recipe", "FROM a\nRNU x\nCOPY\n");
  recipe_path = (dir / "Recipe").string();
  Result result = dispatch_line({"act"}, [](Context&) -> int {
    dockerfile::parse_and_validate("FROM a\nRNU x\nCOPY\n", recipe_path);
    return 0;
  });
  EXPECT_EQ(result.status, 1);
  EXPECT_NE(result.err.find(" 2 | RNU x\n   | ^^^"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find(" 3 | COPY\n"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace cli
