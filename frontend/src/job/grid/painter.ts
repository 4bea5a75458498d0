/** Draws the grid: each level is an image with a pixel a cell, and a frame is one scaled copy of a part. */
import type { Layout, View } from "./layout";
import type { Palette } from "./palette";
import { type Level, levelFor } from "./pyramid";

const GAPS_FROM = 5;

function imageOf(level: Level, palette: Palette): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = level.columns;
  canvas.height = Math.max(1, level.rows);
  const context = canvas.getContext("2d");
  if (!context) return canvas;
  const image = context.createImageData(canvas.width, canvas.height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < level.codes.length; i += 1) pixels[i] = palette[level.codes[i] ?? 255] ?? 0;
  context.putImageData(image, 0, 0);
  return canvas;
}

/** The images of one state of the grid; drawing them is cheap, making them takes some milliseconds. */
export class Painter {
  private readonly images: HTMLCanvasElement[];

  constructor(
    levels: Level[],
    palette: Palette,
    readonly layout: Layout,
  ) {
    this.images = levels.map((level) => imageOf(level, palette));
  }

  /** Draw a view; `cursor` is outlined, `ground` is what shows between cells. */
  draw(canvas: HTMLCanvasElement, view: View, cursor: number | null, ground: string, ink: string): void {
    const context = canvas.getContext("2d");
    const number = levelFor(view.scale, this.images.length);
    const image = this.images[number];
    if (!context || !image) return;
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingEnabled = false;
    const shrunk = 2 ** number;
    const wide = canvas.width / view.scale / shrunk;
    const high = canvas.height / view.scale / shrunk;
    context.drawImage(
      image,
      view.left / shrunk,
      view.top / shrunk,
      wide,
      high,
      0,
      0,
      canvas.width,
      canvas.height,
    );
    if (view.scale >= GAPS_FROM) this.gaps(context, view, ground);
    if (cursor !== null) this.outline(context, view, cursor, ink);
  }

  private gaps(context: CanvasRenderingContext2D, view: View, ground: string): void {
    const { width, height } = context.canvas;
    const gap = view.scale >= 12 ? 2 : 1;
    context.fillStyle = ground;
    for (let column = Math.ceil(view.left); column <= view.left + width / view.scale; column += 1) {
      context.fillRect(Math.round((column - view.left) * view.scale) - gap, 0, gap, height);
    }
    for (let row = Math.ceil(view.top); row <= view.top + height / view.scale; row += 1) {
      context.fillRect(0, Math.round((row - view.top) * view.scale) - gap, width, gap);
    }
  }

  private outline(context: CanvasRenderingContext2D, view: View, cursor: number, ink: string): void {
    const x = ((cursor % this.layout.columns) - view.left) * view.scale;
    const y = (Math.floor(cursor / this.layout.columns) - view.top) * view.scale;
    const side = Math.max(view.scale, 6);
    context.strokeStyle = ink;
    context.lineWidth = 2;
    context.strokeRect(x - 1, y - 1, side + 1, side + 1);
  }
}
