// CPU kernels of the conv family: implicit GEMM over register tiles. An image is read in place, or padded once per slab
// into scratch; nothing is unrolled into columns. The geometry is in cpu/conv_pass.h, the tiles in cpu/gemm/.
#include <array>
#include <utility>
#include <vector>

#include "cpu/conv_pass.h"
#include "cpu/gemm/lane_tile.h"
#include "cpu/gemm/product.h"
#include "cpu/winograd.h"

namespace addax::cpu::ADDAX_ISA {
namespace {

constexpr int64_t kTaskWork = 1 << 20;      // multiply-adds of a task
constexpr int64_t kLeastWork = 1 << 17;     // worth handing to a thread, where there are few tasks
constexpr int64_t kTasks = 8;               // enough for a few threads
constexpr int64_t kSlabElements = 1 << 16;  // what a slab reads stays in the cache nearest to the core

// Filters of one pixel over many channels are a matrix, which its product is faster with; over few ones it packs too
// much.
bool is_product(const ConvShape& s) {
  constexpr int64_t kLeast = 24;
  return s.pointwise() && s.channels >= kLeast && s.outputs >= kLeast && s.pixels() > 0;
}

// Channels of a pixel in a depthwise box: whole vectors, and one line more where the pixels under a filter would share
// a few sets of the first cache.
template <class T>
int64_t lane_pixel(int64_t channels) {
  constexpr int64_t kLine = 64 / sizeof(T);
  const int64_t padded = ColumnPanels<T>(channels).padded;
  return padded % (8 * kLine) == 0 ? padded + kLine : padded;
}

// A depthwise input or output as the lanes of the output channels.
template <class T>
Channels depthwise_channels(const ConvShape& s) {
  const int64_t factor = s.outputs / s.channels;
  return {factor == 1 ? Channels::Plain : Channels::Repeat, s.channels, 0, s.outputs, lane_pixel<T>(s.outputs), factor};
}

// The positions of a slab with their steps in the box and in the array on the other side (which has `channels` per
// pixel), flattened to as few rows of equally spaced positions as the steps allow.
struct Grid {
  Triple count, src, dst;
  int64_t dst_start = 0;

  template <class T>
  Grid(const Pass& pass, Slab slab, const Box<T>& box, int64_t channels) {
    const auto& axis = pass.axis;
    src = {axis[0].src_step * box.plane, axis[1].src_step * box.row, axis[2].src_step * box.pixel};
    const Triple size = {axis[1].dst_size * axis[2].dst_size * channels, axis[2].dst_size * channels, channels};
    for (size_t i = 0; i < 3; ++i) {
      const bool cut = static_cast<int>(i) == pass.cut();
      count[i] = cut ? slab.end - slab.begin : axis[i].grid;
      dst[i] = axis[i].dst_step * size[i];
      dst_start += (axis[i].dst_first + (cut ? slab.begin * axis[i].dst_step : 0)) * size[i];
    }
    join(1);
    if (count[1] == 1) {
      std::swap(count[0], count[1]);
      src[1] = src[0];
      dst[1] = dst[0];
      join(1);
    }
  }

  // Calls f(source offset, destination offset) for each row of count[2] positions.
  template <class F>
  void rows(F&& f) const {
    for (int64_t d = 0; d < count[0]; ++d)
      for (int64_t h = 0; h < count[1]; ++h) f(d * src[0] + h * src[1], dst_start + d * dst[0] + h * dst[1]);
  }

