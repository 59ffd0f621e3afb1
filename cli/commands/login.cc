// torte login, logout: credentials of registries are tried, kept and forgotten.
#include <termios.h>
#include <unistd.h>

#include "base/error.h"
#include "base/sys/fd.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/images/registries.h"
#include "cli/interrupt.h"

namespace cli {

namespace {

/// A registry as people give it: "https://host:5000/v2/" is host:5000.
std::string host_of(std::string text) {
  if (text.empty()) return "docker.io";
  for (std::string_view scheme : {"https://", "http://", "docker://"})
    if (text.starts_with(scheme)) text.erase(0, scheme.size());
  text = text.substr(0, text.find('/'));
  if (text == "index.docker.io" || text == "registry-1.docker.io") return "docker.io";
  if (!registry::Url::try_parse("https://" + text + "/"))
    throw UsageError(base::printable(text, 200) + " is not the name of a registry");
  return base::to_lower(text);
}

std::string read_line(int fd) {
  std::string line;
  for (char c; line.size() < 65536 && ::read(fd, &c, 1) == 1 && c != '\n';) line += c;
  return line;
}

/// The terminal does not show what is typed while this lives.
class NoEcho {
 public:
  explicit NoEcho(int fd) : fd_(fd) {
    good_ = ::tcgetattr(fd, &before_) == 0;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    if (good_) ::tcsetattr(fd, TCSAFLUSH, &quiet);
  }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;
  ~NoEcho() {
    if (good_) ::tcsetattr(fd_, TCSAFLUSH, &before_);
  }

 private:
  int fd_;
  termios before_ = {};
  bool good_ = false;
};

registry::Credential read_credential(const Context& context, const Arguments& arguments,
                                     const std::string& host) {
  registry::Credential out{
      arguments.get("username"), arguments.get("password"), {}, "the command line"};
  bool terminal = ::isatty(context.in_fd) == 1;
  if (arguments.is_on("password-stdin")) {
    if (arguments.has("password"))
      throw UsageError("give --password-stdin or --password, not both");
    if (out.user.empty()) throw UsageError("--password-stdin needs --username");
    sys::FdSource source(context.in_fd, "standard input");
    out.password = base::read_all(source, 65536);
    while (out.password.ends_with('\n') || out.password.ends_with('\r')) out.password.pop_back();
  } else if (out.password.empty()) {
    if (!terminal)
      throw UsageError("there is no terminal to ask on: give --username and --password-stdin");
    if (out.user.empty()) {
      context.err("User name for " + host + ": ");
      out.user = read_line(context.in_fd);
    }
    context.err("Password: ");
    NoEcho hidden(context.in_fd);
    out.password = read_line(context.in_fd);
    context.err("\n");
  } else {
    context.err(
        "warning: a password on the command line is seen by everybody on this machine; "
        "--password-stdin keeps it private\n");
  }
  if (out.user.empty() || out.user.find(':') != std::string::npos)
    throw UsageError("a user name is needed, without a colon");
  if (out.password.empty()) throw UsageError("the password is empty");
  return out;
}

/// Asks the registry whether it takes these. Where its token server gives a token to come back
/// with, that takes the place of the password.
void try_credential(Registries& registries, const std::string& host,
                    registry::Credential& credential) {
  credential.wants_identity_token = true;
  registries.credentials().use_only(credential);
  registry::Client& client = registries.client(host);
  auto exchange = client.ask({.path = "/v2/"});
  if (exchange->status() != 200) client.fail(*exchange, "log in to " + host);
  credential.identity_token = client.authenticator("").identity_token();
  if (!credential.identity_token.empty()) credential.password.clear();
}

int run_login(Context& context, const Arguments& arguments) {
  std::string host = host_of(arguments.word(0));
  Interrupt interrupt;
  Registries registries(context, arguments, interrupt.token(), nullptr);
  if (arguments.is_on("get-login")) {
    auto found = registries.credentials().find(host, "");
    if (!found)
      throw base::Error(base::Code::kNotFound, "not logged in to " + host, "not-logged-in")
          .add_help("torte login " + host);
    context.out((found->user.empty() ? "<token>" : found->user) + "\n");
    return 0;
  }
  registry::Credential credential = read_credential(context, arguments, host);
  base::with_context("login", [&] { try_credential(registries, host, credential); });
  std::string where = registries.credentials().store(host, credential);
  if (!context.quiet) context.out(base::str("logged in to ", host, ", kept in ", where, "\n"));
  return 0;
}

int run_logout(Context& context, const Arguments& arguments) {
  Interrupt interrupt;
  Registries registries(context, arguments, interrupt.token(), nullptr);
  std::vector<std::string> hosts = {host_of(arguments.word(0))};
  if (arguments.is_on("all")) hosts = registries.credentials().list();
  for (const std::string& host : hosts) {
    if (!registries.credentials().erase(host))
      throw base::Error(base::Code::kNotFound, "not logged in to " + host, "not-logged-in");
    if (!context.quiet) context.out("logged out of " + host + "\n");
  }
  return 0;
}

}  // namespace

const Command& login_command() {
  static const Command kCommand{
      .name = "login",
      .summary = "keep credentials for a registry",
      .usage = "[FLAGS] [REGISTRY]",
      .about =
          "Tries a user name and password at the registry (default: docker.io) and keeps them "
          "where "
          "other tools look for them: docker's config.json or containers' auth.json, whichever is "
          "there, "
          "or the credential helper that file names.",
      .group = "registries",
      .flags = with_registry_flags(
          {{.name = "username",
            .letter = 'u',
            .value = "USER",
            .help = "user name",
            .common = true},
           {.name = "password-stdin",
            .help = "read the password from standard input",
            .common = true},
           {.name = "password",
            .letter = 'p',
            .value = "PASSWORD",
            .help = "password (seen by everybody on this machine)"},
           {.name = "get-login", .help = "only print the user name that is kept", .common = true}}),
      .examples = {{"torte login -u me registry.example", "asks for the password"},
                   {"pass registry | torte login -u me --password-stdin registry.example",
                    "from a script"}},
      .positionals = {0, 1},
      .run = run_login,
      .in_user_namespace = false,
  };
  return kCommand;
}

const Command& logout_command() {
  static const Command kCommand{
      .name = "logout",
      .summary = "forget credentials of a registry",
      .usage = "[FLAGS] [REGISTRY]",
      .about = "Takes what login kept out of every file and helper it is found in.",
      .group = "registries",
      .flags = with_registry_flags(
          {{.name = "all", .letter = 'a', .help = "of all registries", .common = true}}),
      .examples = {{"torte logout registry.example", "forget one"}},
      .positionals = {0, 1},
      .run = run_logout,
      .in_user_namespace = false,
  };
  return kCommand;
}

}  // namespace cli
