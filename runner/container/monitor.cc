#include "runner/container/monitor.h"

#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <optional>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "runner/container/clients.h"
#include "runner/container/foreign_runtime.h"
#include "runner/container/health.h"
#include "runner/container/life.h"
#include "runner/container/log.h"
#include "runner/container/notifier.h"
#include "runner/container/prepare.h"
#include "runner/launch/launch.h"

namespace container {

namespace {

using Clock = std::chrono::steady_clock;
constexpr char kEndOfInput = 4;  // what a terminal's user types
constexpr size_t kMostInput = 64 << 10;
constexpr std::chrono::milliseconds kFirstPause{100};
constexpr std::chrono::milliseconds kLongestPause{60000};
/// A program that ran so long was no failed start: the pauses begin anew.
constexpr std::chrono::seconds kGoodRun{10};

class Monitor {
 public:
  Monitor(Containers& containers, Claim claim, MonitorOptions options)
      : containers_(containers),
        claim_(std::move(claim)),
        options_(std::move(options)),
        home_(containers.home(claim_.id)),
        config_(containers.read(claim_.id).config),
        has_cgroup_(!options_.pass_through && launch::can_have_cgroup()) {
    // Its streams are ours, then.
    if (config_.log.driver == "passthrough") {
      options_.pass_through = true;
      if (!config_.interactive) options_.stdin_fd = -1;
    }
    if (options_.owner) clients_.add(std::move(options_.owner), true);
  }

  int run() {
    try {
      clients_.listen(listen_control(home_.control()));
      if (!options_.pass_through) log_.emplace(home_.log(), config_.log, journal_fields(config_));
      notifier_ = Notifier::make(config_.sdnotify, home_.notify());
      start();
    } catch (const base::Error& e) {
      fail_to_start(e);
      throw;
    }
    options_.started(network_ ? network_->warning() : "");
    if (notifier_ && !options_.held) notifier_->tell_start();
    if (!options_.pass_through) shrink();
    for (;;) {
      while (container_) turn();
      if (!restart_wanted() || !pause_before_restart()) break;
      try {
        start();
        shrink();
      } catch (const base::Error& e) {
        state_.error = e.what();
        state_.exit_code = e.exit_status() > 0 ? e.exit_status() : 125;
        state_.finished = now();
      }
    }
    return end();
  }

 private:
  // --- start ---

  void start() {
    if (!config_.runtime.empty()) ForeignRuntime::leave_host_mounts();
    Prepared prepared = prepare(containers_, claim_, config_);
    launch::Spec& spec = prepared.spec;
    if (notifier_) notifier_->show(spec);
    sys::Pipe in, out, err;
    if (options_.pass_through) {
      spec.stdin_fd = options_.stdin_fd;
      spec.stdout_fd = options_.stdout_fd;
      spec.stderr_fd = options_.stderr_fd;
    } else if (!config_.tty) {
      out = sys::make_pipe();
      err = sys::make_pipe();
      if (config_.interactive) in = sys::make_pipe();
      // Whoever the program is, it may open /dev/stdout anew. Only its own processes find the pipe.
      for (const sys::Pipe* pipe : {&in, &out, &err})
        if (pipe->read_end && ::fchmod(pipe->read_end.get(), 0666) < 0)
          base::throw_errno("open the container's streams to its user");
      spec.stdin_fd = in.read_end.get();
      spec.stdout_fd = out.write_end.get();
      spec.stderr_fd = err.write_end.get();
    }
    spec.held = options_.held;
    spec.own_cgroup = has_cgroup_ || config_.systemd;
    for (int i = 0; i < options_.further_fds; ++i)
      spec.further_fds.push_back(STDERR_FILENO + 1 + i);
    if (config_.runtime.empty()) {
      container_.emplace(launch::launch(std::move(spec)));
    } else {
      runtime_.emplace(containers_, config_, prepared);
      container_.emplace(runtime_->take());
    }
    network_ = std::move(prepared.network);
    network_->release_namespace();  // it ends with the container
    ids_ = std::move(prepared.ids);
    if (ids_) ids_->space = {};
    output_[0] = std::move(out.read_end);
    output_[1] = std::move(err.read_end);
    input_ = std::move(in.write_end);
    for (const sys::UniqueFd* fd : {&output_[0], &output_[1], &input_}) set_nonblocking(fd->get());
    if (container_->console() >= 0) set_nonblocking(container_->console());
    console_open_ = container_->console() >= 0;
    note_start();
  }

