/** A plot in the page's colours, as wide as its place. */
import { useEffect, useRef, useSyncExternalStore } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

export interface Inks {
  text: string;
  line: string;
  of: (name: string) => string;
}

interface Props {
  label: string;
  data: uPlot.AlignedData;
  options: (inks: Inks) => Omit<uPlot.Options, "width" | "height">;
}

const HEIGHT = 200;

function inks(): Inks {
  const style = getComputedStyle(document.documentElement);
  const of = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return { text: of("muted"), line: of("line"), of };
}

function subscribeTheme(listener: () => void): () => void {
  window.addEventListener("themechange", listener);
  return () => window.removeEventListener("themechange", listener);
}
const themeNow = () => document.documentElement.dataset.theme ?? "light";

/** New data moves the lines; only a new theme or new options make the plot anew. */
export function Plot({ label, data, options }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(data);
  latest.current = data;
  const theme = useSyncExternalStore(subscribeTheme, themeNow);
  // biome-ignore lint/correctness/useExhaustiveDependencies: colours are read off the page, whose theme it is
  useEffect(() => {
    const element = place.current;
    if (!element) return;
    const made = new uPlot(
      { ...options(inks()), width: Math.max(200, element.clientWidth), height: HEIGHT },
      latest.current,
      element,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [options, theme]);
  useEffect(() => plot.current?.setData(data), [data]);
  return <div ref={place} role="img" aria-label={label} className="min-h-[200px] overflow-hidden" />;
}

/** An axis in the page's colours. */
export const axis = ({ text, line }: Inks, more: uPlot.Axis = {}): uPlot.Axis => ({
  stroke: text,
  font: '11px "Inter Variable", sans-serif',
  grid: { stroke: line, width: 1 },
  ticks: { stroke: line, width: 1, size: 4 },
  ...more,
});
