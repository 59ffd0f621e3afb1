#include "overlay/copy_tree.h"

#include <unistd.h>

#include <cerrno>
#include <exception>
#include <thread>

#include "base/error.h"
#include "base/hash.h"
#include "base/sys/userns.h"
#include "overlay/snapshot.h"
#include "store/layer/extract.h"
#include "store/layer/writer.h"

namespace overlay {

namespace {

/// Runs a writer of tar on a thread of its own and a reader here, joined by a pipe. The reader's
/// exception wins, unless it only saw the writer's stream end too early.
template <typename Write, typename Read>
void through_pipe(Write&& write, Read&& read) {
  sys::Pipe pipe = sys::make_pipe();
  std::exception_ptr writer_failed;
  std::jthread writer([&] {
    try {
      sys::FdSink sink(pipe.write_end.get(), "copy");
      write(sink);
    } catch (...) {
      writer_failed = std::current_exception();
    }
    pipe.write_end.reset();
  });
  std::exception_ptr reader_failed;
  try {
    sys::FdSource source(pipe.read_end.get(), "copy");
    read(source);
  } catch (...) {
    reader_failed = std::current_exception();
  }
  pipe.read_end.reset();  // a writer that still writes is told so
  writer.join();
  if (reader_failed && !writer_failed) std::rethrow_exception(reader_failed);
  if (writer_failed && !reader_failed) std::rethrow_exception(writer_failed);
  if (writer_failed) {
    try {
      std::rethrow_exception(writer_failed);
    } catch (const base::SystemError& e) {
      if (e.error_number() == EPIPE) std::rethrow_exception(reader_failed);
      throw;
    }
  }
}

}  // namespace

void copy_tree(const sys::Root& from, const sys::Root& to,
               std::optional<std::pair<uint32_t, uint32_t>> owner) {
  through_pipe(
      [&](base::Sink& sink) {
        layer::write_tree(from, sink, {.clamp_mtime = {}, .plain = true, .stop = {}});
      },
      [&](base::Source& source) {
        layer::ArchiveOptions options;
        options.owner = owner;
        options.single_id = sys::userns_mode() == sys::UsernsMode::kSingle;
        layer::extract_archive(source, to, options);
      });
}

layer::TarDigest copy_layer(const sys::Root& from, const sys::Root& to, const sys::Root* below,
                            bool plain) {
  layer::TarHasher hash;
  through_pipe(
      [&](base::Sink& sink) {
        base::TeeSink both(hash, sink);
        layer::write_tree(
            from, both,
            {.clamp_mtime = {}, .plain = plain, .stop = {}, .hole_bytes = layer::kMostHoleBytes});
      },
      [&](base::Source& source) {
        layer::ExtractOptions options;
        options.user_xattr = uses_user_xattrs();
        options.single_id = sys::userns_mode() == sys::UsernsMode::kSingle;
        if (below != nullptr) options.lower = [below] { return below; };
        layer::extract(source, to, options);
      });
  return hash.finish();
}

}  // namespace overlay
