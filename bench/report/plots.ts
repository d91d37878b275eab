// SPDX-License-Identifier: Apache-2.0
/** Plots as SVG text, for pages that must open without a network and without a script. */
import * as echarts from 'echarts';

export interface Series {
  name: string;
  /** x, y */
  points: readonly (readonly [number, number])[];
}

const WIDTH = 720;
const HEIGHT = 340;
/** Okabe and Ito's colours, which the colour-blind can tell apart. */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000', '#999933'];

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
  title: { text: title, left: 'center', top: 6, textStyle: { fontSize: 15 } },
  legend: { top: 34, itemGap: 30, show: legend },
  grid: { left: 75, right: 30, top: 70, bottom: 50 },
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
    xAxis: { type: 'category', data: [...categories], axisLabel: { interval: 0 } },
    yAxis: { type: 'value', name: unit, nameLocation: 'middle', nameGap: 55 },
    series: Object.entries(series).map(([name, values]) => ({
      type: 'bar',
      name,
      data: [...values],
      label: { show: true, position: 'top', formatter: ({ value }) => shown(Number(value)) },
    })),
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
    ...titled(title, series.length > 1),
    xAxis: { type: logarithmic ? 'log' : 'value', name: xName, nameLocation: 'middle', nameGap: 30, scale: true },
    yAxis: { type: 'value', name: yName, nameLocation: 'middle', nameGap: 55 },
    series: series.map(({ name, points }) => ({
      type: 'line',
      name,
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
