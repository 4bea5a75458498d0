/** Numbers and times as people read them. */
const COUNT = new Intl.NumberFormat("en-US");
const DATE = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});

/** 1234567 as 1,234,567. */
export const count = (value: number): string => COUNT.format(value);

/** A share of 0..1 as a percentage that is 0 % or 100 % only when it truly is. */
export function percent(share: number): string {
  if (share <= 0) return "0 %";
  if (share >= 1) return "100 %";
  const value = share * 100;
  if (value < 0.1) return "<0.1 %";
  if (value > 99.9) return ">99.9 %";
  return `${value < 10 ? value.toFixed(1) : value > 99 ? value.toFixed(1) : Math.round(value)} %`;
}

/** Seconds as 0.2 s, 42 s, 3 m 20 s, 2 h 5 m, 3 d 4 h. */
export function duration(seconds: number): string {
  if (seconds < 0) return "0 s";
  if (seconds < 1) return seconds < 0.001 ? "0 s" : `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${Number.isInteger(seconds) ? seconds : seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const two = (big: number, small: number, units: [string, string]) =>
    `${big} ${units[0]}${small ? ` ${small} ${units[1]}` : ""}`;
  const whole = Math.round(seconds);
  if (whole < 3600) return two(Math.floor(whole / 60), whole % 60, ["m", "s"]);
  if (whole < 86_400) return two(Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), ["h", "m"]);
  return two(Math.floor(whole / 86_400), Math.floor((whole % 86_400) / 3600), ["d", "h"]);
}

/** How long ago, in the one unit that matters. */
export function age(seconds: number): string {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

/** Tasks a second, with as many digits as matter. */
export function rate(value: number): string {
  if (value >= 100) return `${count(Math.round(value))}/s`;
  return value >= 10 ? `${value.toFixed(0)}/s` : `${value.toFixed(1)}/s`;
}

/** Bytes as 468 B, 12.3 KB, 4.6 MB. */
export function bytes(value: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  let left = value;
  while (left >= 1000 && unit < units.length - 1) {
    left /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? left : left.toFixed(1)} ${units[unit]}`;
}

/** Dollars; small sums keep two digits that say something. */
export function dollars(value: number): string {
  if (value === 0) return "$0.00";
  return value >= 0.01 ? `$${value.toFixed(2)}` : `$${value.toPrecision(2)}`;
}

/** An instant in the reader's own zone. */
export const instant = (iso: string): string => DATE.format(new Date(iso));

/** Seconds from one instant to another, or to now. */
export const between = (from: string, to?: string | null): number =>
  ((to ? Date.parse(to) : Date.now()) - Date.parse(from)) / 1000;
