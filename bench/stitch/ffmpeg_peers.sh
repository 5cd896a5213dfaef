#!/bin/sh
# Frames per second of ffmpeg's remap and v360 filters for two 3840x2160 pictures to 5700x1900.
# SPDX-License-Identifier: Apache-2.0
#
# Both get less to do than the stitch: the halves are put side by side without a blend, and remap
# takes the nearest pixel. Two threads; raw NV12 pictures come from the page cache.
# usage: ffmpeg_peers.sh [FRAMES]
set -eu
frames=${1-20}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
quiet="-nostdin -v error -y"
half=2850 # panorama columns of each camera

# shellcheck disable=SC2086
for camera in 0 1; do
  ffmpeg $quiet -f lavfi -i "testsrc2=s=3840x2160:r=30,hue=h=$((camera * 40))" -frames:v 4 \
    -pix_fmt nv12 -f rawvideo "$folder/$camera.nv12"
  # A cylinder of 75 degrees from a pinhole camera that looks at its middle.
  angle="(X-$half/2)/2177"
  ffmpeg $quiet -f lavfi -i "nullsrc=s=${half}x1900,format=gray16le,geq='clip(1920+2100*tan($angle),0,3839)'" \
    -frames:v 1 "$folder/x$camera.pgm"
  ffmpeg $quiet -f lavfi -i "nullsrc=s=${half}x1900,format=gray16le,geq='clip(1080+2100*(Y-950)/2177/cos($angle),0,2159)'" \
    -frames:v 1 "$folder/y$camera.pgm"
done

picture() {
  printf -- '-stream_loop -1 -f rawvideo -pix_fmt nv12 -s 3840x2160 -r 30 -i %s/%s.nv12 ' "$folder" "$1"
}

# Prints the name and frames per second of a filter graph over the inputs given.
measure() {
  name=$1 graph=$2
  shift 2
  # shellcheck disable=SC2068
  seconds=$(ffmpeg -nostdin -v info -benchmark -threads 2 -filter_complex_threads 2 $@ \
    -filter_complex "$graph" -frames:v "$frames" -pix_fmt nv12 -f null - 2>&1 |
    sed -n 's/.*rtime=\([0-9.]*\)s.*/\1/p')
  awk -v name="$name" -v n="$frames" -v s="$seconds" \
    'BEGIN { printf "%-34s %9.2f fps\n", name, n / s }'
}

# shellcheck disable=SC2046
measure "ffmpeg remap, nearest, no blend" \
  "[0:v]format=yuv444p[a];[1:v]format=yuv444p[b];[a][2:v][3:v]remap[l];[b][4:v][5:v]remap[r];[l][r]hstack,format=nv12" \
  $(picture 0) $(picture 1) -loop 1 -i "$folder/x0.pgm" -loop 1 -i "$folder/y0.pgm" \
  -loop 1 -i "$folder/x1.pgm" -loop 1 -i "$folder/y1.pgm"
v360="v360=input=flat:output=e:ih_fov=85:iv_fov=54:h_fov=75:v_fov=50:w=$half:h=1900:interp=line"
# shellcheck disable=SC2046
measure "ffmpeg v360, bilinear, no blend" \
  "[0:v]format=yuv420p,$v360[l];[1:v]format=yuv420p,$v360[r];[l][r]hstack,format=nv12" \
  $(picture 0) $(picture 1)
