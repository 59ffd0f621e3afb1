// torte help: the command table, read aloud.
#include "cli/help.h"

#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/context.h"

namespace cli {

namespace {

constexpr const char* kDocker = R"(what you know, and how torte does it

  docker build, podman build       torte build
  docker buildx build --push       torte build --push
  docker buildx bake               torte build --target a -t a --target b -t b
  docker build --check             torte lint, torte build --check
  docker buildx history ls, logs   torte builds, torte builds logs
  docker buildx du, prune          torte df, torte cache ls, torte prune
  docker images, rmi, tag          torte images, torte rmi, torte tag
  docker pull, push, login         torte pull, torte push, torte login
  docker save, load, import        torte save, torte load, torte import
  docker run, create, exec         torte run, torte create, torte exec
  docker ps, logs, stop, rm        torte ps, torte logs, torte stop, torte rm
  docker commit, cp, diff          torte commit, torte cp, torte diff
  docker network, docker volume    torte network, torte volume
  docker manifest, imagetools      torte manifest
  docker info, docker system df    torte info, torte df
  podman unshare, image mount      torte unshare, torte mount
  podman generate systemd          torte generate
  skopeo copy, list-tags, delete   torte copy, torte list-tags, torte delete
  skopeo inspect docker://NAME     torte inspect docker://NAME

Flags have the names they have there. Nothing runs in the background: there is no socket, no DOCKER_HOST and no
context; --root names another store. Credentials are those of docker and podman. Compose files, pods and swarms are
other programs' work.
)";

int run_help(Context& context, const Arguments& arguments) {
  int width = context.out_terminal().width;
  if (arguments.words().empty()) {
    context.out(program_help(*context.table, width));
    return 0;
  }
  if (arguments.word(0) == "docker") {
    context.out(kDocker);
    return 0;
  }
  // The parser knows groups, aliases and near misses; asking it for --help says the rest.
  std::vector<std::string> words = arguments.words();
  words.emplace_back("--help");
  Invocation wanted = parse(*context.table, words, context.getenv);
  context.out(wanted.command == nullptr ? program_help(*context.table, width, wanted.group)
                                        : full_help(*wanted.command, width));
  return 0;
}

}  // namespace

const Command& help_command() {
  static const Command kCommand{
      .name = "help",
      .summary = "describe torte or one of its commands",
      .usage = "[COMMAND|docker]",
      .group = "about torte",
      .examples = {{"torte help", "the list of commands"},
                   {"torte help version", "everything about one command"},
                   {"torte help docker", "docker's and podman's commands, and what they are called here"}},
      .positionals = {.max = 2},
      .run = run_help,
      .in_user_namespace = false,
  };
  return kCommand;
}

}  // namespace cli
