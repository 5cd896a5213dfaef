// An OpenCL layer that makes any driver one that imports DMA-bufs, as a GPU without coherent caches
// would: kernels work in a copy, which acquire fills and release writes back, so that whoever forgets
// one of the two works on old bytes. Taken by OPENCL_LAYERS=<this>; cl_khr_external_memory_dma_buf.
// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <CL/cl_layer.h>
#include <sys/mman.h>
#include <unistd.h>

namespace {

struct Import {
  void* host;
  std::size_t bytes;
};

cl_icd_dispatch below, ours;
std::mutex mutex;
std::map<cl_mem, Import*> imports;

// The handle may have been given out anew meanwhile.
void CL_CALLBACK forget(cl_mem memory, void* data) {
  const std::unique_ptr<Import> import(static_cast<Import*>(data));
  munmap(import->host, import->bytes);
  const std::lock_guard lock(mutex);
  if (const auto found = imports.find(memory);
      found != imports.end() && found->second == import.get())
    imports.erase(found);
}

template <typename T>
cl_int answer(const T* value, std::size_t bytes, std::size_t size, void* out, std::size_t* needed) {
  if (needed) *needed = bytes;
  if (out && size < bytes) return CL_INVALID_VALUE;
  if (out) std::memcpy(out, value, bytes);
  return CL_SUCCESS;
}

cl_int CL_API_CALL device_info(cl_device_id device, cl_device_info what, std::size_t size,
                               void* value, std::size_t* needed) {
  if (what != CL_DEVICE_EXTENSIONS) return below.clGetDeviceInfo(device, what, size, value, needed);
  std::size_t length = 0;
  if (const cl_int error = below.clGetDeviceInfo(device, what, 0, nullptr, &length)) return error;
  std::string text(length, '\0');
  below.clGetDeviceInfo(device, what, length, text.data(), nullptr);
  text = std::string(text.c_str()) + " cl_khr_external_memory cl_khr_external_memory_dma_buf";
  return answer(text.c_str(), text.size() + 1, size, value, needed);
}

cl_mem CL_API_CALL create_buffer(cl_context context, const cl_mem_properties* properties,
                                 cl_mem_flags flags, std::size_t bytes, void* host, cl_int* error) {
  if (!properties || properties[0] != CL_EXTERNAL_MEMORY_HANDLE_DMA_BUF_KHR)
    return below.clCreateBufferWithProperties(context, properties, flags, bytes, host, error);
  const int fd = static_cast<int>(properties[1]);
  *error = CL_INVALID_PROPERTY;
  if (properties[2] != 0 || host || lseek(fd, 0, SEEK_END) < static_cast<off_t>(bytes))
    return nullptr;
  void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) return nullptr;
  const cl_mem memory = below.clCreateBuffer(context, flags, bytes, nullptr, error);
  if (!memory) return nullptr;
  auto* import = new Import{mapped, bytes};
  {
    const std::lock_guard lock(mutex);
    imports[memory] = import;
  }
  below.clSetMemObjectDestructorCallback(memory, forget, import);
  return memory;
}

bool find(cl_mem memory, Import& out) {
  const std::lock_guard lock(mutex);
  const auto found = imports.find(memory);
  if (found != imports.end()) out = *found->second;
  return found != imports.end();
}

cl_int CL_API_CALL acquire(cl_command_queue queue, cl_uint count, const cl_mem* memory,
                           cl_uint waits, const cl_event* wait, cl_event* done) {
  Import import;
  if (count != 1 || !find(*memory, import)) return CL_INVALID_MEM_OBJECT;
  return below.clEnqueueWriteBuffer(queue, *memory, CL_FALSE, 0, import.bytes, import.host, waits,
                                    wait, done);
}

cl_int CL_API_CALL release(cl_command_queue queue, cl_uint count, const cl_mem* memory,
                           cl_uint waits, const cl_event* wait, cl_event* done) {
  Import import;
  if (count != 1 || !find(*memory, import)) return CL_INVALID_MEM_OBJECT;
  return below.clEnqueueReadBuffer(queue, *memory, CL_FALSE, 0, import.bytes, import.host, waits,
                                   wait, done);
}

void* CL_API_CALL extension(cl_platform_id platform, const char* name) {
  if (!std::strcmp(name, "clEnqueueAcquireExternalMemObjectsKHR"))
    return reinterpret_cast<void*>(acquire);
  if (!std::strcmp(name, "clEnqueueReleaseExternalMemObjectsKHR"))
    return reinterpret_cast<void*>(release);
  return below.clGetExtensionFunctionAddressForPlatform(platform, name);
}

}  // namespace

extern "C" cl_int CL_API_CALL clGetLayerInfo(cl_layer_info what, std::size_t size, void* out,
                                             std::size_t* needed) {
  const cl_layer_api_version version = CL_LAYER_API_VERSION_100;
  const char name[] = "a driver that imports DMA-bufs";
  if (what == CL_LAYER_API_VERSION) return answer(&version, sizeof version, size, out, needed);
  if (what == CL_LAYER_NAME) return answer(name, sizeof name, size, out, needed);
  return CL_INVALID_VALUE;
}

extern "C" cl_int CL_API_CALL clInitLayer(cl_uint entries, const cl_icd_dispatch* target,
                                          cl_uint* entries_here, const cl_icd_dispatch** layer) {
  constexpr std::size_t kEntries = sizeof(cl_icd_dispatch) / sizeof(void*);
  if (entries < kEntries) return CL_INVALID_VALUE;
  below = ours = *target;
  ours.clGetDeviceInfo = device_info;
  ours.clCreateBufferWithProperties = create_buffer;
  ours.clGetExtensionFunctionAddressForPlatform = extension;
  *entries_here = kEntries;
  *layer = &ours;
  return CL_SUCCESS;
}
