#pragma once

#include <memory>

#include "store/store.h"

namespace cli {

struct Context;
class Arguments;
class Registries;
struct TransferOptions;

/// The store for looking only; null when there is none yet, which for a listing is an empty one.
std::unique_ptr<store::Store> find_store(const Context& context);
/// The store for changing, made if need be.
std::unique_ptr<store::Store> make_store(const Context& context);
/// The same; it fetches layers that are only known when they are
/// needed. The context must outlive it.
std::unique_ptr<store::Store> open_store(const Context& context);
/// The same for a command that has with_registry_flags() for this alone. They must outlive it too.
std::unique_ptr<store::Store> open_store(const Context& context, const Arguments& arguments);
/// The same for a command that talks to registries itself: layers come by its flags.
std::unique_ptr<store::Store> open_store(const Context& context, Registries& registries,
                                         const TransferOptions& options);

}  // namespace cli
