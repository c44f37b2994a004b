// Draws stacked bars. A separate file, which is loaded after the page can be used.
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

export interface Bars {
  /** One for each bar. */
  labels: string[];
  /** From the bottom to the top; `values` has one for each bar. */
  layers: { label: string; color: string; values: number[] }[];
}

const HEIGHT_PIXELS = 200;
const LABEL_PIXELS = 64;
const FONT = "12px system-ui, sans-serif";
const paths = uPlot.paths.bars?.({ size: [0.8, 48] });

/** Draws into an empty element, and again whenever its width changes. Returns a function that removes it. */
export function draw(element: HTMLElement, bars: Bars): () => void {
  const chart = new uPlot(optionsOf(element, bars), dataOf(bars), element);
  const observer = new ResizeObserver(() => {
    const width = element.clientWidth;
    if (width > 0 && width !== chart.width) chart.setSize({ width, height: HEIGHT_PIXELS });
  });
  observer.observe(element);
  return () => {
    observer.disconnect();
    chart.destroy();
  };
}

function optionsOf(element: HTMLElement, bars: Bars): uPlot.Options {
  const style = getComputedStyle(element);
  const colorOf = (name: string) => style.getPropertyValue(name).trim() || name;
  const text = style.color;
  const lines = colorOf("--mantine-color-default-border");
  const last = bars.labels.length - 1;
  return {
    width: element.clientWidth,
    height: HEIGHT_PIXELS,
    cursor: { show: false },
    legend: { show: false },
    scales: {
      x: { time: false, range: [-0.5, last + 0.5] },
      y: { range: (_, __, most) => [0, Math.max(4, Math.ceil(most * 1.05))] },
    },
    axes: [
      {
        stroke: text,
        font: FONT,
        grid: { show: false },
        ticks: { show: false },
        splits: (chart) => everyFew(bars.labels.length, chart.width),
        values: (_, splits) => splits.map((index) => bars.labels[index] ?? ""),
      },
      {
        stroke: text,
        font: FONT,
        grid: { stroke: lines, width: 1 },
        ticks: { show: false },
        values: (_, splits) =>
          splits.map((value) => (Number.isInteger(value) ? value.toLocaleString() : "")),
      },
    ],
    series: [
      {},
      // The highest sum is drawn first, so that the lower ones cover its lower part.
      ...[...bars.layers].reverse().map(({ label, color }) => ({
        label,
        fill: colorOf(color),
        width: 0,
        points: { show: false },
        ...(paths ? { paths } : {}),
      })),
    ],
  };
}

/** The index of each bar, then the sums of the layers up to each layer, the highest sums first. */
function dataOf({ labels, layers }: Bars): uPlot.AlignedData {
  const sums: number[][] = [];
  for (const { values } of layers) {
    const below = sums.at(-1);
    sums.push(values.map((value, index) => value + (below?.[index] ?? 0)));
  }
  return [labels.map((_, index) => index), ...sums.reverse()];
}

function everyFew(bars: number, width: number): number[] {
  const step = Math.max(1, Math.ceil((bars * LABEL_PIXELS) / Math.max(width, 1)));
  const shown = Array.from({ length: Math.ceil(bars / step) }, (_, index) => bars - 1 - index * step);
  return shown.reverse();
}
