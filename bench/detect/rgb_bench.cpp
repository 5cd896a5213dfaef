// The detector's NV12 path beside one that makes RGB of the panorama first, as cameras give NV12: bytes,
// time, and what both see in the same pictures.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <numeric>
#include <string>

#include <CLI/CLI.hpp>

#include "bench/detect/file_bytes.hpp"
#include "firmware/compile/compile.hpp"
#include "pipeline/detector_config.hpp"
#include "pipeline/merge.hpp"

namespace gantry {
namespace {

// RGB at its best: bytes in planes, no colour matrix, the same stores as kernels/tile.cl.
constexpr const char* kRgbTiles = R"cl(
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
typedef JOIN(float, LANES) Lanes;
#if LANES == 4
#define EVEN(v) (v).s0022
#define ODD(v) (v).s1133
#else
#define EVEN(v) (v).s0022446688aaccee
#define ODD(v) (v).s1133557799bbddff
#endif
#define LOAD(p) JOIN(convert_float, LANES)(JOIN(vload, LANES)(0, p))
#define STORE(v, p) JOIN(vstore, LANES)(JOIN(JOIN(convert_uchar, LANES), _sat_rte)(v), 0, p)
__kernel void convert(__global const uchar* nv12, int pitch, int chroma_offset, int2 size,
                      __global uchar* rgb) {
  const int x = min((int)get_global_id(0) * LANES, size.x - LANES), row = get_global_id(1);
  const Lanes uv = LOAD(nv12 + chroma_offset + (size_t)(row / 2) * pitch + x) - 128.0f;
  const Lanes y = 1.164384f * (LOAD(nv12 + (size_t)row * pitch + x) - 16.0f);
  __global uchar* to = rgb + (size_t)row * size.x + x;
  const size_t plane = (size_t)size.x * size.y;
  STORE(y + 1.792741f * ODD(uv), to);
  STORE(y - 0.213249f * EVEN(uv) - 0.532909f * ODD(uv), to + plane);
  STORE(y + 2.112402f * EVEN(uv), to + 2 * plane);
}
__kernel void tiles(__global const uchar* picture, int2 size, __global const int2* origins,
                    int2 network, __global float* tensor) {
  const int column = get_global_id(0) * LANES, row = get_global_id(1);
  const int tile = get_global_id(2) / 3, channel = get_global_id(2) % 3;
  const int x = origins[tile].x + column, y = origins[tile].y + row;
  __global float* out = tensor + ((size_t)get_global_id(2) * network.y + row) * network.x + column;
  __global const uchar* from = picture + ((size_t)channel * size.y + y) * size.x + x;
  if (y >= 0 && y < size.y && x >= 0 && x + LANES <= size.x) {
    const Lanes v = JOIN(convert_float, LANES)(JOIN(vload, LANES)(0, from)) * (1 / 255.0f);
#ifdef __has_builtin
#if __has_builtin(__builtin_nontemporal_store)
    __builtin_nontemporal_store(v, (__global Lanes*)out);
    return;
#endif
#endif
    JOIN(vstore, LANES)(v, 0, out);
    return;
  }
  for (int i = 0; i < LANES; ++i) {
    const int inside = y >= 0 && y < size.y && x + i >= 0 && x + i < size.x;
    out[i] = inside ? from[i] * (1 / 255.0f) : 114 / 255.0f;
  }
}
)cl";

struct Settings {
  std::string model, pictures;
  int width = 0, height = 0, size = 1024, rounds = 15;
};

Plan compiled(const Settings& s, std::int64_t batch) {
  compile::Options o;
  o.target = "cpu";
  o.batch = batch;
  o.width = o.height = s.size;
  return Plan::from_bytes(compile::compile_bytes(file_bytes(s.model), s.model, o), s.model);
}

std::uint8_t byte(double v) {
  return static_cast<std::uint8_t>(std::clamp(v + 0.5, 0.0, 255.0));
}

// BT.709, limited range; chroma is the mean of four pixels.
void to_nv12(const std::uint8_t* rgb, const Nv12Layout& l, std::byte* out) {
  const auto pixel = [&](int x, int y, int c) -> double {
    return rgb[(static_cast<std::ptrdiff_t>(y) * l.width + x) * 3 + c];
  };
  const auto luma = [&](int x, int y) {
    return 0.2126 * pixel(x, y, 0) + 0.7152 * pixel(x, y, 1) + 0.0722 * pixel(x, y, 2);
  };
  for (int y = 0; y < l.height; ++y)
    for (int x = 0; x < l.width; ++x)
      out[static_cast<std::ptrdiff_t>(y) * l.pitch + x] =
          std::byte{byte(16 + luma(x, y) * 219 / 255)};
  for (int y = 0; y < l.height; y += 2)
    for (int x = 0; x < l.width; x += 2) {
      double blue = 0, red = 0;
      for (int i = 0; i < 4; ++i) {
        const int px = x + i % 2, py = y + i / 2;
        blue += (pixel(px, py, 2) - luma(px, py)) / 1.8556 / 4;
        red += (pixel(px, py, 0) - luma(px, py)) / 1.5748 / 4;
      }
      std::byte* to = out + l.chroma_offset() + static_cast<std::ptrdiff_t>(y / 2) * l.pitch + x;
      to[0] = std::byte{byte(128 + blue * 224 / 255)};
      to[1] = std::byte{byte(128 + red * 224 / 255)};
    }
}

class Comparison {
 public:
  explicit Comparison(const Settings& s)
      : s_(s),
        layout_(nv12_layout(s.width, s.height)),
        tiles_(plan_tiles(geometry_, s.size, s.size, {}, {})),
        plan_(compiled(s, static_cast<std::int64_t>(tiles_.tiles.size()))),
        queue_(device_.make_queue()),
        network_(device_, plan_, queue_),
        stage_(device_, tiles_, {}, layout_, ColourMatrix::bt709, ColourRange::limited,
               network_.inputs()[0]),
        nv12_(device_.allocate(layout_.bytes(), gpu::Access::upload)),
        rgb_(device_.allocate(pixels() * 3, gpu::Access::device)),
        filter_(tiles_, geometry_, limits_, {}),
        merge_(s.width, default_merge()) {
    std::vector<HeadTensor> heads;
    for (const auto& o : network_.outputs()) heads.push_back({o.name, o.shape});
    decoder_.emplace(Head::automatic, heads, s.size, s.size,
                     classes_from_names(plan_.metadata("names")),
                     std::array{0.5f, 0.5f, 0.5f, 0.5f});
    bind_rgb();
  }

