// Draws states of the simulated match as a camera of the rig would see them.
//
// Construction and stage() make the still background (set-up; throw). render() only enqueues, from
// one submission thread, on the renderer's own queue; our code allocates nothing there.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>

#include "hal/camera/sim_scene.hpp"
#include "hal/camera/sim_time_code.hpp"
#include "hal/memory/surface.hpp"

namespace gantry {

struct SimRendererConfig {
  std::size_t camera = 0;     // of the rig
  int width = 0, height = 0;  // 0: as the rig's lens says
  std::uint64_t seed = 1;     // of textures, props and noise
  SimMast mast;               // height 1…50
  TimeCode time_code = TimeCode::none;
  int samples = 2;                // of the background, along each side of a pixel
  bool black_background = false;  // for tests: only what moves
};

class SimRenderer {
 public:
  SimRenderer(gpu::Device& device, const Rig& rig, const SimLook& look,
              const SimRendererConfig& config);

  // Another scene in pictures of the same size, colour matrix and range; waits for those
  // under way.
  void stage(const Rig& rig, const SimLook& look, const SimMast& mast, std::uint64_t seed);

  int width() const { return view_.width(); }
  int height() const { return view_.height(); }
  const SimView& view() const { return view_; }

  // The state at `stamp.capture_ns`, into a surface of nv12_layout(width, height). The light drifts
  // with `state.time`. May block while more pictures than kSlots are under way.
  Status render(const SimState& state, const FrameStamp& stamp, const SimCast& cast,
                const Surface& out, cl::Event* done) noexcept;

 private:
  static constexpr std::size_t kSlots = 4;
  struct Slot {
    gpu::Memory memory;
    cl::Event done;
  };

  void allocate(gpu::Device& device);
  std::size_t mesh_bytes() const;
  void draw_mesh();
  void draw_background();
  void bind();
  void place_board(gpu::Device& device, const Rig& rig);
  sim::SimBoard board_in_world(const Rig& rig) const;
  void find_board_box(const sim::SimBoard& board);
  void fill_frame(double time, const FrameStamp& stamp, sim::SimFrame& frame) const;
  Status paint_code(Slot& slot, const Surface& out) noexcept;

  SimRendererConfig config_;
  SimView view_;
  SimLook look_;
  std::array<double, 9> from_rgb_;
  bool full_range_;
  SimScene scene_;
  SimFrameMemory layout_;
  cl::CommandQueue queue_;
  // Set-up may fail while the background is drawn, into memory that the device then takes back.
  struct Drain {
    const cl::CommandQueue& queue;
    ~Drain() { clFinish(queue()); }
  } drain_{queue_};
  cl::Program program_;
  cl::Kernel compose_, actors_, band_, board_;
  gpu::Memory mesh_, ground_, background_, board_map_;
  int mesh_nodes_ = 0;
  std::array<Slot, kSlots> slots_;
  std::size_t next_slot_ = 0;
  struct {
    int left = 0, top = 0, columns = 0, rows = 0;  // pixels; 2×2 blocks of them
  } board_box_;
};

}  // namespace gantry
