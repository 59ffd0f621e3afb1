#include "cli/images/registry_session.h"

#include "cli/context.h"
#include "cli/images/open_store.h"

namespace cli {

namespace {

TransferOptions watched_by(const Interrupt& interrupt, base::EventSink* events) {
  TransferOptions options;
  options.stop = interrupt.token();
  options.events = events;
  return options;
}

}  // namespace

RegistrySession::RegistrySession(Context& context, const Arguments& arguments,
                                 std::string_view progress)
    : events(context.make_progress(progress)),
      options(watched_by(interrupt, events.get())),
      registries(context, arguments, interrupt.token(), events.get()),
      store(open_store(context, registries, options)) {}

}  // namespace cli
