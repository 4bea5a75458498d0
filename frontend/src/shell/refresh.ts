/** How often what is on screen is read again, and when that rests. */
import { useEffect, useSyncExternalStore } from "react";

export const CHOICES = [0, 2, 5, 30] as const;
export type Seconds = (typeof CHOICES)[number];

const KEY = "refresh-seconds";
const listeners = new Set<() => void>();
let holds = 0;
let selecting = false;
let hidden = document.hidden;

function changed(): void {
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

// Rows that move away under a selection cannot be copied or clicked.
document.addEventListener("selectionchange", () => {
  const now = (document.getSelection()?.toString() ?? "") !== "";
  if (now === selecting) return;
  selecting = now;
  changed();
});
document.addEventListener("visibilitychange", () => {
  hidden = document.hidden;
  changed();
});

/** The chosen seconds; 0 is off. */
export function chosenSeconds(): Seconds {
  const kept = Number(localStorage.getItem(KEY) ?? "5");
  return CHOICES.find((choice) => choice === kept) ?? 5;
}

/** Choose how often. */
export function chooseSeconds(seconds: Seconds): void {
  localStorage.setItem(KEY, String(seconds));
  changed();
}

/** Why polling rests now, or null. */
export function pausedBecause(): string | null {
  if (hidden) return "the tab is hidden";
  return selecting || holds > 0 ? "something is selected" : null;
}

/** Rest while `active`: a dialog is open, rows are selected. */
export function useHold(active: boolean): void {
  useEffect(() => {
    if (!active) return;
    holds += 1;
    changed();
    return () => {
      holds -= 1;
      changed();
    };
  }, [active]);
}

/** The choice and the reason to rest, followed. */
export function useRefresh(): { seconds: Seconds; paused: string | null } {
  const seconds = useSyncExternalStore(subscribe, chosenSeconds);
  const paused = useSyncExternalStore(subscribe, pausedBecause);
  return { seconds, paused };
}

/** Milliseconds between two reads for a query, or false: off, at rest, or nothing can change. */
export function useInterval(live: boolean, least = 0): number | false {
  const { seconds, paused } = useRefresh();
  return live && seconds > 0 && !paused ? Math.max(seconds, least) * 1000 : false;
}
