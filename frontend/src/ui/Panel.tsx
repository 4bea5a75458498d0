/** A titled part of a page. */
import { type ReactNode, useId } from "react";

interface Props {
  title: ReactNode;
  aside?: ReactNode;
  children: ReactNode;
  className?: string;
  flush?: boolean;
}

/** A bordered panel; `flush` leaves the padding to what is inside. */
export function Panel({ title, aside, children, className = "", flush = false }: Props) {
  const id = useId();
  return (
    <section aria-labelledby={id} className={`min-w-0 rounded-lg border border-line bg-panel ${className}`}>
      <header className="flex min-h-10 flex-wrap items-center justify-between gap-x-4 gap-y-1 px-4 pt-2.5 pb-2">
        <h2 id={id} className="text-[13px] font-semibold">
          {title}
        </h2>
        {aside}
      </header>
      <div className={flush ? "" : "px-4 pb-4"}>{children}</div>
    </section>
  );
}