 private:
  void join(size_t i) {
    if (count[2] == 1) {
      src[2] = src[i];
      dst[2] = dst[i];
    } else if (count[i] > 1 && (src[i] != count[2] * src[2] || dst[i] != count[2] * dst[2])) {
      return;
    }
    count[2] *= count[i];
    count[i] = 1;
  }
};

// Cuts an extent into stretches of nearly equal length.
int64_t even_length(int64_t extent, int64_t longest) {
  return ceil_div(extent, ceil_div(extent, std::clamp<int64_t>(longest, 1, extent)));
}

// Slab length along the cut axis, from sizes alone.
int64_t slab_length(const Pass& pass, int64_t work, int64_t work_per_position, int64_t elements_per_position) {
  const int64_t extent = pass.axis[static_cast<size_t>(pass.cut())].grid;
  const int64_t layer = std::max<int64_t>(1, pass.grid() / std::max<int64_t>(1, extent));
  const int64_t longest = std::min(work / std::max<int64_t>(1, layer * work_per_position),
                                   kSlabElements / std::max<int64_t>(1, layer * elements_per_position));
  return even_length(extent, longest);
}

// ---- x to y and g to dx ---------------------------------------------------------------------------------------------

struct Step {
  const Pass* pass;
  int64_t k;        // elements summed
  int64_t weights;  // where its panels of filters start
  int64_t slab;     // length
  int64_t slabs;
  int64_t tasks;  // of the steps up to this one
};

template <class S, class T>
void pack_filters(const Correlation<S>& c, const Step& step, int64_t group, const ColumnPanels<T>& panels, int64_t p,
                  T* to) {
  const auto& axis = step.pass->axis;
  const int64_t width = panels.width(p), used = panels.used(p);
  const auto tap_of = [&](size_t i, int64_t u) { return axis[i].tap_first + u * axis[i].tap_stride; };
  for (int64_t d = 0; d < axis[0].taps; ++d)
    for (int64_t h = 0; h < axis[1].taps; ++h)
      for (int64_t w = 0; w < axis[2].taps; ++w) {
        const int64_t tap = (tap_of(0, d) * c.filter[1] + tap_of(1, h)) * c.filter[2] + tap_of(2, w);
        const S* from = c.filters + tap * c.tap_step + group * c.group_step + panels.first(p) * c.column_step;
        detail::pack_panel(Matrix<S>{from, c.depth_step, c.column_step}, c.depth, used, width, to);
        to += c.depth * width;
      }
}

// The box elements that one position sums, as runs of a step k_step, in the order of pack_filters.
template <class S, class T>
int64_t filter_runs(const Correlation<S>& c, const Pass& pass, const Box<T>& box, List<Run>& runs) {
  const auto& axis = pass.axis;
  const int64_t tap = axis[2].tap_step * box.pixel;
  const int64_t k_step = !c.lanes ? 1 : c.depth == 1 ? tap : box.pixel / c.depth;
  const bool whole_row = c.depth == 1 ? c.lanes || tap == 1 : !c.lanes && tap == c.depth;
  runs.clear();
  for (int64_t d = 0; d < axis[0].taps; ++d)
    for (int64_t h = 0; h < axis[1].taps; ++h) {
      const int64_t offset = d * axis[0].tap_step * box.plane + h * axis[1].tap_step * box.row;
      if (whole_row)
        runs.push_back({offset, axis[2].taps * c.depth});
      else
        for (int64_t w = 0; w < axis[2].taps; ++w) runs.push_back({offset + w * tap, c.depth});
    }
  return k_step;
}

template <class S>
void correlate(const Correlation<S>& c) {
  using T = compute_t<S>;
  if constexpr (std::is_same_v<S, float>) {
    const int tile = winograd_tile(c, addax::winograd());
    if (tile == 2) return winograd<2>(c);
    if (tile == 4) return winograd<4>(c);
  }
  const ColumnPanels<T> panels(c.columns);
  List<Step> steps;
  int64_t weights = 0, tasks = 0, box_elements = 0, work = 0;
  for (const Pass& pass : c.passes) work += pass.grid() * pass.taps() * c.depth * panels.padded * c.groups * c.batch;
  const int64_t task_work = std::clamp(work / kTasks, kLeastWork, kTaskWork);
  for (const Pass& pass : c.passes) {
    Step step;
    step.pass = &pass;
    step.k = pass.taps() * c.depth;
    step.weights = weights;
    step.slab = slab_length(pass, task_work, step.k * panels.padded * (c.lanes ? 1 : c.groups), c.channels.pixel);
    step.slabs = ceil_div(pass.axis[static_cast<size_t>(pass.cut())].grid, step.slab);
    tasks += c.batch * step.slabs * c.groups;
    step.tasks = tasks;
    weights += step.k * panels.padded * c.groups;
    box_elements = std::max(box_elements, box_size(pass, {0, step.slab}, c.channels));
    steps.push_back(step);
  }
  const int64_t each = c.groups * panels.count, packs = static_cast<int64_t>(steps.size()) * each;
  const Made<T> packed(c.weights, c.key(KeptForm::FilterPanels), weights, "conv", [&](T* to) {
    parallel_for(packs, ceil_div(packs * (kTaskWork / 8), std::max<int64_t>(weights, 1)),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t i = begin; i < end; ++i) {
                     const Step& step = steps[static_cast<size_t>(i / each)];
                     const int64_t group = i % each / panels.count, p = i % panels.count;
                     pack_filters(c, step, group, panels, p,
                                  to + step.weights + step.k * (group * panels.padded + panels.first(p)));
                   }
                 });
  });

