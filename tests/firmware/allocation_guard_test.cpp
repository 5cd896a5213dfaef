// AllocationGuard: every way to allocate is counted under the thread that did it, and only after
// seal().
// SPDX-License-Identifier: Apache-2.0
#include "firmware/allocation_guard.hpp"

#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <string>

#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "firmware/allocation_account.hpp"
#include "firmware/thread.hpp"
#include "pipeline/signal.hpp"

namespace gantry {
namespace {

namespace guard = allocation_guard;

class AllocationGuard : public testing::Test {
 protected:
  void SetUp() override {
    if (!guard::report().available) GTEST_SKIP() << guard::report().why_not;
  }
  void TearDown() override { guard::unseal(); }
};

// The compiler may leave out an allocation that nobody looks at.
void* keep(void* block) {
  asm volatile("" : : "g"(block) : "memory");
  return block;
}

guard::Account account(const std::string& name) {
  for (const guard::Account& a : guard::report().by_thread)
    if (a.name == name) return a;
  ADD_FAILURE() << "no account of " << name;
  return {};
}

// Runs `work` on a thread of this name between seal() and unseal(); nothing else is counted.
guard::Account counted(const char* name, ThreadRole role, const std::function<void()>& work,
                       guard::Options options = {}) {
  Signal go, done;
  Thread thread({.name = name, .role = role}, [&](Thread& self) {
    go.wait(0);
    work();
    self.advance();
    done.ring();
  });
  guard::seal(options);
  go.ring();
  done.wait(0);
  guard::unseal();
  thread.join();
  return account(name);
}

TEST_F(AllocationGuard, CountsEveryCall) {
  struct Case {
    const char* what;
    std::function<void()> work;
    std::uint64_t allocations, frees, maps, unmaps;
  };
  const Case cases[] = {
      {"nothing", [] {}, 0, 0, 0, 0},
      {"malloc", [] { free(keep(malloc(100))); }, 1, 1, 0, 0},
      {"calloc", [] { free(keep(calloc(10, 10))); }, 1, 1, 0, 0},
      {"realloc", [] { free(keep(realloc(keep(malloc(10)), 5000))); }, 2, 2, 0, 0},
      {"posix_memalign",
       [] {
         void* block = nullptr;
         if (posix_memalign(&block, 64, 100) == 0) free(keep(block));
       },
       1, 1, 0, 0},
      {"aligned_alloc", [] { free(keep(aligned_alloc(64, 128))); }, 1, 1, 0, 0},
      {"memalign", [] { free(keep(memalign(64, 128))); }, 1, 1, 0, 0},
      {"new", [] { delete static_cast<int*>(keep(new int)); }, 1, 1, 0, 0},
      {"aligned new",
       [] {
         ::operator delete (keep(::operator new (256, std::align_val_t{128})),
                            std::align_val_t{128});
       },
       1, 1, 0, 0},
      {"string",
       [] {
         std::string s(1000, 'x');
         keep(s.data());
       },
       1, 1, 0, 0},
      {"free of null", [] { free(keep(nullptr)); }, 0, 0, 0, 0},
      {"mmap",
       [] {
         void* p = mmap(nullptr, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
         p = mremap(p, 8192, 16384, MREMAP_MAYMOVE);
         munmap(p, 16384);
       },
       0, 0, 2, 2},
  };
  for (const Case& c : cases) {
    const guard::Account a = counted("worker", ThreadRole::codec, c.work);
    EXPECT_EQ(a.allocations, c.allocations) << c.what;
    EXPECT_EQ(a.frees, c.frees) << c.what;
    EXPECT_EQ(a.maps, c.maps) << c.what;
    EXPECT_EQ(a.unmaps, c.unmaps) << c.what;
    EXPECT_EQ(a.outstanding_bytes(), 0) << c.what;
    EXPECT_EQ(a.mapped_bytes, 0) << c.what;
    EXPECT_EQ(a.role, ThreadRole::codec);
  }
}

TEST_F(AllocationGuard, ReportsWhatIsOutstanding) {
  void* block = nullptr;
  const guard::Account a =
      counted("leaky", ThreadRole::submission, [&] { block = keep(malloc(100'000)); });
  EXPECT_GE(a.outstanding_bytes(), 100'000);
  EXPECT_LT(a.outstanding_bytes(), 110'000);
  EXPECT_GE(guard::report().outstanding_bytes, 100'000);
  EXPECT_EQ(guard::report().frame_thread_allocations, 0u);
  free(block);
}

TEST_F(AllocationGuard, FrameThreadsAreSummedApart) {
  counted("pairing", ThreadRole::frame, [] { free(keep(malloc(1))); });
  EXPECT_EQ(guard::report().frame_thread_allocations, 1u);
  EXPECT_EQ(guard::report().frame_thread_frees, 1u);
  EXPECT_EQ(account("pairing").role, ThreadRole::frame);
}

TEST_F(AllocationGuard, CountsNothingBeforeSealAndAfterUnseal) {
  counted("idle", ThreadRole::frame, [] {});
  guard::register_thread("late", ThreadRole::frame);
  free(keep(malloc(64)));
  guard::unregister_thread();
  EXPECT_EQ(account("late").allocations, 0u);
}

TEST_F(AllocationGuard, UnregisteredThreadsAreTheDrivers) {
  guard::seal();
  free(keep(malloc(64)));
  guard::unseal();
  EXPECT_EQ(account("driver").allocations, 1u);
  EXPECT_EQ(account("driver").frees, 1u);
}

TEST_F(AllocationGuard, ANameThatComesBackContinuesItsAccount) {
  guard::seal();
  for (int i = 0; i < 100; ++i) {  // more than there are accounts
    guard::register_thread("camera again", ThreadRole::codec);
    free(keep(malloc(64)));
    guard::unregister_thread();
  }
  guard::unseal();
  EXPECT_EQ(account("camera again").allocations, 100u);
}

TEST_F(AllocationGuard, SurvivesAFork) {
  guard::seal();
  const pid_t child = fork();
  if (child == 0) {
    void* block = keep(malloc(64));
    free(block);
    _exit(block ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  guard::unseal();
  EXPECT_EQ(status, 0);
}

TEST_F(AllocationGuard, AbortsAFrameThreadAndNamesIt) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(counted("stitching", ThreadRole::frame, [] { free(keep(malloc(8))); },
                       {.abort_on_frame_allocation = true}),
               "frame thread \"stitching\" allocated after seal");
  // Other roles may.
  counted("encode", ThreadRole::codec, [] { free(keep(malloc(8))); },
          {.abort_on_frame_allocation = true});
  EXPECT_EQ(account("encode").allocations, 1u);
}

TEST(ThreadTest, HasItsNameProgressAndEnd) {
  Signal go;
  char name[16] = {};
  Thread thread({.name = "a name longer than fifteen"}, [&](Thread& self) {
    pthread_getname_np(pthread_self(), name, sizeof name);
    self.advance();
    self.advance();
    go.wait(0);
  });
  while (thread.progress() < 2) usleep(1000);
  EXPECT_FALSE(thread.ended());
  go.ring();
  thread.join();
  EXPECT_TRUE(thread.ended());
  EXPECT_STREQ(name, "a name longer t");
}

TEST(ThreadTest, RefusedSchedulingIsNoError) {
  Thread thread({.name = "bound", .fifo_priority = 99, .cpu = 1000},
                [](Thread& t) { t.advance(); });
  thread.join();
  EXPECT_EQ(thread.progress(), 1u);
}

// The system may hand out a larger stack that an earlier thread left behind.
TEST(ThreadTest, HasAtLeastTheStackItAskedFor) {
  std::size_t bytes = 0;
  Thread thread({.name = "stack", .stack_bytes = 3 << 20}, [&](Thread&) {
    pthread_attr_t attributes;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstacksize(&attributes, &bytes);
    pthread_attr_destroy(&attributes);
  });
  thread.join();
  EXPECT_GE(bytes, std::size_t{3} << 20);
}

}  // namespace
}  // namespace gantry
