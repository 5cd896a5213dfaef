// Picks candidate boxes on the device, so that a list leaves it instead of the whole output.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <vector>

#include "hal/gpu/gpu.hpp"
#include "pipeline/head_decoder.hpp"
#include "pipeline/plan/plan_runner.hpp"

namespace gantry {

class CandidateSelect {
 public:
  // Whether the decoder's head and the output's form are ones that the kernel reads: scores without
  // objectness, fp32.
  static bool can(const HeadDecoder& decoder, const PlanTensor& output);

  // Set-up. `output`: the one that the decoder reads; its buffer is bound for the object's life. The
  // decoder must outlive this.
  CandidateSelect(gpu::Device& device, const HeadDecoder& decoder, const PlanTensor& output);

  // Enqueues selection over all batch elements and the list's way to the host. The queue's thread;
  // does not wait. Once `done` has completed the lists can be read.
  Status select(const cl::CommandQueue& queue, const gpu::Wait& wait, cl::Event* done) noexcept;

  // More candidates than the list holds: the whole output is needed.
  bool overflowed(int batch_element) const noexcept;
  // Adds the boxes of one batch element, in the order of the anchors: what HeadDecoder::decode would
  // have added. Sorts the list in place.
  void decode(int batch_element, NetworkBoxes& boxes) noexcept;
  // Bytes that leave the device for each selection.
  std::uint64_t bytes() const { return lists_.bytes; }

 private:
  struct Record {  // of kernels/select.cl
    std::int32_t anchor, class_index;
    float box[4];
    float score, unused;
  };
  static constexpr std::size_t kCapacity = NetworkBoxes::kCapacity;
  std::int32_t* counts() const { return reinterpret_cast<std::int32_t*>(lists_.host); }
  Record* records(int batch_element) const;

  const HeadDecoder& decoder_;
  std::size_t batch_ = 1, records_at_ = 0;
  gpu::Memory lists_;  // counts, then records
  cl::Buffer zeros_, wanted_, least_;
  cl::Program program_;
  cl::Kernel kernel_;
  gpu::Range global_;
};

}  // namespace gantry
