// torte tag, torte untag: names of images.
#include "base/error.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/open_store.h"
#include "store/oci/reference.h"

namespace cli {

namespace {

int run_tag(Context& context, const Arguments& arguments) {
  std::vector<std::string> names;
  for (size_t i = 1; i < arguments.words().size(); ++i) {
    const oci::Reference name = oci::Reference::parse(arguments.word(i));
    if (name.digest())
      throw UsageError(base::printable(arguments.word(i)) + ": a name to give has no digest");
    names.push_back(name.with_default_tag().str());
  }
  auto store = open_store(context);
  const store::Lease lease = store->lease();
  const store::ImageRecord image = store->get_image(arguments.word(0));
  store::Batch batch = store->batch();
  for (const std::string& name : names) batch.set_name({.name = name, .digest = image.manifest}, image.id);
  batch.commit();
  return 0;
}

int run_untag(Context& context, const Arguments& arguments) {
  auto store = open_store(context);
  const store::Lease lease = store->lease();
  const store::ImageRecord image = store->get_image(arguments.word(0));
  std::vector<std::string> names(arguments.words().begin() + 1, arguments.words().end());
  // The image alone: all its names. A name alone: that one.
  if (names.empty()) {
    const auto reference = oci::Reference::try_parse(arguments.word(0));
    const std::string full = reference ? reference->with_default_tag().str() : "";
    for (const store::Name& name : image.names)
      if (name.name == full || name.name == arguments.word(0)) names = {name.name};
    if (names.empty())
      for (const store::Name& name : image.names) names.push_back(name.name);
  }
  for (const std::string& name : names)
    if (!store->untag(name))
      throw base::Error(base::Code::kNotFound,
                        "no image is called " + base::printable(name), "image-not-found");
  return 0;
}

}  // namespace

const Command& tag_command() {
  static const Command kCommand{
      .name = "tag",
      .aliases = {"image tag"},
      .summary = "give an image more names",
      .usage = "IMAGE NAME...",
      .about = "A name that another image has moves to this one. All names are set, or none.",
      .group = "images",
      .examples = {{"torte tag app registry.example/team/app:1.2", "a name to push it by"}},
      .positionals = {2, Positionals::kAny},
      .run = run_tag,
  };
  return kCommand;
}

const Command& untag_command() {
  static const Command kCommand{
      .name = "untag",
      .aliases = {"image untag"},
      .summary = "take names away from an image",
      .usage = "IMAGE [NAME...]",
      .about = "Without NAME: the name given, or every name of an image given by id. The image stays; "
               "without a name the next prune takes it.",
      .group = "images",
      .examples = {{"torte untag app:old", "forget one name"}},
      .positionals = {1, Positionals::kAny},
      .run = run_untag,
  };
  return kCommand;
}

}  // namespace cli
