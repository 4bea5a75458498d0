/** Groups of failures, merged over pages. */
import type { ErrorGroup, ErrorPage } from "@/api/insight";

function added(into: ErrorGroup, group: ErrorGroup): ErrorGroup {
  const outcomes = { ...into.outcomes };
  for (const [outcome, number] of Object.entries(group.outcomes))
    outcomes[outcome] = (outcomes[outcome] ?? 0) + number;
  return {
    ...into,
    count: into.count + group.count,
    outcomes,
    first_index: Math.min(into.first_index, group.first_index),
    task_ids: [...into.task_ids, ...group.task_ids].slice(0, 5),
  };
}

/** All groups of the pages, the most frequent first. */
export function merged(pages: readonly ErrorPage[]): ErrorGroup[] {
  const groups = new Map<string, ErrorGroup>();
  for (const group of pages.flatMap((page) => page.groups)) {
    const key = `${group.error_type}\n${group.pattern}`;
    const known = groups.get(key);
    groups.set(key, known ? added(known, group) : group);
  }
  return [...groups.values()].sort((a, b) => b.count - a.count);
}
