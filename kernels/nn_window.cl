// Pools and resizing over NCHW planes. Global ids: column, row, image times channel.
// SPDX-License-Identifier: Apache-2.0

// average: 0: the largest; 1: divided by the inputs that exist; 2: by those in the padded picture.
__kernel void pool(__global const float* x, int x_at, int x_image, int x_plane, int height, int width,
                   __global float* y, int y_at, int y_image, int y_plane, int out_width,
                   int channels, int kernel_y, int kernel_x, int stride_y, int stride_x,
                   int dilation_y, int dilation_x, int pad_y, int pad_x, int pad_y_end,
                   int pad_x_end, int average) {
  const int column = (int)get_global_id(0), row = (int)get_global_id(1);
  const int image = (int)get_global_id(2) / channels, channel = (int)get_global_id(2) % channels;
  __global const float* plane = x + x_at + image * x_image + channel * x_plane;
  const int top = row * stride_y - pad_y, left = column * stride_x - pad_x;
  float largest = -INFINITY, sum = 0.0f;
  int inside = 0, padded = 0;
  for (int ky = 0; ky < kernel_y; ++ky) {
    const int iy = top + ky * dilation_y;
    const int exists_y = iy >= 0 && iy < height, room_y = iy < height + pad_y_end;
    for (int kx = 0; kx < kernel_x; ++kx) {
      const int ix = left + kx * dilation_x;
      padded += room_y && ix < width + pad_x_end;
      if (!exists_y || ix < 0 || ix >= width) continue;
      const float v = plane[iy * width + ix];
      largest = fmax(largest, v);
      sum += v;
      ++inside;
    }
  }
  const float mean = sum / (float)(average == 2 ? padded : max(inside, 1));
  y[y_at + image * y_image + channel * y_plane + row * out_width + column] = average ? mean : largest;
}

// Which input row and column each output row and column takes: one table of `out_height` rows, then
// columns. The compiler fills it from the model's coordinate mode.
__kernel void resize_nearest(__global const float* x, int x_at, int x_image, int x_plane, int width,
                             __global float* y, int y_at, int y_image, int y_plane, int out_height,
                             int out_width, int channels, __global const int* tables, int table_at) {
  const int column = (int)get_global_id(0), row = (int)get_global_id(1);
  const int image = (int)get_global_id(2) / channels, channel = (int)get_global_id(2) % channels;
  __global const int* from = tables + table_at;
  y[y_at + image * y_image + channel * y_plane + row * out_width + column] =
      x[x_at + image * x_image + channel * x_plane + from[row] * width + from[out_height + column]];
}

// Two rows and two columns: a table of rows, next rows, columns, next columns, and one of the weights
// of the next rows and of the next columns.
__kernel void resize_linear(__global const float* x, int x_at, int x_image, int x_plane, int width,
                            __global float* y, int y_at, int y_image, int y_plane, int out_height,
                            int out_width, int channels, __global const int* tables, int table_at,
                            __global const float* weights, int weights_at) {
  const int column = (int)get_global_id(0), row = (int)get_global_id(1);
  const int image = (int)get_global_id(2) / channels, channel = (int)get_global_id(2) % channels;
  __global const int* rows = tables + table_at;
  __global const int* columns = rows + 2 * out_height;
  __global const float* plane = x + x_at + image * x_image + channel * x_plane;
  __global const float* upper = plane + rows[row] * width;
  __global const float* lower = plane + rows[out_height + row] * width;
  const int left = columns[column], right = columns[out_width + column];
  const float fy = weights[weights_at + row], fx = weights[weights_at + out_height + column];
  y[y_at + image * y_image + channel * y_plane + row * out_width + column] =
      mix(mix(upper[left], upper[right], fx), mix(lower[left], lower[right], fx), fy);
}
