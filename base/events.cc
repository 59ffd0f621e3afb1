#include "base/events.h"

namespace base {

void RecordedEvents::emit(const Event& event) {
  std::lock_guard lock(mutex_);
  events_.push_back(event);
}

std::vector<Event> RecordedEvents::events() const {
  std::lock_guard lock(mutex_);
  return events_;
}

}  // namespace base