  const int64_t image_size =
      c.passes[0].axis[0].src_size * c.passes[0].axis[1].src_size * c.passes[0].axis[2].src_size * c.channels.total;
  const int64_t result_size =
      c.passes[0].axis[0].dst_size * c.passes[0].axis[1].dst_size * c.passes[0].axis[2].dst_size * c.dst_channels;
  parallel_for(
      tasks, std::max<int64_t>(1, tasks * task_work / std::max<int64_t>(work, 1)), [&](int64_t begin, int64_t end) {
        Scratch<T> memory(box_elements, "conv");
        List<Run> runs;
        size_t at = 0;
        for (int64_t i = begin; i < end; ++i) {
          while (i >= steps[at].tasks) ++at;
          const Step& step = steps[at];
          const Pass& pass = *step.pass;
          int64_t task = i - (at == 0 ? 0 : steps[at - 1].tasks);
          const int64_t group = task % c.groups;
          task /= c.groups;
          const int64_t first = task % step.slabs * step.slab, image = task / step.slabs;
          const Slab slab{first, std::min(first + step.slab, pass.axis[static_cast<size_t>(pass.cut())].grid)};

          Channels channels = c.channels;
          channels.first = group * channels.count;
          const Box<T> box = load_box(c.src + image * image_size, pass, slab, channels, memory.get());
          const int64_t k_step = filter_runs(c, pass, box, runs);
          const Grid grid(pass, slab, box, c.dst_channels);
          S* const result = c.dst + image * result_size + group * c.columns;
          const T* const filters = packed.get() + step.weights + group * step.k * panels.padded;
          // A row of positions by a panel of columns.
          const auto cover = [&](int64_t p, int64_t src, int64_t dst) {
            const int64_t column = panels.first(p), width = panels.width(p), used = panels.used(p);
            const auto run = [&](auto&& tile, int64_t row, int64_t rows) {
              emit(tile, rows, width, used, box.data + src + row * grid.src[2] + (c.lanes ? column : 0), grid.src[2],
                   k_step, runs, filters + step.k * column, width, result + dst + row * grid.dst[2] + column,
                   grid.dst[2], false);
            };
            if (!c.lanes) {
              cover_rows(grid.count[2],
                         [&](int64_t row, int rows) { run(tile_of<T>(rows, panels.vectors(p)), row, rows); });
            } else if (runs.size() == 3 && runs[0].length == 3) {
              const int64_t most = std::is_same_v<S, T> && used == width ? grid.count[2] : kTileRows;
              for (int64_t row = 0; row < grid.count[2]; row += most) {
                const int64_t rows = std::min(most, grid.count[2] - row);
                run([&](auto... args) { lane_row<T>(rows, args...); }, row, rows);
              }
            } else {
              cover_rows(grid.count[2],
                         [&](int64_t row, int rows) { run(lane_tile_of<T>(rows, panels.vectors(p)), row, rows); });
            }
          };
          if (c.lanes)
            grid.rows([&](int64_t src, int64_t dst) {
              for (int64_t p = 0; p < panels.count; ++p) cover(p, src, dst);
            });
          else
            for (int64_t p = 0; p < panels.count; ++p) grid.rows([&](int64_t src, int64_t dst) { cover(p, src, dst); });
          if (c.epilogue)
            c.epilogue->rows(result + grid.dst_start, grid.count[0] * grid.count[1] * grid.count[2], c.columns,
                             c.dst_channels);
        }
      });
}

