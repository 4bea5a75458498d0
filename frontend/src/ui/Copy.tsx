/** Copies a text, and says so. */
import { useState } from "react";
import { Button } from "./Button";

/** A button that copies `text`. */
export function Copy({ text, children = "Copy" }: { text: string; children?: string }) {
  const [said, setSaid] = useState<string | null>(null);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid("Copied");
    } catch {
      setSaid("Not allowed");
    }
    setTimeout(() => setSaid(null), 1500);
  };
  return (
    <Button kind="ghost" onClick={copy} aria-live="polite">
      {said ?? children}
    </Button>
  );
}
