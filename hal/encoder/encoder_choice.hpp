// Which encoder to take: hardware that truly encodes on this machine, else software.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "hal/encoder/output_config.hpp"

namespace gantry {

struct EncoderProbe {
  std::string name;  // of libavcodec, for example "h264_nvenc"
  bool hardware = false;
  bool works = false;
  std::string cause;  // why it does not
};

// Opens every encoder for config.codec and encodes one picture of config's size and rate; best
// first. Set-up, and `gantry doctor`.
std::vector<EncoderProbe> probe_encoders(const EncoderConfig& config);

// The encoder that config.encoder means here; says in the log which and why. Set-up: throws
// std::runtime_error if a named one does not work, or none does.
std::string choose_encoder(const EncoderConfig& config);

}  // namespace gantry
