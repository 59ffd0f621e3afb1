#include "cli/build/packages.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/build/package_url.h"
#include "cli/build/rpm_packages.h"
#include "cli/build/sbom.h"
#include "tests/support/temp_dir.h"

namespace cli {
namespace {

constexpr const char* kDpkg = R"(Package: bash
Status: install ok installed
Maintainer: Matthias Klose <doko@debian.org>
Architecture: amd64
Version: 5.2.15-2+b2
Description: shell
 Package: not-this-one

Package: gone
Status: deinstall ok config-files
Version: 1

Package: libgcc-s1
Status: install ok installed
Source: gcc-12 (12.2.0-14)
Architecture: amd64
Version: 1:12.2.0-14)";

constexpr const char* kApk =
    "C:Q1abc=\nP:musl\nV:1.2.4-r2\nA:x86_64\nL:MIT\no:musl\nm:A B <a@b>\nF:lib\nR:ld.so\n\nno "
    "field\n\nP:zlib\nV:1.3\n";

TEST(Packages, AreReadFromDpkg) {
  std::vector<Package> found;
  read_dpkg(kDpkg, true, found);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0], (Package{"deb", "bash", "5.2.15-2+b2", "amd64", "",
                               "Matthias Klose <doko@debian.org>", ""}));
  EXPECT_EQ(found[1], (Package{"deb", "libgcc-s1", "1:12.2.0-14", "amd64", "gcc-12", "", ""}));
}

TEST(Packages, AreReadFromApk) {
  std::vector<Package> found;
  read_apk(kApk, found);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0], (Package{"apk", "musl", "1.2.4-r2", "x86_64", "musl", "A B <a@b>", "MIT"}));
  EXPECT_EQ(found[1].name, "zlib");
}

TEST(Packages, AreReadFromHeadersOfRpmThatAreWhole) {
  auto number = [](uint32_t value) {
    std::string out;
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xff);
    return out;
  };
  const std::string data = std::string("bash\0005.2\0003\0", 11);
  auto entry = [&](uint32_t tag, uint32_t offset) {
    return number(tag) + number(6) + number(offset) + number(1);
  };
  const std::string header =
      number(3) + number(11) + entry(1000, 0) + entry(1001, 5) + entry(1002, 9) + data;
  std::vector<Package> found;
  EXPECT_TRUE(read_rpm_header(header, found));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0], (Package{"rpm", "bash", "5.2-3", "", "", "", ""}));
  for (size_t size = 0; size < header.size(); ++size)
    EXPECT_FALSE(read_rpm_header(header.substr(0, size), found)) << size;
  EXPECT_FALSE(read_rpm_header(number(0xffffffff) + number(0xffffffff) + data, found));
  EXPECT_FALSE(read_rpm_header(number(0) + number(0), found));
  EXPECT_EQ(found.size(), 1u);
}

TEST(Packages, AreFoundInATree) {
  support::TempDir dir;
  for (const char* below :
       {"var/lib/dpkg/status.d/sub", "lib/apk/db", "etc", "usr/lib/sysimage/rpm"})
    std::filesystem::create_directories(dir / below);
  dir.write("var/lib/dpkg/status.d/base", "Package: base-files\nVersion: 12\nArchitecture: all\n");
  dir.write("var/lib/dpkg/status.d/base.md5sums", "Package: no\n");
  dir.write("lib/apk/db/installed", kApk);
  dir.write("usr/lib/sysimage/rpm/rpmdb.sqlite", "x");
  // Links lead nowhere else, and what is no file is no database.
  std::filesystem::create_symlink("/../../../os", dir / "etc/os-release");
  dir.write("os", "NAME=x\nID=\"debian\"\nVERSION_ID='12'\n");
  std::filesystem::create_directories(dir / "var/lib/dpkg/status");
  const Inventory found = read_inventory(sys::Root::open(dir.path()));
  ASSERT_EQ(found.packages.size(), 3u);
  EXPECT_EQ(found.packages[0].name, "musl");
  EXPECT_EQ(found.packages[2].name, "base-files");
  EXPECT_EQ(found.distribution, "debian");
  EXPECT_EQ(found.release, "12");
  EXPECT_EQ(found.unread, "/usr/lib/sysimage/rpm/rpmdb.sqlite");
}

TEST(PackageUrl, EscapesWhatItMust) {
  EXPECT_EQ(package_url("deb", "debian/libgcc-s1", "1:12.2.0-14+b1",
                        {{"arch", "amd64"}, {"distro", ""}, {"x", "linux/amd64"}}),
            "pkg:deb/debian/libgcc-s1@1%3A12.2.0-14%2Bb1?arch=amd64&x=linux%2Famd64");
  EXPECT_EQ(package_url("docker", "ghcr.io/a/b", "", {}), "pkg:docker/ghcr.io/a/b");
}

TEST(Sbom, ListsPackagesAndSaysHowTheyBelong) {
  Inventory inventory{.packages = {}, .distribution = "debian", .release = "12", .unread = ""};
  read_dpkg(kDpkg, true, inventory.packages);
  const oci::Digest id = oci::Digest::sha256_of("image");
  const Predicate sbom =
      make_sbom(inventory, "app:1", id, std::chrono::sys_seconds(std::chrono::seconds(0)));
  EXPECT_EQ(sbom.type, "https://spdx.dev/Document");
  const auto json = nlohmann::json::parse(sbom.body);
  EXPECT_EQ(json["creationInfo"]["created"], "1970-01-01T00:00:00Z");
  ASSERT_EQ(json["packages"].size(), 3u);
  EXPECT_EQ(json["packages"][0]["name"], "app:1");
  EXPECT_EQ(json["packages"][1]["supplier"], "Person: Matthias Klose (doko@debian.org)");
  EXPECT_EQ(json["packages"][2]["sourceInfo"], "built from gcc-12");
  EXPECT_EQ(json["packages"][2]["externalRefs"][0]["referenceLocator"],
            "pkg:deb/debian/libgcc-s1@1%3A12.2.0-14?arch=amd64&distro=debian-12");
  EXPECT_EQ(json["relationships"].size(), 3u);
  EXPECT_EQ(
      make_sbom(inventory, "app:1", id, std::chrono::sys_seconds(std::chrono::seconds(0))).body,
      sbom.body);
}

}  // namespace
}  // namespace cli
