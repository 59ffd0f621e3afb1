// torte image-server: what stays behind torte mount and run of a packed image.
#include "cli/images/image_server.h"

#include "cli/context.h"
#include "cli/options.h"
#include "overlay/packed_mount.h"

namespace cli {

namespace {

int run_image_server(Context& context, const Arguments& arguments) {
  return overlay::run_packed_server(store::Layout(context.root), arguments.words());
}

}  // namespace

const Command& image_server_command() {
  static const Command kCommand{
      .name = overlay::kPackedServerCommand,
      .summary = "serve the files of a packed image (torte starts this itself)",
      .group = "images",
      .positionals = {2, Positionals::kAny},
      .run = run_image_server,
      .hidden = true,
      .in_user_namespace = false,
  };
  return kCommand;
}

}  // namespace cli
