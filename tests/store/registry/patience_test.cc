#include "store/registry/patience.h"

#include <gtest/gtest.h>

#include <stop_token>

namespace registry {
namespace {

using std::chrono::milliseconds;

TEST(Patience, TriesAsOftenAsTheUserSays) {
  std::vector<milliseconds> waits;
  auto notice = [&](const std::string&, milliseconds wait) { waits.push_back(wait); };
  Patience patience({}, notice, "host", {.most = 3, .wait = milliseconds(1)});
  TransportError refused(Fault::kConnect, "nobody answers");
  EXPECT_TRUE(patience.after(refused));
  EXPECT_TRUE(patience.after(503, {}));
  EXPECT_TRUE(patience.wait("again"));
  EXPECT_FALSE(patience.after(refused));
  EXPECT_EQ(waits, std::vector<milliseconds>(3, milliseconds(1)));
}

TEST(Patience, NeverTriesAgainWhatCannotGetBetter) {
  Patience patience({}, {}, "host", {.most = 3, .wait = milliseconds(0)});
  EXPECT_FALSE(patience.after(404, {}));
  EXPECT_FALSE(patience.after(TransportError(Fault::kCertificate, "not who it should be")));
}

TEST(Patience, WithNoTriesLeftSaysSoAtOnce) {
  Patience patience({}, {}, "host", {.most = 0});
  EXPECT_FALSE(patience.after(503, {}));
}

TEST(Patience, StopsWaitingWhenAsked) {
  std::stop_source stop;
  stop.request_stop();
  Patience patience(stop.get_token(), {}, "host", {.wait = std::chrono::hours(1)});
  EXPECT_THROW(patience.after(503, {}), base::Error);
}

}  // namespace
}  // namespace registry
