/** Boxes that scroll by themselves: reachable by keyboard, or they could not be read with it. */
import type { ReactNode } from "react";

interface Props {
  label: string;
  className?: string;
  children: ReactNode;
}

/** Text as it is. */
export function ScrollText({ label, className = "", children }: Props) {
  return (
    <ScrollBox
      label={label}
      className={`code overflow-auto rounded-md bg-sunken p-3 leading-relaxed ${className}`}
    >
      <pre className="font-[inherit]">{children}</pre>
    </ScrollBox>
  );
}

/** A wide table, or a long list. */
export function ScrollBox({ label, className = "overflow-x-auto", children }: Props) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard
    <section tabIndex={0} aria-label={label} className={`relative ${className}`}>
      {children}
    </section>
  );
}
