// The stitch kernel, both shapes, against a plain C++ reference: every byte the same.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>

#include <gtest/gtest.h>

#include "pipeline/stitch_kernel.hpp"

namespace gantry {
namespace {

constexpr std::uint8_t kPoison = 0xa5;

struct Picture {
  Nv12Layout layout;
  std::vector<std::uint8_t> bytes;

  int luma(int x, int y) const { return bytes[static_cast<std::size_t>(y) * layout.pitch + x]; }
  int chroma(int x, int y, int which) const {
    return bytes[layout.chroma_offset() + static_cast<std::size_t>(y) * layout.pitch + 2 * x +
                 which];
  }
};

struct Case {
  StitchMesh mesh;
  std::vector<Picture> cameras;
  StitchKernel::Colours colours{};
  ColourRange range = ColourRange::limited;
  unsigned present = 0;
  Nv12Layout panorama;
};

// --- the reference: kernels/stitch.cl's definition, a sample at a time ---------------------------

class Reference {
 public:
  explicit Reference(const Case& c)
      : c_(c), tables_(make_stitch_tables(c.mesh, layouts(c))), out_(c.panorama.bytes(), kPoison) {
    const auto& p = c.panorama;
    for (int y = 0; y < p.height; ++y)
      for (int x = 0; x < p.width; ++x) out_[luma_index(x, y)] = luma(x, y);
    for (int y = 0; y < p.height / 2; ++y)
      for (int x = 0; x < p.width / 2; ++x)
        for (int which = 0; which < 2; ++which)
          out_[p.chroma_offset() + static_cast<std::size_t>(y) * p.pitch + 2 * x + which] =
              chroma(x, y, which);
  }
  const std::vector<std::uint8_t>& bytes() const { return out_; }

  static std::vector<Nv12Layout> layouts(const Case& c) {
    std::vector<Nv12Layout> l;
    for (const Picture& p : c.cameras) l.push_back(p.layout);
    return l;
  }

 private:
  // Node values `n` at luma column x and half-line y2; a half-line is rounded down.
  template <typename T>
  std::int64_t between(const T* n, int x, int y2) const {
    const int s = 1 << tables_.log_step, i = x % s, j = y2 / 2 % s;
    const T* a = n + (y2 / 2 / s) * tables_.node_columns + x / s;
    const T* b = a + tables_.node_columns;
    const std::int64_t top = std::int64_t{a[0]} * (s - i) + std::int64_t{a[1]} * i;
    const std::int64_t bottom = std::int64_t{b[0]} * (s - i) + std::int64_t{b[1]} * i;
    return top * s + j * (bottom - top) + (y2 % 2 ? floor_half(bottom - top) : 0);
  }
  static std::int64_t floor_half(std::int64_t v) { return (v - (v & 1)) / 2; }
  const std::int32_t* nodes(std::size_t camera, int coordinate) const {
    return &tables_.nodes[(2 * camera + coordinate) * tables_.nodes_per_camera()];
  }
  int weight(std::size_t camera, int x, int y2) const {
    const auto& w = tables_.present[c_.present - 1].weights;
    return static_cast<int>(between(&w[camera * tables_.nodes_per_camera()], x, y2) >>
                            2 * tables_.log_step);
  }
  static int bilinear(int a, int b, int c, int d, int f, int g) {
    const int h0 = a * (128 - f) + b * f, h1 = c * (128 - f) + d * f;
    return h0 + static_cast<int>(std::floor(((h1 - h0) * g + 64) / 128.0));
  }
  std::size_t luma_index(int x, int y) const {
    return static_cast<std::size_t>(y) * c_.panorama.pitch + x;
  }
  int black() const { return c_.range == ColourRange::limited ? 16 : 0; }

  int camera_luma(std::size_t n, int x, int y) const {
    const Picture& p = c_.cameras[n];
    const auto clamped = [](std::int64_t v, int size) {
      return static_cast<int>(std::clamp<std::int64_t>((v + 256) >> 9, 0, (size - 1) * 128));
    };
    const int qx = clamped(between(nodes(n, 0), x, 2 * y), p.layout.width);
    const int qy = clamped(between(nodes(n, 1), x, 2 * y), p.layout.height);
    const int i = qx / 128, j = qy / 128, i1 = std::min(i + 1, p.layout.width - 1),
              j1 = std::min(j + 1, p.layout.height - 1);
    const int v =
        bilinear(p.luma(i, j), p.luma(i1, j), p.luma(i, j1), p.luma(i1, j1), qx % 128, qy % 128);
    return std::clamp((v * c_.colours[n][0] >> 16) + c_.colours[n][1], 0, 255 * 32);
  }

