// SPDX-License-Identifier: Apache-2.0
/** Plots as SVG text, for pages that must open without a network and without a script. */
import * as echarts from 'echarts';

export interface Series {
  name: string;
  /** x, y */
  points: readonly (readonly [number, number])[];
}

/** Of the drawing. A page scales it: about as it is on a phone, somewhat larger beside another one. */
const WIDTH = 480;
const HEIGHT = 330;
/** Okabe and Ito's colours, which the colour-blind can tell apart. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000', '#999933'];

/** A mode has its colour in every plot of every report, and nothing else has it there. */
const MODES = ['openssl', 'boringssl', 'tlshub'];

function colourOf(mode: string): { color?: string } {
  const colour = COLOURS[MODES.indexOf(mode)];
  return colour === undefined ? {} : { color: colour };
}

function svg(option: echarts.EChartsOption): string {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT });
  try {
    chart.setOption({ animation: false, color: COLOURS, backgroundColor: '#ffffff', ...option });
    return chart.renderToSVGString();
  } finally {
    // It keeps a timer otherwise, and with it the process.
    chart.dispose();
  }
}

const titled = (title: string, legend: boolean): echarts.EChartsOption => ({
  title: { text: title, left: 'center', top: 6, textStyle: { fontSize: 15, width: WIDTH - 20, overflow: 'truncate' } },
  legend: { top: 32, itemGap: 24, show: legend },
  grid: { left: 66, right: 22, top: legend ? 66 : 44, bottom: 50 },
});

/** One bar a category and series. */
export function barPlot(
  title: string,
  unit: string,
  categories: readonly string[],
  series: Readonly<Record<string, readonly number[]>>,
): string {
  return svg({
    ...titled(title, Object.keys(series).length > 1),
    xAxis: {
      type: 'category',
      data: [...categories],
      axisLabel: { interval: 0, rotate: categories.length > 4 ? 30 : 0 },
    },
    yAxis: { type: 'value', name: unit, nameLocation: 'middle', nameGap: 46 },
    series: Object.entries(series).map(([name, values]) => ({
      type: 'bar',
      name,
      data: [...values],
      label: { show: true, position: 'top', formatter: ({ value }) => shown(Number(value)) },
    })),
  });
}

/** A figure of a mode, and how far its rounds lie apart. */
export interface Bar {
  name: string;
  median: number;
  min: number;
  max: number;
}

/** A bar a mode, in the mode's colour, and on it a stroke from the lowest round to the highest. */
export function modePlot(title: string, unit: string, bars: readonly Bar[]): string {
  const axis = { fontSize: 13 };
  return svg({
    ...titled(title, false),
    xAxis: { type: 'category', data: bars.map(({ name }) => name), axisLabel: { interval: 0, ...axis } },
    yAxis: { type: 'value', name: unit, nameLocation: 'middle', nameGap: 46 },
    series: [
      {
        type: 'bar',
        barMaxWidth: 90,
        data: bars.map(({ name, median }) => ({ value: median, itemStyle: colourOf(name) })),
        label: {
          show: true,
          position: 'insideBottom',
          distance: 8,
          color: '#ffffff',
          fontSize: 14,
          fontWeight: 'bold',
          formatter: ({ value }) => shown(Number(value)),
        },
      },
      {
        type: 'custom',
        silent: true,
        z: 10,
        data: bars.map(({ min, max }, at) => [at, min, max]),
        encode: { x: 0, y: [1, 2] },
        renderItem: (_params, api) => {
          const [x = 0, low = 0] = api.coord([api.value(0), api.value(1)]);
          const [, high = 0] = api.coord([api.value(0), api.value(2)]);
          const stroke = (x1: number, y1: number, x2: number, y2: number): echarts.CustomSeriesRenderItemReturn => ({
            type: 'line',
            shape: { x1, y1, x2, y2 },
            style: { stroke: '#1a1a1a', lineWidth: 2 },
          });
          const ends = [stroke(x - 8, low, x + 8, low), stroke(x - 8, high, x + 8, high)];
          return {
            type: 'group',
            children: [stroke(x, low, x, high), ...ends],
          } as echarts.CustomSeriesRenderItemReturn;
        },
      },
    ],
  });
}

/** Three digits. */
function shown(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en');
}

export function linePlot(
  title: string,
  xName: string,
  yName: string,
  series: readonly Series[],
  logarithmic = false,
): string {
  return svg({
    ...titled(title, new Set(series.map(({ name }) => name)).size > 1),
    xAxis: { type: logarithmic ? 'log' : 'value', name: xName, nameLocation: 'middle', nameGap: 30, scale: true },
    yAxis: { type: 'value', name: yName, nameLocation: 'middle', nameGap: 46 },
    series: series.map(({ name, points }) => ({
      type: 'line',
      name,
      ...colourOf(name),
      lineStyle: { width: 1.7 },
      showSymbol: points.length < 2,
      data: points.map((point) => [...point]),
    })),
  });
}

/** Which share of the values (percent, upward) is at most so large (across): a distribution without choosing bins. */
export function distributionPlot(
  title: string,
  unit: string,
  values: Readonly<Record<string, readonly number[]>>,
): string {
  const series = Object.entries(values).map(([name, all]) => ({ name, points: cumulative(all) }));
  return linePlot(title, unit, 'share of connections, %', series, true);
}

const STEPS = 200;

function cumulative(values: readonly number[]): [number, number][] {
  const sorted = [...values].sort((x, y) => x - y);
  const last = sorted.length - 1;
  if (last < 0) return [];
  return Array.from({ length: STEPS + 1 }, (_, step) => {
    const value = sorted[Math.round((step / STEPS) * last)] ?? 0;
    // A logarithmic axis has no zero.
    return [Math.max(value, 0.001), (step / STEPS) * 100];
  });
}
