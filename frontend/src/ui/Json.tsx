/** A value as JSON. */

import { Copy } from "./Copy";
import { ScrollText } from "./Scroll";

/** Indented JSON in a box that scrolls, with a button to copy it. */
export function Json({ value, label }: { value: unknown; label: string }) {
  const text = JSON.stringify(value, null, 2) ?? "null";
  return (
    <div className="relative">
      <div className="absolute top-1 right-1">
        <Copy text={text} />
      </div>
      <ScrollText label={`${label}, as JSON`} className="max-h-96 pr-20">
        {text}
      </ScrollText>
    </div>
  );
}
