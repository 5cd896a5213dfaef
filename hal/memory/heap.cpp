// The kernel's heaps, one class each.
// SPDX-License-Identifier: Apache-2.0
#include "hal/memory/heap.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>
#include <xf86drm.h>

namespace gantry {
namespace {

namespace fs = std::filesystem;

constexpr const char* kHeapFolder = "/dev/dma_heap";
constexpr const char* kUdmabuf = "/dev/udmabuf";

std::size_t whole_pages(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

[[noreturn]] void refuse(const std::string& heap, const std::string& what) {
  throw std::runtime_error(fmt::format("heap {}: {}: {}", heap, what, std::strerror(errno)));
}

FileDescriptor open_node(const std::string& node) {
  FileDescriptor fd(open(node.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd) refuse(node, "cannot be opened");
  return fd;
}

// The fresh DMA-buf with its mapping.
HeapBlock mapped(const std::string& heap, FileDescriptor fd, std::size_t bytes) {
  Mapping host(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0), bytes);
  if (!host) refuse(heap, "its memory cannot be mapped");
  {
    const HostAccess access(fd.get(), HostAccess::Kind::write);
    std::memset(host.data(), 0, bytes);  // every page is there from now on
  }
  return {FileDescriptor(), std::move(fd), std::move(host)};
}

class DmaHeap final : public Heap {
 public:
  explicit DmaHeap(const std::string& node) : name_(node), fd_(open_node(node)) {}
  const std::string& name() const override { return name_; }
  HeapBlock allocate(std::size_t bytes) override {
    dma_heap_allocation_data data{};
    data.len = whole_pages(bytes);
    data.fd_flags = O_RDWR | O_CLOEXEC;
    if (ioctl(fd_.get(), DMA_HEAP_IOCTL_ALLOC, &data) != 0)
      refuse(name_, fmt::format("{} MiB refused", bytes >> 20));
    return mapped(name_, FileDescriptor(static_cast<int>(data.fd)), data.len);
  }

 private:
  std::string name_;
  FileDescriptor fd_;
};

class UdmabufHeap final : public Heap {
 public:
  UdmabufHeap() : fd_(open_node(kUdmabuf)) {}
  const std::string& name() const override { return name_; }
  HeapBlock allocate(std::size_t bytes) override {
    const std::size_t size = whole_pages(bytes);
    FileDescriptor memory(memfd_create("gantry", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!memory || ftruncate(memory.get(), static_cast<off_t>(size)) != 0 ||
        fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK) != 0)
      refuse(name_, fmt::format("{} MiB refused", bytes >> 20));
    udmabuf_create create{};
    create.memfd = static_cast<unsigned>(memory.get());
    create.flags = UDMABUF_FLAGS_CLOEXEC;
    create.size = size;
    FileDescriptor buffer(ioctl(fd_.get(), UDMABUF_CREATE, &create));
    if (!buffer) refuse(name_, fmt::format("{} MiB refused", bytes >> 20));
    HeapBlock block = mapped(name_, std::move(buffer), size);
    // Linux 6.1 corrupts its page tables where the memfd goes before its mapped pages.
    block.backing = std::move(memory);
    return block;
  }

 private:
  std::string name_ = kUdmabuf;
  FileDescriptor fd_;
};

class DumbHeap final : public Heap {
 public:
  explicit DumbHeap(const std::string& node) : name_(node), fd_(open_node(node)) {
    drmDropMaster(fd_.get());  // the first to open a card is its master; that is the display's part
  }
  const std::string& name() const override { return name_; }
  // A dumb buffer is a picture; ours has one page to a row.
  HeapBlock allocate(std::size_t bytes) override {
    drm_mode_create_dumb create{};
    create.width = 1024;
    create.height = static_cast<std::uint32_t>((bytes + 4095) / 4096);
    create.bpp = 32;  // what every driver takes
    if (drmIoctl(fd_.get(), DRM_IOCTL_MODE_CREATE_DUMB, &create) != 0)
      refuse(name_, fmt::format("a dumb buffer of {} MiB refused", bytes >> 20));
    int fd = -1;
    const int exported = drmPrimeHandleToFD(fd_.get(), create.handle, DRM_CLOEXEC | DRM_RDWR, &fd);
    drm_mode_destroy_dumb destroy{create.handle};
    drmIoctl(fd_.get(), DRM_IOCTL_MODE_DESTROY_DUMB, &destroy);  // the DMA-buf keeps the memory
    if (exported != 0) refuse(name_, "its dumb buffers cannot be exported");
    return mapped(name_, FileDescriptor(fd), create.size);
  }

 private:
  std::string name_;
  FileDescriptor fd_;
};

class PlainHeap final : public Heap {
 public:
  const std::string& name() const override { return name_; }
  HeapBlock allocate(std::size_t bytes) override {
    const std::size_t size = whole_pages(bytes);
    Mapping host(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
                 size);
    if (!host) refuse(name_, fmt::format("{} MiB refused", bytes >> 20));
    madvise(host.data(), size, MADV_HUGEPAGE);
    std::memset(host.data(), 0, size);
    return {FileDescriptor(), FileDescriptor(), std::move(host)};
  }

 private:
  std::string name_ = "plain";
};

std::vector<std::string> nodes_in(const char* folder, std::string_view prefix) {
  std::vector<std::string> nodes;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.path().filename().string().starts_with(prefix)) nodes.push_back(entry.path());
  std::sort(nodes.begin(), nodes.end());
  return nodes;
}

}  // namespace

std::vector<std::string> list_heaps() {
  std::vector<std::string> heaps = nodes_in(kHeapFolder, "");
  std::stable_partition(heaps.begin(), heaps.end(),
                        [](const std::string& h) { return h.ends_with("/system"); });
  if (fs::exists(kUdmabuf)) heaps.emplace_back(kUdmabuf);
  const auto cards = nodes_in("/dev/dri", "card");
  heaps.insert(heaps.end(), cards.begin(), cards.end());
  heaps.emplace_back("plain");
  return heaps;
}

std::unique_ptr<Heap> open_heap(const std::string& name) {
  const auto heaps = list_heaps();
  const auto in_folder = [&](const std::string& h) { return h.starts_with(kHeapFolder); };
  const auto found = std::find_if(heaps.begin(), heaps.end(), [&](const std::string& h) {
    return h == name || (name == "udmabuf" && h == kUdmabuf) ||
           (name == "system" && in_folder(h) && h.ends_with("/system")) ||
           (name == "cma" && in_folder(h) && !h.ends_with("/system"));
  });
  if (found == heaps.end())
    throw std::runtime_error(
        fmt::format("heap {}: this machine has none; it has: {}", name, fmt::join(heaps, ", ")));
  if (in_folder(*found)) return std::make_unique<DmaHeap>(*found);
  if (*found == kUdmabuf) return std::make_unique<UdmabufHeap>();
  if (*found == "plain") return std::make_unique<PlainHeap>();
  return std::make_unique<DumbHeap>(*found);
}

std::unique_ptr<Heap> open_first_heap() {
  for (const auto& name : list_heaps())
    if (test_heap(name).empty()) return open_heap(name);
  return std::make_unique<PlainHeap>();
}

std::string test_heap(const std::string& name) try {
  open_heap(name)->allocate(1);
  return {};
} catch (const std::runtime_error& e) {
  return e.what();
}

}  // namespace gantry
