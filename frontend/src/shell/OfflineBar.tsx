/** Says that the API is not reached, and since when what is shown is old. */
import { type Query, useQueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { Problem } from "@/api/problem";

function unreachable(query: Query): boolean {
  const error = query.state.error ?? query.state.fetchFailureReason;
  return error instanceof Problem && error.status === 0 && query.isActive();
}

/** A line below the header while some active query gets no answer. */
export function OfflineBar() {
  const cache = useQueryClient().getQueryCache();
  const away = useSyncExternalStore(
    (listener) => cache.subscribe(listener),
    () => cache.getAll().some(unreachable),
  );
  if (!away) return null;
  return (
    <div
      role="status"
      className="border-b border-line bg-danger-soft px-4 py-1.5 text-center text-[13px] text-danger"
    >
      The API cannot be reached. What is shown may be old; it is asked again.
    </div>
  );
}
