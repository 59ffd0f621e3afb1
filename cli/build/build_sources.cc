#include "cli/build/build_sources.h"

#include <sys/stat.h>

#include <cerrno>

#include "base/error.h"
#include "base/text.h"
#include "builder/dockerfile/commands.h"
#include "cli/images/base_images.h"
#include "cli/images/transfer.h"
#include "store/archive/image_layout.h"

namespace cli {

namespace {

constexpr std::string_view kLayout = "oci-layout://";

archive::FoundImage find_in_layout(const archive::ImageLayout& layout, const std::string& tag,
                                   const std::string& digest, const oci::Platform& platform) {
  if (digest.empty()) return layout.get_image(tag, platform);
  for (archive::FoundImage& image : layout.get_images(platform))
    if (image.descriptor.digest.str() == digest) return std::move(image);
  throw base::Error(base::Code::kNotFound, "the layout has no image " + base::printable(digest),
                    "image-missing");
}

solve::LocalTree fetch_context(const std::string& name, const std::string& value, Fetcher& fetcher,
                               const SourcePolicy& policy) {
  solve::LocalTree tree;
  tree.shown = base::str("context \"", base::printable(name), "\"");
  if (dockerfile::is_git_context(value)) {
    tree.directory = fetcher.check_out(dockerfile::GitReference::parse(value), false).directory;
  } else if (value.starts_with("http://") || value.starts_with("https://")) {
    Download file = fetcher.download(value);
    auto unpacked = fetcher.unpack(file);
    tree.directory = unpacked ? *unpacked : fetcher.as_tree(file);
  } else {
    struct stat st;
    if (value.find("://") != std::string::npos)
      throw base::Error(base::Code::kInvalid,
                        tree.shown + ": no such kind of context: " + base::printable(value),
                        "context-invalid")
          .add_help(
              "a directory, docker-image://NAME, oci-layout://DIR, a git or an http(s) address");
    if (::stat(value.c_str(), &st) < 0) {
      if (errno != ENOENT) base::throw_errno(tree.shown + ": " + base::printable(value));
      throw base::Error(base::Code::kNotFound,
                        tree.shown + ": there is no directory " + base::printable(value),
                        "context-missing");
    }
    if (!S_ISDIR(st.st_mode))
      throw base::Error(base::Code::kInvalid,
                        tree.shown + ": " + base::printable(value) + " is not a directory",
                        "context-invalid");
    policy.check_local(name);
    tree.directory = value;
    return tree;
  }
  tree.has_ignore_file = false;
  tree.is_temporary = true;
  return tree;
}

solve::LocalTree fetch_remote(const plan::Remote& remote, Fetcher& fetcher) {
  solve::LocalTree tree;
  tree.shown = base::printable(dockerfile::without_userinfo(remote.address), 200);
  tree.has_ignore_file = false;
  tree.is_temporary = true;
  if (remote.kind == plan::Remote::Kind::kHttp) {
    tree.directory = fetcher.as_tree(fetcher.download(remote.address, remote.checksum));
    return tree;
  }
  auto reference = dockerfile::GitReference::parse(remote.address);
  if (!remote.checksum.empty()) {
    std::string wanted = base::to_lower(remote.checksum);
    if (!reference.checksum.empty() && reference.checksum != wanted)
      throw base::Error(base::Code::kInvalid, "--checksum and the address name different commits",
                        "git-reference");
    reference.checksum = wanted;
  }
  tree.directory = fetcher.check_out(reference, remote.keep_git_dir.value_or(false)).directory;
  return tree;
}

}  // namespace

plan::BaseImage LayoutImages::get(const std::string& reference, const oci::Platform& platform) {
  if (!reference.starts_with(kLayout)) return next_.get(reference, platform);
  std::string path = reference.substr(kLayout.size());
  std::string tag, digest;
  if (size_t at = path.find("@sha"); at != std::string::npos) {
    digest = path.substr(at + 1);
    path.resize(at);
  } else if (size_t colon = path.rfind(':');
             colon != std::string::npos && path.find('/', colon) == std::string::npos) {
    tag = path.substr(colon + 1);
    path.resize(colon);
  }
  return base::with_context("layout " + base::printable(path), [&] {
    auto layout = archive::ImageLayout::open(path);
    archive::FoundImage image = find_in_layout(*layout, tag, digest, platform);
    oci::Digest id = import_image(store_, *layout, image, {}, {});
    std::optional<store::ImageRecord> record = store_.find_image_by_id(id);
    CHECK(record);
    return plan::BaseImage{reference, id.str(), read_config(store_, *record), record->layers};
  });
}

std::map<std::string, solve::LocalTree> provide_trees(const plan::Plan& plan, Fetcher& fetcher,
                                                      const SourcePolicy& policy) {
  std::map<std::string, solve::LocalTree> trees;
  for (const auto& [name, value] : plan.contexts)
    trees[name] = base::with_context(
        "--build-context " + base::printable(name),
        [&, &key = name, &text = value] { return fetch_context(key, text, fetcher, policy); });
  for (const plan::Remote& remote : plan.remotes) {
    try {
      trees[remote.name] = fetch_remote(remote, fetcher);
    } catch (base::Error& e) {
      if (!e.place()) e.set_place({remote.where, plan.source_text, "", ""});
      throw;
    }
  }
  return trees;
}

}  // namespace cli
