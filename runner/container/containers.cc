#include "runner/container/containers.h"
#include "store/event_log.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <exception>
#include <thread>

#include "base/error.h"
#include "base/hash.h"
#include "base/sys/file.h"
#include "base/sys/process.h"
#include "base/sys/root.h"
#include "base/text.h"
#include "runner/launch/cgroup.h"

namespace container {

namespace {

constexpr uint64_t kMostConfigBytes = 16 << 20;
constexpr uint64_t kMostStateBytes = 1 << 20;
constexpr size_t kIdDigits = 64;

bool is_id(std::string_view text) {
  return text.size() == kIdDigits && text.find_first_not_of("0123456789abcdef") == text.npos;
}

std::string random_id() {
  std::byte bytes[kIdDigits / 2];
  if (::getrandom(bytes, sizeof bytes, 0) != sizeof bytes) base::throw_errno("make an id");
  return base::to_hex(bytes);
}

/// Two words that can be said aloud. Which ones, the id decides.
std::string made_up_name(const std::string& id) {
  static const char* const kFirst[] = {"amber", "brisk",  "calm",  "clear", "deft",  "early",
                                       "fresh", "gentle", "green", "keen",  "light", "merry",
                                       "mild",  "neat",   "noble", "plain", "proud", "quick",
                                       "quiet", "rapid",  "sharp", "solid", "still", "warm"};
  static const char* const kSecond[] = {"alder", "birch", "brook", "cedar", "cliff", "dune",
                                        "elm",   "fern",  "fjord", "grove", "hazel", "heath",
                                        "lake",  "larch", "maple", "marsh", "oak",   "pine",
                                        "reed",  "ridge", "river", "rowan", "stone", "willow"};
  const unsigned long first = std::stoul(id.substr(0, 6), nullptr, 16);
  const unsigned long second = std::stoul(id.substr(6, 6), nullptr, 16);
  return base::str(kFirst[first % std::size(kFirst)], '_', kSecond[second % std::size(kSecond)]);
}

base::Error not_found(std::string_view text) {
  return base::Error(base::Code::kNotFound, "there is no container " + base::printable(text),
                     "container-missing")
      .add_help("torte ps -a lists them");
}

/// Whole or not at all; synced only where asked.
void write_whole(const std::filesystem::path& path, const std::string& text, bool durable) {
  if (durable) return sys::write_file_durably(path, text, 0600);
  const std::string beside = path.string() + ".new";
  sys::UniqueFd fd(
      ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) base::throw_errno("create " + beside);
  sys::write_all(fd.get(), base::as_bytes(text), beside);
  if (::rename(beside.c_str(), path.c_str()) < 0) base::throw_errno("write " + path.string());
}

}  // namespace

bool is_valid_name(std::string_view name) {
  constexpr std::string_view kLetters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  constexpr size_t kLongest = 200;
  return !name.empty() && name.size() <= kLongest && kLetters.find(name[0]) != name.npos &&
         name.find_first_not_of(std::string(kLetters) + "_.-") == name.npos;
}

void refuse_mounted(const Home& home) {
  if (!std::filesystem::exists(home.mounted())) return;
  const std::string id = short_id(home.path().filename().string());
  throw base::Error(base::Code::kUnavailable,
                    base::str("container ", id, " is mounted as a directory"), "container-mounted")
      .add_help(base::str("torte umount ", id, " takes it away"));
}

std::optional<sys::UniqueFd> open_main_process(const State& state) {
  if (state.pid <= 0 || state.boot != this_boot()) return std::nullopt;
  std::optional<sys::UniqueFd> process = sys::open_process(state.pid);
  // Asked after it was opened: from then on the number cannot become another's.
  if (!process || sys::start_of_process(state.pid) != state.pid_start) return std::nullopt;
  return process;
}

Claim Containers::create(Config& config, const store::ImageRecord* image, bool durable,
                         const Finish& finish) {
  sys::make_directories(names());
  config.id = random_id();
  config.created = now();
  const Home home = this->home(config.id);
  // A directory is made and locked in two calls; in between it would look unfinished. See
  // discard_unfinished().
  const sys::FileLock making =
      sys::FileLock::acquire(layout_.locks() / "containers-making", sys::FileLock::Mode::kShared);
  if (::mkdir(home.path().c_str(), 0711) < 0) base::throw_errno("create " + home.path().string());
  std::optional<sys::LifeLock> lock = sys::LifeLock::try_acquire(home.life());
  CHECK(lock.has_value());
  Claim claim{config.id, std::move(*lock)};
  try {
    if (image != nullptr) store_->set_container_uses(config.id, *image);
    if (config.name.empty())
      config.name = take_free_name(config.id);
    else
      take_name(config.name, config.id);
    finish(config);
    write_whole(home.config(), config.to_json(), durable);
    if (durable) sys::sync_directory(layout_.containers());
  } catch (...) {
    if (owner_of_name(config.name) == config.id) ::unlink((names() / config.name).c_str());
    store_->discard(home.path());
    throw;
  }
  log_event(config, "create");
  return claim;
}

void Containers::log_event(const Config& config, std::string action,
                           std::map<std::string, std::string> attributes) const {
  attributes.emplace("image", config.image.empty() ? config.rootfs : config.image);
  store::log_event(layout_, {.type = "container",
                             .action = std::move(action),
                             .id = config.id,
                             .name = config.name,
                             .attributes = std::move(attributes)});
}

std::optional<std::string> Containers::owner_of_name(const std::string& name) const {
  char id[kIdDigits + 1];
  const ssize_t size = ::readlink((names() / name).c_str(), id, sizeof id);
  if (size != static_cast<ssize_t>(kIdDigits)) return std::nullopt;
  return std::string(id, kIdDigits);
}

// Who asked first whether a name is free could meet another process that did the same.
std::string Containers::take_free_name(const std::string& id) {
  std::string name = made_up_name(id);
  while (::symlink(id.c_str(), (names() / name).c_str()) < 0) {
    if (errno != EEXIST) base::throw_errno("name the container");
    name = made_up_name(id) + "_" + random_id().substr(0, 6);
  }
  return name;
}

void Containers::take_name(const std::string& name, const std::string& id) {
  const std::filesystem::path link = names() / name;
  for (int tries = 0; ::symlink(id.c_str(), link.c_str()) < 0; ++tries) {
    if (errno != EEXIST) base::throw_errno("name the container");
    const std::optional<std::string> owner = owner_of_name(name);
    // Left by a command that was killed half-way, or by a container that died and removes itself.
    bool stale = false;
    if (owner && tries == 0) {
      if (!std::filesystem::exists(home(*owner).path())) {
        stale = true;
      } else if (!is_held(*owner)) {
        if (std::filesystem::exists(home(*owner).config()))
          mend_if_dead(*owner, read_state(*owner));
        else
          discard_unfinished(*owner);
        stale = !std::filesystem::exists(home(*owner).path());
      }
    }
    if (!stale)
      throw base::Error(base::Code::kUnavailable, "there is a container named " + name + " already",
                        "name-in-use")
          .add_fact("it is " + short_id(owner.value_or("unknown")))
          .add_help("remove or rename it first: torte rm " + name);
    ::unlink(link.c_str());
  }
}

std::vector<std::string> Containers::ids() const {
  sys::UniqueFd directory(::open(layout_.containers().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) {
    if (errno == ENOENT) return {};
    base::throw_errno("open " + layout_.containers().string());
  }
  std::vector<std::string> ids = sys::list_names(directory.get());
  std::erase_if(ids, [](const std::string& name) { return !is_id(name); });
  return ids;
}

std::optional<std::string> Containers::find(std::string_view text) const {
  if (is_valid_name(text)) {
    if (const auto owner = owner_of_name(std::string(text));
        owner && std::filesystem::exists(home(*owner).config()))
      return owner;
  }
  if (text.empty() || text.find_first_not_of("0123456789abcdef") != text.npos) return std::nullopt;
  std::optional<std::string> found;
  for (const std::string& id : ids()) {
    if (!id.starts_with(text) || !std::filesystem::exists(home(id).config())) continue;
    if (found)
      throw base::Error(base::Code::kInvalid,
                        "several containers begin with " + base::printable(text),
                        "container-ambiguous");
    found = id;
  }
  return found;
}

std::string Containers::get(std::string_view text) const {
  if (std::optional<std::string> id = find(text)) return *id;
  throw not_found(text);
}

State Containers::read_state(std::string_view id) const {
  const auto text = sys::find_user_file(home(id).state(), kMostStateBytes);
  return text ? State::parse(*text) : State{};
}

Record Containers::read(std::string_view id) const {
  const auto text = sys::find_user_file(home(id).config(), kMostConfigBytes);
  if (!text) throw not_found(id);
  return base::with_context("container " + short_id(id), [&] {
    return Record{Config::parse(*text), read_state(id)};
  });
}

namespace {

/// A record as it was found by one look, which may want mending.
struct Found {
  std::optional<Record> record;  ///< none: it is not finished, or gone
  bool is_held = true;           ///< asked of live ones
  std::exception_ptr failure;
};

}  // namespace

std::vector<Record> Containers::list() {
  const std::vector<std::string> ids = this->ids();
  std::vector<Found> found(ids.size());
  auto look = [&](size_t i) {
    try {
      found[i].record = read(ids[i]);
      if (found[i].record->state.is_live()) found[i].is_held = is_held(ids[i]);
    } catch (const base::Error& e) {
      if (e.code() != base::Code::kNotFound) found[i].failure = std::current_exception();
    }
  };
  // Reading is all in the processor; a thread is worth it from some dozens on.
  constexpr size_t kForAThread = 32;
  const size_t threads = std::min<size_t>(
      {ids.size() / kForAThread, std::max(1u, std::thread::hardware_concurrency()), 8});
  std::atomic<size_t> next = 0;
  {
    auto work = [&] {
      for (size_t i = next++; i < ids.size(); i = next++) look(i);
    };
    std::vector<std::jthread> helpers;
    for (size_t i = 1; i < threads; ++i) helpers.emplace_back(work);
    work();
  }
  std::vector<Record> records;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (found[i].failure) std::rethrow_exception(found[i].failure);
    if (!found[i].record) {
      discard_unfinished(ids[i]);
      continue;
    }
    Record& record = *found[i].record;
    if (!found[i].is_held && mend_if_dead(ids[i], record.state)) {
      if (!std::filesystem::exists(home(ids[i]).config())) continue;
      record.state = read_state(ids[i]);
    }
    records.push_back(std::move(record));
  }
  std::stable_sort(records.begin(), records.end(), [](const Record& a, const Record& b) {
    return a.config.created > b.config.created;
  });
  return records;
}

Claim Containers::claim(std::string_view id) {
  constexpr int kTries = 200;
  for (int tries = 0;; ++tries) {
    if (!std::filesystem::exists(home(id).path())) throw not_found(short_id(id));
    std::optional<sys::LifeLock> lock = sys::LifeLock::try_acquire(home(id).life());
    if (lock) {
      Claim claim{std::string(id), std::move(*lock)};
      if (!std::filesystem::exists(home(id).config())) throw not_found(short_id(id));
      mend(claim);
      if (!std::filesystem::exists(home(id).config())) throw not_found(short_id(id));
      return claim;
    }
    if (tries == kTries || read_state(id).is_live())
      throw base::Error(
          base::Code::kUnavailable,
          base::str("container ", short_id(id), " is ",
                    read_state(id).is_live() ? "running" : "in use by another command"),
          "container-in-use");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

/// True when the record may have changed.
bool Containers::mend_if_dead(const std::string& id, const State& state) {
  if (!state.is_live() || is_held(id)) return false;
  std::optional<sys::LifeLock> lock = sys::LifeLock::try_acquire(home(id).life());
  if (!lock) return false;
  mend({id, std::move(*lock)});
  return true;
}

/// With the lock: what a monitor that was killed, or a machine that went down, left half-done.
void Containers::mend(const Claim& claim) {
  State state = read_state(claim.id);
  if (!state.is_live()) return;
  if (const auto process = open_main_process(state)) {
    // It outlived its monitor: a set-id program does not die with its parent.
    sys::signal_process(process->get(), SIGKILL);
  }
  launch::sweep_cgroups();
  state.status = Status::kExited;
  state.error = state.boot == this_boot() ? "its monitor was killed" : "the machine went down";
  constexpr int kKilled = 137;
  state.exit_code = kKilled;
  state.pid = 0;
  state.cgroups.clear();
  state.finished = now();
  ::unlink(home(claim.id).control().c_str());
  write_state(claim.id, state, true);
  if (store_ != nullptr && read(claim.id).config.auto_remove) remove(claim);
}

/// A directory without a configuration: its maker was killed, unless it is still at work.
void Containers::discard_unfinished(const std::string& id) {
  if (store_ == nullptr) return;
  const auto alone = sys::FileLock::try_acquire(layout_.locks() / "containers-making",
                                                sys::FileLock::Mode::kExclusive);
  if (!alone || std::filesystem::exists(home(id).config()) || is_held(id)) return;
  store_->discard(home(id).path());
}

void Containers::write_config(const Claim& claim, const Config& config) {
  CHECK(claim.id == config.id);
  write_whole(home(config.id).config(), config.to_json(), true);
}

void Containers::write_config_of_running(const Config& config) {
  write_whole(home(config.id).config(), config.to_json(), true);
}

void Containers::write_state(std::string_view id, const State& state, bool durable) const {
  write_whole(home(id).state(), state.to_json(), durable);
}

void Containers::rename(std::string_view id, const std::string& name) {
  Config config = read(id).config;
  const std::string before = config.name;
  if (before == name) return;
  take_name(name, config.id);
  config.name = name;
  write_config_of_running(config);
  if (owner_of_name(before) == config.id) ::unlink((names() / before).c_str());
  log_event(config, "rename", {{"oldName", before}});
}

void Containers::remove(const Claim& claim) {
  const Config config = read(claim.id).config;
  store_->discard(home(claim.id).path());
  if (owner_of_name(config.name) == claim.id) ::unlink((names() / config.name).c_str());
  log_event(config, "destroy");
}

}  // namespace container
