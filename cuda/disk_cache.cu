#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include "cuda/disk_cache.h"

namespace addax::cuda {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSuffix = ".kept";

/// FNV-1a.
uint64_t hash(const std::string& text, uint64_t start = 0xcbf29ce484222325u) {
  for (const char c : text) start = (start ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return start;
}

// What stands before the content.
struct Head {
  char magic[8];
  uint64_t key[2], length, checksum;

  // The key's second number goes through its text with the first behind it.
  Head(const std::string& of, const std::string& content)
      : magic{'a', 'd', 'd', 'a', 'x', 'k', '0', '1'},
        key{hash(of), hash(of, hash(of))},
        length(content.size()),
        checksum(hash(content)) {}
  std::string bytes() const { return {reinterpret_cast<const char*>(this), sizeof *this}; }
  std::string file_name() const {
    constexpr const char* kDigits = "0123456789abcdef";
    std::string name;
    for (const uint64_t part : key)
      for (int shift = 60; shift >= 0; shift -= 4) name += kDigits[part >> shift & 15];
    return name + kSuffix;
  }
};

// Gives the file a name that no other has, which starts with `path`.
bool write_file(std::string& path, const std::string& content) {
  path += ".XXXXXX";
  const int file = ::mkostemp(path.data(), O_CLOEXEC);
  if (file < 0) return false;
  size_t done = 0;
  while (done < content.size()) {
    const ssize_t n = ::write(file, content.data() + done, content.size() - done);
    if (n <= 0) break;
    done += static_cast<size_t>(n);
  }
  const bool synced = ::fsync(file) == 0, closed = ::close(file) == 0;
  return synced && closed && done == content.size();
}

void remove_oldest(const std::string& folder, int64_t most) {
  struct File {
    fs::file_time_type used;
    int64_t size;
    fs::path path;
  };
  std::vector<File> files;
  int64_t total = 0;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    std::error_code gone;  // others remove files too
    const File file{at->last_write_time(gone), static_cast<int64_t>(at->file_size(gone)), at->path()};
    if (gone || file.path.filename().string().find(kSuffix) == std::string::npos) continue;
    total += file.size;
    files.push_back(file);
  }
  std::sort(files.begin(), files.end(), [](const File& a, const File& b) { return a.used < b.used; });
  for (const File& file : files) {
    if (total <= most) return;
    std::error_code gone;
    fs::remove(file.path, gone);
    total -= file.size;
  }
}

}  // namespace

std::string DiskCache::find(const std::string& key) const {
  if (folder_.empty()) return "";
  const std::string path = folder_ + "/" + Head(key, "").file_name();
  std::ifstream file(path, std::ios::binary);
  const std::string all{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (all.size() < sizeof(Head)) return "";
  const std::string content = all.substr(sizeof(Head));
  if (all.compare(0, sizeof(Head), Head(key, content).bytes()) != 0) return "";
  ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0);  // used now
  return content;
}

bool DiskCache::is_writable() const {
  std::error_code error;
  if (!folder_.empty()) fs::create_directories(folder_, error);
  return !folder_.empty() && ::access(folder_.c_str(), W_OK | X_OK) == 0;
}

// Under another name first: who finds the file finds it whole.
void DiskCache::keep(const std::string& key, const std::string& content) const {
  if (!is_writable()) return;
  const Head head(key, content);
  const std::string path = folder_ + "/" + head.file_name();
  std::string unfinished = path;
  if (!write_file(unfinished, head.bytes() + content) || ::rename(unfinished.c_str(), path.c_str()) != 0)
    ::unlink(unfinished.c_str());
  remove_oldest(folder_, most_);
}

std::string DiskCache::keep_first(const std::string& key, const std::string& content) const {
  if (!is_writable()) return "";
  const int lock = ::open((folder_ + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  std::string kept;
  if (lock >= 0 && ::flock(lock, LOCK_EX) == 0) {
    kept = find(key);
    if (kept.empty()) {
      keep(key, content);
      kept = find(key);
    }
  }
  if (lock >= 0) ::close(lock);
  return kept;
}

std::string cache_folder(const std::string& name) {
  const auto given = [](const char* variable) {
    const char* value = std::getenv(variable);
    return std::string(value ? value : "");
  };
  if (const std::string folder = given("ADDAX_CACHE_DIR"); !folder.empty()) return folder + "/" + name;
  if (const std::string caches = given("XDG_CACHE_HOME"); !caches.empty()) return caches + "/addax/" + name;
  const std::string home = given("HOME");
  return home.empty() ? "" : home + "/.cache/addax/" + name;
}

}  // namespace addax::cuda
