#include "cli/progress/tty_view.h"

#include <gtest/gtest.h>

#include "tests/cli/progress/script.h"
#include "tests/support/golden.h"
#include "tests/support/virtual_terminal.h"

namespace cli {
namespace {

namespace event = base::event;
using test::FakeClock;

// A view on a virtual terminal, with a fake clock.
class Scene {
 public:
  Scene(int width, int height, bool unicode = true, bool color = false)
      : terminal_{true, color, unicode, width, height}, screen_(width, height) {
    view_ = std::make_unique<TtyView>(
        [this](std::string_view text) {
          screen_.write(text);
          bytes_ += text;
          ++writes_;
        },
        clock_.clock(),
        TtyView::Options{.terminal = [this] { return terminal_; },
                         .resumed = [this] { return std::exchange(resumed_, false); },
                         .details = "torte builds show"});
  }
  void emit(const base::Event& event) { view_->emit(event); }
  void pass(double seconds) {
    clock_.advance(seconds);
    view_->tick();
  }
  // Plays the beats and lets a frame appear after each.
  void play(const std::vector<test::Beat>& beats, size_t count = SIZE_MAX) {
    for (size_t i = 0; i < std::min(count, beats.size()); ++i) {
      pass(beats[i].after);
      emit(beats[i].event);
    }
    pass(0.1);
  }
  void resize(int width, int height) {
    terminal_.width = width;
    terminal_.height = height;
    screen_.resize(width, height);
  }
  void stop_and_continue() {
    screen_.write("[1]+  Stopped\n$ fg\n");
    resumed_ = true;
  }
  void close() { view_.reset(); }
  std::string text() const { return screen_.text(); }
  const std::string& bytes() const { return bytes_; }
  int writes() const { return writes_; }
  size_t rows() const { return screen_.rows(); }
  int unknown() const { return screen_.unknown(); }

 private:
  Terminal terminal_;
  FakeClock clock_;
  support::VirtualTerminal screen_;
  std::string bytes_;
  bool resumed_ = false;
  int writes_ = 0;
  std::unique_ptr<TtyView> view_;  // last: its destructor writes
};

TEST(TtyView, MatchesItsGoldenScreens) {
  struct Size {
    int width, height;
  };
  for (Size size : {Size{80, 24}, Size{40, 10}, Size{200, 50}}) {
    std::string name = base::str("progress/tty-", size.width, "x", size.height);
    for (bool fails : {false, true}) {
      Scene scene(size.width, size.height);
      std::vector<test::Beat> beats = test::parallel_build(fails);
      if (!fails) {
        scene.play(beats, 22);
        support::expect_golden(name + "-download.txt", scene.text());
        beats.erase(beats.begin(), beats.begin() + 22);
        scene.play(beats, 6);
        support::expect_golden(name + "-running.txt", scene.text());
        beats.erase(beats.begin(), beats.begin() + 6);
        scene.play(beats, 3);
        support::expect_golden(name + "-waiting.txt", scene.text());
        beats.erase(beats.begin(), beats.begin() + 3);
      }
      scene.play(beats);
      support::expect_golden(name + (fails ? "-failed.txt" : "-good.txt"), scene.text());
      EXPECT_EQ(scene.unknown(), 0);
    }
  }
}

TEST(TtyView, HasAsciiFormsOfItsMarks) {
  Scene scene(80, 24, false);
  scene.play(test::parallel_build(true), 28);
  support::expect_golden("progress/tty-ascii.txt", scene.text());
  for (char c : scene.bytes().substr(0, 300)) EXPECT_GE(c, 0);
}

TEST(TtyView, ColoursAreConfinedToTheirRow) {
  Scene scene(80, 24, true, true);
  scene.play(test::parallel_build(true));
  support::expect_golden("progress/tty-color.bytes", scene.bytes());
}

TEST(TtyView, WritesNothingWhenNothingChanged) {
  Scene scene(80, 24);
  scene.emit(event::BuildStart{"app", "", "Dockerfile", 1});
  scene.pass(0);
  int writes = scene.writes();
  scene.pass(0.01);  // too soon for a frame
  scene.emit(event::StepStart{0});
  scene.pass(0.01);
  EXPECT_EQ(scene.writes(), writes);
  scene.pass(0.1);
  EXPECT_EQ(scene.writes(), writes + 1);
  Scene idle(80, 24);
  idle.pass(1);
  EXPECT_EQ(idle.writes(), 0);
}

TEST(TtyView, NeverTakesMoreRowsThanTheTerminalLeaves) {
  for (int height : {3, 4, 5, 10, 24}) {
    Scene scene(60, height);
    scene.emit(event::BuildStart{"app", "", "Dockerfile", 40});
    for (int step = 0; step < 40; ++step) {
      scene.emit(test::planned(step, "stage", step + 1, 40, "RUN something"));
      scene.emit(event::StepStart{step});
      scene.emit(test::log(step, "1\n2\n3\n4\n5\n"));
      if (step % 3 == 0) scene.emit(test::done(step));
      scene.pass(0.1);
      EXPECT_LE(scene.rows(), static_cast<size_t>(height - 1));  // and the cursor's own
    }
  }
}

TEST(TtyView, RedrawsInPlaceAfterAResize) {
  Scene scene(80, 24);
  std::vector<test::Beat> beats = test::parallel_build(false);
  scene.play(beats, 28);
  scene.resize(50, 24);
  scene.pass(0.1);
  support::expect_golden("progress/tty-resize-narrow.txt", scene.text());
  scene.resize(120, 24);
  scene.pass(0.1);
  support::expect_golden("progress/tty-resize-wide.txt", scene.text());
}

TEST(TtyView, StartsAFreshFrameAfterCtrlZ) {
  Scene scene(80, 24);
  scene.emit(event::BuildStart{"app", "", "Dockerfile", 1});
  scene.pass(0.1);
  scene.stop_and_continue();
  scene.pass(1);
  EXPECT_EQ(scene.text().substr(0, 3), "app");
  EXPECT_NE(scene.text().find("$ fg\napp"), std::string::npos) << scene.text();
}

TEST(TtyView, LeavesOnlyFailuresWhenTheBuildNeverEnds) {
  Scene scene(80, 24);
  scene.play({{0, event::BuildStart{"app", "", "Dockerfile", 1}},
              {0, test::planned(0, "a", 1, 1, "RUN false")},
              {0, event::StepStart{0}},
              {0, test::log(0, "no newline")},
              {0, test::failed(0, 1)}});
  scene.close();
  EXPECT_EQ(scene.text(), " \xe2\x9c\x97 a 1/1 RUN false" + std::string(57, ' ') +
                              "0.0s\n   \xe2\x94\x82 no newline\n\n");
}

}  // namespace
}  // namespace cli
