#include "store/layer/tree_follower.h"

#include <fcntl.h>

#include <algorithm>
#include <functional>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "base/synchronized.h"
#include "base/text.h"
#include "store/layer/item_writer.h"

namespace layer {

namespace {

// Threads that wake each other for every file are slower than one.
constexpr size_t kHandful = 64;
constexpr size_t kMostQueued = 8192;

// Whether `path` comes after `last` in a walk that has been through everything before it.
bool follows(const std::string& last, const std::string& path) {
  size_t slash = path.rfind('/');
  std::string_view parent =
      slash == std::string::npos ? "" : std::string_view(path).substr(0, slash);
  bool is_below =
      parent.empty() || last == parent || (last.starts_with(parent) && last[parent.size()] == '/');
  // As the names of directories sort: before what is in them, and that before a longer name.
  const auto before = [](char a, char b) {
    const auto rank = [](char c) { return c == '/' ? 0 : 1 + static_cast<unsigned char>(c); };
    return rank(a) < rank(b);
  };
  return is_below &&
         std::lexicographical_compare(last.begin(), last.end(), path.begin(), path.end(), before);
}

class Growth : public GrowingFile {
 public:
  void add(uint64_t bytes) override {
    state_.lock()->ready += bytes;
    state_.notify_all();
  }
  void stop() {
    state_.lock()->stopped = true;
    state_.notify_all();
  }
  // Waits for some of it; as much as before when no more will come.
  uint64_t wait(uint64_t wanted) {
    auto state = state_.lock();
    state.wait([&](const State& s) { return s.stopped || s.ready > seen_; });
    return seen_ = std::min(state->ready, wanted);
  }

 private:
  struct State {
    uint64_t ready = 0;
    bool stopped = false;
  };
  base::Synchronized<State> state_;
  uint64_t seen_ = 0;  // of the reader
};

// Hands pieces over one at a time: the writer waits for the reader, unless that one has left.
class Stream : public StreamedFile {
 public:
  void add(base::Bytes bytes, std::shared_ptr<const void> keep) override {
    auto state = state_.lock();
    state.wait([](const State& s) { return s.piece.empty() || s.left; });
    if (state->left) return;
    state->piece = bytes;
    state->keep = std::move(keep);
    state_.notify_all();
  }
  void stop() {
    state_.lock()->stopped = true;
    state_.notify_all();
  }
  // The piece before is done with. Empty when no more will come.
  base::Bytes next() {
    auto state = state_.lock();
    if (std::exchange(reading_, true)) {
      state->piece = {};
      state->keep = nullptr;
      state_.notify_all();
    }
    state.wait([](const State& s) { return s.stopped || !s.piece.empty(); });
    return state->piece;
  }
  void leave() {
    state_.lock()->left = true;
    state_.notify_all();
  }

 private:
  struct State {
    base::Bytes piece;
    std::shared_ptr<const void> keep;
    bool stopped = false;
    bool left = false;
  };
  base::Synchronized<State> state_;
  bool reading_ = false;  // of the reader
};

struct Directory {
  StoredForm form;
};
struct Finished {};
struct Growing {
  struct stat st;
  std::shared_ptr<Growth> growth;
};
struct Streamed {
  struct stat st;
  std::shared_ptr<Stream> reader;  // when the last of them goes, it has left
};
struct Announcement {
  std::string path;
  std::variant<Directory, Finished, Growing, Streamed> what;
};

}  // namespace

class TreeFollower::Work {
 public:
  Work(const sys::Root& tree, const timespec& mtime)
      : tree_(tree.duplicate()), writer_(hash_, options_) {
    writer_.root(tree_, &mtime);
    thread_ = std::jthread([this] { run(); });
  }

  ~Work() {
    abandon();
    close();
  }

  // `end_content`: called when the content of the file must be there.
  void announce(Announcement announcement, std::function<void()> end_content = {}) {
    this->end_content();
    if (!follows(last_, announcement.path)) return abandon();
    last_ = announcement.path;
    end_content_ = std::move(end_content);
    auto queue = queue_.lock();
    queue.wait([](const Queue& q) { return q.abandoned || q.waiting.size() < kMostQueued; });
    if (queue->abandoned) return;
    queue->waiting.push_back(std::move(announcement));
    queue->is_urgent |= end_content_ != nullptr;
    if (queue->is_urgent || queue->waiting.size() % kHandful == 0) queue_.notify_all();
  }

  void abandon() {
    end_content();
    give_up();
  }

  std::optional<TarDigest> finish() {
    end_content();
    close();
    if (queue_.lock()->abandoned) return std::nullopt;
    writer_.finish();
    return hash_.finish();
  }

