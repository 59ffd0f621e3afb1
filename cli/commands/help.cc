// torte help: the command table, read aloud.
#include "cli/help.h"

#include <limits>

#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/error_texts.h"

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

// As it is printed, brackets and all, is right, too.
std::string_view without_brackets(std::string_view id) {
  return id.starts_with('[') && id.ends_with(']') ? id.substr(1, id.size() - 2) : id;
}

void explain_error(Context& context, const std::string& word) {
  const int width = context.out_terminal().width;
  const std::string id(without_brackets(word));
  if (auto text = find_error_text(id)) return context.out(render_error_text(*text, width));
  UsageError error("there is no error \"" + base::printable(id) + "\"", "unknown-error");
  std::vector<std::string> ids;
  for (const ErrorText& text : error_texts()) ids.emplace_back(text.id);
  const std::string near = base::nearest(id, ids);
  error.add_help(near.empty() ? "torte help error lists them all"
                              : "did you mean \"torte help error " + near + "\"?");
  throw error;
}

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
  if (arguments.word(0) == "error") {
    if (arguments.words().size() ==
        1)  // a line each where nobody looks, so that grep finds them whole
      context.out(render_error_list(
          context.out_terminal().is_terminal ? width : std::numeric_limits<int>::max()));
    else
      explain_error(context, arguments.word(1));
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
      .summary = "describe torte, one of its commands, or an error",
      .usage = "[COMMAND|docker|error [ID]]",
      .group = "about torte",
      .examples = {{"torte help", "the list of commands"},
                   {"torte help version", "everything about one command"},
                   {"torte help error copy-source-missing",
                    "why an error happens, and what to do about it"},
                   {"torte help error",
                    "every name that may stand in brackets behind an error, with what it means"},
                   {"torte help docker",
                    "docker's and podman's commands, and what they are called here"}},
      .positionals = {.max = 2},
      .run = run_help,
      .in_user_namespace = false,
  };
  return kCommand;
}

}  // namespace cli
