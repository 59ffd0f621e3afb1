#pragma once

#include <memory>

#include "base/events.h"
#include "cli/images/registries.h"
#include "cli/images/transfer.h"
#include "cli/interrupt.h"
#include "store/store.h"

namespace cli {

/// What a command works with that moves images between the store and registries: the first signal
/// stops it, its flags say how registries are reached, and layers that have not come are fetched by
/// them too. Neither copied nor moved: its parts know each other.
struct RegistrySession {
  /// `progress`: the value of the command's own --progress flag, "" when it has none. `context`
  /// must outlive it. Throws what opening the store throws.
  RegistrySession(Context& context, const Arguments& arguments, std::string_view progress = {});
  RegistrySession(const RegistrySession&) = delete;
  RegistrySession& operator=(const RegistrySession&) = delete;

  Interrupt interrupt;
  std::unique_ptr<base::EventSink> events;
  TransferOptions options;
  Registries registries;
  std::unique_ptr<store::Store> store;
};

}  // namespace cli
