#include "cli/images/image_filter.h"

#include <fnmatch.h>

#include <algorithm>
#include <functional>
#include <map>

#include "base/error.h"
#include "base/text.h"
#include "cli/filters.h"
#include "cli/options.h"
#include "store/oci/image_config.h"
#include "store/oci/limits.h"
#include "store/oci/platform.h"
#include "store/oci/reference.h"

namespace cli {

namespace {

using Predicate = Filters<ImageLine>::Predicate;

bool matches_reference(const ImageLine& line, const std::string& pattern) {
  if (line.name == nullptr) return false;
  const auto reference = oci::Reference::try_parse(line.name->name);
  if (!reference) return false;
  // As people write it, as it is, and both without the tag.
  const std::string familiar = reference->familiar();
  const std::string full = reference->str();
  for (const std::string& text :
       {familiar, full, familiar.substr(0, familiar.rfind(':')), reference->name()})
    if (::fnmatch(pattern.c_str(), text.c_str(), FNM_PATHNAME) == 0) return true;
  return false;
}

bool has_label(store::Store& store, const ImageLine& line, const std::string& wanted) {
  const std::map<std::string, std::string> labels = image_labels(store, *line.image);
  const size_t equals = wanted.find('=');
  const auto found = labels.find(wanted.substr(0, equals));
  return found != labels.end() &&
         (equals == std::string::npos || found->second == wanted.substr(equals + 1));
}

Predicate make_predicate(store::Store& store, const std::string& kind, const std::string& value) {
  if (kind == "dangling") {
    if (value != "true" && value != "false")
      throw UsageError("--filter dangling is true or false, not " + base::printable(value));
    return [wanted = value == "true"](const ImageLine& line) {
      return line.image->names.empty() == wanted;
    };
  }
  if (kind == "label")
    return [&store, value](const ImageLine& line) { return has_label(store, line, value); };
  if (kind == "reference")
    return [value](const ImageLine& line) { return matches_reference(line, value); };
  if (kind == "before" || kind == "since") {
    const store::Time time = store.get_image(value).created;
    return [time, before = kind == "before"](const ImageLine& line) {
      return before ? line.image->created < time : line.image->created > time;
    };
  }
  if (kind == "until") {
    const auto age = parse_duration(value);
    if (!age)
      throw UsageError("--filter until wants a duration such as 24h, not " +
                       base::printable(value));
    const store::Time limit = std::chrono::system_clock::now() - *age;
    return [limit](const ImageLine& line) { return line.image->created < limit; };
  }
  if (kind == "platform") {
    const oci::Platform wanted = oci::Platform::parse(value);
    return [wanted](const ImageLine& line) {
      return !line.image->platform.empty() &&
             oci::Platform::parse(line.image->platform).satisfies(wanted);
    };
  }
  const std::vector<std::string> kinds = {"dangling", "label", "reference", "before",
                                          "since",    "until", "platform"};
  UsageError error("no filter is called " + base::printable(kind));
  error.add_help("there are " + base::join(kinds, ", "));
  throw error;
}

}  // namespace

std::map<std::string, std::string> image_labels(store::Store& store,
                                                const store::ImageRecord& image) {
  try {
    return oci::ImageConfig::parse(store.read_blob(image.id, oci::kMaxConfigBytes)).config.labels;
  } catch (const base::Error&) {
    return {};  // a listing still lists what fsck has to say more about
  }
}

std::vector<ImageLine> filter_images(store::Store& store,
                                     const std::vector<store::ImageRecord>& images,
                                     const std::vector<std::string>& filters) {
  const Filters<ImageLine> wanted(filters, [&](const std::string& kind, const std::string& value) {
    return make_predicate(store, kind, value);
  });
  std::vector<ImageLine> lines;
  for (const store::ImageRecord& image : images) {
    if (image.names.empty() && wanted.pass({&image, nullptr})) lines.push_back({&image, nullptr});
    for (const store::Name& name : image.names)
      if (wanted.pass({&image, &name})) lines.push_back({&image, &name});
  }
  return lines;
}

}  // namespace cli