template <class S>
void conv(const KernelArgs& args, const ConvAttrs& attrs, const View& y, const Epilogue* epilogue) {
  using T = compute_t<S>;
  const View &x = args.in[0], &w = args.in[1];
  const ConvShape s(x.shape, Dims(w.shape.begin(), w.shape.end() - 2), y.shape, attrs);
  if (is_product(s))
    return product(s.pixels(), s.outputs, s.channels, Matrix<S>{x.as<S>(), s.channels, 1},
                   Matrix<S>{w.as<S>(), s.outputs, 1}, y.as<S>(), epilogue, args.weights);
  Correlation<S> c;
  c.epilogue = epilogue;
  c.weights = args.weights;
  c.passes = {forward_pass(s)};
  c.batch = s.batch;
  c.lanes = s.depthwise();
  c.groups = c.lanes ? 1 : s.groups;
  c.src = x.as<const S>();
  c.dst = y.as<S>();
  c.dst_channels = s.outputs;
  c.columns = s.outputs / c.groups;
  c.filters = w.as<const S>();
  c.filter = s.filter;
  c.depth = c.lanes ? 1 : s.channels / s.groups;
  c.tap_step = s.channels / s.groups * s.outputs;
  c.group_step = c.columns;
  c.depth_step = s.outputs;
  c.column_step = 1;
  if (c.lanes)
    c.channels = depthwise_channels<T>(s);
  else
    c.channels = {Channels::Plain, s.channels, 0, c.depth, c.depth};
  correlate(c);
}

template <class S>
void conv_input_grad(const KernelArgs& args) {
  using T = compute_t<S>;
  const View &g = args.in[0], &w = args.in[1], &dx = args.out[0];
  const ConvShape s(dx.shape, Dims(w.shape.begin(), w.shape.end() - 2), g.shape, args.attrs.as<ConvInputGradAttrs>());
  if (is_product(s))
    return product(s.pixels(), s.channels, s.outputs, Matrix<S>{g.as<S>(), s.outputs, 1},
                   Matrix<S>{w.as<S>(), 1, s.outputs}, dx.as<S>());
  Correlation<S> c;
  c.passes = input_grad_passes(s);
  c.batch = s.batch;
  c.lanes = s.depthwise();
  c.groups = c.lanes ? 1 : s.groups;
  c.src = g.as<const S>();
  c.dst = dx.as<S>();
  c.dst_channels = s.channels;
  c.columns = s.channels / c.groups;
  c.filters = w.as<const S>();
  c.filter = s.filter;
  c.depth = s.outputs / s.groups;
  c.tap_step = s.channels / s.groups * s.outputs;
  c.group_step = c.depth;
  c.depth_step = 1;
  c.column_step = c.lanes ? c.depth : s.outputs;
  if (!c.lanes)
    c.channels = {Channels::Plain, s.outputs, 0, c.depth, c.depth};
  else if (c.depth == 1)
    c.channels = {Channels::Plain, s.outputs, 0, s.outputs, lane_pixel<T>(s.outputs)};
  else
    c.channels = {
        Channels::Deinterleave, s.outputs, 0, s.outputs, ColumnPanels<T>(s.channels).padded * c.depth, c.depth};
  correlate(c);
}

// ---- x and g to the filters' gradient -------------------------------------------------------------------------------

