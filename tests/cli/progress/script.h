#pragma once

#include <string>
#include <vector>

#include "base/events.h"
#include "cli/progress/view.h"

namespace cli::test {

/// A clock that only the test moves.
struct FakeClock {
  Time now = std::chrono::seconds(1000);
  Clock clock() {
    return [this] { return now; };
  }
  void advance(double seconds) { now += Time(static_cast<int64_t>(seconds * 1e6)); }
};

inline base::event::StepPlanned planned(int step, std::string stage, int index, int count,
                                        std::string text) {
  return {step,  std::move(stage), index,
          count, std::move(text),  {"Dockerfile", step + 1, step + 1, 1, 0}};
}
inline base::event::StepLog log(int step, std::string bytes) {
  return {step, false, std::move(bytes)};
}
inline base::event::StepEnd done(int step) { return {step, base::event::StepResult::kDone, 0, ""}; }
inline base::event::StepEnd cached(int step) {
  return {step, base::event::StepResult::kCached, 0, ""};
}
inline base::event::StepEnd failed(int step, int status) {
  return {step, base::event::StepResult::kFailed, status, "make: not found"};
}

/// One event of a scripted build and how long after the one before it came.
struct Beat {
  double after;
  base::Event event;
};

/// Two stages in parallel: cached starts, a download, output with colours and rewritten lines, a
/// warning; the end as asked for.
inline std::vector<Beat> parallel_build(bool fails) {
  namespace event = base::event;
  std::vector<Beat> beats = {
      {0, event::BuildStart{"app:dev", "linux/amd64", "Dockerfile", 7}},
      {0, planned(0, "base", 1, 2, "FROM debian:12")},
      {0, planned(1, "base", 2, 2, "RUN apt-get update && apt-get install -y gcc")},
      {0, planned(2, "build", 1, 2, "COPY . /src")},
      {0, planned(3, "build", 2, 2, "RUN make -j8 &&\n    make install")},
      {0, planned(4, "web", 1, 3, "FROM node:20")},
      {0, planned(5, "web", 2, 3, "RUN npm ci")},
      {0, planned(6, "web", 3, 3, "COPY --from=build /src/a /a")},
      {0.1, event::StepStart{0}},
      {0, cached(0)},
      {0, event::CacheMiss{1, "changed input", "copy", "1c9e77", "77b0aa"}},
      {0, event::StepStart{1}},
      {0, cached(1)},
      {0,
       event::Warning{
           "StageNameCasing", "stage name has capitals", {"Dockerfile", 3, 3, 1, 4}, true}},
      {0, event::Transfer{"t1", "node:20", 0, 123731968, false}},
      {0.2, event::StepStart{2}},
      {0.3, done(2)},
      {0, event::StepStart{3}},
      {0.5, log(3, "\x1b[32m[ 71%]\x1b[0m Building CXX object src/store.cc.o\n[ 72%] Buil")},
      {0.1, event::Transfer{"t1", "node:20", 43201331, 123731968, false}},
      {0.4, log(3, "ding CXX object src/tar.cc.o\n")},
      {0, event::Note{"using 8 cores"}},
      {1, event::Transfer{"t1", "node:20", 123731968, 123731968, true}},
      {0, event::StepStart{4}},
      {0, done(4)},
      {0, event::StepStart{5}},
      {2, log(5, "fetch 1/3\rfetch 2/3\rfetch 3/3\nadded 812 packages\n")},
      {0.5, log(3, "\x1b]0;title\x07warning: \xe6\x97\xa5\xe6\x9c\xac\n\x1b[2Jno clear")},
  };
  if (fails) {
    beats.push_back({1, failed(3, 127)});
    beats.push_back({0, event::StepEnd{5, event::StepResult::kCancelled, 0, ""}});
    beats.push_back({0, event::BuildEnd{false, "", "app:dev", 0, 0, 7, 2, 1}});
  } else {
    beats.push_back({1, done(5)});
    beats.push_back({1, done(3)});
    beats.push_back({0, event::StepWait{6, "host7"}});
    beats.push_back({5, event::StepStart{6}});
    beats.push_back({0, event::StepPhase{6, event::StepPhase::Phase::kRun}});
    beats.push_back({0.1, done(6)});
    beats.push_back({0, event::Activity{"commit", false}});
    beats.push_back({0, event::Activity{"commit", true}});
    beats.push_back({0, event::BuildEnd{true, "sha256:9f31c0a2d4e5aaaaaaaaaaaaaaaaaaaa", "app:dev",
                                        88290099, 3250586, 7, 2, 1}});
  }
  return beats;
}

}  // namespace cli::test