  void picture(const std::uint8_t* rgb) {
    to_nv12(rgb, layout_, nv12_.host);
    gpu::upload(queue_, nv12_, nv12_.bytes, {}, nullptr);
    queue_.finish();
  }
  void cut_nv12() {
    stage_.cut(queue_, nv12_.buffer, 0, static_cast<int>(tiles_.tiles.size()), {}, nullptr);
    queue_.finish();
  }
  void convert() {
    gpu::launch(queue_, convert_, convert_range_, nullptr, {}, nullptr);
    queue_.finish();
  }
  void cut_rgb() {
    gpu::launch(queue_, rgb_tiles_, range_, nullptr, {}, nullptr);
    queue_.finish();
  }
  std::vector<Detection> look() {
    network_.run({}, nullptr);
    queue_.finish();
    std::vector<const float*> outputs;
    for (const auto& o : network_.outputs())
      outputs.push_back(reinterpret_cast<const float*>(o.memory.host));
    std::vector<Candidate> candidates;
    for (std::size_t tile = 0; tile < tiles_.tiles.size(); ++tile) {
      boxes_->clear();
      decoder_->decode(outputs, static_cast<int>(tile), *boxes_);
      for (const NetworkBox& b : boxes_->view())
        if (Candidate c; filter_.candidate(b, tile, c)) candidates.push_back(c);
    }
    std::vector<Detection> found;
    for (const Candidate& c : merge_.merge(candidates).kept)
      if (Detection d; filter_.detection(c, d)) found.push_back(d);
    return found;
  }
  std::uint64_t bytes_read() const {  // of NV12
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < tiles_.tiles.size(); ++i)
      bytes += stage_.bytes_read(static_cast<int>(i));
    return bytes;
  }
  std::uint64_t rgb_bytes_read() const {
    double pixels = 0;
    for (const Tile& t : tiles_.tiles) {
      const PixelRect r = tiles_.rect(t);
      pixels += (std::min<double>(r.right, s_.width) - std::max(r.left, 0.0)) *
                (std::min<double>(r.bottom, s_.height) - std::max(r.top, 0.0));
    }
    return static_cast<std::uint64_t>(pixels * 3);
  }
  std::size_t pixels() const { return static_cast<std::size_t>(s_.width) * s_.height; }
  std::size_t tiles() const { return tiles_.tiles.size(); }
  gpu::Device& device() { return device_; }