// Images and slabs are dealt out to a few sums, which are added up in order, and columns to tasks of their own where
// the sum of all columns would leave the cache. Where many tiles read one slab, both of its sides are brought together
// in memory: the gradient by panels, the box by chunks of its channels.
template <class S>
void conv_filter_grad(const KernelArgs& args) {
  using T = compute_t<S>;
  constexpr int64_t kSums = 16, kPartElements = 1 << 22, kSumElements = 1 << 16;
  constexpr int64_t kNearElements = 12 << 10;  // of a slab's chunk and panel: both stay in the first cache
  constexpr int64_t kChunk = 24;
  const View &x = args.in[0], &g = args.in[1], &dw = args.out[0];
  const ConvShape s(x.shape, Dims(dw.shape.begin(), dw.shape.end() - 2), g.shape, args.attrs.as<ConvFilterGradAttrs>());
  const Pass pass = forward_pass(s);
  if constexpr (std::is_same_v<S, float>)
    if (addax::winograd() && s.groups == 1 && winograd_pays(pass, s.batch, s.channels, s.outputs, 2))
      return winograd_filter_grad(pass, s.batch, s.channels, s.outputs, x.as<const float>(), g.as<const float>(),
                                  dw.as<float>());
  if (is_product(s))
    return product(s.channels, s.outputs, s.pixels(), Matrix<S>{x.as<S>(), 1, s.channels},
                   Matrix<S>{g.as<S>(), s.outputs, 1}, dw.as<S>());
  const auto& axis = pass.axis;
  const bool lanes = s.depthwise();
  const int64_t groups = lanes ? 1 : s.groups, depth = lanes ? 1 : s.channels / s.groups;
  const int64_t columns = s.outputs / groups, k = pass.taps() * depth;
  const ColumnPanels<T> panels(columns);
  const bool deep = !lanes && k >= 4 * kTileRows;
  const int64_t chunks = deep ? ceil_div(depth, kChunk) : 1, chunk = ceil_div(depth, chunks);
  const Channels plain = {Channels::Plain, s.channels, 0, chunk, chunk, 1, chunks > 1};
  const Channels shared = lanes ? depthwise_channels<T>(s) : plain;
  const int64_t extent = axis[static_cast<size_t>(pass.cut())].grid, layer = pass.grid() / extent;
  const int64_t slab_size = deep ? even_length(extent, kNearElements / (layer * (chunk + panels.width(0))))
                                 : slab_length(pass, kTaskWork, k * panels.padded, shared.pixel + columns);
  const int64_t slabs = ceil_div(extent, slab_size), units = s.batch * slabs;
  const int64_t image_size = s.in[0] * s.in[1] * s.in[2] * s.channels;

  const int64_t size = k * panels.padded * groups;  // of one part
  const int64_t wanted = std::clamp<int64_t>(s.batch * pass.grid() * size / kTaskWork, 1, kSums);
  const int64_t near = std::max<int64_t>(1, kSumElements / std::max<int64_t>(1, k * ColumnPanels<T>::kWidth));
  const int64_t enough = deep ? ceil_div(panels.count, near) : 1;
  const int64_t parts =
      std::max<int64_t>(1, std::min({ceil_div(wanted, enough * groups), units, kPartElements / size}));
  const int64_t cuts = std::max(enough, std::min(panels.count, ceil_div(wanted, parts * groups)));
  Scratch<T> sums(parts * size, "conv_filter_grad");

  parallel_for(parts * groups * cuts, 1, [&](int64_t begin, int64_t end) {
    Scratch<T> memory(box_size(pass, {0, slab_size}, shared), "conv_filter_grad");
    Scratch<T> g_panels(slab_size * layer * ColumnPanels<T>::kWidth * ceil_div(panels.count, cuts), "conv_filter_grad");
    List<Run> runs;
    for (int64_t task = begin; task < end; ++task) {
      const int64_t cut = task % cuts, group = task / cuts % groups, part = task / cuts / groups;
      const int64_t first_panel = cut * panels.count / cuts, last_panel = (cut + 1) * panels.count / cuts;
      T* const sum = sums.get() + part * size + group * k * panels.padded;
      const int64_t first_unit = part * units / parts, last_unit = (part + 1) * units / parts;
      for (int64_t unit = first_unit; unit < last_unit; ++unit) {
        const int64_t image = unit / slabs, at = unit % slabs * slab_size;
        const Slab slab{at, std::min(at + slab_size, extent)};
        const int64_t pixels = (slab.end - slab.begin) * layer;
        const S* const gradient =
            g.as<const S>() + (image * pass.grid() + slab.begin * layer) * s.outputs + group * columns;
        // Read in place, or else copied to here.
        const auto in_place = [&](int64_t p) {
          return std::is_same_v<S, T> && panels.used(p) == panels.width(p) && (!deep || s.outputs == panels.width(p));
        };
        const auto panel_memory = [&](int64_t p) {
          return g_panels.get() + pixels * ColumnPanels<T>::kWidth * (p - first_panel);
        };
        for (int64_t p = first_panel; p < last_panel; ++p)
          if (!in_place(p))
            load_pixels(gradient + panels.first(p), pixels,
                        {Channels::Plain, s.outputs, 0, panels.used(p), panels.width(p)}, panel_memory(p));

        for (int64_t c = 0; c < chunks; ++c) {
          const int64_t first = c * depth / chunks, rows = (c + 1) * depth / chunks - first;
          Channels channels = shared;
          channels.first = group * depth + first;
          if (!lanes) channels.count = channels.pixel = rows;
          const Box<T> box = load_box(x.as<const S>() + image * image_size, pass, slab, channels, memory.get());
          const Grid grid(pass, slab, box, s.outputs);
          runs.clear();
          grid.rows([&](int64_t src, int64_t) { runs.push_back({src, grid.count[2]}); });
          // Rows of the result that lie evenly in the box: the channels of a tap or of a row of taps; depthwise, the
          // taps of a row.
          const int64_t tap = axis[2].tap_step * box.pixel;
          const bool whole_row = lanes || (chunks == 1 && tap == depth);
          const int64_t stretch = whole_row ? axis[2].taps * depth : rows;
          const int64_t row_step = lanes ? tap : 1;
          for (int64_t p = first_panel; p < last_panel; ++p) {
            const int64_t column = panels.first(p), width = panels.width(p);
            const T* b = panel_memory(p);
            int64_t ldb = width;
            if constexpr (std::is_same_v<S, T>) {
              if (in_place(p)) {
                b = gradient + column;
                ldb = s.outputs;
              }
            }
            T* to = sum + k * column + first * width;
            for (int64_t d = 0; d < axis[0].taps; ++d)
              for (int64_t h = 0; h < axis[1].taps; ++h)
                for (int64_t w = 0; w < (whole_row ? 1 : axis[2].taps); ++w) {
                  const T* const a = box.data + d * axis[0].tap_step * box.plane + h * axis[1].tap_step * box.row +
                                     w * tap + (lanes ? column : 0);
                  cover_rows(stretch, [&](int64_t row, int height) {
                    (lanes ? lane_tile_of<T> : tile_of<T>)(height, panels.vectors(p))(
                        a + row * row_step, row_step, grid.src[2], runs, b, ldb, to + row * width, width,
                        unit > first_unit);
                  });
                  to += (whole_row ? axis[2].taps : 1) * depth * width;
                }
          }
        }
      }
    }
  });

  // Row i of a group's panel p is at sums[part][group][p][i].
  parallel_for(k * groups, std::max<int64_t>(1, kTaskWork / (16 * parts * panels.padded)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   const int64_t row = i / groups, group = i % groups;
                   S* const to = dw.as<S>() + row * s.outputs + group * columns;
                   for (int64_t p = 0; p < panels.count; ++p) {
                     const int64_t column = panels.first(p), width = panels.width(p), used = panels.used(p);
                     const T* const from = sums.get() + group * k * panels.padded + k * column + row * width;
                     T total[ColumnPanels<T>::kWidth] = {};
                     if (units > 0)
                       for (int64_t part = 0; part < parts; ++part)
                         for (int64_t j = 0; j < width; ++j) total[j] += from[part * size + j];
                     for (int64_t j = 0; j < used; ++j) to[column + j] = static_cast<S>(total[j]);
                   }
                 }
               });
}

