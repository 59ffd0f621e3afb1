#include "runner/container/config.h"

#include <gtest/gtest.h>

#include <csignal>

#include "base/error.h"
#include "runner/container/state.h"

namespace {

using container::Config;
using container::MountConfig;
using container::State;

Config full() {
  Config config;
  config.id = std::string(64, 'a');
  config.name = "web";
  config.created = container::Time(std::chrono::seconds(1700000000));
  config.image = "app:1";
  config.image_id = "sha256:" + std::string(64, 'b');
  config.layers = {oci::DiffId::parse("sha256:" + std::string(64, 'c'))};
  config.entrypoint = {"/bin/app"};
  config.arguments = {"--flag", "with \"quotes\" and\nlines"};
  config.env = {"A=1", "B=x=y"};
  config.user = "guest";
  config.umask = 027;
  config.oom_score_adj = -5;
  config.host_cgroup = config.no_hostname = true;
  config.limits.cpu_period_microseconds = 50000;
  config.limits.throttles = {{launch::Throttle::Kind::kWriteOperations, 8, 1, 77}};
  config.tty = config.interactive = true;
  config.labels = {{"k", "v"}};
  MountConfig mount;
  mount.type = MountConfig::Type::kVolume;
  mount.source = "data";
  mount.target = "/data";
  mount.read_only = mount.anonymous = true;
  MountConfig shared;
  shared.source = shared.target = "/srv";
  shared.propagation = sys::Propagation::kShared;
  MountConfig terminals;
  terminals.type = MountConfig::Type::kDevpts;
  terminals.target = "/dev/pts";
  terminals.uid = 7;
  terminals.most = 9;
  config.mounts = {mount, shared, terminals};
  config.init = config.systemd = true;
  config.init_path = "/usr/bin/tini";
  config.passwd_entry = "$USERNAME:*:$UID:$GID::/:/bin/sh";
  config.sdnotify = "conmon";
  config.devices = {{"/dev/null", "/dev/x", "rw"}};
  config.network_mode = "back";
  config.network.mode = network::Mode::kNamed;
  config.network.name = "back";
  config.further_networks.resize(1);
  config.further_networks[0].mode = network::Mode::kNamed;
  config.further_networks[0].name = "front";
  config.further_networks[0].aliases = {"www"};
  config.network.ports = {{"127.0.0.1", 8080, 80, network::Protocol::kTcp},
                          {"", 0, 53, network::Protocol::kUdp}};
  config.network.extra_hosts = {{"db", "10.0.0.1"}};
  config.limits.memory_bytes = 64 << 20;
  config.limits.cpus = 1.5;
  config.ulimits = {{7, 10, UINT64_MAX}};
  config.sysctls = {{"net.ipv4.ip_forward", "1"}};
  config.stop_timeout_seconds = 3;
  config.restart = *container::RestartPolicy::parse("on-failure:3");
  config.id_maps = {{{0, 2000000, 1000}, {1000, 4000000000, 1}}, {{0, 5, 6}}};
  config.pid_mode = "container:" + std::string(64, 'a');
  config.healthcheck =
      oci::Healthcheck{.test = {"CMD-SHELL", "true"}, .interval = std::chrono::seconds(1)};
  return config;
}

TEST(ContainerConfig, ReadsWhatItWrote) {
  const Config config = full();
  const std::string json = config.to_json();
  const Config again = Config::parse(json);
  EXPECT_EQ(again.to_json(), json);
  EXPECT_EQ(again.arguments, config.arguments);
  EXPECT_EQ(again.network.ports, config.network.ports);
  EXPECT_EQ(again.ulimits[0].hard, UINT64_MAX);
  EXPECT_EQ(again.healthcheck, config.healthcheck);
  EXPECT_EQ(again.mounts[1].propagation, sys::Propagation::kShared);
  EXPECT_EQ(again.mounts[2].uid, 7u);
  EXPECT_EQ(again.mounts[2].most, 9u);
  EXPECT_TRUE(again.systemd);
  EXPECT_EQ(again.init_path + again.passwd_entry + again.sdnotify,
            config.init_path + config.passwd_entry + config.sdnotify);
  EXPECT_EQ(container::networks_of(again), (std::vector<std::string>{"back", "front"}));
}

TEST(ContainerConfig, RefusesWhatIsNone) {
  EXPECT_THROW(Config::parse("{}"), base::Error);
  EXPECT_THROW(Config::parse("{\"version\": 2}"), base::Error);
  EXPECT_THROW(Config::parse(full().to_json().substr(0, 100)), base::Error);
}

TEST(ContainerState, ReadsWhatItWrote) {
  State state;
  state.status = container::Status::kPaused;
  state.pid = 42;
  state.pid_start = 77;
  state.boot = "boot";
  state.health = container::Health::kUnhealthy;
  state.probes = {{container::now(), container::now(), 1, "out\xff"}};
  state.ports = {"0.0.0.0:1->2/tcp"};
  const std::string json = state.to_json();
  EXPECT_EQ(State::parse(json).to_json(), json);
}

TEST(RestartPolicy, KnowsItsFourWords) {
  for (const char* text : {"no", "always", "unless-stopped", "on-failure", "on-failure:5"})
    EXPECT_EQ(container::RestartPolicy::parse(text)->str(), text);
  for (const char* text : {"never", "on-failure:", "on-failure:x", "always:3"})
    EXPECT_FALSE(container::RestartPolicy::parse(text)) << text;
}

TEST(Signals, AreNamedInEverySpelling) {
  EXPECT_EQ(container::parse_signal("TERM"), SIGTERM);
  EXPECT_EQ(container::parse_signal("sigkill"), SIGKILL);
  EXPECT_EQ(container::parse_signal("10"), 10);
  EXPECT_EQ(container::parse_signal("RTMIN+3"), SIGRTMIN + 3);
  EXPECT_EQ(container::parse_signal("SIGRTMAX-1"), SIGRTMAX - 1);
  for (const char* text : {"", "0", "65", "NOSUCH", "RTMIN+99", "-9"})
    EXPECT_FALSE(container::parse_signal(text)) << text;
}

}  // namespace