 private:
  void bind_rgb() {
    const int lanes = device_.info().kind == gpu::Kind::gpu ? 4 : 16;
    std::vector<cl_int2> origins;
    for (const Tile& t : tiles_.tiles) origins.push_back({{t.x, t.y}});
    origins_ = device_.constant(origins.data(), origins.size() * sizeof origins[0]);
    const auto program = device_.build("rgb_tiles", kRgbTiles, "-DLANES=" + std::to_string(lanes));
    convert_ = cl::Kernel(program, "convert");
    convert_.setArg(0, nv12_.buffer);
    convert_.setArg(1, layout_.pitch);
    convert_.setArg(2, static_cast<cl_int>(layout_.chroma_offset()));
    convert_.setArg(3, cl_int2{{s_.width, s_.height}});
    convert_.setArg(4, rgb_.buffer);
    convert_range_ = gpu::Range(static_cast<std::size_t>((s_.width + lanes - 1) / lanes),
                                static_cast<std::size_t>(s_.height));
    rgb_tiles_ = cl::Kernel(program, "tiles");
    rgb_tiles_.setArg(0, rgb_.buffer);
    rgb_tiles_.setArg(1, cl_int2{{s_.width, s_.height}});
    rgb_tiles_.setArg(2, origins_);
    rgb_tiles_.setArg(3, cl_int2{{s_.size, s_.size}});
    rgb_tiles_.setArg(4, network_.inputs()[0].memory.buffer);
    range_ = gpu::Range(static_cast<std::size_t>(s_.size / lanes),
                        static_cast<std::size_t>(s_.size), tiles_.tiles.size() * 3);
  }

  Settings s_;
  PanoramaGeometry geometry_{s_.width, s_.height, -1, 1, 0.5, -0.5};
  LimitsPerClass limits_{};
  Nv12Layout layout_;
  TilePlan tiles_;
  Plan plan_;
  gpu::Device device_{{}, {}};
  cl::CommandQueue queue_;
  PlanRunner network_;
  TileStage stage_;
  gpu::Memory nv12_, rgb_;
  cl::Buffer origins_;
  cl::Kernel convert_, rgb_tiles_;
  gpu::Range convert_range_, range_;
  DetectFilter filter_;
  CandidateMerge merge_;
  std::optional<HeadDecoder> decoder_;
  std::unique_ptr<NetworkBoxes> boxes_ = std::make_unique<NetworkBoxes>();
};

float overlap(const Detection& a, const Detection& b) {
  const float w = std::min(a.x + a.width / 2, b.x + b.width / 2) -
                  std::max(a.x - a.width / 2, b.x - b.width / 2);
  const float h = std::min(a.y + a.height / 2, b.y + b.height / 2) -
                  std::max(a.y - a.height / 2, b.y - b.height / 2);
  if (w <= 0 || h <= 0) return 0;
  return w * h / (a.width * a.height + b.width * b.height - w * h);
}

