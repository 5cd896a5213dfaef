// What is really to be seen in a picture of the simulated match: ball and people, in the world, in
// the panorama and in each camera.
//
// Everything is computed from the same state that is drawn, and by the exact lens and panorama
// mapping. Nothing allocates in of(); one thread per object.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdio>
#include <string_view>
#include <vector>

#include "hal/camera/sim_figure.hpp"
#include "hal/camera/sim_view.hpp"

namespace gantry {

// Pixel edges of the least box around a figure, cut to the picture; pixel centres are whole numbers.
struct SimBox {
  double left = 0, top = 0, right = 0, bottom = 0;
  bool seen = false;  // any of it within the picture
};

struct SimSpot {
  double x = 0, y = 0, diameter = 0;  // pixels, of the centre and of the circle of the same area
  bool seen = false;                  // the centre is within the picture
};

struct SimTruthBall {
  Vector3 world;       // metres
  double speed = 0;    // metres per second
  double visible = 1;  // part of its disc that nobody hides
  SimSpot panorama;
  std::array<SimSpot, Rig::kMostCameras> cameras;
};

struct SimTruthPerson {
  int id = 0;  // stable through the match
  SimRole role = SimRole::player;
  int team = -1;
  double x = 0, y = 0;  // metres, of the feet
  double visible = 1;   // part of the figure that no one nearer hides
  SimBox panorama;
  std::array<SimBox, Rig::kMostCameras> cameras;
};

struct SimTruthFrame {
  std::uint64_t frame = 0;
  std::int64_t capture_ns = 0;
  std::size_t cameras = 0;
  SimPlay play = SimPlay::open;
  SimTruthBall ball;
  std::array<SimTruthPerson, SimState::kPersons> persons;
};

std::string_view name_of(SimRole role);

class SimTruth {
 public:
  // The cameras' pictures have the sizes of the rig's lenses. Set-up; copies what it needs.
  SimTruth(const Rig& rig, const SimLook& look, double mast_height_m);

  void of(const SimState& state, std::uint64_t frame, std::int64_t capture_ns, SimTruthFrame& out);

 private:
  struct Disc {         // as seen from the eye
    Vector3 direction;  // unit
    double radius = 0;  // radians
  };
  struct Outline {  // a figure: its limbs from disc to disc
    std::array<std::array<Disc, 2>, SimFigure::kMost> limbs;
    int count = 0;
    double distance = 0;
  };

  Outline outline_of(const SimFigure& figure, const SimPerson& person) const;
  bool hides(const Outline& outline, const Vector3& direction) const;
  double visible_part(const Disc& disc, double distance, int except) const;
  SimSpot panorama_spot(const Vector3& direction, double radius) const;
  SimBox panorama_box(const Outline& outline) const;
  SimBox camera_box(const SimView& view, const SimFigure& figure) const;
  SimSpot camera_spot(const SimView& view, const Vector3& ball) const;

  PanoramaGeometry panorama_;
  SimLook look_;
  Vector3 eye_;
  std::vector<SimView> views_;
  std::array<Outline, SimState::kPersons> outlines_;
  std::array<SimFigure, SimState::kPersons> figures_;
};

// One line of JSON, ended by a new line. Coordinates of what is not seen are null. Answers whether
// the file took it.
bool write_json_line(const SimTruthFrame& truth, std::FILE* file);

}  // namespace gantry