  int camera_chroma(std::size_t n, int x, int y, int which) const {
    const Picture& p = c_.cameras[n];
    const int w = p.layout.width / 2, h = p.layout.height / 2;
    const auto clamped = [](std::int64_t v, int size) {
      return static_cast<int>(std::clamp<std::int64_t>((v + 512) >> 10, 0, (size - 1) * 128));
    };
    const int qx = clamped(between(nodes(n, 0), 2 * x, 4 * y + 1), w);
    const int qy = clamped(between(nodes(n, 1), 2 * x, 4 * y + 1) - 32768, h);
    const int i = qx / 128, j = qy / 128, i1 = std::min(i + 1, w - 1), j1 = std::min(j + 1, h - 1);
    int v[2];
    for (int k = 0; k < 2; ++k)
      v[k] = bilinear(p.chroma(i, j, k), p.chroma(i1, j, k), p.chroma(i, j1, k),
                      p.chroma(i1, j1, k), qx % 128, qy % 128) -
             128 * 128;
    const int luma =
        out_[luma_index(2 * x, 2 * y)] + out_[luma_index(2 * x, 2 * y + 1)] - 2 * black();
    const KernelColour& m = c_.colours[n];
    const double sum =
        v[0] * m[2 + 2 * which] + v[1] * m[3 + 2 * which] + 64.0 * luma * m[6 + which];
    return std::clamp(static_cast<int>(std::floor((sum + 16384) / 32768)) + 128 * 32, 0, 255 * 32);
  }

  template <typename Value>
  std::uint8_t blended(int x, int y, int y2, int background, Value value) const {
    int sum = 0, rest = 65535;
    for (std::size_t n = 0; n < c_.cameras.size(); ++n) {
      const int w = weight(n, x, y2);
      const auto kind =
          tables_.present[c_.present - 1].kinds[(y / 16) * tables_.tile_columns + x / 32];
      EXPECT_TRUE(w == 0 || (kind >> n & 1)) << "the tile leaves a camera out that counts";
      if (w)
        sum +=
            static_cast<int>(static_cast<unsigned>(value(n) * 8) * static_cast<unsigned>(w) >> 16);
      rest -= w;
    }
    return static_cast<std::uint8_t>(
        (sum +
         static_cast<int>(static_cast<unsigned>(background * 256) * static_cast<unsigned>(rest) >>
                          16) +
         128) >>
        8);
  }
  std::uint8_t luma(int x, int y) const {
    return blended(x, y, 2 * y, black(), [&](std::size_t n) { return camera_luma(n, x, y); });
  }
  std::uint8_t chroma(int x, int y, int which) const {
    return blended(2 * x, 2 * y, 4 * y + 1, 128,
                   [&](std::size_t n) { return camera_chroma(n, x, y, which); });
  }

  const Case& c_;
  StitchTables tables_;
  std::vector<std::uint8_t> out_;
};

// --- cases -------------------------------------------------------------------------------------

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  int whole(int low, int high) { return std::uniform_int_distribution<int>(low, high)(engine_); }
  double real(double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(engine_);
  }