// How many of both are one object: each counts once, the best overlaps first.
std::size_t matched(const std::vector<Detection>& a, const std::vector<Detection>& b) {
  std::vector<bool> taken(b.size());
  std::size_t count = 0;
  for (const Detection& x : a) {
    std::size_t best = b.size();
    float most = 0.5f;
    for (std::size_t i = 0; i < b.size(); ++i)
      if (const float o = overlap(x, b[i]); !taken[i] && b[i].object == x.object && o >= most)
        most = o, best = i;
    if (best == b.size()) continue;
    taken[best] = true;
    ++count;
  }
  return count;
}

double median_of(std::vector<double> v) {
  std::ranges::sort(v);
  return v[v.size() / 2];
}

void compare(const Settings& s) {
  const auto frames = file_bytes(s.pictures);
  Comparison c(s);
  const std::size_t each = c.pixels() * 3, count = frames.size() / each;
  if (count == 0) throw std::runtime_error(s.pictures + ": no whole picture in it");
  const auto timed = [](const std::function<void()>& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
        .count();
  };
  std::size_t by_nv12 = 0, by_rgb = 0, both = 0;
  std::vector<double> nv12, convert, rgb, network;
  for (std::size_t i = 0; i < count; ++i) {
    c.picture(reinterpret_cast<const std::uint8_t*>(frames.data()) + i * each);
    for (int r = 0; r < s.rounds; ++r) {
      convert.push_back(timed([&] { c.convert(); }));
      rgb.push_back(timed([&] { c.cut_rgb(); }));
      nv12.push_back(timed([&] { c.cut_nv12(); }));
    }
    std::vector<Detection> from_nv12, from_rgb;
    network.push_back(timed([&] { from_nv12 = c.look(); }));
    c.cut_rgb();
    from_rgb = c.look();
    by_nv12 += from_nv12.size(), by_rgb += from_rgb.size(), both += matched(from_nv12, from_rgb);
  }
  const double read = static_cast<double>(c.bytes_read()) * 1e-6,
               rgb_read = static_cast<double>(c.rgb_bytes_read()) * 1e-6;
  std::printf("%s: %zu pictures of %dx%d in %zu tiles of %d\n", c.device().info().name.c_str(),
              count, s.width, s.height, c.tiles(), s.size);
  std::printf("bytes of the picture that tiles read: NV12 %.2f MB, RGB %.2f MB, %.2f times\n", read,
              rgb_read, read / rgb_read);
  const double direct = median_of(nv12), made = median_of(convert), cut = median_of(rgb);
  std::printf("tiles from NV12 %.3f ms; RGB %.3f ms and tiles from it %.3f ms: saves %.3f ms",
              direct, made, cut, made + cut - direct);
  std::printf(" beside %.1f ms of network and boxes\n", median_of(network));
  std::printf("objects from 0.5: NV12 %zu, RGB %zu, of both %zu: F1 %.4f\n", by_nv12, by_rgb, both,
              2.0 * static_cast<double>(both) / static_cast<double>(by_nv12 + by_rgb));
}

}  // namespace
}  // namespace gantry

int main(int argc, char** argv) try {
  gantry::Settings s;
  CLI::App app{"the detector on NV12 beside the detector on RGB"};
  app.add_option("model", s.model, "ONNX")->required();
  app.add_option("pictures", s.pictures, "frames of 8 bits RGB")->required();
  app.add_option("width", s.width, "of a frame, even")->required();
  app.add_option("height", s.height)->required();
  app.add_option("--size", s.size, "of the network's input, a multiple of 32");
  app.add_option("--rounds", s.rounds);
  CLI11_PARSE(app, argc, argv);
  gantry::compare(s);
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
