// torte events: what happened to containers and images, and what happens.
#include <poll.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/filters.h"
#include "cli/interrupt.h"
#include "cli/table.h"
#include "cli/template.h"
#include "cli/when.h"
#include "runner/container/state.h"
#include "store/event_log.h"

namespace cli {

namespace {

using store::LoggedEvent;
using EventFilters = Filters<LoggedEvent>;

EventFilters::Predicate event_filter(const std::string& key, const std::string& value) {
  if (key == "type") return [=](const LoggedEvent& event) { return event.type == value; };
  if (key == "event") return [=](const LoggedEvent& event) { return event.action == value; };
  if (key == "container")
    return [=](const LoggedEvent& event) {
      return event.type == "container" && (event.name == value || event.id.starts_with(value));
    };
  if (key == "image")
    return [=](const LoggedEvent& event) {
      const auto of_container = event.attributes.find("image");
      if (event.type != "image")
        return of_container != event.attributes.end() && of_container->second == value;
      return event.name == value || event.id == value || event.id.starts_with("sha256:" + value);
    };
  throw UsageError("unknown filter " + base::printable(key) +
                   " (known: type, event, container, image)");
}

std::string describe(const LoggedEvent& event) {
  std::string facts;
  if (!event.name.empty()) facts = "name=" + event.name;
  for (const auto& [key, value] : event.attributes)
    if (!value.empty()) facts += base::str(facts.empty() ? "" : ", ", key, "=", value);
  return base::str(oci::format_timestamp(event.time), " ", event.type, " ", event.action, " ",
                   event.id, facts.empty() ? "" : base::str(" (", facts, ")"));
}

/// How one event is shown, as --format says.
std::function<std::string(const LoggedEvent&)> make_view(const std::string& format) {
  if (format.empty())
    return [](const LoggedEvent& event) { return terminal_safe(describe(event)); };
  if (format == "json" || format == "json-lines")
    return [](const LoggedEvent& event) { return event.to_json(); };
  const auto shape = std::make_shared<Template>(format);
  return [=](const LoggedEvent& event) {
    return shape->render(nlohmann::json::parse(event.to_json()));
  };
}

int run_events(Context& context, const Arguments& arguments) {
  Interrupt interrupt;
  const EventFilters filters(arguments.all("filter"), event_filter);
  const auto view = make_view(arguments.get("format"));
  const container::Time start = container::now();
  container::Time since = start;
  std::optional<container::Time> until;
  if (auto text = arguments.find("since")) since = parse_when("since", *text);
  if (auto text = arguments.find("until")) until = parse_when("until", *text);
  if (!arguments.is_on("stream", true)) {
    if (!arguments.has("since")) since = container::Time{};
    until = std::min(until.value_or(start), start);
  }
  store::EventReader reader{store::Layout(context.root)};
  for (;;) {
    // Asked before it is read: what happened until then is all there.
    const bool is_over = until && container::now() >= *until;
    while (const auto event = reader.next())
      if (event->time >= since && (!until || event->time <= *until) && filters.pass(*event))
        context.out(view(*event) + "\n");
    if (is_over) return 0;
    // The file is another one now and then, so it is looked at, not watched.
    constexpr int kPauseMs = 100;
    ::poll(nullptr, 0, kPauseMs);
    if (interrupt.token().stop_requested()) return 0;
  }
}

}  // namespace

const Command& events_command() {
  static const Command kCommand{
      .name = "events",
      .aliases = {"system events"},
      .summary = "show what happens to containers and images",
      .usage = "[FLAGS]",
      .about =
          "Containers: create, start, die, pause, unpause, health_status, rename, destroy. Images: "
          "pull, push, "
          "tag, untag, delete. From now on until interrupted; --since begins with what was, "
          "--until ends. "
          "The last megabyte of events, or two, is kept.",
      .group = "containers",
      .flags = {{.name = "since",
                 .value = "WHEN",
                 .help = "from a time (2006-01-02T15:04:05Z), or so long ago (10m)",
                 .common = true},
                {.name = "until", .value = "WHEN", .help = "end with this time", .common = true},
                {.name = "filter",
                 .letter = 'f',
                 .value = "KEY=VALUE",
                 .help = "type, event, container, image",
                 .repeatable = true,
                 .common = true},
                {.name = "format",
                 .value = "FORMAT",
                 .help = "json, or a template, for each event",
                 .common = true},
                {.name = "stream",
                 .help = "wait for more (--no-stream: what there is)",
                 .negatable = true}},
      .examples = {{"torte events --since 1h --filter event=die",
                    "what ended within the hour, and what ends"}},
      .run = run_events,
      .in_user_namespace = false,
  };
  return kCommand;
}

}  // namespace cli