  /// Most of what starting took is not needed again for days.
  static void shrink() {
    ::malloc_trim(0);
    sys::forget_program_pages();
  }

  static void set_nonblocking(int fd) {
    if (fd >= 0) ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  }

  void note_start() {
    State state;
    state.status = options_.held ? Status::kInitialized : Status::kRunning;
    state.pid = container_->pid();
    state.pid_start = sys::start_of_process(state.pid).value_or(0);
    state.monitor = ::getpid();
    state.boot = this_boot();
    state.restarts = state_.restarts;
    state.cgroups = container_->cgroups();
    state_ = std::move(state);
    note_network();
    health_.reset();
    if (options_.held)
      write_state(false);
    else
      note_program();
    if (!config_.pid_file.empty())
      sys::write_file_durably(config_.pid_file, std::to_string(state_.pid) + "\n", 0644);
  }

  void note_program() {
    started_ = Clock::now();
    state_.started = now();
    if (config_.timeout_seconds > 0)
      deadline_ = started_ + std::chrono::seconds(config_.timeout_seconds);
    if (config_.healthcheck) {
      health_.emplace(*config_.healthcheck);
      if (health_->is_on()) state_.health = Health::kStarting;
    }
    write_state(false);
    containers_.log_event(config_, "start");
  }

  /// The program that waited since `torte init`.
  void go(Client& client) {
    if (!container_ || !options_.held)
      throw base::Error(base::Code::kInvalid, "the container does not wait to be started");
    options_.held = false;
    client.is_owner = client.attached;
    try {
      container_->go();
    } catch (const base::Error& e) {
      failed_start_ = e.exit_status() > 0 ? e.exit_status() : 125;
      state_.error = e.what();
      throw;
    }
    state_.status = Status::kRunning;
    note_program();
    if (notifier_) notifier_->tell_start();
  }

  void note_network() {
    state_.interface = network_->interface();
    state_.address = network_->address();
    state_.gateway = network_->gateway();
    state_.mac = network_->mac();
    state_.networks = network_->memberships();
    state_.ports.clear();
    for (const network::Port& port : network_->ports()) state_.ports.push_back(network::str(port));
  }

  void fail_to_start(const base::Error& e) {
    state_ = State{};
    state_.status = Status::kExited;
    state_.exit_code = e.exit_status() > 0 ? e.exit_status() : 125;
    state_.error = e.what();
    state_.finished = now();
    leave_record();
  }

  // Nobody is served from here on: the record says how it ended, or goes.
  void leave_record() {
    clients_.stop_listening();
    ::unlink(home_.control().c_str());
    if (notifier_) ::unlink(home_.notify().c_str());
    // One that is looked at stays, for whoever looks to remove.
    if (config_.auto_remove && !std::filesystem::exists(home_.mounted()))
      remove_container(containers_, claim_, true);
    else
      write_state(true);
  }

  void write_state(bool durable) { containers_.write_state(claim_.id, state_, durable); }

  // --- one turn of the loop ---

  enum Entry {
    kEnd,
    kSignals,
    kOut,
    kErr,
    kConsole,
    kInput,
    kHealth,
    kHealthOutput,
    kNotify,
    kFirstClient
  };

  void turn() {
    const bool take_output = !clients_.output_held_up();
    const int console = console_open_ ? container_->console() : -1;
    std::vector<pollfd> entries(kFirstClient);
    short console_events = take_output ? POLLIN : 0;
    if (!pending_input_.empty()) console_events |= POLLOUT;
    entries[kEnd] = {container_ ? container_->pidfd() : -1, POLLIN, 0};
    entries[kSignals] = {options_.signals == nullptr ? -1 : options_.signals->fd(), POLLIN, 0};
    entries[kOut] = {take_output ? output_[0].get() : -1, POLLIN, 0};
    entries[kErr] = {take_output ? output_[1].get() : -1, POLLIN, 0};
    entries[kConsole] = {console_events == 0 ? -1 : console, console_events, 0};
    entries[kInput] = {pending_input_.empty() ? -1 : input_.get(), POLLOUT, 0};
    entries[kHealth] = {health_ ? health_->fd() : -1, POLLIN, 0};
    entries[kHealthOutput] = {health_ ? health_->output_fd() : -1, POLLIN, 0};
    entries[kNotify] = {notifier_ ? notifier_->fd() : -1, POLLIN, 0};
    clients_.watch(entries, pending_input_.size() < kMostInput);
    if (::poll(entries.data(), entries.size(), timeout_ms()) < 0 && errno != EINTR)
      base::throw_errno("watch container");
    handle(entries);
  }

