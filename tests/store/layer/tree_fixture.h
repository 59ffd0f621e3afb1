#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "base/error.h"
#include "base/sys/root.h"
#include "store/layer/extract.h"
#include "store/layer/writer.h"
#include "tests/store/layer/tar_bytes.h"
#include "tests/support/temp_dir.h"

/// Unpacks layers made of bytes into directories of their own and looks at what came out.
class TreeTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: owners, devices, trusted attributes";
    std::filesystem::create_directory(dir_ / "tree");
    std::filesystem::create_directory(dir_ / "lower");
  }

  sys::Root tree() const { return sys::Root::open(dir_ / "tree"); }
  sys::Root lower() const { return sys::Root::open(dir_ / "lower"); }

  layer::ExtractResult extract(const std::string& tar, layer::ExtractOptions options = {}) {
    return extract_into("tree", tar, std::move(options));
  }
  layer::ExtractResult extract_into(const std::string& name, const std::string& tar,
                                    layer::ExtractOptions options = {}) {
    base::MemorySource source(base::as_bytes(tar));
    return layer::extract(source, sys::Root::open(dir_ / name), options);
  }
  /// Unpacks `below` into lower/, then `tar` into tree/ on top of it.
  layer::ExtractResult extract_over(const std::string& below, const std::string& tar) {
    extract_into("lower", below);
    lower_root_ = lower();
    layer::ExtractOptions options;
    options.lower = [this] { return &lower_root_; };
    return extract(tar, options);
  }

  /// What it throws, or nullopt.
  std::optional<base::Code> refusal(const std::string& tar, layer::ExtractOptions options = {}) {
    sys::remove_tree(dir_ / "tree");
    std::filesystem::create_directory(dir_ / "tree");
    try {
      extract(tar, std::move(options));
    } catch (const base::Error& e) {
      message_ = e.what();
      return e.code();
    }
    return std::nullopt;
  }

  std::optional<struct stat> stat(const std::string& path) const {
    return tree().lstat(sys::RootedPath(path));
  }
  std::string content(const std::string& path) const {
    return tree().read_file(sys::RootedPath(path), 1 << 24).value_or("(absent)");
  }
  std::string xattr(const std::string& path, const std::string& name) const {
    sys::UniqueFd fd = tree().open_at(sys::RootedPath(path), O_RDONLY | O_NOFOLLOW);
    sys::Xattrs xattrs = sys::list_xattrs(fd.get());
    return xattrs.contains(name) ? xattrs.at(name) : "(absent)";
  }
  bool is_whiteout(const std::string& path) const {
    auto st = stat(path);
    return st && S_ISCHR(st->st_mode) && st->st_rdev == 0;
  }
  bool is_opaque(const std::string& path) const {
    return xattr(path, "trusted.overlay.opaque") == "y";
  }
  unsigned mode(const std::string& path) const { return stat(path)->st_mode & 07777; }

  std::string write(const std::string& name = "tree", layer::WriteOptions options = {}) const {
    base::StringSink out;
    layer::write_tree(sys::Root::open(dir_ / name), out, options);
    return std::move(out.text());
  }

  support::TempDir dir_;
  sys::Root lower_root_;
  std::string message_;
};
