// Any bytes as a tar, and as the index.json and manifest.json of a layout: nothing may crash, and
// whatever is accepted has been verified.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/sys/fd.h"
#include "store/archive/image_layout.h"
#include "store/archive/tar_output.h"

namespace {

void read(const std::string& bytes) {
  sys::UniqueFd fd(::memfd_create("input", MFD_CLOEXEC));
  sys::write_all(fd.get(), base::as_bytes(bytes), "input");
  ::lseek(fd.get(), 0, SEEK_SET);
  try {
    auto layout = archive::ImageLayout::open_stream(fd.get(), "input");
    for (const auto& image : layout->get_images(oci::Platform::host()))
      for (const auto& layer : image.manifest.layers) {
        base::CountingSink sink;
        base::copy(*layout->open_blob(layer), sink);
      }
  } catch (const base::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  ::setenv("TMPDIR", "/dev/shm", 0);
  read(std::string(text));
  for (const char* name : {"index.json", "manifest.json"}) {
    base::StringSink tar;
    archive::TarOutput out(tar);
    out.add_file("oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
    out.add_file(name, text);
    out.finish();
    read(tar.text());
  }
  return 0;
}
