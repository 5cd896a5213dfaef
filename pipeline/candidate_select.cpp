// Binds the selection kernel once; the lists' order is made certain on the host.
// SPDX-License-Identifier: Apache-2.0
#include "pipeline/candidate_select.hpp"

#include <algorithm>
#include <limits>

namespace gantry {
namespace {

constexpr std::size_t kGroup = 128;

std::size_t rounded_up(std::size_t n, std::size_t to) {
  return (n + to - 1) / to * to;
}

}  // namespace

bool CandidateSelect::can(const HeadDecoder& decoder, const PlanTensor& output) {
  return decoder.head() == Head::yolov8 && output.shape.size() == 3 &&
         output.element == Plan::Element::f32;
}

CandidateSelect::CandidateSelect(gpu::Device& device, const HeadDecoder& decoder,
                                 const PlanTensor& output)
    : decoder_(decoder), batch_(static_cast<std::size_t>(output.shape[0])) {
  const std::size_t channel = output.shape[1] < output.shape[2] ? 1 : 2, anchor = 3 - channel;
  const auto anchors = static_cast<std::size_t>(output.shape[anchor]);
  records_at_ = rounded_up(batch_ * sizeof(std::int32_t), alignof(Record) * 64);
  lists_ =
      device.allocate(records_at_ + batch_ * kCapacity * sizeof(Record), gpu::Access::download);
  const std::vector<std::int32_t> zeros(batch_, 0);
  zeros_ = device.constant(zeros.data(), zeros.size() * sizeof zeros[0]);

  std::vector<std::int32_t> wanted;
  std::vector<float> least(static_cast<std::size_t>(decoder.classes()),
                           std::numeric_limits<float>::infinity());
  for (const auto& w : decoder.wanted()) {
    wanted.push_back(static_cast<std::int32_t>(w.network));
    least[w.network] = w.confidence;
  }
  wanted_ = device.constant(wanted.data(), wanted.size() * sizeof wanted[0]);
  least_ = device.constant(least.data(), least.size() * sizeof least[0]);

  program_ = device.build_family("select");
  kernel_ = cl::Kernel(program_, "select_scores");
  cl_uint i = 0;
  kernel_.setArg(i++, output.memory.buffer);
  for (const std::size_t d : {std::size_t{0}, anchor, channel})
    kernel_.setArg(i++, static_cast<cl_int>(output.strides[d]));
  kernel_.setArg(i++, static_cast<cl_int>(anchors));
  kernel_.setArg(i++, static_cast<cl_int>(decoder.classes()));
  kernel_.setArg(i++, wanted_);
  kernel_.setArg(i++, static_cast<cl_int>(wanted.size()));
  kernel_.setArg(i++, least_);
  kernel_.setArg(i++, lists_.buffer);
  kernel_.setArg(i++, static_cast<cl_int>(records_at_));
  kernel_.setArg(i++, static_cast<cl_int>(kCapacity));
  global_ = gpu::Range(rounded_up(anchors, kGroup), batch_);
}

CandidateSelect::Record* CandidateSelect::records(int batch_element) const {
  return reinterpret_cast<Record*>(lists_.host + records_at_) +
         static_cast<std::size_t>(batch_element) * kCapacity;
}

Status CandidateSelect::select(const cl::CommandQueue& queue, const gpu::Wait& wait,
                               cl::Event* done) noexcept {
  gpu::Memory zeros;
  zeros.buffer = zeros_;
  const gpu::Range local(kGroup, 1);
  Status s = gpu::copy(queue, zeros, lists_, batch_ * sizeof(std::int32_t), wait, nullptr);
  if (s == Status::ok) s = gpu::launch(queue, kernel_, global_, &local, {}, nullptr);
  if (s == Status::ok) s = gpu::download(queue, lists_, lists_.bytes, {}, done);
  return s;
}

bool CandidateSelect::overflowed(int batch_element) const noexcept {
  return counts()[batch_element] > static_cast<std::int32_t>(kCapacity);
}

void CandidateSelect::decode(int batch_element, NetworkBoxes& boxes) noexcept {
  Record* first = records(batch_element);
  Record* last = first + std::clamp<std::int32_t>(counts()[batch_element], 0, kCapacity);
  // Work-items take their places in any order.
  std::sort(first, last, [](const Record& a, const Record& b) { return a.anchor < b.anchor; });
  for (const Record* r = first; r != last; ++r)
    boxes.add({r->box[0], r->box[1], r->box[2], r->box[3], std::min(r->score, 1.0f),
               decoder_.object(r->class_index)});
}

}  // namespace gantry