template <class T, int... I>
constexpr std::array<std::array<Tile<T>, 2>, sizeof...(I)> lane_tiles(std::integer_sequence<int, I...>) {
  return {{{lane_tile<T, I + 1, 1>, lane_tile<T, I + 1, 2>}...}};
}

}  // namespace

template <class T>
Tile<T> lane_tile_of(int rows, int vectors) {
  static constexpr auto kTiles = lane_tiles<T>(std::make_integer_sequence<int, kTileRows>());
  return kTiles[static_cast<size_t>(rows - 1)][static_cast<size_t>(vectors - 1)];
}
template Tile<float> lane_tile_of(int, int);
template Tile<double> lane_tile_of(int, int);

void register_conv(KernelSink& sink) {
  sink.set("conv", [](const KernelArgs& args) {
    with_float(args.in[0].dtype,
               [&](auto tag) { conv<decltype(tag)>(args, args.attrs.as<ConvAttrs>(), args.out[0], nullptr); });
  });
  sink.set("conv_fused", [](const KernelArgs& args) {
    const auto& attrs = args.attrs.as<EpilogueAttrs<ConvAttrs>>();
    const Epilogue epilogue(args, attrs.epilogue);
    with_float(args.in[0].dtype,
               [&](auto tag) { conv<decltype(tag)>(args, attrs.product, epilogue.product(), &epilogue); });
  });
  sink.set("conv_input_grad", [](const KernelArgs& args) {
    with_float(args.out[0].dtype, [&](auto tag) { conv_input_grad<decltype(tag)>(args); });
  });
  sink.set("conv_filter_grad", [](const KernelArgs& args) {
    with_float(args.out[0].dtype, [&](auto tag) { conv_filter_grad<decltype(tag)>(args); });
  });
}

}  // namespace addax::cpu::ADDAX_ISA