  void handle(const std::vector<pollfd>& entries) {
    constexpr short kReadable = POLLIN | POLLHUP | POLLERR;
    if ((entries[kSignals].revents & POLLIN) != 0) take_signals();
    for (const int stream : {0, 1})
      if ((entries[kOut + stream].revents & kReadable) != 0) read_output(stream);
    if ((entries[kConsole].revents & kReadable) != 0) read_console();
    if ((entries[kNotify].revents & POLLIN) != 0) notifier_->pass_on();
    if (((entries[kConsole].revents | entries[kInput].revents) & (POLLOUT | POLLERR)) != 0)
      write_input();
    clients_.serve(
        entries, kFirstClient,
        [this](Client& client, const Packet& packet) { obey(client, packet); },
        [this](Client& client) { forget(client); });
    if (!container_) return;
    if ((entries[kEnd].revents & POLLIN) != 0) return note_end();
    if (deadline_ && Clock::now() >= *deadline_) {
      deadline_.reset();
      timed_out_ = !state_.stopped_by_user;
      deliver(SIGKILL);
    }
    if (health_ && state_.status == Status::kRunning) probe();
  }

  int timeout_ms() const {
    std::optional<Clock::time_point> next = deadline_;
    auto earlier = [&](std::optional<Clock::time_point> other) {
      if (other && (!next || *other < *next)) next = other;
    };
    if (health_ && container_ && state_.status == Status::kRunning) earlier(health_->deadline());
    earlier(restart_at_);
    if (!next) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - Clock::now());
    return static_cast<int>(std::clamp<int64_t>(left.count(), 0, 3600000));
  }

  void take_signals() {
    signalfd_siginfo info;
    while (::read(options_.signals->fd(), &info, sizeof info) == sizeof info) {
      const int number = static_cast<int>(info.ssi_signo);
      if (options_.foreground) {
        if (container_ && number != SIGWINCH) container_->signal(number);
      } else if (number == SIGTERM || number == SIGINT) {
        state_.stopped_by_user = true;
        deliver(stop_signal_of(config_));
        // Nobody else waits with KILL in hand, as torte stop does.
        deadline_ = Clock::now() + std::chrono::seconds(config_.stop_timeout_seconds.value_or(10));
      }
    }
  }

  // --- streams ---

  bool read_output(int stream) {
    char buffer[16 << 10];
    const ssize_t n = ::read(output_[stream].get(), buffer, sizeof buffer);
    if (n > 0) {
      publish(stream == 1, {buffer, static_cast<size_t>(n)});
      return true;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) output_[stream].reset();
    return false;
  }

  bool read_console() {
    char buffer[16 << 10];
    const ssize_t n = ::read(container_->console(), buffer, sizeof buffer);
    if (n > 0) {
      publish(false, {buffer, static_cast<size_t>(n)});
      return true;
    }
    // EIO: the last process closed the terminal.
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) console_open_ = false;
    return false;
  }

  void publish(bool is_error, std::string_view bytes) {
    if (log_) log_->write(is_error, bytes);
    clients_.send_output(is_error, bytes);
  }

