/** What a part of a page shows when it has nothing to show yet, or never will. */
import type { ReactNode } from "react";
import { Problem } from "@/api/problem";
import { Button } from "./Button";

/** Grey bars where text will be; only shown when loading takes a moment. */
export function Loading({ rows = 3, label = "Loading" }: { rows?: number; label?: string }) {
  const widths = ["w-2/3", "w-full", "w-5/6", "w-1/2"];
  return (
    <div role="status" aria-label={label} className="late space-y-2.5 p-4">
      {[...Array(rows).keys()].map((row) => (
        <div key={row} className={`h-3.5 animate-pulse rounded bg-sunken ${widths[row % widths.length]}`} />
      ))}
    </div>
  );
}

/** Nothing is there, and what to do about it. */
export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="px-4 py-10 text-center">
      <p className="font-medium">{title}</p>
      {children && <div className="mx-auto mt-1 max-w-prose text-[13px] text-muted">{children}</div>}
    </div>
  );
}

const HEADINGS: Record<number, string> = {
  0: "The API cannot be reached",
  403: "Your key may not see this",
  404: "There is no such thing here",
};

/** A problem in place of what could not be read, with a way on. */
export function Failure({ error, retry }: { error: Error; retry?: () => void }) {
  const problem = error instanceof Problem ? error : null;
  return (
    <div role="alert" className="px-4 py-10 text-center">
      <p className="font-medium">
        {(problem && (HEADINGS[problem.status] ?? problem.title)) ?? "Something went wrong"}
      </p>
      <p className="mx-auto mt-1 max-w-prose text-[13px] text-muted">
        {error.message} {problem?.action}
      </p>
      {problem?.request && <p className="code mt-2 text-faint">request {problem.request}</p>}
      {retry && (
        <Button className="mt-4" onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  );
}

/** A problem in one line, above a form or a list that is still there. */
export function Notice({ error, children }: { error?: Error | null; children?: ReactNode }) {
  if (!error && !children) return null;
  const problem = error instanceof Problem ? error : null;
  return (
    <div
      role="alert"
      className="rounded-md border border-danger/40 bg-danger-soft px-3 py-2 text-[13px] text-danger"
    >
      {children ?? (
        <>
          <strong className="font-semibold">{problem?.title ?? "Something went wrong"}.</strong>{" "}
          {error?.message} {problem?.action}
        </>
      )}
    </div>
  );
}
