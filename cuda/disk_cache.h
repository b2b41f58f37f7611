// A folder of files that are found by a key and may vanish at any time, shared by processes.
#pragma once

#include <cstdint>
#include <string>

namespace addax::cuda {

class DiskCache {
 public:
  static constexpr int64_t kMost = int64_t{256} << 20;

  /// `most`: bytes of all files; beyond, those go first whose last use is longest ago.
  explicit DiskCache(std::string folder, int64_t most = kMost) : folder_(std::move(folder)), most_(most) {}
  /// What was kept under the key; empty if nothing was, or the file is damaged.
  std::string find(const std::string& key) const;
  /// Does nothing where the folder cannot be written to.
  void keep(const std::string& key, const std::string& content) const;
  /// Keeps it unless something is kept under the key, by another process too. What is kept then; empty if nothing is.
  std::string keep_first(const std::string& key, const std::string& content) const;
  /// Whether anything can be kept.
  bool is_writable() const;

 private:
  std::string folder_;
  int64_t most_;
};

/// ADDAX_CACHE_DIR, else addax in XDG_CACHE_HOME, else in ~/.cache; that folder in it. Empty: nowhere.
std::string cache_folder(const std::string& name);

}  // namespace addax::cuda
