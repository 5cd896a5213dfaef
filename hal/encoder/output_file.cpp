// System calls behind an AVIOContext.
// SPDX-License-Identifier: Apache-2.0
#include "hal/encoder/output_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <new>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

extern "C" {
#include <libavutil/error.h>
#include <libavutil/mem.h>
}

namespace gantry {
namespace {

constexpr int kBufferBytes = 64 * 1024;

}  // namespace

OutputFile::OutputFile(const std::string& path) : path_(path) {
  const bool existed = std::filesystem::exists(path);
  descriptor_ = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor_ < 0)
    throw std::runtime_error(path + ": cannot be written: " + std::strerror(errno));
  if (existed && ftruncate(descriptor_, 0) != 0 && errno != EINVAL) {  // devices cannot be emptied
    const int cause = errno;
    ::close(descriptor_);
    throw std::runtime_error(path + ": cannot be emptied: " + std::strerror(cause));
  }
  flock(descriptor_, LOCK_SH | LOCK_NB);  // whoever makes room sees that it is being written
  auto* buffer = static_cast<std::uint8_t*>(av_malloc(kBufferBytes));
  if (buffer) io_ = avio_alloc_context(buffer, kBufferBytes, 1, this, nullptr, write, seek);
  if (!io_) {
    av_free(buffer);
    ::close(descriptor_);
    throw std::bad_alloc();
  }
}

OutputFile::~OutputFile() {
  av_freep(&io_->buffer);
  avio_context_free(&io_);
  if (descriptor_ >= 0) ::close(descriptor_);
}

int OutputFile::write(void* self, std::uint8_t* data, int size) noexcept {
  auto& file = *static_cast<OutputFile*>(self);
  for (int done = 0; done < size;) {
    const auto n = ::write(file.descriptor_, data + done, static_cast<std::size_t>(size - done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return AVERROR(n < 0 ? errno : EIO);
    done += static_cast<int>(n);
    file.position_ += n;
    file.size_ = std::max(file.size_, file.position_);
  }
  return size;
}

std::int64_t OutputFile::seek(void* self, std::int64_t offset, int whence) noexcept {
  auto& file = *static_cast<OutputFile*>(self);
  if (whence & AVSEEK_SIZE) return file.size_;
  if ((whence & ~AVSEEK_FORCE) != SEEK_SET) return AVERROR(EINVAL);
  if (lseek(file.descriptor_, offset, SEEK_SET) < 0) return AVERROR(errno);
  file.position_ = offset;
  return offset;
}

bool OutputFile::is_deleted() const noexcept {
  struct stat status {};
  return descriptor_ >= 0 && fstat(descriptor_, &status) == 0 && status.st_nlink == 0;
}

void OutputFile::cut_to(std::int64_t bytes) noexcept {
  // Where even this fails the end is torn, which readers survive.
  if (descriptor_ >= 0 && ftruncate(descriptor_, bytes) == 0) size_ = std::min(size_, bytes);
}

void OutputFile::discard() noexcept {
  struct stat status {};
  const bool regular = fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode);
  if (regular) unlink(path_.c_str());  // never a device, such as /dev/null
}

int OutputFile::sync() noexcept {
  const bool possible = fdatasync(descriptor_) == 0 || errno == EINVAL || errno == EROFS;
  return possible ? 0 : AVERROR(errno);  // a pipe or device cannot, and need not
}

int OutputFile::close() noexcept {
  const int synced = sync();
  const int closed = ::close(std::exchange(descriptor_, -1)) == 0 ? 0 : AVERROR(errno);
  return synced != 0 ? synced : closed;
}

}  // namespace gantry
