// torte completion: what shells offer when the tab key is pressed.
#include "cli/completion.h"

#include <filesystem>

#include "base/error.h"
#include "base/sys/file.h"
#include "base/text.h"
#include "builder/dockerfile/commands.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/history/build_record.h"
#include "cli/images/open_store.h"
#include "store/layout.h"
#include "store/oci/reference.h"

namespace cli {

namespace {

constexpr const char* kBash =
    R"sh(# torte completion bash: put this into ~/.bashrc:  source <(torte completion bash)
_torte() {
  local i word last cut words=()
  for ((i = 1; i <= COMP_CWORD; ++i)); do
    word=${COMP_WORDS[i]}
    # bash takes = and : for words of their own
    if [[ ${#words[@]} -gt 0 && ($word == [=:]* || ${COMP_WORDS[i - 1]} == [=:]) ]]; then
      words[-1]+=$word
    else
      words+=("$word")
    fi
  done
  last=${words[-1]} word=${COMP_WORDS[COMP_CWORD]}
  cut=${last%"$word"}
  [[ $word != [=:] ]] || cut=$last
  COMPREPLY=()
  while IFS= read -r word; do COMPREPLY+=("${word#"$cut"}"); done < <("${COMP_WORDS[0]}" __complete 1 "${words[@]}" 2>/dev/null)
}
complete -o default -o nosort -F _torte torte
)sh";

constexpr const char* kZsh = R"sh(#compdef torte
# torte completion zsh: put this into ~/.zshrc:  source <(torte completion zsh)
_torte() {
  local -a found
  found=("${(@f)$(torte __complete 1 "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n $found ]]; then compadd -- $found; else _files; fi
}
compdef _torte torte
)sh";

constexpr const char* kFish =
    R"sh(# torte completion fish: put this into ~/.config/fish/completions/torte.fish
complete -c torte -a '(torte __complete 1 (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
)sh";

int run_completion(Context& context, const Arguments& arguments) {
  const std::string shell = arguments.word(0);
  if (shell != "bash" && shell != "zsh" && shell != "fish")
    throw UsageError("completion knows bash, zsh and fish, not " + base::printable(shell));
  context.out(shell == "bash" ? kBash : shell == "zsh" ? kZsh : kFish);
  return 0;
}

std::vector<std::string> image_names(const Context& context) {
  std::vector<std::string> names;
  if (std::unique_ptr<store::Store> store = find_store(context))
    for (const store::ImageRecord& image : store->list_images())
      for (const store::Name& name : image.names)
        names.push_back(oci::Reference::parse(name.name).familiar());
  return names;
}

std::vector<std::string> container_names(const Context& context) {
  std::vector<std::string> names;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(
           store::Layout(context.root).containers() / ".names", none))
    names.push_back(entry.path().filename());
  return names;
}

std::vector<std::string> build_ids(const Context& context) {
  std::vector<std::string> ids = {"last"};
  for (const std::string& name : list_builds(store::Layout(context.root).builds()))
    ids.push_back(short_build_id(name));
  return ids;
}

// The stages of the recipe that -f names, or of the one that is found here.
std::vector<std::string> stage_names(std::span<const std::string> words) {
  constexpr uint64_t kMostBytes = 1 << 20;
  std::vector<std::string> files;
  for (size_t i = 0; i + 1 < words.size(); ++i)
    if (words[i] == "-f" || words[i] == "--file") files.push_back(words[i + 1]);
  if (files.empty()) files = {"Recipe", "Dockerfile", "Containerfile", "dockerfile"};
  std::vector<std::string> names;
  for (const std::string& file : files) {
    std::optional<std::string> text = sys::find_user_file(file, kMostBytes);
    if (!text) continue;
    std::vector<dockerfile::Diagnostic> mistakes;  // it is being written
    for (const dockerfile::Instruction& instruction :
         dockerfile::parse_collecting(*text, file, mistakes).instructions)
      if (instruction.keyword == dockerfile::Keyword::kFrom && instruction.args.size() == 3)
        names.push_back(instruction.args[2]);
    break;
  }
  return names;
}

int run_complete(Context& context, const Arguments& arguments) {
  std::span<const std::string> words = arguments.words();
  auto names = [&](NameKind kind, std::span<const std::string> before) -> std::vector<std::string> {
    switch (kind) {
      case NameKind::kImage:
        return image_names(context);
      case NameKind::kContainer:
        return container_names(context);
      case NameKind::kBuild:
        return build_ids(context);
      case NameKind::kStage:
        return stage_names(before);
      case NameKind::kNone:
        break;
    }
    return {};
  };
  for (const std::string& word : complete(*context.table, words.subspan(1), names))
    context.out(word + "\n");
  return 0;
}

}  // namespace

const std::vector<const Command*>& completion_commands() {
  static const Command kCompletion{
      .name = "completion",
      .summary = "print a script that lets a shell complete commands, flags and names",
      .usage = "bash|zsh|fish",
      .group = "about torte",
      .examples = {{"source <(torte completion bash)", "in ~/.bashrc"}},
      .positionals = {.min = 1, .max = 1},
      .run = run_completion,
      .in_user_namespace = false,
  };
  static const Command kComplete{
      .name = "__complete",
      .summary = "answer a shell's completion script",
      .usage = "1 WORD...",
      .positionals = {.min = 1, .max = Positionals::kAny, .verbatim_after = 1},
      .run = run_complete,
      .hidden = true,
      .in_user_namespace = false,
  };
  static const std::vector<const Command*> kAll = {&kCompletion, &kComplete};
  return kAll;
}

}  // namespace cli
