// torte tag, untag, image rename: names of images.
#include "base/error.h"
#include "base/text.h"
#include "cli/commands/commands.h"
#include "cli/context.h"
#include "cli/images/open_store.h"
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
  for (const std::string& name : names)
    batch.set_name({.name = name, .digest = image.manifest}, image.id);
  batch.commit();
  return 0;
}

int run_image_rename(Context& context, const Arguments& arguments) {
  const oci::Reference old_name = oci::Reference::parse(arguments.word(0)).with_default_tag();
  const oci::Reference new_name = oci::Reference::parse(arguments.word(1));
  if (new_name.digest())
    throw UsageError(base::printable(arguments.word(1)) + ": a name to give has no digest");
  const std::string wanted = new_name.with_default_tag().str();
  auto store = open_store(context);
  const store::Lease lease = store->lease();
  const store::ImageRecord image = store->get_image(arguments.word(0));
  const store::Name* known = nullptr;
  for (const store::Name& name : image.names)
    if (name.name == old_name.str() || name.name == arguments.word(0)) known = &name;
  if (known == nullptr)
    throw UsageError(base::printable(arguments.word(0)) +
                     " is no name of an image; torte tag gives one");
  if (known->name == wanted) return 0;
  if (!arguments.is_on("force") && store->find_image(wanted))
    throw base::Error(base::Code::kDenied,
                      base::str(new_name.familiar(), " is the name of an image"), "name-taken")
        .add_help("--force takes it from that one");
  // The new one first: there is no moment without a name.
  store->tag({.name = wanted, .digest = known->digest}, image.id);
  store->untag(known->name);
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
      throw base::Error(base::Code::kNotFound, "no image is called " + base::printable(name),
                        "image-missing");
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

const Command& image_rename_command() {
  static const Command kCommand{
      .name = "image rename",
      .summary = "give an image another name instead of one it has",
      .usage = "[FLAGS] NAME NEW-NAME",
      .about = "Its other names stay. torte rename does it for containers.",
      .group = "images",
      .flags = {{.name = "force",
                 .letter = 'f',
                 .help = "also when another image has NEW-NAME, which loses it",
                 .common = true}},
      .examples = {{"torte image rename app:1 app:old", "only the name changes"}},
      .positionals = {2, 2},
      .run = run_image_rename,
  };
  return kCommand;
}

const Command& untag_command() {
  static const Command kCommand{
      .name = "untag",
      .aliases = {"image untag"},
      .summary = "take names away from an image",
      .usage = "IMAGE [NAME...]",
      .about =
          "Without NAME: the name given, or every name of an image given by id. The image stays; "
          "without a name the next prune takes it.",
      .group = "images",
      .examples = {{"torte untag app:old", "forget one name"}},
      .positionals = {1, Positionals::kAny},
      .run = run_untag,
  };
  return kCommand;
}

}  // namespace cli
