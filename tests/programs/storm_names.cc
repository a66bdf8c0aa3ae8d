// Names that change without pause, against every kind of call that takes one. Two processes, one of
// them with threads, exchange a file for a link and a directory for a link, put links in the place
// of files by rename and by unlink, and move a directory away under a walk with "..".
//
// $S holds a file of each name that is used below `dir`, so that whoever follows the link changes
// it.
#include "tests/programs/storm.h"

namespace {

using namespace storm;

void exchange_all() {
  exchange(work("me"), work("me.link"));
  exchange(work("dir"), work("dir.link"));
}

// The three ways in which a name becomes a link and a file again.
void unlink_and_make() {
  ::unlink(work("sym").c_str());
  static_cast<void>(!::symlink(secret("key").c_str(), work("sym").c_str()));
  ::unlink(work("sym").c_str());
  static_cast<void>(!::link(work("plain").c_str(), work("sym").c_str()));
}
void rename_over() {
  const std::string mine = work("tmp." + std::to_string(::syscall(SYS_gettid)));
  static_cast<void>(!::symlink(secret("key").c_str(), mine.c_str()));
  ::rename(mine.c_str(), work("ren").c_str());
  static_cast<void>(!::symlink(work("plain").c_str(), mine.c_str()));
  ::rename(mine.c_str(), work("ren").c_str());
}
void make_directory() {
  const std::string made = work("mk");
  ::mkdir(made.c_str(), 0755);
  static_cast<void>(!::link(work("plain").c_str(), (made + "/inner").c_str()));
  ::unlink((made + "/inner").c_str());
  ::rmdir(made.c_str());
  static_cast<void>(!::symlink(secret("").c_str(), made.c_str()));
  ::unlink(made.c_str());
}
void move_away() {
  const std::string deep = work("deep/a/b");
  const std::string shallow = work("b");
  ::rename(deep.c_str(), shallow.c_str());
  ::rename(shallow.c_str(), deep.c_str());
}

bool reads(const char* leaf) { return harmless(::open(work(leaf).c_str(), O_RDONLY), leaf); }

// The dots keep the walk inside b for a while; moved up by then, it ends one level higher.
bool dotdot() {
  static const std::string path = [] {
    std::string text = work("deep/a/b/");
    for (int i = 0; i < 1500; ++i) text += "./";
    return text + "../../key";
  }();
  return harmless(::open(path.c_str(), O_RDONLY), "dotdot");
}

std::string below(std::string_view leaf) { return work("dir/" + std::string(leaf)); }

bool creates() {
  const std::string name = below("created");
  ::unlink(name.c_str());
  const int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0644);
  if (fd >= 0) ::close(fd);
  return fd >= 0;
}
bool writes() {
  const int fd = ::open(below("written").c_str(), O_WRONLY | O_TRUNC);
  if (fd < 0) return false;
  const bool ok = ::write(fd, kHarmless.data(), kHarmless.size()) > 0;
  ::close(fd);
  return ok;
}
bool changes_mode() { return ::chmod(below("chmodded").c_str(), 0640) == 0; }
bool truncates() { return ::truncate(below("truncated").c_str(), 3) == 0; }
bool renames() {
  const bool there = ::rename(below("first").c_str(), below("second").c_str()) == 0;
  return (::rename(below("second").c_str(), below("first").c_str()) == 0) && there;
}
bool makes() {
  ::rmdir(below("made").c_str());
  return ::mkdir(below("made").c_str(), 0755) == 0;
}
bool unlinks() {
  static_cast<void>(!::link(work("plain").c_str(), below("unlinked").c_str()));
  return ::unlink(below("unlinked").c_str()) == 0;
}
// A link to whatever `me` leads to; what it then reads tells.
bool links() {
  const std::string name = work("linked");
  ::unlink(name.c_str());
  if (::linkat(AT_FDCWD, work("me").c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0) {
    return false;
  }
  return harmless(::open(name.c_str(), O_RDONLY), "link");
}

void prepare() {
  for (const char* leaf : {"me", "plain"}) spill(work(leaf));
  for (const char* leaf : {"dir", "deep", "deep/a", "deep/a/b"}) {
    must(::mkdir(work(leaf).c_str(), 0755) == 0, leaf);
  }
  for (const char* leaf : {"written", "chmodded", "truncated", "first"}) spill(below(leaf));
  spill(work("deep/key"));
  must(::symlink(secret("key").c_str(), work("me.link").c_str()) == 0, "me.link");
  must(::symlink(secret("").c_str(), work("dir.link").c_str()) == 0, "dir.link");
}

}  // namespace

int main() {
  prepare();
  Storm storm;
  storm.weather(exchange_all);
  storm.weather(unlink_and_make);
  storm.weather(rename_over, 2);
  storm.weather(make_directory);
  storm.weather(move_away);
  storm.traveller(
      "exchanged", [] { return reads("me"); }, 2);
  storm.traveller("unlinked and made", [] { return reads("sym"); });
  storm.traveller("renamed over", [] { return reads("ren"); });
  storm.traveller("directory made", [] { return reads("mk/inner"); });
  storm.traveller("dotdot", dotdot);
  storm.traveller("create", creates);
  storm.traveller("write", writes);
  storm.traveller("chmod", changes_mode);
  storm.traveller("truncate", truncates);
  storm.traveller("rename", renames);
  storm.traveller("mkdir", makes, 2);
  storm.traveller("unlink", unlinks);
  storm.traveller("link", links);
  return storm.last();
}