 private:
  std::mt19937 engine_;
};

Picture random_picture(Random& random, const Nv12Layout& layout) {
  Picture p{layout, {}};
  p.bytes.resize(p.layout.bytes());
  for (auto& b : p.bytes) b = static_cast<std::uint8_t>(random.whole(0, 255));
  return p;
}

// Positions that bend smoothly; cameras side by side, blended in between.
StitchMesh random_mesh(Random& random, int width, int height, int step,
                       const std::vector<Picture>& cameras, double scale) {
  StitchMesh mesh;
  mesh.step = step;
  mesh.panorama_width = width;
  mesh.panorama_height = height;
  mesh.columns = (width - 1) / mesh.step + 2;
  mesh.rows = (height - 1) / mesh.step + 2;
  mesh.cameras.resize(cameras.size());
  const double part = width / static_cast<double>(cameras.size());
  const double feather = random.real(4, 60), turn = random.real(-0.2, 0.2);
  for (std::size_t c = 0; c < cameras.size(); ++c) {
    const auto& l = cameras[c].layout;
    const double middle = (static_cast<double>(c) + 0.5) * part, bend = random.real(0, 8);
    const double phase = random.real(0, 6), mirror = random.whole(0, 3) ? 1 : -1;
    for (int j = 0; j < mesh.rows; ++j)
      for (int i = 0; i < mesh.columns; ++i) {
        const double x = i * mesh.step - middle, y = j * mesh.step - height / 2.0;
        mesh.cameras[c].nodes.push_back(
            {static_cast<float>(l.width / 2.0 + mirror * scale * (x - turn * y) +
                                bend * std::sin(phase + y / 50)),
             static_cast<float>(l.height / 2.0 + mirror * scale * (y + turn * x) +
                                bend * std::cos(phase + x / 70)),
             static_cast<float>(std::clamp((part / 2 - std::abs(x)) / feather + 0.5, 0.0, 1.0))});
      }
  }
  // Covered nodes sum to 1; a corner is left uncovered.
  for (std::size_t n = 0; n < mesh.cameras[0].nodes.size(); ++n) {
    double sum = 0;
    for (auto& camera : mesh.cameras) sum += camera.nodes[n].weight;
    const bool uncovered = static_cast<int>(n) % mesh.columns * mesh.step < 40 &&
                           static_cast<int>(n) / mesh.columns * mesh.step < 30;
    for (auto& camera : mesh.cameras)
      camera.nodes[n].weight =
          uncovered || sum == 0 ? 0 : static_cast<float>(camera.nodes[n].weight / sum);
  }
  return mesh;
}

// Few kinds of panorama, since the kernel is compiled for each.
struct PanoramaKind {
  Nv12Layout layout;
  int step;
  ColourRange range;
  std::array<Nv12Layout, 4> cameras;
};
constexpr Nv12Layout kAligned{318, 130, 320}, kOther{402, 98, 410}, kSmall{42, 26, 46},
    kWide{398, 74, 448};
constexpr PanoramaKind kKinds[] = {
    {{190, 62, 193}, 4, ColourRange::full, {kAligned, kAligned, kAligned, kAligned}},
    {{254, 90, 254}, 8, ColourRange::limited, {kOther, kOther, kOther, kOther}},
    {{322, 106, 384}, 16, ColourRange::limited, {kAligned, kWide, kSmall, kOther}}};

// A kind of panorama and a number of cameras.
struct Setting {
  std::size_t kind;
  int cameras;
};
constexpr Setting kSettings[] = {{0, 1}, {1, 2}, {2, 4}};

Case random_case(unsigned seed, const Setting& setting) {
  Random random(seed);
  Case c;
  const PanoramaKind& kind = kKinds[setting.kind];
  const int cameras = setting.cameras;
  c.panorama = kind.layout;
  c.range = kind.range;
  for (int n = 0; n < cameras; ++n) {
    c.cameras.push_back(random_picture(random, kind.cameras[static_cast<std::size_t>(n)]));
    const ColourGains gains{random.real(0.5, 2), random.real(0.5, 2), random.real(0.5, 2),
                            random.real(0.5, 2)};
    c.colours[static_cast<std::size_t>(n)] =
        kernel_colour(random.whole(0, 3) ? gains : ColourGains{}, {ColourMatrix::bt709, c.range});
  }
  c.mesh = random_mesh(random, kind.layout.width, kind.layout.height, kind.step, c.cameras,
                       random.whole(0, 3) ? random.real(0.7, 1.4) : random.real(1.8, 3));
  c.present = static_cast<unsigned>(random.whole(0, 1) ? (1 << cameras) - 1
                                                       : random.whole(1, (1 << cameras) - 1));
  return c;
}

class Stitch : public testing::TestWithParam<StitchKernel::Shape> {
 protected:
  static gpu::Device& device() {
    static gpu::Device d({}, {});
    return d;
  }
  gpu::Memory on_device(const cl::CommandQueue& queue, std::span<const std::uint8_t> bytes) {
    auto memory = device().allocate(bytes.size(), gpu::Access::upload);
    std::memcpy(memory.host, bytes.data(), bytes.size());
    gpu::upload(queue, memory, memory.bytes, {}, nullptr);
    return memory;
  }
  std::vector<std::uint8_t> run(const Case& c) {
    StitchKernel kernel(device(), c.mesh, Reference::layouts(c), c.panorama, c.range, GetParam());
    const auto queue = device().make_queue();
    std::vector<gpu::Memory> memories;
    StitchKernel::Pictures pictures{};
    for (const Picture& p : c.cameras) memories.push_back(on_device(queue, p.bytes));
    for (std::size_t n = 0; n < memories.size(); ++n) pictures[n] = &memories[n].buffer;
    std::vector<std::uint8_t> out(c.panorama.bytes(), kPoison);
    const gpu::Memory panorama = on_device(queue, out);
    EXPECT_EQ(kernel.launch(queue, pictures, c.present, c.colours, panorama.buffer, {}, nullptr),
              Status::ok);
    EXPECT_EQ(gpu::download(queue, panorama, panorama.bytes, {}, nullptr), Status::ok);
    cl::CommandQueue(queue).finish();
    std::memcpy(out.data(), panorama.host, out.size());
    return out;
  }
};

::testing::AssertionResult same(const Case& c, const std::vector<std::uint8_t>& got,
                                const std::vector<std::uint8_t>& right) {
  for (std::size_t n = 0; n < right.size(); ++n) {
    if (got[n] == right[n]) continue;
    const int x = static_cast<int>(n % static_cast<std::size_t>(c.panorama.pitch));
    const int y = static_cast<int>(n / static_cast<std::size_t>(c.panorama.pitch));
    return ::testing::AssertionFailure()
           << "byte " << x << " of line " << y << " (" << c.panorama.width << "x"
           << c.panorama.height << ", step " << c.mesh.step << ", present " << c.present
           << "): " << int{got[n]} << " instead of " << int{right[n]};
  }
  return ::testing::AssertionSuccess();
}

TEST_P(Stitch, RandomPicturesAndMeshesAreBitExact) {
  const unsigned seeds = std::getenv("GANTRY_LONG") ? 200 : 12;
  for (const Setting& setting : kSettings)
    for (unsigned seed = 0; seed < seeds; ++seed) {
      const Case c = random_case(seed, setting);
      ASSERT_TRUE(same(c, run(c), Reference(c).bytes()))
          << "seed " << seed << ", " << setting.cameras << " cameras, kind " << setting.kind;
    }
}

// The random cases are only worth something if they meet every way through the kernel.
TEST(StitchCases, MeetEveryKindOfTile) {
  constexpr unsigned kCases = StitchTables::kBlend | StitchTables::kWindows;
  constexpr unsigned kInsidePixels = 1;
  std::array<int, 256> met{};
  std::ptrdiff_t boxes = 0;
  int stand_ins = 0, fades = 0;
  for (const Setting& setting : kSettings)
    for (unsigned seed = 0; seed < 12; ++seed) {
      const Case c = random_case(seed, setting);
      const StitchTables tables = make_stitch_tables(c.mesh, Reference::layouts(c));
      for (const auto kind : tables.present[c.present - 1].kinds)
        ++met[kind & kCases                   ? kind & kCases
              : kind & StitchTables::kCameras ? kInsidePixels + !(kind & StitchTables::kInside)
                                              : 0];
      for (const auto kind : tables.present[c.present - 1].kinds) {
        const unsigned cameras = kind & StitchTables::kCameras, missing = cameras & ~c.present;
        stand_ins += missing != 0;
        fades += missing != 0 && missing != cameras;
      }
      boxes +=
          std::count_if(tables.boxes.begin(), tables.boxes.end(), [](auto b) { return b != 0; });
    }
  EXPECT_GT(met[0], 0) << "black";
  EXPECT_GT(met[kInsidePixels], 10) << "one camera, by pixels, inside of its picture";
  EXPECT_GT(met[kInsidePixels + 1], 10) << "one camera, by pixels, clamped";
  EXPECT_GT(met[StitchTables::kWindows], 100) << "one camera, by windows";
  EXPECT_GT(met[StitchTables::kBlend], 10) << "blend, by pixels";
  EXPECT_GT(met[StitchTables::kBlend | StitchTables::kWindows], 50) << "blend, by windows";
  EXPECT_GT(stand_ins, 100) << "what stands in for a missing camera";
  EXPECT_GT(fades, 10) << "from a camera to what stands in for another";
  EXPECT_GT(boxes, 300);
}

TEST(StitchCases, AStandInIsSeenWhereNobodyElseSeesAndOnlyThere) {
  for (unsigned seed = 0; seed < 12; ++seed) {
    const Case c = random_case(seed, kSettings[2]);
    const StitchTables t = make_stitch_tables(c.mesh, Reference::layouts(c));
    const auto nodes = static_cast<std::size_t>(t.nodes_per_camera());
    const auto& everyone = t.present.back().weights;
    for (unsigned present = 1; present < 15; ++present)
      for (std::size_t n = 0; n < nodes; ++n) {
        int here = 0, missing = 0, seen = 0, seen_here = 0;
        for (unsigned camera = 0; camera < 4; ++camera) {
          const bool is_here = present >> camera & 1;
          (is_here ? here : missing) += t.present[present - 1].weights[camera * nodes + n];
          seen += everyone[camera * nodes + n];
          if (is_here) seen_here += everyone[camera * nodes + n];
        }
        ASSERT_EQ(here + missing, seen) << "as bright as with everyone";
        ASSERT_TRUE(here == 0 || missing == 0) << "camera and stand-in at one node";
        ASSERT_TRUE(seen_here <= 1 || missing == 0) << "a stand-in hides what a camera sees";
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Stitch,
                         testing::Values(StitchKernel::Shape::tiles, StitchKernel::Shape::staged),
                         [](const auto& shape) {
                           return shape.param == StitchKernel::Shape::tiles ? "tiles" : "staged";
                         });

}  // namespace
}  // namespace gantry
