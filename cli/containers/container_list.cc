#include "cli/containers/container_list.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <thread>

#include "base/error.h"
#include "base/sys/userns.h"
#include "base/text.h"
#include "cli/age.h"
#include "cli/containers/network_options.h"
#include "cli/error_view.h"
#include "cli/filters.h"
#include "cli/images/base_images.h"
#include "cli/images/open_store.h"
#include "runner/container/prepare.h"
#include "runner/network/holder.h"

namespace cli {

namespace {

using container::Record;
using container::Status;
using Predicate = Filters<Record>::Predicate;

Predicate make_predicate(container::Containers& containers, const std::string& kind,
                         const std::string& value) {
  if (kind == "id") return [=](const Record& r) { return r.config.id.starts_with(value); };
  if (kind == "name")
    return [=](const Record& r) { return r.config.name.find(value) != std::string::npos; };
  if (kind == "status")
    return [=](const Record& r) { return container::name_of(r.state.status) == value; };
  if (kind == "health")
    return [=](const Record& r) { return container::name_of(r.state.health) == value; };
  if (kind == "exited")
    return [=](const Record& r) {
      return r.state.status == Status::kExited && std::to_string(r.state.exit_code) == value;
    };
  if (kind == "network")
    return [=](const Record& r) {
      const std::vector<std::string> names = container::networks_of(r.config);
      return r.config.network_mode == value ||
             std::find(names.begin(), names.end(), value) != names.end();
    };
  if (kind == "volume")
    return [=](const Record& r) {
      return std::any_of(r.config.mounts.begin(), r.config.mounts.end(), [&](const auto& mount) {
        return mount.source == value || mount.target == value;
      });
    };
  if (kind == "label") {
    const size_t equals = value.find('=');
    const std::string key = value.substr(0, equals);
    return [=](const Record& r) {
      const auto label = r.config.labels.find(key);
      return label != r.config.labels.end() &&
             (equals == std::string::npos || label->second == value.substr(equals + 1));
    };
  }
  if (kind == "ancestor") {
    const auto image = find_image(containers.store(), value);
    const std::string id = image ? image->id.str() : "";
    return [=](const Record& r) {
      return r.config.image == value || (image && r.config.image_id == id);
    };
  }
  if (kind == "before" || kind == "since") {
    const container::Time then = containers.read(containers.get(value)).config.created;
    const bool before = kind == "before";
    return
        [=](const Record& r) { return before ? r.config.created < then : r.config.created > then; };
  }
  throw UsageError("unknown filter " + base::printable(kind) +
                   " (known: id, name, status, exited, label, ancestor, health, volume, network, "
                   "before, since)");
}

std::string age_between(container::Time from, container::Time to) {
  using std::chrono::system_clock;
  std::string text = format_age(std::chrono::time_point_cast<system_clock::duration>(from),
                                std::chrono::time_point_cast<system_clock::duration>(to));
  return text == "just now" ? "0 seconds ago" : text;
}

std::string duration_between(container::Time from, container::Time to) {
  std::string text = age_between(from, to);
  if (text.ends_with(" ago")) text.resize(text.size() - 4);
  return text;
}

/// A mode of `--network` that, for an ordinary user, only the holder of their networks can serve.
bool is_on_bridge(const Context& context, const std::string& mode) {
  if (network::bridges_are_here() || mode.empty() || !container::joined_container(mode).empty())
    return false;
  const std::string name = network::parse_mode(mode).name;
  return !name.empty() && network::find_network(network_state(context), name);
}

}  // namespace

OpenContainers open_containers(const Context& context) {
  auto store = open_store(context);
  store::Store* borrowed = store.get();
  return {std::move(store),
          container::Containers(borrowed->layout(), borrowed, network_state(context))};
}

void enter_user_namespace_for(const Context& context, const std::vector<std::string>& modes) {
  const store::Layout layout(context.root);
  const container::Containers containers(layout, nullptr, network_state(context));
  for (const std::string& mode : modes) {
    const std::string other = container::joined_container(mode);
    if (other.empty()) continue;
    const auto id = containers.find(other);
    if (!id) continue;
    if (container::open_main_process(containers.read_state(*id))) {
      container::enter_user_namespace_of(containers.read(*id));
      return;
    }
  }
  if (std::any_of(modes.begin(), modes.end(),
                  [&](const std::string& mode) { return is_on_bridge(context, mode); })) {
    network::join_holder(network_state(context),
                         {"torte", "--root", context.root.string(), "--run-root",
                          context.run_root.string(), network::kHolderCommand});
    return;
  }
  sys::enter_user_namespace();
}

std::vector<std::string> shared_namespaces(const Context& context,
                                           const std::vector<std::string>& names) {
  const store::Layout layout(context.root);
  const container::Containers containers(layout, nullptr, network_state(context));
  std::vector<std::string> modes;
  for (const std::string& name : names) {
    const auto id = containers.find(name);
    if (!id) continue;
    const container::Config config = containers.read(*id).config;
    for (const std::string& mode :
         {config.network_mode, config.pid_mode, config.ipc_mode, config.uts_mode})
      modes.push_back(mode);
  }
  return modes;
}

std::string describe_status(const container::State& state, container::Time now) {
  switch (state.status) {
    case Status::kInitialized:
      return "Initialized";
    case Status::kCreated:
      return "Created";
    case Status::kExited:
      return base::str("Exited (", state.exit_code, ") ", age_between(state.finished, now));
    case Status::kRestarting:
      return base::str("Restarting (", state.exit_code, ") ", age_between(state.finished, now));
    case Status::kRunning:
    case Status::kPaused:
      break;
  }
  std::string text = "Up " + duration_between(state.started, now);
  if (state.status == Status::kPaused) return text + " (Paused)";
  if (state.health == container::Health::kStarting) return text + " (health: starting)";
  if (state.health != container::Health::kNone)
    text += base::str(" (", container::name_of(state.health), ")");
  return text;
}

std::vector<Record> filter_containers(container::Containers& containers,
                                      std::vector<Record> records,
                                      const std::vector<std::string>& filters) {
  const Filters<Record> wanted(filters, [&](const std::string& kind, const std::string& value) {
    return make_predicate(containers, kind, value);
  });
  std::erase_if(records, [&](const Record& record) { return !wanted.pass(record); });
  return records;
}

int each_container(Context& context, const Arguments& arguments, container::Containers& containers,
                   const std::function<std::string(const std::string&, const std::string&)>& work,
                   size_t at_once) {
  std::vector<std::string> words = arguments.words();
  const std::vector<std::string> filters = arguments.find_flag("filter") != nullptr
                                               ? arguments.all("filter")
                                               : std::vector<std::string>();
  const bool all = arguments.find_flag("all") != nullptr && arguments.is_on("all");
  if (all || !filters.empty()) {
    for (const Record& record : filter_containers(containers, containers.list(), filters))
      words.push_back(record.config.id);
  } else if (words.empty()) {
    throw UsageError(base::str(arguments.command().name, " wants the name of a container"));
  }
  return each_word(
      context, words, [&](const std::string& word) { return work(containers.get(word), word); },
      at_once);
}

int each_word(Context& context, const std::vector<std::string>& words,
              const std::function<std::string(const std::string&)>& work, size_t at_once) {
  std::vector<std::packaged_task<std::string()>> tasks;
  for (const std::string& word : words) tasks.emplace_back([&work, &word] { return work(word); });
  std::atomic<size_t> next = 0;
  std::vector<std::jthread> workers;
  if (at_once > 1 && words.size() > 1)
    for (size_t i = 0; i < std::min(at_once, words.size()); ++i)
      workers.emplace_back([&] {
        for (size_t mine = next++; mine < tasks.size(); mine = next++) tasks[mine]();
      });
  int status = 0;
  for (auto& task : tasks) {
    std::future<std::string> result = task.get_future();
    if (workers.empty()) task();
    try {
      const std::string text = result.get();
      if (!text.empty()) context.out(text + "\n");
    } catch (const UsageError&) {
      throw;
    } catch (const base::Error& e) {
      print_error(context, e);
      status = 1;
    }
  }
  return status;
}

}  // namespace cli
