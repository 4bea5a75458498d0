/** Times that stay true while they are looked at. */
import { useEffect, useState } from "react";
import { age, between, duration, instant } from "./format";

/** Renders again each `seconds`; a hidden tab is left alone by the browser. */
export function useTicking(seconds: number | null): void {
  const [, tick] = useState(0);
  useEffect(() => {
    if (seconds === null) return;
    const timer = setInterval(() => tick((n) => n + 1), seconds * 1000);
    return () => clearInterval(timer);
  }, [seconds]);
}

/** How long ago; the exact time is in its title. */
export function Ago({ at }: { at: string }) {
  const seconds = between(at);
  useTicking(seconds < 120 ? 1 : 30);
  return (
    <time dateTime={at} title={instant(at)} className="tabular whitespace-nowrap">
      {seconds < 1 ? "now" : `${age(seconds)} ago`}
    </time>
  );
}

/** How long something took, or has been taking. */
export function Lasting({ from, to }: { from: string; to: string | null }) {
  useTicking(to ? null : 1);
  const seconds = between(from, to);
  return <span className="tabular whitespace-nowrap">{duration(to ? seconds : Math.floor(seconds))}</span>;
}

/** An instant, written out. */
export function Instant({ at }: { at: string }) {
  return (
    <time dateTime={at} title={at} className="tabular whitespace-nowrap">
      {instant(at)}
    </time>
  );
}
