// Owners of what the C library opens.
#pragma once

#include <dirent.h>

#include <cstdio>
#include <memory>
#include <string>

namespace tlshub {

struct CloseFolder {
  void operator()(DIR* dir) const { closedir(dir); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

// Empty if there is none, or it cannot be read.
inline Folder openFolder(const std::string& path) {
  return Folder(opendir(path.c_str()));
}
inline File openFile(const std::string& path) {
  return File(std::fopen(path.c_str(), "re"));
}

}  // namespace tlshub
