#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/options.h"
#include "runner/container/containers.h"

namespace cli {

/// The store with its containers, for one command.
struct OpenContainers {
  std::unique_ptr<store::Store> store;
  container::Containers containers;
};
/// Opens the store, made if need be.
OpenContainers open_containers(const Context& context);

/// For commands that start containers, before anything is opened: an ordinary user's new container
/// that shares a namespace of another one ("container:NAME" among `modes`) must live in the user
/// namespace of that one, one on a network with a name in that of the networks' holder; else torte
/// makes its own, as for all commands.
void enter_user_namespace_for(const Context& context, const std::vector<std::string>& modes);
/// How containers of these names share namespaces; for those that are not there nothing.
std::vector<std::string> shared_namespaces(const Context& context,
                                           const std::vector<std::string>& names);

/// "Up 3 minutes (healthy)", "Exited (0) 2 hours ago", "Created".
std::string describe_status(const container::State& state, container::Time now);

/// The containers that every filter lets through; several of one kind: any of them.
///   id=BEGINNING  name=PART  status=WORD  exited=STATUS  label=KEY[=VALUE]  ancestor=IMAGE
///   health=WORD  volume=NAME  network=MODE  before=NAME  since=NAME
/// Throws UsageError for an unknown filter, NotFound.
std::vector<container::Record> filter_containers(container::Containers& containers,
                                                 std::vector<container::Record> records,
                                                 const std::vector<std::string>& filters);

/// Does something with each container the command line names: words, --all, --filter (where the
/// command has them). Prints what `work` returns ("" prints nothing), and goes on after an error;
/// 1 if there was one. `at_once`: so many of them are worked on by threads at one time; the output
/// has the order of the names.
int each_container(
    Context& context, const Arguments& arguments, container::Containers& containers,
    const std::function<std::string(const std::string& id, const std::string& word)>& work,
    size_t at_once = 1);
/// The same for any words.
int each_word(Context& context, const std::vector<std::string>& words,
              const std::function<std::string(const std::string& word)>& work, size_t at_once);
/// For what mostly waits for containers to end.
inline constexpr size_t kManyAtOnce = 32;

}  // namespace cli
