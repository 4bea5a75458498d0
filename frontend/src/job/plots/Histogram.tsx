/** How many tasks took how long; each bin is twice as wide as the one before, or as the API says. */
import { useMemo } from "react";
import uPlot from "uplot";
import type { Durations } from "@/api/insight";
import { count, duration } from "@/ui/format";
import { axis, type Inks, Plot } from "./Plot";

type Bins = Durations["bins"];

const span = ({ from_ms, to_ms }: Bins[number]): string =>
  to_ms === null
    ? `${duration(from_ms / 1000)} or more`
    : `${duration(from_ms / 1000)} to ${duration(to_ms / 1000)}`;

// Failed ones are stacked on those that succeeded: the taller bars are drawn first, below.
function optionsFor(bins: Bins) {
  return (inks: Inks): Omit<uPlot.Options, "width" | "height"> => {
    const bars = uPlot.paths.bars?.({ size: [0.86, 90] });
    const sum = (index: number | null | undefined) => (index == null ? undefined : bins[index]);
    return {
      padding: [8, 8, 0, 0],
      scales: {
        x: { time: false, range: [-0.6, bins.length - 0.4] },
        y: { range: (_, __, most) => [0, Math.max(1, most * 1.1)] },
      },
      axes: [
        axis(inks, {
          splits: () => bins.map((_, index) => index - 0.5),
          space: 48,
          grid: { show: false },
          values: (_, ticks) => {
            const every = Math.ceil(ticks.length / 8);
            return ticks.map((tick, i) =>
              i % every ? "" : duration((bins[Math.round(tick + 0.5)]?.from_ms ?? 0) / 1000),
            );
          },
        }),
        axis(inks, {
          size: 52,
          values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? count(tick) : "")),
        }),
      ],
      cursor: { points: { show: false }, drag: { x: false, y: false } },
      series: [
        {
          label: "Took",
          value: (_, __, ___, index) => {
            const bin = sum(index);
            return bin ? span(bin) : "–";
          },
        },
        {
          label: "Failed",
          stroke: inks.of("s-failed"),
          fill: inks.of("s-failed"),
          width: 0,
          paths: bars,
          points: { show: false },
          value: (_, __, ___, index) => count(sum(index)?.failed ?? 0),
        },
        {
          label: "Succeeded",
          stroke: inks.of("s-succeeded"),
          fill: inks.of("s-succeeded"),
          width: 0,
          paths: bars,
          points: { show: false },
          value: (_, __, ___, index) => count(sum(index)?.succeeded ?? 0),
        },
      ],
    };
  };
}

/** The plot. */
export default function Histogram({ bins }: { bins: Bins }) {
  const shape = bins.map((bin) => bin.from_ms).join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: the options only change with the bounds of bins
  const options = useMemo(() => optionsFor(bins), [shape]);
  const data = useMemo<uPlot.AlignedData>(
    () => [
      bins.map((_, index) => index),
      bins.map((bin) => bin.succeeded + bin.failed),
      bins.map((bin) => bin.succeeded),
    ],
    [bins],
  );
  const most = bins.reduce(
    (a, b) => (b.succeeded + b.failed > a.succeeded + a.failed ? b : a),
    bins[0] ?? { from_ms: 0, to_ms: 0, succeeded: 0, failed: 0 },
  );
  return <Plot label={`Duration of tasks; most took ${span(most)}`} data={data} options={options} />;
}
