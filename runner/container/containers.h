#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/sys/lock.h"
#include "runner/container/config.h"
#include "runner/container/state.h"
#include "store/store.h"

/// The life of a container, from the outside:
///
///     Containers containers(store);
///     Config config = ...;                       // what is asked for
///     Claim claim = containers.create(config);   // the record is there, durable, and named
///     start(containers, config.id, ...);         // life.h: a monitor process holds it now
///     ... containers.list(), control.h: stop, kill, attach, ...
///     containers.remove(containers.claim(id));
///
/// On disk, in the store's containers/:
///
///     .names/NAME         a link whose text is the id
///     ID/config.json      Config: written when it is made, renamed or updated
///     ID/state.json       State: written by whoever holds the life lock
///     ID/life             the life lock: held while the container is being made, runs, or is
///     changed ID/uses             what the store must keep for it (store/lease.h) ID/upper/ init/
///     the writable layer and the init layer ID/work/            overlayfs's own, new for every
///     start ID/log, log.1, ...  what it said (log.h) ID/mounted          its root is shown as a
///     directory ID/control          socket of its monitor (control.h)
///
/// A record whose state says that it runs, and whose life lock nobody holds, lost its monitor, or
/// the machine was restarted: whoever finds it, mends it.
namespace container {

/// The paths of one container. A value.
class Home {
 public:
  Home(const store::Layout& layout, std::string_view id) : path_(layout.container(id)) {}
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path config() const { return path_ / "config.json"; }
  std::filesystem::path state() const { return path_ / "state.json"; }
  std::filesystem::path life() const { return path_ / "life"; }
  std::filesystem::path upper() const { return path_ / "upper"; }
  std::filesystem::path init() const { return path_ / "init"; }
  std::filesystem::path work() const { return path_ / "work"; }
  std::filesystem::path log() const { return path_ / "log"; }
  std::filesystem::path control() const { return path_ / "control"; }
  /// Socket for what it tells who started torte (notifier.h).
  std::filesystem::path notify() const { return path_ / "notify"; }
  /// There while its root is shown as a directory (torte mount).
  std::filesystem::path mounted() const { return path_ / "mounted"; }

 private:
  std::filesystem::path path_;
};

struct Record {
  Config config;
  State state;
};

/// The life lock of one container: while we hold it nobody else starts, changes or removes it.
struct Claim {
  std::string id;
  sys::LifeLock lock;
};

/// All containers of a store. Values are read anew at every call; any number of processes at once.
class Containers {
 public:
  /// `store` is only needed by those who make and remove; it must outlive this.
  /// `networks` is where networks are remembered (network::connect).
  Containers(const store::Layout& layout, store::Store* store, std::filesystem::path networks)
      : layout_(layout), store_(store), networks_(std::move(networks)) {}

  /// Notes for `torte events` what happened to a container.
  void log_event(const Config& config, std::string action,
                 std::map<std::string, std::string> attributes = {}) const;
  const store::Layout& layout() const { return layout_; }
  store::Store& store() const { return *store_; }
  const std::filesystem::path& networks() const { return networks_; }
  Home home(std::string_view id) const { return {layout_, id}; }

  /// What the caller adds when the id is known and the name is taken, before the record is written.
  using Finish = std::function<void(Config&)>;
  /// Makes the record; `config.id` and, when empty, `config.name` are filled in. `image` (its
  /// layers stay while the container exists) may be null with a rootfs. Throws Unavailable when the
  /// name is taken. `durable`: it must survive a power cut.
  Claim create(Config& config, const store::ImageRecord* image, bool durable, const Finish& finish);

  /// The id of a container: by name, id, or the unique beginning of an id. Throws Invalid when
  /// several begin so.
  std::optional<std::string> find(std::string_view text) const;
  std::string get(std::string_view text) const;  ///< Throws NotFound.
  /// Throws NotFound when it is gone.
  Record read(std::string_view id) const;
  State read_state(std::string_view id) const;
  /// Newest first. Ended ones are mended first, where that can be done.
  std::vector<Record> list();

  /// Whether a monitor, or a command that changes it, holds it.
  bool is_held(std::string_view id) const { return sys::LifeLock::is_held(home(id).life()); }
  /// Takes the life lock of a container that does not run, waiting a moment for commands that just
  /// look. Mends it if need be. Throws Unavailable when it is held, NotFound.
  Claim claim(std::string_view id);

  void write_config(const Claim& claim, const Config& config);
  /// For a running container, whose monitor reads only what it needs from there (`update`,
  /// `rename`).
  void write_config_of_running(const Config& config);
  void write_state(std::string_view id, const State& state, bool durable) const;
  /// Throws Unavailable when the name is taken.
  void rename(std::string_view id, const std::string& name);
  /// The files go to the trash, the name is free again.
  void remove(const Claim& claim);

 private:
  std::vector<std::string> ids() const;
  std::filesystem::path names() const { return layout_.containers() / ".names"; }
  std::optional<std::string> owner_of_name(const std::string& name) const;
  void take_name(const std::string& name, const std::string& id);
  std::string take_free_name(const std::string& id);
  void mend(const Claim& claim);
  bool mend_if_dead(const std::string& id, const State& state);
  void discard_unfinished(const std::string& id);

  store::Layout layout_;
  store::Store* store_;
  std::filesystem::path networks_;
};

/// Letters, digits, _ . -, beginning with a letter or digit.
bool is_valid_name(std::string_view name);
/// The first twelve digits of an id.
inline std::string short_id(std::string_view id) { return std::string(id.substr(0, 12)); }
/// Throws Unavailable (id "container-mounted") while a container's root is shown as a directory:
/// its writable layer may be in one mount only.
void refuse_mounted(const Home& home);
/// A pidfd of a container's process 1, nullopt when it is gone (its number may be another's by
/// now).
std::optional<sys::UniqueFd> open_main_process(const State& state);

}  // namespace container
