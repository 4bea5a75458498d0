/** Tasks a second over the time since the start, and how many run. */
import { useMemo } from "react";
import type uPlot from "uplot";
import type { SeriesPoint } from "@/api/insight";
import { count, duration, rate } from "@/ui/format";
import { axis, type Inks, Plot } from "./Plot";

function options(inks: Inks): Omit<uPlot.Options, "width" | "height"> {
  return {
    padding: [8, 4, 0, 0],
    scales: {
      x: { time: false },
      y: { range: (_, __, most) => [0, Math.max(1, most * 1.1)] },
      out: { range: (_, __, most) => [0, Math.max(1, most * 1.1)] },
    },
    axes: [
      axis(inks, { values: (_, ticks) => ticks.map((seconds) => duration(seconds)) }),
      axis(inks, { size: 56, values: (_, ticks) => ticks.map((value) => rate(value)) }),
      axis(inks, {
        side: 1,
        scale: "out",
        incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000],
        size: 48,
        grid: { show: false },
        values: (_, ticks) => ticks.map(count),
      }),
    ],
    legend: { live: true },
    cursor: { points: { size: 6 }, drag: { x: true, y: false } },
    series: [
      { label: "After", value: (_, value) => (value === null ? "–" : duration(value)) },
      {
        label: "Ended",
        stroke: inks.of("s-succeeded"),
        fill: `${inks.of("s-succeeded")}22`,
        width: 1.75,
        value: (_, value) => (value === null ? "–" : rate(value)),
      },
      {
        label: "Running",
        scale: "out",
        stroke: inks.of("s-running"),
        width: 1.5,
        dash: [5, 3],
        value: (_, value) => (value === null ? "–" : count(value)),
      },
    ],
  };
}

/** The plot. */
export default function Throughput({ points }: { points: SeriesPoint[] }) {
  const data = useMemo<uPlot.AlignedData>(
    () => [
      points.map((point) => point.elapsed_seconds),
      points.map((point) => point.per_second),
      points.map((point) => point.running),
    ],
    [points],
  );
  const most = Math.max(...points.map((point) => point.per_second));
  return <Plot label={`Tasks a second over time, ${rate(most)} at most`} data={data} options={options} />;
}
