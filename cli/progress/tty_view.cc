#include "cli/progress/tty_view.h"

#include <utility>

#include "base/text.h"
#include "cli/progress/frame.h"

namespace cli {

namespace event = base::event;

namespace {

constexpr size_t kTailLines = 20;  // shown of a failed step
constexpr int kLeastHeight = 3;
constexpr Time kFrameInterval = std::chrono::microseconds(66'000);

}  // namespace

TtyView::TtyView(Write write, Clock clock, Options options)
    : View(write, std::move(clock)),
      options_(std::move(options)),
      state_({.keep_color = options_.terminal().color, .expand_tabs = true}, kTailLines),
      screen_(std::move(write), options_.synchronized) {}

TtyView::~TtyView() {
  if (begun_ && !ended_) end("", now());
}

void TtyView::end(const std::string& last_line, Time now) {
  Terminal terminal = options_.terminal();
  screen_.replace(render_remains(state_, terminal, now) + last_line, terminal.width,
                  terminal.height);
  ended_ = true;
}

void TtyView::handle(const base::Event& event, Time now) {
  state_.apply(event, now);
  begun_ = true;
  auto keep = [&](const std::string& line) {  // above the rows, in the scroll-back
    Terminal terminal = options_.terminal();
    screen_.replace(line + "\n", terminal.width, terminal.height);
  };
  if (const auto* note = std::get_if<event::Note>(&event)) {
    keep(one_line(note->text));
  } else if (const auto* miss = std::get_if<event::CacheMiss>(&event)) {
    keep(base::str("[", state_.step(miss->step).label(), "] ", miss_line(*miss)));
  } else if (const auto* build = std::get_if<event::BuildEnd>(&event)) {
    end(summary_line(*build, now - state_.started(), options_.details) + "\n", now);
  }
}

void TtyView::pass(Time now) {
  if (!begun_ || ended_ || (drawn_ != Time() && now - drawn_ < kFrameInterval)) return;
  drawn_ = now;
  if (options_.resumed && options_.resumed()) screen_.forget();
  Terminal terminal = options_.terminal();
  if (terminal.height < kLeastHeight) return;
  screen_.draw(render_frame(state_, terminal, now), terminal.width, terminal.height);
}

}  // namespace cli
