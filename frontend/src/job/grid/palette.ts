/** The colours of codes, from the theme. */
import { tone } from "@/ui/states";
import { CODES } from "./cells";

/** Opaque colours by code, as a canvas holds them in memory: little-endian RGBA. */
export type Palette = Uint32Array;

const DIMMED = 0.16;

function channels(colour: string): [number, number, number] {
  const value = Number.parseInt(colour.trim().slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

function packed([red, green, blue]: readonly number[]): number {
  return ((255 << 24) | ((blue ?? 0) << 16) | ((green ?? 0) << 8) | (red ?? 0)) >>> 0;
}

/** Read the palette off the page; where states are picked, the others fade into the background. */
export function readPalette(picked: ReadonlySet<number>): Palette {
  const style = getComputedStyle(document.documentElement);
  const ground = channels(style.getPropertyValue("--panel"));
  const palette = new Uint32Array(256);
  CODES.forEach((state, code) => {
    const ink = channels(style.getPropertyValue(`--s-${tone(state)}`));
    const share = picked.size && !picked.has(code) ? DIMMED : 1;
    palette[code] = packed(ink.map((value, i) => Math.round(value * share + (ground[i] ?? 0) * (1 - share))));
  });
  return palette;
}
