// Starts, names and schedules a thread.
// SPDX-License-Identifier: Apache-2.0
#include "firmware/thread.hpp"

#include <algorithm>
#include <cstring>
#include <ctime>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <limits.h>
#include <sched.h>

#include "hal/log/log.hpp"

namespace gantry {

Thread::Thread(ThreadOptions options, std::function<void(Thread&)> body)
    : options_(std::move(options)), body_(std::move(body)) {
  if (options_.name.size() > 15) options_.name.resize(15);
  constexpr std::size_t kPage = 65536;  // the largest page of the platforms in question
  const std::size_t least = std::max<std::size_t>(options_.stack_bytes, PTHREAD_STACK_MIN);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, (least + kPage - 1) / kPage * kPage);
  const int error = pthread_create(&handle_, &attributes, &Thread::run, this);
  pthread_attr_destroy(&attributes);
  if (error != 0)
    throw std::runtime_error(fmt::format("thread \"{}\" with a stack of {} bytes: {}",
                                         options_.name, options_.stack_bytes,
                                         std::strerror(error)));
}

Thread::~Thread() {
  join();
}

void Thread::join() noexcept {
  if (!std::exchange(joined_, true)) pthread_join(handle_, nullptr);
}

void* Thread::run(void* self) noexcept {
  auto& thread = *static_cast<Thread*>(self);
  pthread_setname_np(pthread_self(), thread.options_.name.c_str());
  thread.apply_scheduling();
  allocation_guard::register_thread(thread.options_.name.c_str(), thread.options_.role);
  thread.body_(thread);
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  thread.cpu_ns_.store(used.tv_sec * 1'000'000'000 + used.tv_nsec, std::memory_order_relaxed);
  allocation_guard::unregister_thread();
  thread.ended_.store(true, std::memory_order_release);
  return nullptr;
}

void Thread::apply_scheduling() noexcept {
  if (options_.cpu >= 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(options_.cpu, &set);
    if (const int error = pthread_setaffinity_np(pthread_self(), sizeof set, &set))
      log::warning("thread {}: stays on any CPU, {} was refused: {}", options_.name, options_.cpu,
                   std::strerror(error));
  }
  if (options_.fifo_priority > 0) {
    const sched_param parameter{.sched_priority = options_.fifo_priority};
    if (const int error = pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameter))
      log::warning("thread {}: runs without real-time priority, {} was refused: {}", options_.name,
                   options_.fifo_priority, std::strerror(error));
  }
}

}  // namespace gantry