 private:
  struct Queue {
    std::vector<Announcement> waiting;
    bool is_urgent = false;  // who announced it waits, or does long work
    bool closed = false;
    bool abandoned = false;
  };

  // Wakes who waits for room in the queue, or until a piece is read.
  void give_up() {
    std::vector<Announcement> unread;
    auto queue = queue_.lock();
    queue->abandoned = true;
    unread.swap(queue->waiting);
    queue_.notify_all();
  }

  // What had to come of a file has come, or never will.
  void end_content() {
    if (end_content_) std::exchange(end_content_, nullptr)();
  }

  void close() {
    queue_.lock()->closed = true;
    queue_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  void run() {
    for (;;) {
      std::vector<Announcement> some;
      {
        auto queue = queue_.lock();
        queue.wait([](const Queue& q) {
          return q.abandoned || q.closed || q.is_urgent || q.waiting.size() >= kHandful;
        });
        if (queue->abandoned || queue->waiting.empty()) return;
        some.swap(queue->waiting);
        queue->is_urgent = false;
      }
      queue_.notify_all();
      try {
        for (Announcement& one : some)
          std::visit([&](auto& what) { write(one.path, what); }, one.what);
      } catch (...) {
        // Whatever is wrong with the tree, who goes through it afterwards meets it and says so.
        return give_up();
      }
    }
  }

  void write(const std::string& path, Directory& directory) {
    writer_.directory(path, std::move(directory.form));
  }

  void write(const std::string& path, const Finished&) {
    TreeWalk::Item item = find(path);
    // Another name of it may come later.
    item.st.st_nlink = 2;
    if (!writer_.item(item)) give_up();
  }

  void write(const std::string& path, const Growing& growing) {
    TreeWalk::Item item = find(path);
    writer_.link(item);
    sys::UniqueFd fd = open_for_reading(item.directory, item.name.c_str());
    writer_.file(path, stored_form(growing.st, {}), fd.get(),
                 [&](uint64_t wanted) { return growing.growth->wait(wanted); });
  }

  void write(const std::string& path, const Streamed& streamed) {
    writer_.link(find(path));
    writer_.file(path, stored_form(streamed.st, {}), [&] { return streamed.reader->next(); });
  }

  TreeWalk::Item find(const std::string& path) {
    TreeWalk::Item item;
    item.path = path;
    sys::RootedPath rooted(path);
    item.name = rooted.name();
    if (!directory_ || directory_path_ != rooted.parent()) {
      directory_path_ = rooted.parent();
      directory_ = tree_.open_at(directory_path_, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    }
    item.directory = directory_.get();
    if (::fstatat(item.directory, item.name.c_str(), &item.st, AT_SYMLINK_NOFOLLOW) < 0)
      base::throw_errno("stat " + base::printable(path));
    return item;
  }

  sys::Root tree_;
  sys::RootedPath directory_path_;
  sys::UniqueFd directory_;
  const WriteOptions options_;
  TarHasher hash_;
  ItemWriter writer_;
  std::string last_;                   // announced
  std::function<void()> end_content_;  // of the last file, while it comes
  base::Synchronized<Queue> queue_;
  std::jthread thread_;
};

TreeFollower::TreeFollower(const sys::Root& tree, const timespec& mtime)
    : work_(std::make_unique<Work>(tree, mtime)) {}
TreeFollower::TreeFollower(TreeFollower&&) noexcept = default;
TreeFollower& TreeFollower::operator=(TreeFollower&&) noexcept = default;
TreeFollower::~TreeFollower() = default;

void TreeFollower::directory(const std::string& path, int fd, const timespec& mtime) {
  struct stat st;
  if (::fstat(fd, &st) < 0) base::throw_errno("stat " + base::printable(path));
  st.st_mtim = mtime;
  work_->announce({path, Directory{stored_form(st, sys::list_xattrs(fd))}});
}

void TreeFollower::entry(const std::string& path) { work_->announce({path, Finished{}}); }

std::shared_ptr<GrowingFile> TreeFollower::growing(const std::string& path, const struct stat& st) {
  auto growth = std::make_shared<Growth>();
  work_->announce({path, Growing{st, growth}}, [growth] { growth->stop(); });
  return growth;
}

std::shared_ptr<StreamedFile> TreeFollower::streamed(const std::string& path,
                                                     const struct stat& st) {
  auto stream = std::make_shared<Stream>();
  std::shared_ptr<Stream> reader(stream.get(), [stream](Stream* s) { s->leave(); });
  work_->announce({path, Streamed{st, std::move(reader)}}, [stream] { stream->stop(); });
  return stream;
}

void TreeFollower::abandon() { work_->abandon(); }

std::optional<TarDigest> TreeFollower::finish() && { return work_->finish(); }

}  // namespace layer
