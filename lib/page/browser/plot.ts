import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { html } from "./elements.ts";
import { known } from "./format.ts";

/** One line of a plot. */
export interface Curve {
  name: string;
  /** The name of its colour in page.css, as "--curve-1". */
  color: string;
  values: (number | undefined)[];
}

interface PlotProps {
  title: string;
  /** Seconds ago, negative, ascending. */
  seconds: number[];
  curves: Curve[];
  format: (value: number) => string;
  /** The steps that the axis of values may have. */
  steps?: number[];
}

const HEIGHT_PX = 190;

/** A plot over time, with the latest values as text beside it. */
export function Plot({ title, seconds, curves, format, steps }: PlotProps): VNode {
  const ref = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  const theme = document.documentElement.dataset.theme;
  useEffect(() => {
    const box = ref.current!;
    const made = new uPlot(optionsOf(box, { curves, format, steps }), [[], ...curves.map(() => [])], box);
    plot.current = made;
    const sizes = new ResizeObserver(() => made.setSize({ width: box.clientWidth, height: HEIGHT_PX }));
    sizes.observe(box);
    return () => {
      sizes.disconnect();
      made.destroy();
    };
  }, [theme, matchMedia("(prefers-color-scheme: dark)").matches]);
  useEffect(() => {
    plot.current?.setData([seconds, ...curves.map(({ values }) => values)] as uPlot.AlignedData);
  });
  return html`
    <figure class="plot">
      <figcaption>
        <h2>${title}</h2>
        <ul class="legend">
          ${curves.map(({ name, color, values }) =>
            html`<li key=${name}><span class="swatch" style=${{
              background: `var(${color})`,
            }}></span>${name}:${" "}
              <b>${latestOf(values, format)}</b></li>`
          )}
        </ul>
      </figcaption>
      <div ref=${ref} class="canvas-box" aria-hidden="true"></div>
    </figure>
  `;
}

function latestOf(values: readonly (number | undefined)[], format: (value: number) => string): string {
  return known(values.findLast((value) => value !== undefined), format);
}

function optionsOf(
  box: HTMLElement,
  { curves, format, steps }: Pick<PlotProps, "curves" | "format" | "steps">,
): uPlot.Options {
  const color = (name: string) => colorOf(box, name);
  const axis = {
    stroke: color("--quiet"),
    grid: { stroke: color("--line"), width: 1 },
    ticks: { stroke: color("--line"), width: 1 },
    font: "12px system-ui, sans-serif",
  };
  return {
    width: box.clientWidth,
    height: HEIGHT_PX,
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time: false }, y: { range: (_plot, _min, max) => [0, Math.max(max ?? 0, 1e-9) * 1.1] } },
    series: [
      {},
      ...curves.map((curve) => ({
        stroke: color(curve.color),
        width: 2,
        points: { show: false },
        spanGaps: true,
      })),
    ],
    axes: [
      { ...axis, size: 34, values: (_plot, splits) => splits.map(agoOf) },
      { ...axis, size: 76, incrs: steps, values: (_plot, splits) => splits.map(format) },
    ],
  };
}

/** The colour that `name` of page.css is now, for a canvas, which knows neither `var()` nor `light-dark()`. */
function colorOf(box: HTMLElement, name: string): string {
  box.style.color = `var(${name})`;
  const { color } = getComputedStyle(box);
  box.style.color = "";
  return color;
}

function agoOf(seconds: number): string {
  if (seconds === 0) return "now";
  const ago = -seconds;
  return ago >= 120 ? `${Math.round(ago / 6) / 10} min` : `${ago} s`;
}