  void write_input() {
    const int fd = config_.tty ? container_->console() : input_.get();
    const ssize_t n = ::write(fd, pending_input_.data(), pending_input_.size());
    if (n > 0) {
      pending_input_.erase(0, static_cast<size_t>(n));
    } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
      pending_input_.clear();  // it does not read any more
      input_.reset();
    }
    if (pending_input_.empty() && input_ended_) input_.reset();
  }

  void end_input() {
    if (config_.tty) {
      pending_input_ += kEndOfInput;
    } else {
      input_ended_ = true;
      if (pending_input_.empty()) input_.reset();
    }
  }

  // --- what clients ask ---

  void forget(const Client& client) {
    // The one whose input it was is gone: so is the input. Those who attached later leave it open.
    if (client.is_owner && config_.interactive && !config_.tty) end_input();
    if (client.holds && is_held_ && container_) {
      try {
        freeze(false);
      } catch (const base::Error&) {
        // It is ending: nothing is left to go on.
      }
    }
  }

  void obey(Client& client, const Packet& packet) {
    switch (packet.kind) {
      case 'a':
        if (options_.pass_through)
          return refuse(client, "its streams are those of the command that started it");
        client.attached = client.wants_end = true;
        clients_.send(client, 'r', "");
        return;
      case 'x':
        client.wants_end = true;
        return;
      case 'i':
        if (config_.interactive && (config_.tty || input_)) pending_input_ += packet.bytes;
        return;
      case 'E':
        if (config_.interactive && client.is_owner) end_input();
        return;
      case 'w':
        return resize(packet.bytes);
      default:
        answer(client, packet);
    }
  }

  void refuse(Client& client, std::string_view why) { clients_.send(client, 'r', why); }

  /// Requests that change something are answered when it is done.
  void answer(Client& client, const Packet& packet) {
    try {
      const int number = static_cast<int>(base::parse_decimal(packet.bytes).value_or(0));
      if (packet.kind == 's') {
        state_.stopped_by_user = true;
        restart_at_.reset();
        write_state(false);
      }
      if (packet.kind == 'k' || packet.kind == 's')
        deliver(number);
      else if (packet.kind == 'p' || packet.kind == 'u')
        freeze(packet.kind == 'p');
      else if (packet.kind == 'h')
        hold(client);
      else if (packet.kind == 'g')
        go(client);
      else if (packet.kind == 'U')
        take_update();
      else if (packet.kind == 'N' || packet.kind == 'D')
        change_networks(packet.kind == 'N', packet.bytes);
      else
        throw base::Error(base::Code::kInvalid, "unknown request to the monitor");
      clients_.send(client, 'r', "");
    } catch (const base::Error& e) {
      refuse(client, e.what());
    }
  }

  void resize(const std::string& text) {
    const std::vector<std::string> words = base::split(text, ' ');
    if (words.size() != 2 || !container_ || container_->console() < 0) return;
    winsize size = {};
    size.ws_row = static_cast<unsigned short>(base::parse_decimal(words[0]).value_or(0));
    size.ws_col = static_cast<unsigned short>(base::parse_decimal(words[1]).value_or(0));
    ::ioctl(container_->console(), TIOCSWINSZ, &size);
  }

  void deliver(int number) {
    if (!container_) return;
    // What is frozen cannot hear.
    const bool fatal = number == SIGKILL || state_.stopped_by_user;
    if (fatal && state_.status == Status::kPaused) freeze(false);
    // There is no program yet that could listen.
    container_->signal(options_.held ? SIGKILL : number);
  }

  void freeze(bool frozen) {
    if (!container_)
      throw base::Error(base::Code::kUnavailable, "the container is not running",
                        "container-not-running");
    if (state_.status == Status::kInitialized)
      throw base::Error(base::Code::kInvalid, "the container's program is not started yet");
    if (frozen == (state_.status == Status::kPaused))
      throw base::Error(base::Code::kInvalid,
                        frozen ? "the container is paused already" : "the container is not paused");
    frozen ? container_->pause() : container_->resume();
    is_held_ = false;
    state_.status = frozen ? Status::kPaused : Status::kRunning;
    write_state(false);
    containers_.log_event(config_, frozen ? "pause" : "unpause");
  }

  void hold(Client& client) {
    freeze(true);
    client.holds = is_held_ = true;
  }

  void take_update() {
    const Config fresh = containers_.read(claim_.id).config;
    if (container_) container_->update(fresh.limits);
    config_.limits = fresh.limits;
    config_.restart = fresh.restart;
    config_.name = fresh.name;
  }

  void change_networks(bool join, const std::string& name) {
    if (!container_)
      throw base::Error(base::Code::kUnavailable, "the container is not running",
                        "container-not-running");
    const std::string path = base::str("/proc/", container_->pid(), "/ns/net");
    const sys::UniqueFd space(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!space) base::throw_errno("open network namespace of the container");
    const Config fresh = containers_.read(claim_.id).config;
    std::vector<network::Request> asked = fresh.further_networks;
    asked.push_back(fresh.network);
    if (!join) network_->leave(name, space.get());
    for (const network::Request& one : asked)
      if (join && network::network_name(one) == name)
        network_->join(containers_.networks(), member_request(fresh, one), space.get());
    config_.network = fresh.network;
    config_.network_mode = fresh.network_mode;
    config_.further_networks = fresh.further_networks;
    note_network();
    write_state(false);
  }

  void probe() {
    const Health before = state_.health;
    if (!health_->work(*container_, config_, state_)) return;
    write_state(false);
    if (state_.health != before)
      containers_.log_event(config_, "health_status",
                            {{"healthStatus", std::string(name_of(state_.health))}});
    if (state_.health != Health::kUnhealthy || before == Health::kUnhealthy) return;
    if (config_.health_on_failure == "kill" || config_.health_on_failure == "restart") {
      unhealthy_restart_ = config_.health_on_failure == "restart";
      deliver(SIGKILL);
    } else if (config_.health_on_failure == "stop") {
      state_.stopped_by_user = true;
      deliver(stop_signal_of(config_));
    }
  }

  // --- the end ---

  void note_end() {
    health_.reset();
    for (const int stream : {0, 1})
      while (output_[stream] && read_output(stream)) {
      }
    while (console_open_ && read_console()) {
    }
    if (log_) log_->flush();
    state_.memory_killed = container_->memory_kills() > 0;
    const sys::ExitStatus status = container_->wait();
    container_.reset();
    runtime_.reset();
    network_.reset();
    ids_.reset();
    for (sys::UniqueFd* fd : {&output_[0], &output_[1], &input_}) fd->reset();
    pending_input_.clear();
    input_ended_ = false;
    deadline_.reset();
    state_.exit_code = failed_start_.value_or(status.shell_status());
    state_.status = Status::kExited;
    state_.forget_process();
    state_.finished = now();
    options_.held = false;
    containers_.log_event(config_, "die", {{"exitCode", std::to_string(state_.exit_code)}});
    if (timed_out_) state_.error = base::str("ended after --timeout ", config_.timeout_seconds);
    if (!config_.pid_file.empty()) ::unlink(config_.pid_file.c_str());
  }

  bool restart_wanted() {
    if (state_.stopped_by_user || timed_out_ || failed_start_) return false;
    if (std::exchange(unhealthy_restart_, false)) return true;
    return config_.restart.wants_another(state_.exit_code, state_.restarts);
  }

  /// False when the user stopped it meanwhile.
  bool pause_before_restart() {
    const bool good = Clock::now() - started_ >= kGoodRun;
    pause_ = good ? kFirstPause : std::min(pause_ * 2, kLongestPause);
    state_.status = Status::kRestarting;
    write_state(false);
    clients_.send_end(state_.exit_code);
    restart_at_ = Clock::now() + pause_;
    while (restart_at_ && Clock::now() < *restart_at_) turn();
    const bool go_on = restart_at_.has_value() && !state_.stopped_by_user;
    restart_at_.reset();
    if (go_on) ++state_.restarts;
    return go_on;
  }

  int end() {
    const int status = state_.exit_code;
    state_.status = Status::kExited;
    // From here on nobody is served any more: who connects too late finds the record.
    leave_record();
    { const Claim done = std::move(claim_); }
    clients_.send_end(status);
    clients_.linger();
    return status;
  }

  Containers& containers_;
  Claim claim_;
  MonitorOptions options_;
  Home home_;
  Config config_;
  bool has_cgroup_;
  State state_;
  Clients clients_;
  bool is_held_ = false;  // paused by a client that may go without a word
  std::optional<LogWriter> log_;
  std::optional<Notifier> notifier_;
  std::optional<network::Connection> network_;
  std::optional<Ids> ids_;
  std::optional<ForeignRuntime> runtime_;
  std::optional<launch::Container> container_;
  std::optional<HealthChecks> health_;
  sys::UniqueFd output_[2];
  sys::UniqueFd input_;
  std::string pending_input_;
  bool input_ended_ = false, console_open_ = false;
  bool timed_out_ = false, unhealthy_restart_ = false;
  std::optional<int> failed_start_;  // of the program that waited: what it counts as
  Clock::time_point started_;
  std::optional<Clock::time_point> deadline_;
  std::optional<Clock::time_point> restart_at_;
  std::chrono::milliseconds pause_ = kFirstPause / 2;
};

}  // namespace

int monitor(Containers& containers, Claim claim, MonitorOptions options) {
  return Monitor(containers, std::move(claim), std::move(options)).run();
}

}  // namespace container
